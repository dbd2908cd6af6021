"""The kind ``stdp``: LIF neurons whose synapses learn by spike timing (yu-tio2)."""

from typing import Any

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.kind import Kind
from memtwin.sim.stdp import errors, quantize, trace

__all__ = ["KIND"]


class Stdp(Kind):
    """See `memtwin.sim.kind.Kind`."""

    trace = trace.FORMAT

    def quantize(self, spec: Any, sample: list[Any]) -> list[LayerCoefficients]:
        """Quantise the synapses and the leaks."""
        return quantize.quantize(spec, sample)

    def errors(self, job: Any, a: Any, b: Any) -> dict[str, Any]:
        """Measure spikes, conductances, and the laws of membrane and traces."""
        return errors.errors(job, a, b)


KIND = Stdp()
