"""LIF networks in gateware: how images are shown to them, and what is read from their traces."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.hdl.lif.layer import LifLayerConfig
from memtwin.hdl.lif.network import LifNetwork
from memtwin.sim.backends import Job
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.engines import verilator
from memtwin.sim.errors import InputError
from memtwin.sim.kind import Counts, Gateware, Places, Writes
from memtwin.sim.lif import trace
from memtwin.sim.lif.quantize import image_words, power_up_words
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifSpec
from memtwin.sim.lif.trains import Trains
from memtwin.sim.recording import LayerRecording
from memtwin.sim.state import State

__all__ = ["GATEWARE"]

Structure = tuple[tuple[LifLayerConfig, ...], int, bool]

_MEMBRANE = np.uint64(next(kind for kind, name in trace.KINDS.items() if name == "membrane"))


class LifGateware(Gateware):
    """See `memtwin.sim.kind.Gateware`."""

    def layer(self, structure: Mapping[str, Any]) -> LifLayerConfig:
        """Structure of a layer."""
        return LifLayerConfig(**structure)

    def structure(self, spec: LifSpec, coefficients: Sequence[LayerCoefficients]) -> Structure:
        """Structure of every layer, entries or events that are held, and whether there is an encoder."""
        return tuple(self.layer(layer.structure) for layer in coefficients), spec.capacity, spec.encoder

    def network(self, structure: Structure, words: Mapping[str, Sequence[int]] | None = None) -> LifNetwork:
        """Build layers in a row, with encoder and decoder or without."""
        layers, capacity, encoder = structure
        return LifNetwork(layers, capacity, words, encoder=encoder)

    def words(
        self, job: Job[LifSpec, Images | Trains], coefficients: Sequence[LayerCoefficients], trial: int
    ) -> dict[str, list[int]]:
        """Words of the encoder and the decoder, if there are any."""
        if isinstance(job.shown, Trains):
            return {}
        return power_up_words(job.spec.sample(trials=1, seed=job.seed + trial), job.shown, 0)

    def kinds(self, job: Job) -> Sequence[int]:
        """Steps, spikes and answers are made of all kinds."""
        return tuple(trace.KINDS)

    def check(self, job: Job[LifSpec, Images | Trains]) -> None:
        """Refuse what does not fit the encoder, or the list of events."""
        job.shown.check(job.spec.layers[0].rows, job.spec.capacity)

    def writes(
        self, job: Job[LifSpec, Images | Trains], coefficients: Sequence[LayerCoefficients], places: Places, trial: int
    ) -> list[Writes]:
        """Show each image; before the first come the words of encoder and decoder.

        The first begins with power-up, unless the job starts from a state. Words of the image beyond its entries stay
        what they are. A train is shown in pieces; the neurons start from rest with the first.

        Raises
        ------
        InputError
            If an image has more entries than the encoder of the twin.
        """
        images = job.shown
        if isinstance(images, Trains):
            return [
                _piece(images.spikes[trial, part], part.start == 0, places)
                for part in images.pieces(trial, len(places("events.step")))
            ]
        held, most = len(places("encoder.entry_row")), int(images.entries.max())
        if most > held:
            raise InputError(f"images: expected at most {held} entries (capacity of the twin's encoder), not {most}")
        out = []
        for presentation in range(images.presentations):
            words = self.words(job, coefficients, trial) if presentation == 0 else {}
            words |= image_words(images, trial, presentation)
            words["steps"] = [int(images.steps[trial, presentation])]
            words["init"] = [int(presentation == 0 and job.start is None)]
            words["go"] = [1]
            out.append(_writes(words, places))
        return out

    def recording(
        self,
        job: Job[LifSpec, Images | Trains],
        coefficients: Sequence[LayerCoefficients],
        outputs: Sequence[verilator.Output],
        state: State,
        backend: str,
    ) -> LifRecording:
        """Make a recording of what the gateware left, wherever it ran: trace words of each trial, and the state."""
        spec = job.spec
        layers = []
        steps = answers = events = np.zeros((0, 0), dtype=np.int64)
        for number, (layer, own) in enumerate(zip(spec.layers, coefficients, strict=True)):
            words = [output.words[number] for output in outputs]
            read = [trace.read(each, layer.neurons) for each in words]
            starts = [_starts(output, number, layer.neurons) for output in outputs]
            if isinstance(job.shown, Trains):  # one presentation, in however many pieces
                starts = [each[:1] for each in starts]
            spikes = np.stack(
                [np.add.reduceat(taken.spike, at, axis=0) for taken, at in zip(read, starts, strict=True)]
            )
            if number == 0:
                events = np.stack([np.add.reduceat(taken.events, at) for taken, at in zip(read, starts, strict=True)])
            out = LayerRecording(fires=spikes, spikes=spikes.copy(), conductance=_weights(own, len(outputs)))
            if job.record:
                out.words = words
                trace.decode_layer(out, spec, number)
            layers.append(out)
            if number == len(spec.layers) - 1:
                answers = np.stack([taken.answer for taken in read])
                ends = [taken.end if spec.encoder else [len(taken.spike)] for taken in read]
                steps = np.stack([np.diff(end, prepend=0) for end in ends])
        return LifRecording(
            backend=backend,
            layers=layers,
            duration=steps,
            time_s=steps.sum(axis=1) * spec.dt,
            clocks=np.array([output.busy for output in outputs]),
            state=dict(state),
            answers=answers,
            events=events,
        )

    def counted(
        self,
        job: Job[LifSpec, Images],
        coefficients: Sequence[LayerCoefficients],
        counts: Sequence[Counts],
        state: State,
    ) -> LifRecording:
        """Put the counts of all trials together; a neuron fires when it spikes."""
        layers = []
        for number, own in enumerate(coefficients):
            spikes = np.stack([trial.spikes[number] for trial in counts])
            layers.append(LayerRecording(fires=spikes, spikes=spikes.copy(), conductance=_weights(own, len(counts))))
        steps = np.stack([trial.steps for trial in counts])
        return LifRecording(
            backend="board",
            layers=layers,
            duration=steps,
            time_s=steps.sum(axis=1) * job.spec.dt,
            clocks=np.array([trial.clocks for trial in counts]),
            state=dict(state),
            answers=np.stack([trial.answers for trial in counts]),
        )


def _piece(counts: NDArray[np.uint8], is_first: bool, places: Places) -> Writes:
    """Writes that show a piece of a train, `counts` (steps, rows)."""
    step, row = np.nonzero(counts)
    often = counts[step, row]
    words: dict[str, Sequence[int]] = {
        "events.step": np.repeat(step + 1, often).tolist(),
        "events.row": np.repeat(row, often).tolist(),
        "events.number": [int(often.sum())],
        "steps": [len(counts)],
        "init": [int(is_first)],
        "go": [1],
    }
    return _writes(words, places)


def _writes(words: Mapping[str, Sequence[int]], places: Places) -> Writes:
    """Addresses and words of what is written, by name; those beyond the end of a list stay what they are."""
    addresses = [places(name)[: len(values)] for name, values in words.items()]
    return np.concatenate(addresses), np.concatenate([*words.values()]).astype(np.int64)


def _weights(own: LayerCoefficients, trials: int) -> NDArray[np.floating]:
    """Weights of a layer in every trial, (trials, neurons, rows)."""
    levels = (own.words["weight"] ^ 0x8000) - 0x8000
    levels = np.broadcast_to(levels, (trials, levels.shape[-1])).reshape(trials, -1, own.structure["neurons"])
    weights: NDArray[np.floating] = levels.swapaxes(1, 2) * own.weight_unit
    return weights


def _starts(output: verilator.Output, number: int, neurons: int) -> NDArray[np.int64]:
    """Step, counted from the first, with which each image starts in the trace of a layer, (P,)."""
    steps = np.cumsum((output.words[number] & np.uint64(15)) == _MEMBRANE) // neurons
    return np.concatenate([[0], steps])[output.position[number][:-1]]


GATEWARE = LifGateware()
