"""STDP synapses in gateware: how trains are shown to them, and what is read from their trace."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.hdl.stdp.layer import StdpLayerConfig
from memtwin.hdl.stdp.network import StdpNetwork
from memtwin.sim.backends import Job
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.engines import verilator
from memtwin.sim.engines.gateware import packed, register_writes
from memtwin.sim.kind import Gateware, Places, Writes
from memtwin.sim.recording import LayerRecording
from memtwin.sim.state import State
from memtwin.sim.stdp import trace
from memtwin.sim.stdp.recording import StdpRecording
from memtwin.sim.stdp.shown import SpikeTrains

__all__ = ["GATEWARE"]

_COUNTED = tuple(trace.KIND[name] for name in ("neuron", "conductance"))
_LONGEST = 2**16 - 1  # steps of a presentation


class StdpGateware(Gateware):
    """See `memtwin.sim.kind.Gateware`."""

    def layer(self, structure: Mapping[str, Any]) -> StdpLayerConfig:
        """Structure of a layer."""
        return StdpLayerConfig(**structure)

    def network(
        self, structure: tuple[StdpLayerConfig], words: Mapping[str, Sequence[int]] | None = None
    ) -> StdpNetwork:
        """Build the engine: one layer."""
        (layer,) = structure
        return StdpNetwork(layer, words)

    def kinds(self, job: Job) -> Sequence[int]:
        """Counts and conductances are made of two kinds; a recording keeps all."""
        return tuple(trace.KINDS) if job.record else _COUNTED

    def writes(self, job: Job, coefficients: Sequence[LayerCoefficients], places: Places, trial: int) -> list[Writes]:
        """Show each stretch of a train that begins with an epoch or with spikes."""
        trains = job.shown
        at = _starts(trains, trial)
        epoch, step = np.divmod(at, trains.steps)
        lengths = np.diff(at, append=trains.epochs * trains.steps)
        values = {
            "inputs": packed(trains.inputs[trial, epoch, step]),
            "forced": packed(trains.forced[trial, epoch, step]),
            "learn": trains.learn[trial, epoch][:, None],
            "steps": lengths[:, None],
            "init": at[:, None] == 0,
            "go": np.ones((at.size, 1)),
        }
        return register_writes(places, values)

    def recording(
        self,
        job: Job,
        coefficients: Sequence[LayerCoefficients],
        outputs: Sequence[verilator.Output],
        state: State,
        backend: str,
    ) -> StdpRecording:
        """Make a recording of what the gateware left, wherever it ran: trace words of each trial, and the state."""
        trains = job.shown
        (own,) = coefficients
        spikes, history = [], []
        for trial, output in enumerate(outputs):
            words = _by_epoch(output, trains, trial)
            spikes.append([_spikes(part, own) for part in words])
            history.append(_history(words, own, trial))
        counts = np.array(spikes)
        conductance = np.array(history) * own.weight_unit
        layer = LayerRecording(fires=counts, spikes=counts.copy(), conductance=conductance[:, -1].copy())
        if job.record:
            layer.words = [output.shown(0) for output in outputs]
            trace.decode_layer(layer, job.spec, own)
        return StdpRecording(
            backend=backend,
            layers=[layer],
            duration=np.full((trains.trials, trains.epochs), trains.steps),
            time_s=np.full(trains.trials, trains.epochs * trains.steps * job.spec.step),
            clocks=np.array([output.busy for output in outputs]),
            state=dict(state),
            history=conductance,
        )


def _starts(trains: SpikeTrains, trial: int) -> NDArray[np.int64]:
    """Steps, counted over all epochs, at which the presentations of a trial start.

    They do with each epoch and with spikes, and when the gateware's counter of steps is at its end.
    """
    spikes = trains.inputs[trial].any(axis=-1) | trains.forced[trial].any(axis=-1)
    spikes[:, ::_LONGEST] = True
    return np.flatnonzero(spikes)


def _by_epoch(output: verilator.Output, trains: SpikeTrains, trial: int) -> list[NDArray[np.int64]]:
    """Trace words of each epoch."""
    epoch = _starts(trains, trial) // trains.steps
    last = np.searchsorted(epoch, np.arange(trains.epochs), side="right") - 1
    ends = output.position[0][last + 1]  # the first mark follows the load of the coefficients
    return np.split(output.words[0].astype(np.int64), [output.position[0][0], *ends])[1:-1]


def _spikes(words: NDArray[np.int64], own: LayerCoefficients) -> NDArray[np.int64]:
    """Count the spikes of every neuron, (neurons,)."""
    of_neurons = words[words & 15 == trace.KIND["neuron"]]
    who = of_neurons[of_neurons >> 20 + 40 & 1 == 1] >> 4 & 0xFFFF
    return np.bincount(who, minlength=own.structure["neurons"])


def _history(words: list[NDArray[np.int64]], own: LayerCoefficients, trial: int) -> list[NDArray[np.int64]]:
    """Conductances at the end of each epoch, (neurons, rows)."""
    now = own.words["conductance"][trial].reshape(-1, own.structure["neurons"]).T.copy()
    out = []
    for part in words:
        touched = part[part & 15 == trace.KIND["conductance"]]
        value = touched >> 20
        now[touched >> 4 & 0xFFFF, value >> 16 & 0xFFFF] = value & 0xFFFF  # the last one stays
        out.append(now.copy())
    return out


GATEWARE = StdpGateware()
