"""What self-contained designs show, out of what an experiment shows to its network; trial 0 alone."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.boards.content import LessonPlan, Phase, Picture, Presentation

__all__ = ["bits", "lesson_of", "pictures_of", "presentations_of"]


def presentations_of(stimulus: Any) -> list[Presentation]:
    """List the presentations of a stimulus."""
    return [
        Presentation(
            **{name: bits(getattr(stimulus, name)[0, at]) for name in ("pixels", "gates", "learn")},
            **{name: int(getattr(stimulus, name)[0, at]) for name in ("on", "off")},
        )
        for at in range(stimulus.presentations)
    ]


def pictures_of(images: Any) -> list[Picture]:
    """List the images of trial 0."""
    return [
        Picture(
            rows=images.row[0, at, :entries].tolist(),
            values=images.value[0, at, :entries].tolist(),
            label=None if images.labels is None else int(images.labels[0, at]),
        )
        for at, entries in enumerate(images.entries[0].tolist())
    ]


def lesson_of(program: Any) -> LessonPlan:
    """Turn the program of trial 0 into phases of training, and into how a pattern is shown afterwards.

    The number of a pattern is that of the output neuron that it is taught to, whose gate alone is open.
    """
    pixels, gates, learn = program.pixels[0], program.gates[0], program.learn[0]
    alone = gates.sum(axis=1) == 1
    taught = learn.any(axis=1)
    number = {pixels[at].tobytes(): int(gates[at].argmax()) for at in np.flatnonzero(taught & alone)}
    if sorted(number.values()) != list(range(len(number))):
        raise ValueError("a lesson must teach every pattern to an output neuron of its own, from neuron 0 on")
    patterns = [bits(np.frombuffer(shown, np.uint8)) for shown in sorted(number, key=number.__getitem__)]

    terms = ("until", "fires", "periods", "rest")
    table = np.column_stack([learn, alone, *(getattr(program, term)[0] for term in terms)])
    starts = np.flatnonzero(np.diff(table, axis=0, prepend=-1).any(axis=1))
    phases = []
    for start, end in zip(starts, [*starts[1:], len(table)], strict=True):
        if taught[start]:
            phases.append(
                Phase(
                    learn=int(learn[start].argmax()),
                    order=[number[shown.tobytes()] for shown in pixels[start:end]],
                    labelled=bool(alone[start]),
                    **{term: int(getattr(program, term)[0, start]) for term in terms},
                )
            )
    after = int(np.flatnonzero(~taught)[0])
    return LessonPlan(
        patterns=patterns, phases=phases, periods=int(program.periods[0, after]), rest=int(program.rest[0, after])
    )


def bits(pixels: NDArray[np.uint8]) -> int:
    """Flags as bits; bit `r` is row `r`."""
    return sum(int(pixel) << row for row, pixel in enumerate(pixels))
