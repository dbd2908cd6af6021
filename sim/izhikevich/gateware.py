"""Izhikevich neurons in gateware: how spikes and currents are shown to them, and what is read from their trace."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from memtwin.hdl.izhikevich.layer import IzhikevichLayerConfig
from memtwin.hdl.izhikevich.network import IzhikevichNetwork
from memtwin.sim.backends import Job
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.engines import verilator
from memtwin.sim.engines.gateware import packed, register_writes
from memtwin.sim.izhikevich import trace
from memtwin.sim.izhikevich.quantize import current_words
from memtwin.sim.kind import Gateware, Places, Writes
from memtwin.sim.recording import LayerRecording, Recording
from memtwin.sim.state import State

__all__ = ["GATEWARE"]

_CURRENT = "layer1.current"


class IzhikevichGateware(Gateware):
    """See `memtwin.sim.kind.Gateware`."""

    def layer(self, structure: Mapping[str, Any]) -> IzhikevichLayerConfig:
        """Structure of a layer."""
        return IzhikevichLayerConfig(**structure)

    def network(
        self, structure: tuple[IzhikevichLayerConfig], words: Mapping[str, Sequence[int]] | None = None
    ) -> IzhikevichNetwork:
        """Build the network: one layer."""
        (layer,) = structure
        return IzhikevichNetwork(layer, words)

    def words(self, job: Job, coefficients: Sequence[LayerCoefficients], trial: int) -> dict[str, list[int]]:
        """Currents of the last presentation, which remain when it is over."""
        return {_CURRENT: current_words(coefficients[0], job.shown)[trial, -1].tolist()}

    def kinds(self, job: Job) -> Sequence[int]:
        """Spikes are in the only kind that there is."""
        return tuple(trace.KINDS)

    def writes(self, job: Job, coefficients: Sequence[LayerCoefficients], places: Places, trial: int) -> list[Writes]:
        """Show each stretch that begins with a presentation or with spikes; the currents go before a presentation."""
        drive = job.shown
        (own,) = coefficients
        at = np.union1d(drive.starts, np.flatnonzero(drive.inputs[trial].any(axis=1)))
        values = {
            "inputs": packed(drive.inputs[trial, at]),
            "steps": np.diff(at, append=sum(drive.steps))[:, None],
            "init": at[:, None] == 0,
            "go": np.ones((at.size, 1)),
        }
        out = register_writes(places, values)
        currents, window = current_words(own, drive)[trial], places(_CURRENT)
        for stretch, words in zip(np.searchsorted(at, drive.starts).tolist(), currents, strict=True):
            addresses, shown = out[stretch]
            out[stretch] = np.concatenate([window, addresses]), np.concatenate([words, shown])
        return out

    def recording(
        self,
        job: Job,
        coefficients: Sequence[LayerCoefficients],
        outputs: Sequence[verilator.Output],
        state: State,
        backend: str,
    ) -> Recording:
        """Make a recording of what the gateware left, wherever it ran: trace words of each trial, and the state."""
        drive = job.shown
        (own,) = coefficients
        words = [output.shown(0) for output in outputs]
        spikes = np.stack([trace.read(each, own.structure["neurons"])["spike"] for each in words])
        counts = np.add.reduceat(spikes, drive.starts, axis=1)
        levels = (own.words["weight"].reshape(drive.trials, -1, own.structure["neurons"]) ^ 0x8000) - 0x8000
        weight = levels.transpose(0, 2, 1) * own.weight_unit
        layer = LayerRecording(fires=counts, spikes=counts.copy(), conductance=weight)
        if job.record:
            layer.words = words
            trace.decode_layer(layer, job, own)
        return Recording(
            backend=backend,
            layers=[layer],
            duration=np.tile(drive.steps, (drive.trials, 1)),
            time_s=np.full(drive.trials, sum(drive.steps) * job.spec.step),
            clocks=np.array([output.busy for output in outputs]),
            state=dict(state),
        )


GATEWARE = IzhikevichGateware()
