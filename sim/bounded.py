"""What comparisons of hybrid and of op-amp neurons with the physics share: paired events, and how bounds are told."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Check", "Divergence", "Findings", "Pair"]

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
    """What is found in one layer in one trial.

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
        self.ratios[name] = max(self.ratios[name], float(np.max(ratios, initial=0.0)))


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
                self.bounds[name] = max(self.bounds[name], ratio)

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
