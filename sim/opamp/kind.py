"""The kind ``opamp``: op-amp neurons with dynamic memristors (us12387090)."""

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import ON_WORDS
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.errors import InputError
from memtwin.sim.kind import Kind
from memtwin.sim.opamp import errors, ngspice, quantize, steps, trace

__all__ = ["KIND"]


class Opamp(Kind):
    """See `memtwin.sim.kind.Kind`."""

    trace = trace.FORMAT
    tick = "substeps with input"
    counted = {"fires": "on", "spikes": "on"}  # noqa: RUF012

    def quantize(self, spec: Any, sample: list[Any]) -> list[LayerCoefficients]:
        """Quantise the devices of every layer."""
        return quantize.quantize(spec, sample)

    def errors(self, job: Any, a: Any, b: Any) -> dict[str, Any]:
        """Measure events, periods, and the laws of capacitor and memristors."""
        return errors.errors(job, a, b)

    def coarse_steps(self, spec: Any, sample: list[Any], shown: Any) -> list[str]:
        """Say where a substep is too long for a memristor that has no exact step."""
        return steps.coarse_steps(spec, sample, shown)

    def check(self, job: Any, backend: str) -> None:
        """Refuse the smooth law of switching where there are words, and what ngspice cannot run."""
        if backend in ON_WORDS and job.spec.smooth:
            raise InputError(
                f"backend {backend}: model and gateware switch sharply; the smooth law, which ngspice needs, is for "
                "physics and ngspice"
            )
        if backend == "ngspice":
            ngspice.check(job)

    def starts(self, job: Any, recording: Any, trial: int) -> NDArray[np.float64]:
        """Each presentation has so many substeps."""
        starts: NDArray[np.float64] = job.shown.starts(trial)[:-1] * job.spec.substep
        return starts

    def smooth(self, spec: Any) -> Any:
        """Switch by the smooth law: thresholds that act at once are beyond ngspice."""
        return replace(spec, smooth=True)


KIND = Opamp()
