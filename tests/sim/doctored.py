"""Ways to doctor a recording; a comparison must notice every one of them, whichever side it is done to."""

import dataclasses
from collections.abc import Callable

import numpy as np

from memtwin.sim.recorded import parts
from memtwin.sim.recording import Recording

__all__ = ["COUNTS", "TRACES", "WORDS", "not_finite", "of_state"]

Doctor = Callable[[Recording], None]


def _per_trial(recording):
    """Yield every list that has one item a trial, with its owner and name."""
    for layer in recording.layers:
        for name in ("words", "waveform", "events", "learning"):
            if getattr(layer, name):
                yield layer, name


def _arrays(recording):
    """Yield every array whose first axis are the trials, with its owner and name."""
    for owner in (recording, *recording.layers):
        for field in dataclasses.fields(owner):
            if isinstance(getattr(owner, field.name), np.ndarray):
                yield owner, field.name


def surplus_trial(recording):
    for owner, name in _arrays(recording):
        setattr(owner, name, np.concatenate([getattr(owner, name), getattr(owner, name)[-1:]]))
    for owner, name in _per_trial(recording):
        getattr(owner, name).append(getattr(owner, name)[-1])
    recording.state = {name: np.concatenate([words, words[-1:]]) for name, words in recording.state.items()}


def missing_trial(recording):
    for owner, name in _arrays(recording):
        setattr(owner, name, getattr(owner, name)[:-1])
    for owner, name in _per_trial(recording):
        getattr(owner, name).pop()
    recording.state = {name: words[:-1] for name, words in recording.state.items()}


def logs_of_a_surplus_trial(recording):
    for owner, name in _per_trial(recording):
        getattr(owner, name).append(getattr(owner, name)[-1])


def missing_layer(recording):
    recording.layers.pop()


def off_by_one(name, layer=True):
    def doctor(recording):
        getattr(recording.layers[-1] if layer else recording, name).flat[-1] += 1

    return doctor


def other_presentation(recording):
    """Count a spike in another presentation than the one in which it was."""
    recording.layers[-1].spikes[-1, [0, -1], -1] += [1, -1]


def conductance(recording):
    recording.layers[-1].conductance.flat[-1] *= 1.3
    recording.layers[-1].conductance.flat[-1] += 1e-6


def time_s(recording):
    recording.time_s[-1] *= 1.001


def one_sample(recording):
    for layer in recording.layers:
        for wave in layer.waveform:
            wave.time_s, wave.clk = wave.time_s[:1], wave.clk[:1]
            wave.signals = {name: values[:1] for name, values in wave.signals.items()}


def missing_signal(recording):
    del recording.layers[-1].waveform[-1].signals["on" if "on" in recording.layers[-1].waveform[-1].signals else "v"]


def reversed_times(recording):
    for wave in recording.layers[-1].waveform:
        wave.time_s = wave.time_s[::-1].copy()


def no_events(recording):
    for trial in range(len(recording.layers[-1].events)):
        recording.layers[-1].events[trial] = []


def last_event_deleted(recording):
    recording.layers[-1].events[-1].pop()


def half_of_the_events_deleted(recording):
    events = recording.layers[-1].events[-1]
    del events[: (len(events) + 1) // 2]


def surplus_event(recording):
    events = recording.layers[-1].events[-1]
    events.append(events[-1])


def event_time_not_a_number(recording):
    events = recording.layers[-1].events[-1]
    events[-1] = dataclasses.replace(events[-1], time_s=float("nan"))


COUNTS: dict[str, Doctor] = {
    "surplus trial": surplus_trial,
    "missing trial": missing_trial,
    "missing layer": missing_layer,
    "fires": off_by_one("fires"),
    "spikes": off_by_one("spikes"),
    "spike of another presentation": other_presentation,
    "duration": off_by_one("duration", layer=False),
    "conductance": conductance,
    "time_s": time_s,
}
"""What can be done to any recording."""

TRACES: dict[str, Doctor] = {
    "logs of a surplus trial": logs_of_a_surplus_trial,
    "one sample": one_sample,
    "missing signal": missing_signal,
    "reversed times": reversed_times,
    "no events": no_events,
    "last event deleted": last_event_deleted,
    "half of the events deleted": half_of_the_events_deleted,
    "surplus event": surplus_event,
    "event time not a number": event_time_not_a_number,
}
"""What can be done to a recording of a run with `record`."""


def one_word(recording):
    recording.layers[-1].words[-1][-1] ^= np.uint64(1 << 20)


def last_word_deleted(recording):
    recording.layers[-1].words[-1] = recording.layers[-1].words[-1][:-1]


def no_words_in_a_layer(recording):
    recording.layers[-1].words = []


def no_words(recording):
    for layer in recording.layers:
        layer.words = []


def no_words_in_a_trial(recording):
    recording.layers[-1].words[-1] = recording.layers[-1].words[-1][:0]


WORDS: dict[str, Doctor] = {
    "one word": one_word,
    "last word deleted": last_word_deleted,
    "no words": no_words,
    "no words in a layer": no_words_in_a_layer,
    "no words in a trial": no_words_in_a_trial,
}
"""What can be done to one of a backend with words."""


def of_state(recording: Recording) -> dict[str, Doctor]:
    """Return what can be done to the state of a recording, window by window."""
    out: dict[str, Doctor] = {"no state": lambda recording: recording.state.clear()} if recording.state else {}
    for name in recording.state:

        def change(recording, name=name):
            recording.state[name].flat[-1] ^= 1

        def remove(recording, name=name):
            del recording.state[name]

        out |= {f"{name} changed": change, f"{name} missing": remove}
    return out


def not_finite(recording: Recording) -> dict[str, Doctor]:
    """Return, for every array of numbers with a point, how to make its last one NaN, or an infinity."""
    out: dict[str, Doctor] = {}
    for key, part in parts(recording).items():
        if not np.issubdtype(part.values.dtype, np.floating) or key[0].startswith(("event.", "learning.")):
            continue
        for value in (np.nan, np.inf):

            def change(recording, key=key, value=value):
                parts(recording)[key].values.flat[-1] = value

            out[f"{key[0]} of layer {key[1]}, trial {key[2]} is {value}"] = change
    return out
