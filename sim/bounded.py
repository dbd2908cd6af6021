"""What comparisons with the physics share: checks and how they are told; of hybrid and op-amp neurons paired events."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Check", "Divergence", "Findings", "Pair", "judged", "root_mean"]

_FULL = 1 + 1e-9  # of a bound: rounding of floats


@dataclass(frozen=True)
class Pair:
    """An event of the physics and its counterpart, s.

    `other` is the time at which the counterpart was decided and `moment` the one that it stands for; `early` and `late`
    are how far `moment` may be before and after the event.
    """

    neuron: int
    kind: str
    physics: float
    other: float
    moment: float
    early: float
    late: float

    @property
    def ratio(self) -> float:
        """How much of the window is used; above 1 is outside."""
        delay = self.moment - self.physics
        return delay / self.late if delay > 0 else -delay / self.early


@dataclass(frozen=True)
class Divergence:
    """The first event of a neuron that has no counterpart, and why."""

    time_s: float
    neuron: int
    reason: str


@dataclass
class Check:
    """What is found in a recording, or in one layer of it in one trial.

    Attributes
    ----------
    ratios : dict of str to float
        Largest part of each bound that was used.
    faults : list of str
        What has no number.
    """

    ratios: dict[str, float] = field(default_factory=lambda: defaultdict(float), kw_only=True)
    faults: list[str] = field(default_factory=list, kw_only=True)

    def _use(self, name: str, ratios: NDArray[np.float64]) -> None:
        # No number is the larger one: it keeps no bound.
        self.ratios[name] = float(np.maximum(self.ratios[name], np.max(ratios, initial=0.0)))


@dataclass
class Findings:
    """What the checks of all layers and trials found.

    Attributes
    ----------
    bounds : dict of str to float
        Largest part of each bound that was used.
    faults : list of str
        What has no number, with its trial and layer.
    """

    bounds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    faults: list[str] = field(default_factory=list)

    def add(self, trial: int, checks: Sequence[Check]) -> None:
        """Take what the checks of the layers of a trial found."""
        for number, check in enumerate(checks, 1):
            self.faults += [f"trial {trial}, layer {number}: {fault}" for fault in check.faults]
            for name, ratio in check.ratios.items():
                self.bounds[name] = float(np.maximum(self.bounds[name], ratio))

    def outside(self, divergence: Iterable[Mapping[str, Any]]) -> list[str]:
        """Say all that is not within: faults, bounds that are not kept, divergences without a reason."""
        beyond = [f"{name}: {ratio:.3g} times its bound" for name, ratio in self.bounds.items() if not ratio <= _FULL]
        lost = [
            f"trial {entry['trial']}, layer {entry['layer']}, neuron {entry['neuron']}: "
            f"no counterpart of the event at {entry['time_s']:.6g} s"
            for entry in divergence
            if entry["reason"] == "unexplained"
        ]
        return [*self.faults, *beyond, *lost]


def judged(checks: Iterable[tuple[str, Check]]) -> tuple[list[str], dict[str, float]]:
    """Say, of checks with the backend of each, all that is not within; and what is used of the bounds of words."""
    outside: list[str] = []
    bounds: dict[str, float] = {}
    for backend, check in checks:
        outside += [f"{backend}, {fault}" for fault in check.faults]
        beyond = {name: ratio for name, ratio in check.ratios.items() if not ratio <= 1}
        outside += [f"{backend}, {name}: {ratio:.4g} times what is allowed" for name, ratio in beyond.items()]
        if backend != "physics":
            bounds = dict(check.ratios)
    return outside, bounds


def root_mean(squares: Sequence[NDArray[np.float64]]) -> float:
    """Root of the mean of all of `squares`; zero if there are none."""
    values = np.concatenate([np.zeros(0), *squares])
    return float(np.sqrt(values.mean())) if values.size else 0.0
