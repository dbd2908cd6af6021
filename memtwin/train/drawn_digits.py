"""What the designs of LIF networks show: one drawn picture of each digit, in few shades, so that ten fit a board."""

import dataclasses

import numpy as np

from memtwin.sim import backends
from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.base import Settings
from memtwin.sim.lif.recording import LifRecording
from memtwin.train.data import CLASSES, SIDE, draw_digits
from memtwin.train.mnist import Mnist

__all__ = ["DrawnDigits", "held_entries"]

# Entries of an image: none of MNIST has more than 352, and 256 pairs fill a block RAM of the iCE40.
CAPACITY = 512
SHADES = np.array([0, 128, 255], dtype=np.uint8)
PICTURES, SEED = 400, 1  # that are drawn, for ten to be chosen


def held_entries(rows: int) -> int:
    """Entries that the encoder of a design with so many rows holds: all of them, or `CAPACITY`."""
    return min(rows + rows % 2, CAPACITY)


class DrawnDigits(Mnist):
    """Ten drawn pictures, one of each digit, in order, shown to the network of the experiment ``mnist``.

    They are drawn in the manner of MNIST (`draw_digits`), with three shades. The network was not trained with them,
    and is right in about half of them; of each digit the first picture is taken to which its answer is right, and the
    first of all if there is none.
    """

    title = "Drawn digits on LIF neurons"
    options = {name: Mnist.options[name] for name in ("net", "steps", "encoding", "decoder")}  # noqa: RUF012

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan one run with ten images."""
        job, drawn = self._candidates(settings)

        def is_right(at: int) -> bool:
            # Alone, so that it does not depend on what was shown before.
            recording = backends.run(_showing(job, [at]), "model")
            assert isinstance(recording, LifRecording)
            return bool(recording.answers[0, 0] == job.shown.labels[0, at])

        return {"drawn": _showing(job, [next(filter(is_right, of_digit), of_digit[0]) for of_digit in drawn])}

    def networks(self, settings: Settings) -> dict[str, Job]:
        """Name the run with the first picture of each digit: none is tried."""
        job, drawn = self._candidates(settings)
        return {"drawn": _showing(job, [of_digit[0] for of_digit in drawn])}

    def _candidates(self, settings: Settings) -> tuple[Job, list[list[int]]]:
        """Return a run with all pictures, and which of them are of each digit."""
        network = self.network(settings)
        rows, outputs = network.spec.layers[0].rows, network.spec.layers[-1].neurons
        if (rows, outputs) != (SIDE**2, CLASSES):
            raise InputError(
                f"{network.source}: expected {SIDE**2} inputs and {CLASSES} outputs, not {rows} and {outputs}"
            )
        spec = dataclasses.replace(self.spec_of(network, settings), capacity=held_entries(rows))
        digits = draw_digits(PICTURES, seed=SEED)
        pixels = SHADES[np.rint(digits.images / 255 * (len(SHADES) - 1)).astype(int)]
        shown = network.shown().show(pixels, digits.labels)
        job = Job(spec=spec, shown=shown, seed=settings.seed, warnings=tuple(network.silent()))
        return job, [np.flatnonzero(digits.labels == digit).tolist() for digit in range(CLASSES)]


def _showing(job: Job, which: list[int]) -> Job:
    """Return a run that shows some of the images of another."""
    parts = {name: getattr(job.shown, name)[:, which] for name in ("row", "value", "steps", "labels")}
    return dataclasses.replace(job, shown=dataclasses.replace(job.shown, **parts))
