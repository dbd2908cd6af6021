"""Op-amp neurons in gateware: how stimuli are shown to them, and what is read from their trace."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.hdl.opamp.layer import OpampLayerConfig
from memtwin.hdl.opamp.network import OpampNetwork
from memtwin.sim.backends import Job
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.engines import verilator
from memtwin.sim.engines.gateware import packed, register_writes
from memtwin.sim.kind import Gateware, Places, Writes
from memtwin.sim.opamp import trace
from memtwin.sim.recording import LayerRecording, Recording
from memtwin.sim.state import State

__all__ = ["GATEWARE"]

_KIND = {name: kind for kind, name in trace.KINDS.items()}
_COUNTED = tuple(_KIND[name] for name in ("circuit", "conductance"))


class OpampGateware(Gateware):
    """See `memtwin.sim.kind.Gateware`."""

    def layer(self, structure: Mapping[str, Any]) -> OpampLayerConfig:
        """Structure of a layer."""
        return OpampLayerConfig(**structure)

    def network(
        self, structure: tuple[OpampLayerConfig, ...], words: Mapping[str, Sequence[int]] | None = None
    ) -> OpampNetwork:
        """Build layers in a row."""
        return OpampNetwork(structure, words)

    def kinds(self, job: Job) -> Sequence[int]:
        """Counts and conductances are made of two kinds; a recording keeps all."""
        return tuple(trace.KINDS) if job.record else _COUNTED

    def writes(self, job: Job, coefficients: Sequence[LayerCoefficients], places: Places, trial: int) -> list[Writes]:
        """Show each presentation; the first begins with power-up."""
        stimulus = job.shown
        first = np.arange(stimulus.presentations)[:, None] == 0
        values = {name: packed(getattr(stimulus, name)[trial]) for name in ("pixels", "gates", "learn")} | {
            "on": stimulus.on[trial][:, None],
            "off": stimulus.off[trial][:, None],
            "init": first,
            "go": np.ones_like(first),
        }
        return register_writes(places, values)

    def recording(
        self,
        job: Job,
        coefficients: Sequence[LayerCoefficients],
        outputs: Sequence[verilator.Output],
        state: State,
        backend: str,
    ) -> Recording:
        """Make a recording of what the gateware left, wherever it ran: trace words of each trial, and the state."""
        stimulus = job.shown
        layers = []
        for number, own in enumerate(coefficients):
            fires = np.stack([_fires(output, number, own) for output in outputs])
            conductance = np.stack([_conductance(output, number, own, trial) for trial, output in enumerate(outputs)])
            layer = LayerRecording(fires=fires, spikes=fires, conductance=conductance * own.weight_unit)
            if job.record:
                layer.words = [output.shown(number) for output in outputs]
                trace.decode_layer(layer, job.spec, own)
            layers.append(layer)
        return Recording(
            backend=backend,
            layers=layers,
            duration=stimulus.on,
            time_s=(stimulus.on + stimulus.off).sum(axis=1) * job.spec.substep,
            clocks=np.array([output.busy for output in outputs]),
            state=dict(state),
        )


def _fires(output: verilator.Output, number: int, own: LayerCoefficients) -> NDArray[np.int64]:
    """Count the rises of `on` of every neuron in each presentation, (P, N)."""
    words = output.shown(number).astype(np.int64)
    ends = output.position[number][1:] - output.position[number][0]
    circuit = np.flatnonzero(words & 15 == _KIND["circuit"])
    on = (words[circuit] >> 20 + 36 & 1).reshape(-1, own.structure["neurons"])
    presentation = np.searchsorted(ends, circuit.reshape(on.shape)[:, 0], side="right")
    fires = np.zeros((ends.size, on.shape[1]), dtype=np.int64)
    rises, who = np.nonzero(np.diff(on, axis=0, prepend=0) == 1)
    np.add.at(fires, (presentation[rises], who), 1)
    return fires


def _conductance(output: verilator.Output, number: int, own: LayerCoefficients, trial: int) -> NDArray[np.int64]:
    """Conductances at the end, (neurons, rows)."""
    words = output.shown(number).astype(np.int64)
    touched = words[words & 15 == _KIND["conductance"]]
    conductance = own.words["conductance"][trial].reshape(-1, own.structure["neurons"]).T.copy()
    value = touched >> 20
    conductance[touched >> 4 & 0xFFFF, value >> 16] = value & 0xFFFF  # the last one stays
    return conductance


GATEWARE = OpampGateware()
