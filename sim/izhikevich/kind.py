"""The kind ``izhikevich``: Izhikevich neurons under currents and spikes."""

from typing import Any

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.izhikevich import errors, quantize, trace
from memtwin.sim.kind import Kind

__all__ = ["KIND"]


class Izhikevich(Kind):
    """See `memtwin.sim.kind.Kind`."""

    trace = trace.FORMAT

    def quantize(self, spec: Any, sample: list[Any]) -> list[LayerCoefficients]:
        """Quantise cards, weights and the step."""
        return quantize.quantize(spec, sample)

    def errors(self, job: Any, a: Any, b: Any) -> dict[str, Any]:
        """Measure spikes and intervals, and the laws of the physics and of the integers."""
        return errors.errors(job, a, b)


KIND = Izhikevich()
