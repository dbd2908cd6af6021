"""The twin on a board, or a virtual one, over its link: the same job as on any backend (design, section 1)."""

import importlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from memtwin.link import Link
from memtwin.sim.backends import Progress, Run
from memtwin.sim.coefficients import LayerCoefficients, decisive
from memtwin.sim.engines import gateware
from memtwin.sim.engines.gateware import Writes
from memtwin.sim.engines.verilator import Output
from memtwin.sim.errors import InputError
from memtwin.sim.hybrid import gateware as hybrid_rtl
from memtwin.sim.hybrid.spec import NetworkSpec
from memtwin.sim.lif.quantize import image_words, power_up_words
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.lif.spec import LifSpec
from memtwin.sim.opamp import gateware as opamp_rtl
from memtwin.sim.opamp.spec import OpampSpec
from memtwin.sim.recording import LayerRecording, Recording
from memtwin.sim.state import join
from memtwin.sim.stdp import gateware as stdp_rtl

__all__ = ["is_counted", "run"]

_ENTRIES = "encoder.entry_row"  # window with as many words as the encoder holds entries


def is_counted(job: Run) -> bool:
    """Whether counts of spikes and fires, and the state, tell what a network did; else its trace is streamed anyway."""
    return job.spec.keeps_state


def run(job: Run, link: Link, progress: Progress | None = None) -> Recording:
    """Run `job` on a twin, trial by trial; nothing is computed on this side.

    Coefficients are loaded before each trial. Of hybrid and LIF networks spikes and fires are counted from the events
    that the twin streams, and the state is read at the end; with `record`, and always of the others, the twin streams
    its whole trace, 10 bytes a word.

    Parameters
    ----------
    job : Run
        Network, program, seed.
    link : Link
        Open link to the twin.
    progress : callable, optional
        Called with the part done, 0 to 1.

    Raises
    ------
    InputError
        If the twin is of another structure than the job's network, or streams no trace where one is needed.
    LinkError
        If the twin does not answer, or an event was lost.
    """
    coefficients = job.coefficients()
    _check(link, job, coefficients)
    traced = job.record or not is_counted(job)
    if traced and not link.map.document["traces"]:
        raise InputError(f"backend board: the twin {link.map.design} streams no trace words; expected one that does")
    rtl, trace = (importlib.import_module(f"{job.spec.package}.{part}") for part in ("gateware", "trace"))
    program = job.program
    starts = _starts(job, link)
    out = []
    for number in range(program.trials):
        trial = _Trial(link, coefficients)
        trial.load(gateware.image(coefficients, number), {name: words[number] for name, words in starts.items()})
        link.stream(spikes=not traced, fires=not traced, trace_kinds=trace.KINDS if traced else (), wait=True)
        shown = _shown(job, link, number)
        for presentation, (addresses, words) in enumerate(shown, 1):
            trial.show(addresses, words)
            if progress:
                progress((number + min(1.0, presentation / program.presentations)) / program.trials)
        trial.finish()
        out.append(trial)
    state = {name: np.stack([trial.state[name] for trial in out]) for name in out[0].state}
    if traced:
        return rtl.recording(job, coefficients, [trial.output() for trial in out], state, "board")
    return _counted(job, coefficients, out, state)


def _check(link: Link, job: Run, coefficients: Sequence[LayerCoefficients]) -> None:
    """Refuse a twin that is not of the network's structure; lanes have no influence on results."""
    document = link.map.document
    theirs, ours = document["layers"], [layer.structure for layer in coefficients]
    if (document["network"], len(theirs)) != (job.spec.kind, len(ours)):
        differences = [f"expected a {job.spec.kind} network of {len(ours)} layers"]
    else:
        pairs = ((decisive(own), decisive(wanted)) for own, wanted in zip(theirs, ours, strict=True))
        differences = [
            f"layer {number} has {name} {own[name]}, expected {wanted[name]}"
            for number, (own, wanted) in enumerate(pairs, 1)
            for name in wanted
            if own[name] != wanted[name]
        ]
    if differences:
        raise InputError(
            f"backend board: the twin is {link.map.design}, {'; '.join(differences)}; "
            "flash the design of this experiment, built with the same cards and options"
        )
    if isinstance(job.spec, LifSpec):
        most, held = int(job.program.entries.max()), link.map[_ENTRIES].words
        if most > held:
            raise InputError(f"images: expected at most {held} entries (capacity of the twin's encoder), not {most}")


def _shown(job: Run, link: Link, trial: int) -> Iterator[Writes]:
    """Addresses and words that are written for every presentation of a trial."""
    powered = job.start is not None
    program = job.program
    if isinstance(job.spec, LifSpec):
        for presentation in range(program.presentations):
            named = image_words(program, trial, presentation)
            if presentation == 0:
                named = power_up_words(job.sample(), program, trial) | named
            named["steps"] = [int(program.steps[trial, presentation])]
            named["init"] = [int(presentation == 0 and not powered)]
            places = [link.map[name].addresses()[: len(words)] for name, words in named.items()]
            yield np.concatenate(places), np.concatenate([*named.values()]).astype(np.int64)
        return
    # The last write starts a presentation on a bus; over the link that is an operation of its own.
    registers = {place.name: range(place.base, place.base + place.words) for place in link.map.presentation}
    registers["go"] = range(1)
    if isinstance(job.spec, NetworkSpec):
        writes = hybrid_rtl.presentation_writes(registers, program, trial, powered=powered)
    elif isinstance(job.spec, OpampSpec):
        writes = opamp_rtl.presentation_writes(registers, program, trial)
    else:
        writes = stdp_rtl.presentation_writes(registers, program, trial)
    for addresses, words in writes:
        yield addresses[:-1], words[:-1]


