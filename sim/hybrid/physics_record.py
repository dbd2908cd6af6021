"""Waveforms and events of the physics, collected half-period by half-period."""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.recording import Event, Waveform

__all__ = ["Recorder"]

_BITS = ("on", "node2", "l1", "l2", "g1", "v_l", "t1", "t3", "gate")


class Recorder:
    """Records one layer of every trial.

    Events have exact times; the waveform is sampled at the end of every substep, just before a CLK edge there.

    Parameters
    ----------
    trials, neurons, substeps : int
        Sizes.
    half_period : float
        Half a period of CLK, s.
    """

    def __init__(self, trials: int, neurons: int, substeps: int, half_period: float) -> None:
        self.trials = trials
        self.half_period = half_period
        self.samples = half_period / substeps * np.arange(1, substeps + 1)
        self.samples[-1] = half_period
        self.shape = (substeps, trials, neurons)
        self.events: list[list[Event]] = [[] for _ in range(trials)]
        self.learning: list[list[tuple[float, int, NDArray[np.float64]]]] = [[] for _ in range(trials)]
        self.clk: list[bool] = []
        self.blocks: list[dict[str, NDArray]] = []
        self.active = np.ones(trials, dtype=bool)

    @property
    def start(self) -> float:
        """Time at which the half-period under way began, s."""
        return (len(self.clk) - 1) * self.half_period

    def begin(self, clk: bool, active: NDArray[np.bool_]) -> None:
        """Begin a half-period, in which only the trials `active` (trials,) are recorded."""
        self.clk.append(clk)
        self.active = active
        block: dict[str, NDArray] = {name: np.zeros(self.shape) for name in ("v1", "x")}
        block |= {name: np.zeros(self.shape, dtype=np.uint8) for name in _BITS}
        self.blocks.append(block)

    def mark(self, kind: str, neurons: NDArray[np.bool_], elapsed: NDArray | float = 0.0) -> None:
        """Log an event of every marked neuron (trials, neurons) at `elapsed` (trials,) into the half-period."""
        elapsed = np.broadcast_to(elapsed, (self.trials,))
        for trial, neuron in np.argwhere(neurons & self.active[:, None]):
            self.events[trial].append(Event(self.start + float(elapsed[trial]), int(neuron), kind))

    def sample(self, elapsed: NDArray, end: NDArray, signals: dict[str, NDArray], filament: NDArray) -> None:
        """Sample the stretch from `elapsed` to `end` (trials,), in which `signals` are constant.

        `filament` is `x` at every sample time, counted from `elapsed`: (substeps, trials, neurons).
        """
        inside = (self.samples[:, None] > elapsed) & (self.samples[:, None] <= end)
        if not inside.any():
            return
        block = self.blocks[-1]
        for name, values in signals.items():
            block[name][inside] = np.broadcast_to(values, self.shape)[inside]
        block["x"][inside] = filament[inside]

    def learned(self, columns: NDArray[np.bool_], conductance: NDArray) -> None:
        """Log the conductances of the columns (trials, neurons) that learned at the end of the half-period."""
        time = self.start + self.half_period
        for trial, neuron in np.argwhere(columns & self.active[:, None]):
            self.learning[trial].append((time, int(neuron), conductance[trial, neuron].copy()))

    def waveforms(self, halves: NDArray[np.int64]) -> list[Waveform]:
        """Waveforms of every trial, which took so many half-periods (trials,)."""
        out = []
        for trial, count in enumerate(halves):
            starts = self.half_period * np.arange(count)
            blocks = self.blocks[:count]
            signals = {name: np.concatenate([block[name][:, trial] for block in blocks]) for name in blocks[0]}
            clk = np.repeat(np.array(self.clk[:count], dtype=np.uint8), self.shape[0])
            out.append(Waveform((starts[:, None] + self.samples).reshape(-1), clk, signals))
        return out
