"""What a user should know of the runs of an experiment, a line each: what does not fit, and what happened."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from memtwin.sim.backends import FLOATING, Job
from memtwin.sim.coefficients import reports_of
from memtwin.sim.quantised import QuantisedParameter, quantisation_warnings, refuse_clipped
from memtwin.sim.recording import Recording

__all__ = ["warnings_of_jobs", "warnings_of_recordings"]


def warnings_of_jobs(jobs: Iterable[tuple[str, Job]], *backends: str) -> list[str]:
    """Say what is to be known of runs, by name, before they run on `backends`; of a name there may be several blocks.

    That is what the experiment says, whether substeps are fine enough, and what is rounded.

    Raises
    ------
    InputError
        If a value does not fit its word; of all runs, the message names the worst.
    """
    is_quantised = any(backend not in FLOATING for backend in backends)
    lines: list[str] = []
    coarse: dict[str, list[str]] = defaultdict(list)
    reports: dict[str, list[QuantisedParameter]] = defaultdict(list)
    refused: dict[str, list[QuantisedParameter]] = {}
    for name, job in jobs:
        lines += job.warnings
        if is_quantised:
            for layer, report in reports_of(replace(job, allow_clipping=True).coefficients(), name).items():
                reports[layer] += report
                if not job.allow_clipping:
                    refused[layer] = reports[layer]
        for line in job.coarse_steps():  # of what has words, where there are to be words
            coarse[line].append(name)
    refuse_clipped(refused)
    lines += [f"{line} (run {', '.join(dict.fromkeys(names))})" for line, names in coarse.items()]
    return list(dict.fromkeys(lines + quantisation_warnings(reports)))


def warnings_of_recordings(recordings: Iterable[tuple[str, Recording]]) -> list[str]:
    """Say what happened in runs, by name: words that hit the end of their range, and what the backend says.

    What is true of several runs is one line, which says where; of a name there may be recordings of several backends.
    """
    lines: list[str] = []
    found: dict[str, list[str]] = defaultdict(list)
    for name, recording in recordings:
        if recording.saturated:
            counts = ", ".join(f"{word} {count}" for word, count in recording.saturated.items())
            lines.append(f"arithmetic reached the end of a word (run {name}); how often, by word: {counts}")
        for line, places in recording.warnings.items():
            found[line] += [f"run {name}, {place}" for place in places]
    lines += [f"{line} ({'; '.join(dict.fromkeys(places))})" for line, places in found.items()]
    return list(dict.fromkeys(lines))
