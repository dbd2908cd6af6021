"""A train of spikes that is shown to a network of one's own, step by step, and what learns meanwhile."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memtwin.sim.errors import InputError
from memtwin.sim.parsers import parsing
from memtwin.sim.units import format_si

__all__ = ["ALIKE", "MOST_STEPS", "Size", "Train", "numbers"]

MOST_STEPS = 10_000_000
MOST_SPIKES = 255
ALIKE = 1e-6  # of a step: rounding of times
_OF_TRIAL, _OF_ALL = 2**27, 2**31  # steps times inputs, times trials: 1 GiB while they are drawn, 2 GiB


@dataclass(frozen=True, kw_only=True, eq=False)
class Train:
    """Spikes of every trial.

    Attributes
    ----------
    spikes : uint8 array (trials, T, inputs)
        How many spikes a row has in each step.
    learn : bool array (T,)
        Whether the layers that learn do so in a step.
    gates : uint8 array (T, neurons of the last layer)
        1 where the synapses of a neuron are connected, in kinds that have gates.
    forced : uint8 array (trials, T, neurons of the last layer)
        1 where a neuron is made to spike, in kinds in which that is possible.
    """

    spikes: NDArray[np.uint8]
    learn: NDArray[np.bool_]
    gates: NDArray[np.uint8]
    forced: NDArray[np.uint8]

    @property
    def steps(self) -> int:
        """Number of steps, T."""
        return self.spikes.shape[1]

    def runs(self, longest: int) -> NDArray[np.int64]:
        """Steps at which something changes in any trial, and those after so many without a change, (P,)."""
        whole = np.concatenate([self.spikes.transpose(1, 0, 2).reshape(self.steps, -1), self.gates], axis=1)
        changes = (whole[1:] != whole[:-1]).any(axis=1) | (self.learn[1:] != self.learn[:-1])
        starts = np.concatenate([[0], np.flatnonzero(changes) + 1])
        ends = np.append(starts[1:], self.steps)
        return np.concatenate([np.arange(start, end, longest) for start, end in zip(starts, ends, strict=True)])

    def demand_single(self, what: str) -> None:
        """Refuse several spikes of a row in a step, for kinds whose input is a level.

        Raises
        ------
        InputError
            If there are any.
        """
        if (most := int(self.spikes.max(initial=0))) > 1:
            raise InputError(f"spikes: expected at most one of a row in a step, which is {what}, not {most}")

    def demand_open(self, kind: str) -> None:
        """Refuse gates, for kinds that have none.

        Raises
        ------
        InputError
            If one is closed.
        """
        if not self.gates.all():
            raise InputError(f"gates: expected none; {kind} neurons have no gates")

    def demand_untaught(self, kind: str) -> None:
        """Refuse spikes that are forced, for kinds in which nothing can.

        Raises
        ------
        InputError
            If there are any.
        """
        if self.forced.any():
            raise InputError(f"taught spikes: expected none; {kind} neurons cannot be made to spike")


@dataclass(frozen=True, kw_only=True)
class Size:
    """What a network asks of a train: rows of layer 1, neurons of the last layer, step (s), trials, seed of trial 0."""

    inputs: int
    outputs: int
    step: float
    trials: int = 1
    seed: int = 0

    def steps(self, duration: float) -> int:
        """Steps in a time, s; a part of a step counts as one.

        Raises
        ------
        InputError
            If they are none, or too many.
        """
        steps = int(np.ceil(duration / self.step - ALIKE))
        if not 1 <= steps <= MOST_STEPS:
            step = format_si(self.step, "s")
            raise InputError(f"duration: expected 1 to {MOST_STEPS} steps of {step}, not {format_si(duration, 's')}")
        self.demand_room(steps)
        return steps

    def demand_room(self, steps: int) -> None:
        """Refuse trains of so many steps that would not fit the memory, before they are made.

        Raises
        ------
        InputError
            If they would not.
        """
        most = min(_OF_TRIAL // self.inputs, _OF_ALL // (self.inputs * self.trials))
        if steps > most:
            raise InputError(
                f"spikes: expected at most {most} steps with {self.inputs} inputs and {self.trials} trials, not {steps}"
            )

    def train(self, spikes: ArrayLike, learn: ArrayLike = True, gates: ArrayLike = 1) -> Train:
        """Make a train of counts (T, inputs) or (trials, T, inputs); `learn` and `gates` are broadcast over steps.

        Raises
        ------
        InputError
            If the counts have another shape, or are not whole numbers from 0 to 255.
        """
        table = numbers("spikes", spikes, "numbers of spikes")
        if table.ndim not in (2, 3) or table.shape[-1] != self.inputs or 0 in table.shape:
            raise InputError(f"spikes: expected an array (steps, {self.inputs} inputs), not the shape {table.shape}")
        if table.ndim == 3 and len(table) != self.trials:
            raise InputError(f"spikes: expected {self.trials} trials, or an array without them, not {len(table)}")
        if table.shape[-2] > MOST_STEPS:
            raise InputError(f"spikes: expected at most {MOST_STEPS} steps, not {table.shape[-2]}")
        if not ((table >= 0) & (table <= MOST_SPIKES) & (table == np.rint(table))).all():
            raise InputError(f"spikes: expected whole numbers from 0 to {MOST_SPIKES}")
        counts = table.astype(np.uint8)
        steps = counts.shape[-2]
        return Train(
            spikes=np.broadcast_to(counts, (self.trials, steps, self.inputs)),
            learn=np.broadcast_to(np.asarray(learn, dtype=bool), (steps,)),
            gates=np.broadcast_to(np.asarray(gates, dtype=np.uint8), (steps, self.outputs)),
            forced=np.broadcast_to(np.uint8(0), (self.trials, steps, self.outputs)),
        )


def numbers(name: str, values: ArrayLike, expected: str) -> NDArray:
    """Take what a user gives for an array of real numbers, or of truth values.

    Raises
    ------
    InputError
        If it is none: a list whose rows are not equally long, texts, complex numbers.
    """
    with parsing(name, f"{expected}, in an array"):
        table = np.asarray(values)
    if table.dtype.kind not in "biuf":
        raise InputError(f"{name}: expected {expected}, not {table.dtype}")
    return table