def _starts(job: Run, link: Link) -> dict[str, NDArray[np.int64]]:
    """State to start from, (trials, words) by window; nothing if the job starts with power-up."""
    if job.start is None:
        return {}
    trials = job.program.trials
    return join([job.start], {place.name: np.zeros((trials, place.words), np.int64) for place in link.map.state})


class _Trial:
    """One trial on the twin.

    Attributes
    ----------
    fires, spikes : list (layers) of list (presentations) of int64 array (neurons,)
        Counts of each presentation.
    steps, answers : list (presentations) of int
        How long each took, in the network's steps, and its answer.
    state : dict of str to int64 array (words,)
        At the end.
    """

    def __init__(self, link: Link, coefficients: Sequence[LayerCoefficients]) -> None:
        self.link = link
        self._neurons = [layer.structure["neurons"] for layer in coefficients]
        self.fires: list[list[NDArray[np.int64]]] = [[] for _ in self._neurons]
        self.spikes: list[list[NDArray[np.int64]]] = [[] for _ in self._neurons]
        self.steps: list[int] = []
        self.answers: list[int] = []
        self.state: dict[str, NDArray[np.int64]] = {}
        self.clocks = 0
        self._words: list[list[int]] = [[] for _ in self._neurons]
        self._ends = [[0] for _ in self._neurons]

    def load(self, image: Mapping[str, Sequence[int]], state: Mapping[str, NDArray[np.int64]]) -> None:
        """Load coefficients, and go on from a state if there is one."""
        self.link.reset()
        self.link.load(image)
        if state:
            self.link.power_up()
            self.link.load(state)
        self._before = self.link.status().clocks

    def show(self, addresses: NDArray[np.int64], words: NDArray[np.int64]) -> None:
        """Show one presentation, and take in its events."""
        self.link.write_words(addresses, words)
        counts = {
            "fire": [np.zeros(neurons, dtype=np.int64) for neurons in self._neurons],
            "spike": [np.zeros(neurons, dtype=np.int64) for neurons in self._neurons],
        }
        self.link.run()
        for event in self.link.events():
            if event.kind == "trace":
                self._words[event.layer - 1].append(event.word)
            elif event.kind == "done":
                self.steps.append(event.step)
                self.answers.append(event.index)
            else:
                counts[event.kind][event.layer - 1][event.index] += 1
        for number, (words_of_layer, ends) in enumerate(zip(self._words, self._ends, strict=True)):
            self.fires[number].append(counts["fire"][number])
            self.spikes[number].append(counts["spike"][number])
            ends.append(len(words_of_layer))

    def finish(self) -> None:
        """Read what lasts."""
        self.clocks = self.link.status().clocks - self._before
        for place in self.link.map.state:
            self.state[place.name] = self.link.read(place.name).astype(np.int64).reshape(-1)

    def output(self) -> Output:
        """Return the trace in the form of a simulator."""
        return Output(
            words=[np.array(words, dtype=np.uint64) for words in self._words],
            clocks=np.array([0, self.clocks]),
            position=[np.array(ends) for ends in self._ends],
            reads=np.concatenate([*self.state.values(), np.zeros(0, dtype=np.int64)]),
        )


def _counted(
    job: Run, coefficients: Sequence[LayerCoefficients], trials: Sequence[_Trial], state: dict[str, NDArray[np.int64]]
) -> Recording:
    """Put the counts of all trials together."""
    layers = []
    for number, own in enumerate(coefficients):
        neurons, rows = own.structure["neurons"], own.structure["rows"]
        spikes = np.stack([trial.spikes[number] for trial in trials])
        if isinstance(job.spec, LifSpec):
            words = np.broadcast_to((own.words["weight"] ^ 0x8000) - 0x8000, (len(trials), rows * neurons))
            fires = spikes.copy()
        else:
            words = state[f"layer{number + 1}.conductance"]
            fires = np.stack([trial.fires[number] for trial in trials])
        conductance = words.reshape(-1, rows, neurons).swapaxes(1, 2) * own.g_lsb
        layers.append(LayerRecording(fires=fires, spikes=spikes, conductance=conductance))
    steps = np.array([trial.steps for trial in trials])
    clocks = np.array([trial.clocks for trial in trials])
    if isinstance(job.spec, LifSpec):
        return LifRecording(
            backend="board",
            layers=layers,
            periods=steps,
            time_s=steps.sum(axis=1) * job.spec.dt,
            clocks=clocks,
            state=state,
            answers=np.array([trial.answers for trial in trials]),
        )
    return Recording(
        backend="board",
        layers=layers,
        periods=steps - job.program.rest,
        time_s=2 * steps.sum(axis=1) * job.spec.half_period,
        clocks=clocks,
        state=state,
    )
