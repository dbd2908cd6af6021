"""The twin on a board, or a virtual one, over its link: the same job as on any backend (docs/design.md)."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from memtwin.link import Link
from memtwin.sim.backends import Job, Progress
from memtwin.sim.coefficients import LayerCoefficients, decisive
from memtwin.sim.engines import gateware
from memtwin.sim.engines.verilator import Output
from memtwin.sim.errors import InputError
from memtwin.sim.kind import Counts, Writes
from memtwin.sim.kinds import kind_of
from memtwin.sim.recording import Recording
from memtwin.sim.state import join

__all__ = ["is_counted", "run"]


def is_counted(job: Job) -> bool:
    """Whether counts of spikes and fires, and the state, tell what a network did; else its trace is streamed anyway."""
    return job.spec.keeps_state


def run(job: Job, link: Link, progress: Progress | None = None) -> Recording:
    """Run `job` on a twin, trial by trial; nothing is computed on this side.

    Coefficients are loaded before each trial. Of hybrid and LIF networks spikes and fires are counted from the events
    that the twin streams, and the state is read at the end; with `record`, and always of the others, the twin streams
    its whole trace, 10 bytes a word.

    Parameters
    ----------
    job : Job
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
    kind = kind_of(job.spec)
    program = job.shown
    starts = _starts(job, link)
    out = []
    for number in range(program.trials):
        trial = _Trial(link, coefficients)
        trial.load(gateware.words_of(coefficients, number), {name: words[number] for name, words in starts.items()})
        link.stream(spikes=not traced, fires=not traced, trace_kinds=kind.trace.kinds if traced else (), wait=True)
        shown = _shown(job, coefficients, link, number)
        for presentation, (addresses, words) in enumerate(shown, 1):
            trial.show(addresses, words)
            if progress:
                progress((number + min(1.0, presentation / program.presentations)) / program.trials)
        trial.finish()
        out.append(trial)
    state = {name: np.stack([trial.state[name] for trial in out]) for name in out[0].state}
    if traced:
        return kind.gateware().recording(job, coefficients, [trial.output() for trial in out], state, "board")
    return kind.gateware().counted(job, coefficients, [trial.counts() for trial in out], state)


def _check(link: Link, job: Job, coefficients: Sequence[LayerCoefficients]) -> None:
    """Refuse a twin that is not of the network's structure; lanes have no influence on results."""
    document = link.map.document
    theirs, ours = document["layers"], [layer.structure for layer in coefficients]
    if (document["network"], len(theirs)) != (job.spec.kind, len(ours)):
        differences = [f"expected a network of {job.spec.kind} neurons, {len(ours)} layers"]
    else:
        pairs = ((decisive(own), decisive(wanted)) for own, wanted in zip(theirs, ours, strict=True))
        differences = [
            f"layer {number} has {name} {own.get(name)}, expected {wanted.get(name)}"
            for number, (own, wanted) in enumerate(pairs, 1)
            for name in {**wanted, **own}
            if own.get(name) != wanted.get(name)
        ]
    if differences:
        raise InputError(
            f"backend board: the twin is {link.map.design}, {'; '.join(differences)}; "
            "flash the design of this experiment, built with the same cards and options"
        )


def _shown(job: Job, coefficients: Sequence[LayerCoefficients], link: Link, trial: int) -> Iterator[Writes]:
    """Addresses and words that are written for every presentation of a trial."""

    @cache
    def places(name: str) -> NDArray[np.int64]:
        # The last write starts a presentation on a bus; over the link that is an operation of its own.
        return np.zeros(1, np.int64) if name == "go" else link.map[name].addresses()

    for addresses, words in kind_of(job.spec).gateware().writes(job, coefficients, places, trial):
        yield addresses[:-1], words[:-1]


def _starts(job: Job, link: Link) -> dict[str, NDArray[np.int64]]:
    """State to start from, (trials, words) by window; nothing if the job starts with power-up."""
    if job.start is None:
        return {}
    trials = job.shown.trials
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

    def load(self, words: Mapping[str, Sequence[int]], state: Mapping[str, NDArray[np.int64]]) -> None:
        """Load coefficients, and go on from a state if there is one."""
        self.link.reset()
        self.link.load(words)
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

    def counts(self) -> Counts:
        """Return what was counted."""
        return Counts(
            fires=[np.stack(counts) for counts in self.fires],
            spikes=[np.stack(counts) for counts in self.spikes],
            steps=np.array(self.steps),
            answers=np.array(self.answers),
            clocks=self.clocks,
        )

    def output(self) -> Output:
        """Return the trace in the form of a simulator."""
        return Output(
            words=[np.array(words, dtype=np.uint64) for words in self._words],
            clocks=np.array([0, self.clocks]),
            position=[np.array(ends) for ends in self._ends],
            reads=np.concatenate([*self.state.values(), np.zeros(0, dtype=np.int64)]),
        )
