"""The experiments of the source documents, one module each."""

import importlib

from memtwin.sim.experiments.base import Experiment

__all__ = ["EXPERIMENTS"]

# Module and class of each experiment, in the order in which they are listed.
_CLASSES = {
    "ts_pulses": "TsPulses",
    "hybrid_neuron": "HybridNeuron",
    "lia": "Lia",
    "digits": "Digits",
}


def _load() -> dict[str, Experiment]:
    out = {}
    for module, name in _CLASSES.items():
        try:
            found = importlib.import_module(f"{__name__}.{module}")
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{module}":
                raise
            continue
        experiment = getattr(found, name)()
        out[experiment.name] = experiment
    return out


EXPERIMENTS: dict[str, Experiment] = _load()
"""Every experiment by name."""
