"""One seed, one random job; and whether gateware and model are the same on it."""

import dataclasses
from dataclasses import dataclass

import numpy as np

from memtwin.sim import backends
from memtwin.sim.backends import Job
from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.sim.recording import Recording
from tests.structures import hybrid, izhikevich, lif, opamp, stdp
from tests.structures.draw import Dice

KINDS = {"hybrid": hybrid.draw, "opamp": opamp.draw, "lif": lif.draw, "stdp": stdp.draw, "izhikevich": izhikevich.draw}


@dataclass(frozen=True)
class Verdict:
    """What came of one job.

    Attributes
    ----------
    difference : str
        The first difference; empty if there is none.
    words : int
        Trace words that were compared.
    fired : bool
        Whether any neuron spiked.
    """

    difference: str
    words: int = 0
    fired: bool = False


def job_of(kind: str, seed: int) -> Job:
    """Draw a job; where a value does not fit its word, or goes with no other, all is drawn again."""
    dice = Dice(kind, seed)
    while True:
        try:
            job = KINDS[kind](dice)
            job.coefficients()
        except InputError:
            continue
        return job


def check(job: Job) -> Verdict:
    """Run a job on both levels, whole and, if its network keeps a state, from one that it left on the way."""
    model, rtl = (backends.run(job, name) for name in ("model", "rtl"))
    difference = differs(job, model, rtl)
    presentations = model.duration.shape[1]
    if not difference and job.spec.keeps_state and presentations > 1:
        difference = _goes_on(job, model, presentations // 2)
    words = sum(part.size for layer in model.layers for part in layer.words)
    return Verdict(difference, words, any(layer.spikes.any() or layer.fires.any() for layer in model.layers))


def differs(job: Job, a: Recording, b: Recording) -> str:
    """Say what two recordings with words differ in: words, counts, state, time; nothing may be missing."""
    for recording in (a, b):
        if not all(words.size for layer in recording.layers for words in layer.words) or not recording.layers[0].words:
            return f"{recording.backend}: a trial without words"
    found = compare(job, a, b)
    if not found["equal"]:
        return f"{found['first_difference']}"
    if a.state.keys() != b.state.keys():
        return f"state: {sorted(a.state.keys() ^ b.state.keys())} on one side only"
    for name, words in a.state.items():
        if not np.array_equal(words, b.state[name]):
            return f"state {name}: {words.tolist()} and {b.state[name].tolist()}"
    return "" if np.array_equal(a.time_s, b.time_s) else f"time_s: {a.time_s} and {b.time_s}"


def _goes_on(job: Job, whole: Recording, at: int) -> str:
    """Cut before presentation `at`: the gateware goes on from the state of the model, to the end of the whole run."""
    early, late = (dataclasses.replace(job, shown=job.shown.take(part)) for part in (slice(at), slice(at, None)))
    before = backends.run(early, "model")
    late = dataclasses.replace(late, start=before.state)
    after = backends.run(late, "rtl")
    if difference := differs(late, backends.run(late, "model"), after):
        return f"from presentation {at} on: {difference}"
    for number, (entire, *parts) in enumerate(zip(whole.layers, before.layers, after.layers, strict=True), 1):
        for trial, words in enumerate(entire.words):
            if not np.array_equal(np.concatenate([part.words[trial] for part in parts]), words):
                return f"cut at presentation {at}: layer {number} of trial {trial} is not that of the whole run"
    return ""
