"""Where trains of spikes come from: arrays, events, Poisson and regular trains, patterns; each made for a network."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from numbers import Real

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memtwin.sim.errors import InputError
from memtwin.sim.own.train import ALIKE, MOST_STEPS, Size, Train, numbers
from memtwin.sim.parsers import parsing
from memtwin.sim.units import check_range, parse_si

__all__ = [
    "Cut",
    "Events",
    "Patterns",
    "Periodic",
    "Poisson",
    "Source",
    "Taught",
    "Trains",
    "events",
    "poisson",
    "program",
    "regular",
    "seconds",
    "source",
]


class Source:
    """Where a train comes from; it is made for the size of a network."""

    def train(self, size: Size) -> Train:
        """Make the train."""
        raise NotImplementedError

    def teach(self, teacher: "Source | ArrayLike | Sequence[tuple[float, int]]") -> "Taught":
        """Return this train with a second one, of as many steps, by which neurons of the last layer are made to spike.

        ``mt.poisson("50Hz", "1s").teach(mt.regular("10Hz", "1s"))``
        """
        return Taught(self, source(teacher))


@dataclass(frozen=True, eq=False)
class Cut(Source):
    """A train of exactly so many steps: the rest is left out, or silent steps follow."""

    shown: Source
    steps: int

    def train(self, size: Size) -> Train:
        """Make the train."""
        if not 1 <= self.steps <= MOST_STEPS:
            raise InputError(f"steps: expected 1 to {MOST_STEPS}, not {self.steps}")
        own = self.shown.train(size)
        more = max(self.steps - own.steps, 0)

        def cut(values: NDArray, axis: int, mode: str) -> NDArray:
            widths = [(0, more if at == axis else 0) for at in range(values.ndim)]
            return np.take(np.pad(values, widths, mode=mode), np.arange(self.steps), axis=axis)  # type: ignore[call-overload]

        return Train(
            spikes=cut(own.spikes, 1, "constant"),
            learn=cut(own.learn, 0, "edge"),
            gates=cut(own.gates, 0, "edge"),
            forced=cut(own.forced, 1, "constant"),
        )


@dataclass(frozen=True, eq=False)
class Taught(Source):
    """A train, and the spikes that neurons of the last layer are made to send."""

    shown: Source
    teacher: Source

    def train(self, size: Size) -> Train:
        """Make the train."""
        own = self.shown.train(size)
        forced = self.teacher.train(replace(size, inputs=size.outputs))
        if forced.steps != own.steps:
            raise InputError(f"teach: expected {own.steps} steps, not {forced.steps}; give both the same duration")
        forced.demand_single("made to spike or not")
        return replace(own, forced=forced.spikes)


@dataclass(frozen=True, eq=False)
class Trains(Source):
    """Counts of spikes, (T, inputs), or (trials, T, inputs)."""

    spikes: ArrayLike

    def train(self, size: Size) -> Train:
        """Make the train."""
        return size.train(self.spikes)


@dataclass(frozen=True, eq=False)
class Events(Source):
    """Spikes one by one: times (s) or, with `by_step`, numbers of steps; addresses are rows of layer 1, from 0.

    A spike at time `t` is in the step that holds `t`. Without a duration, the last step is that of the last spike.
    """

    times: ArrayLike
    addresses: ArrayLike
    duration: float | str | None = None
    by_step: bool = False

    def train(self, size: Size) -> Train:
        """Make the train."""
        times = numbers("events", self.times, "times as numbers, s").astype(float)
        rows = numbers("events", self.addresses, "addresses as whole numbers")
        if times.ndim != 1 or rows.shape != times.shape:
            raise InputError(f"events: expected as many times as addresses, not {times.shape} and {rows.shape}")
        if not np.isfinite(times).all() or (times < 0).any():
            raise InputError("events: expected times of zero or more")
        if (rows != np.rint(rows)).any() or (rows < 0).any() or (rows >= size.inputs).any():
            wrong = rows[(rows != np.rint(rows)) | (rows < 0) | (rows >= size.inputs)][0]
            raise InputError(f"events: expected addresses from 0 to {size.inputs - 1} (inputs), not {wrong:g}")
        at = times if self.by_step else np.floor(times / size.step + ALIKE)
        if (at != np.rint(at)).any():
            raise InputError(f"events: expected whole numbers of steps, not {at[at != np.rint(at)][0]:g}")
        last = float(at.max(initial=-1)) + 1
        steps = size.steps(seconds(self.duration)) if self.duration is not None else int(min(last, MOST_STEPS + 1))
        if not 1 <= steps <= MOST_STEPS:
            raise InputError(f"events: expected 1 to {MOST_STEPS} steps, not {last:.9g}; give a duration")
        size.demand_room(steps)
        if last > steps:
            raise InputError(f"events: expected them within the duration of {steps} steps, not in step {last - 1:.9g}")
        counts = np.zeros((steps, size.inputs), dtype=np.int64)
        np.add.at(counts, (at.astype(np.int64), rows.astype(np.int64)), 1)
        return size.train(counts)


@dataclass(frozen=True, eq=False)
class Poisson(Source):
    """Poisson trains, other ones in each trial: in a step a row spikes with the probability ``1 - exp(-rate step)``.

    `rate` (Hz) is one for all rows, or an array (inputs,).
    """

    rate: float | str | ArrayLike
    duration: float | str

    def train(self, size: Size) -> Train:
        """Make the train; trial `t` of seed `s` is trial 0 of seed `s + t`."""
        rate = _rates(self.rate, size)
        steps = size.steps(seconds(self.duration))
        chance = -np.expm1(-rate * size.step)
        draws = (np.random.default_rng([size.seed + trial, _STREAM]) for trial in range(size.trials))
        return size.train(np.stack([rng.random((steps, size.inputs)) < chance for rng in draws]))


@dataclass(frozen=True, eq=False)
class Periodic(Source):
    """Equal intervals: spike `n` of a row, from 0, is in the step of time ``n / rate``; `rate` as in `Poisson`."""

    rate: float | str | ArrayLike
    duration: float | str

    def train(self, size: Size) -> Train:
        """Make the train."""
        rate = _rates(self.rate, size)
        # Spikes before the end of each step, for steps 0, 1, ...; one at time 0 if there are any.
        ends = np.arange(1, size.steps(seconds(self.duration)) + 1)[:, None] * size.step
        until = np.ceil(ends * rate - ALIKE)
        return size.train(np.diff(until, axis=0, prepend=0))


@dataclass(frozen=True, eq=False)
class Patterns(Source):
    """Patterns one after the other: the rows of a pattern spike in every step of `duration`, then there is `rest`.

    Attributes
    ----------
    patterns : array (P, inputs)
        Spikes of each row in a step.
    duration, rest : float or str
        Time of each pattern, and of the pause after it, s.
    learn : bool or array (P,)
        Whether the layers that learn do so.
    gates : array (P, neurons of the last layer), optional
        1 where the synapses of a neuron are connected; by default all are.
    """

    patterns: ArrayLike
    duration: float | str
    rest: float | str = 0.0
    learn: bool | ArrayLike = True
    gates: ArrayLike | None = None

    def train(self, size: Size) -> Train:
        """Make the train."""
        table = numbers("patterns", self.patterns, "numbers of spikes")
        if table.ndim != 2 or table.shape[1] != size.inputs or 0 in table.shape:
            raise InputError(f"patterns: expected an array (patterns, {size.inputs} inputs), not {table.shape}")
        shown, rest = size.steps(seconds(self.duration)), seconds(self.rest)
        pause = size.steps(rest) if rest else 0
        count, length = len(table), shown + pause
        if count * length > MOST_STEPS:
            raise InputError(f"patterns: expected at most {MOST_STEPS} steps, not {count * length}")
        size.demand_room(count * length)
        spikes = np.zeros((count, length, size.inputs), dtype=table.dtype)
        spikes[:, :shown] = table[:, None]
        learn = _of_patterns("learn", self.learn, (count,))
        gates = _of_patterns("gates", 1 if self.gates is None else self.gates, (count, size.outputs))
        return size.train(
            spikes.reshape(count * length, size.inputs), np.repeat(learn, length), np.repeat(gates, length, axis=0)
        )


_STREAM = 2000  # of the random generator of a trial; its first streams draw the devices of the layers


def _of_patterns(name: str, values: ArrayLike, shape: tuple[int, ...]) -> NDArray:
    """Broadcast what is said of each pattern."""
    table = numbers(f"patterns, {name}", values, "0 or 1")
    if table.shape not in ((), shape) or not np.isin(table, (0, 1)).all():
        raise InputError(f"patterns, {name}: expected 0 or 1 in the shape {shape}, not the shape {table.shape}")
    return np.broadcast_to(table, shape)


def _rates(rate: float | str | ArrayLike, size: Size) -> NDArray[np.float64]:
    """Rates of every row, Hz."""
    with parsing("rate", "a rate, or one for each input"):
        entries = np.array(rate, dtype=object)
        read = [parse_si(entry, "Hz", "rate") if isinstance(entry, str) else entry for entry in entries.flat]
        table = np.array(read, dtype=float).reshape(entries.shape)
    if table.shape not in ((), (size.inputs,)):
        raise InputError(f"rate: expected one, or {size.inputs} (inputs), not the shape {table.shape}")
    for value in (table.min(), table.max()):
        check_range(float(value), "Hz", "rate", zero=True)
    return np.broadcast_to(table, (size.inputs,))


def seconds(time: float | str) -> float:
    """Read a time."""
    if isinstance(time, bool) or not isinstance(time, str | Real):
        raise InputError(f'duration: expected a time such as "100ms", not {time!r}')
    with parsing("duration", "a time"):  # a whole number may be beyond all floats
        value = parse_si(time, "s", "duration") if isinstance(time, str) else float(time)
    check_range(value, "s", "duration", zero=True)
    return value


def source(spikes: "Source | ArrayLike | Sequence[tuple[float, int]]") -> Source:
    """Take what a user shows: a source, an array (T, inputs), or events (time, address) as tuples in a list."""
    if isinstance(spikes, Source):
        return spikes
    if isinstance(spikes, list) and spikes and all(isinstance(entry, tuple) and len(entry) == 2 for entry in spikes):
        return Events([time for time, _ in spikes], [address for _, address in spikes])
    if isinstance(spikes, str):
        raise InputError(f"spikes: expected an array, events or a train, not {spikes!r}; mt.load_spikes reads a file")
    return Trains(spikes)


# As users call them: `mt.events(...)`, ...
events, poisson, program, regular = Events, Poisson, Patterns, Periodic
