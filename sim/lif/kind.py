"""The kind ``lif``: leaky integrate-and-fire neurons, with encoder and decoder."""

from typing import Any

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.kind import Kind
from memtwin.sim.lif import errors, quantize, trace

__all__ = ["KIND"]


class Lif(Kind):
    """See `memtwin.sim.kind.Kind`."""

    trace = trace.FORMAT
    in_nir = True

    def quantize(self, spec: Any, sample: list[Any]) -> list[LayerCoefficients]:
        """Quantise weights and parameters of every layer."""
        return quantize.quantize(spec, sample)

    def errors(self, job: Any, a: Any, b: Any) -> dict[str, Any]:
        """Measure spikes, and the law of the membrane."""
        return errors.errors(job, a, b)


KIND = Lif()
