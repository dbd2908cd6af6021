"""Hybrid neurons in gateware: how a job is shown to it, and what is read from its trace (docs/arithmetic.md)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.hdl.hybrid.network import HybridNetwork
from memtwin.hdl.hybrid.structure import HybridLayerConfig
from memtwin.sim.backends import Job
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.engines import verilator
from memtwin.sim.engines.gateware import packed, register_writes
from memtwin.sim.errors import InputError
from memtwin.sim.hybrid import trace
from memtwin.sim.kind import Counts, Gateware, Places, Writes
from memtwin.sim.recording import LayerRecording, Recording
from memtwin.sim.state import State

__all__ = ["GATEWARE"]

_KIND = {name: kind for kind, name in trace.KINDS.items()}
# Counts and times are made of these; a recording keeps all kinds.
_COUNTED = tuple(_KIND[name] for name in ("substep", "half"))
_L1, _L2 = (20 + trace.FLAGS.index(name) for name in ("l1", "l2"))
_LARGEST_COUNT = 2**16 - 1


class HybridGateware(Gateware):
    """See `memtwin.sim.kind.Gateware`."""

    def layer(self, structure: Mapping[str, Any]) -> HybridLayerConfig:
        """Structure of a layer."""
        return HybridLayerConfig(**structure)

    def network(
        self, structure: tuple[HybridLayerConfig, ...], words: Mapping[str, Sequence[int]] | None = None
    ) -> HybridNetwork:
        """Build layers in a row."""
        return HybridNetwork(structure, words)

    def kinds(self, job: Job) -> Sequence[int]:
        """Counts and times are made of two kinds; a recording keeps all."""
        return tuple(trace.KINDS) if job.record else _COUNTED

    def writes(self, job: Job, coefficients: Sequence[LayerCoefficients], places: Places, trial: int) -> list[Writes]:
        """Show each presentation; the first begins with power-up, unless the job starts from a state.

        Raises
        ------
        InputError
            If a number of fires or periods is too large for the gateware.
        """
        program = job.shown
        for name in ("fires", "periods", "rest"):
            most = int(getattr(program, name).max(initial=0))
            if most > _LARGEST_COUNT:
                raise InputError(f"program, {name}: the gateware counts to {_LARGEST_COUNT}, not to {most}")
        values = {name: packed(getattr(program, name)[trial]) for name in ("pixels", "gates", "learn")} | {
            name: getattr(program, name)[trial][:, None] for name in ("until", "fires", "periods", "rest")
        }
        values["init"] = (np.arange(program.presentations) == (0 if job.start is None else -1))[:, None]
        values["go"] = np.ones((program.presentations, 1))
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
        trials = [
            [_read(output, number, l1[trial], job.record) for number, l1 in enumerate(_first_l1(job, coefficients))]
            for trial, output in enumerate(outputs)
        ]
        layers = []
        for number, (own, parts) in enumerate(zip(coefficients, zip(*trials, strict=True), strict=True), 1):
            synapses = state[f"layer{number}.conductance"].reshape(len(parts), -1, own.structure["neurons"])
            layer = LayerRecording(
                fires=np.stack([part.fires for part in parts]),
                spikes=np.stack([part.spikes for part in parts]),
                conductance=synapses.swapaxes(1, 2) * own.weight_unit,
            )
            if job.record:
                layer.words = [part.words for part in parts]
                trace.decode_layer(layer, job.spec, own)
            layers.append(layer)
        halves = np.stack([first.halves for first, *_ in trials])
        return Recording(
            backend=backend,
            layers=layers,
            duration=halves // 2 - job.shown.rest,
            time_s=halves.sum(axis=1) * job.spec.half_period,
            clocks=np.array([first.clocks for first, *_ in trials]),
            state=dict(state),
        )

    def counted(
        self, job: Job, coefficients: Sequence[LayerCoefficients], counts: Sequence[Counts], state: State
    ) -> Recording:
        """Put the counts of all trials together; the conductances are in the state."""
        layers = []
        for number, own in enumerate(coefficients):
            synapses = state[f"layer{number + 1}.conductance"].reshape(len(counts), -1, own.structure["neurons"])
            layers.append(
                LayerRecording(
                    fires=np.stack([trial.fires[number] for trial in counts]),
                    spikes=np.stack([trial.spikes[number] for trial in counts]),
                    conductance=synapses.swapaxes(1, 2) * own.weight_unit,
                )
            )
        periods = np.stack([trial.steps for trial in counts])
        return Recording(
            backend="board",
            layers=layers,
            duration=periods - job.shown.rest,
            time_s=2 * periods.sum(axis=1) * job.spec.half_period,
            clocks=np.array([trial.clocks for trial in counts]),
            state=dict(state),
        )


@dataclass(frozen=True)
class _Layer:
    """What one layer did in one trial; `halves` (presentations,) and `clocks` are those of the whole network."""

    fires: NDArray[np.int64]
    spikes: NDArray[np.int64]
    halves: NDArray[np.int64]
    clocks: int
    words: NDArray[np.uint64] | None


def _first_l1(job: Job, coefficients: Sequence[LayerCoefficients]) -> list[NDArray[np.int64]]:
    """L1 of each layer before the first presentation, (trials, neurons)."""
    if job.start is None:
        return [np.zeros((job.shown.trials, layer.structure["neurons"]), dtype=np.int64) for layer in coefficients]
    return [job.start[f"layer{number}.latches"] & 1 for number in range(1, len(coefficients) + 1)]


def _read(output: verilator.Output, number: int, first_l1: NDArray[np.int64], record: bool) -> _Layer:
    """Count what happened in each presentation."""
    start, *ends = output.position[number].tolist()
    # What comes before the first presentation is the power-up after reset, without coefficients.
    all_words = output.shown(number)
    words = all_words.astype(np.int64)
    ends = np.array(ends, dtype=np.int64) - start
    presentations = len(ends)
    neurons = first_l1.size
    kind, value = words & 15, words >> 20

    def presentation(position: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.searchsorted(ends, position, side="right")

    at_half = np.flatnonzero(kind == _KIND["half"])
    halves = np.bincount(presentation(at_half), minlength=presentations)

    at_substep = np.flatnonzero(kind == _KIND["substep"])
    substeps = value[at_substep].reshape(-1, neurons)
    at_pass = at_substep[::neurons]
    fires = np.zeros((presentations, neurons), dtype=np.int64)
    rises, who = np.nonzero(np.diff(substeps >> _L1 & 1, axis=0, prepend=first_l1[None]) == 1)
    np.add.at(fires, (presentation(at_pass[rises]), who), 1)
    # G1 is L2 in a high half-period, and L2 does not change within one: its first pass tells.
    spikes = np.zeros((presentations, neurons), dtype=np.int64)
    high = at_half[value[at_half] & 1 == 1]
    first = np.searchsorted(at_pass, high)
    which, who = np.nonzero(substeps[first] >> _L2 & 1)
    np.add.at(spikes, (presentation(high[which]), who), 1)

    return _Layer(
        fires=fires,
        spikes=spikes,
        halves=halves,
        clocks=output.busy,
        words=all_words if record else None,
    )


GATEWARE = HybridGateware()
