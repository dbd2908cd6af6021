"""The kind ``hybrid``: memristor-CMOS neurons with latches and gates (zhang2021)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.hybrid import errors, ngspice, quantize, steps, trace
from memtwin.sim.kind import Kind

__all__ = ["KIND"]


class Hybrid(Kind):
    """See `memtwin.sim.kind.Kind`."""

    trace = trace.FORMAT
    tick = "clock periods"
    together = ("model",)
    counted = {"fires": "fire", "spikes": "spike"}  # noqa: RUF012

    def quantize(self, spec: Any, sample: list[Any]) -> list[LayerCoefficients]:
        """Quantise the devices of every layer."""
        return quantize.quantize(spec, sample)

    def errors(self, job: Any, a: Any, b: Any) -> dict[str, Any]:
        """Measure events, and the law of the filament."""
        return errors.errors(job, a, b)

    def coarse_steps(self, spec: Any, sample: list[Any], shown: Any) -> list[str]:
        """Say where a substep is too long for the filament, or too short for its words."""
        return steps.coarse_steps(spec, sample, shown)

    def check(self, job: Any, backend: str) -> None:
        """Refuse what the netlist for ngspice cannot hold."""
        if backend == "ngspice":
            ngspice.check(job)

    def starts(self, job: Any, recording: Any, trial: int) -> NDArray[np.float64]:
        """Each presentation has so many clock periods, and its rest."""
        periods = recording.duration[trial] + job.shown.rest[trial]
        starts: NDArray[np.float64] = (np.cumsum(periods) - periods) * 2 * job.spec.half_period
        return starts


KIND = Hybrid()
