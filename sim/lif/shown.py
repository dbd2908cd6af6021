"""What is shown to a LIF network: images as lists of entries (docs/lif-arithmetic.md, sections 1, 3 and 4)."""

import dataclasses
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memtwin.sim.errors import InputError

__all__ = ["DECODERS", "MODES", "Images"]

MODES = ("rate", "latency")
DECODERS = ("rate", "first spike")

_MOST_STEPS = 2**16 - 1
_LEVELS = np.arange(256.0)  # of a pixel


@dataclass(frozen=True, kw_only=True, eq=False)
class Images:
    """Images of every trial, as arrays with the leading axes (trials, presentations).

    Attributes
    ----------
    row : uint16 array (T, P, E)
        Rows of layer 1 with an entry, ascending; beyond the entries of an image 0.
    value : uint8 array (T, P, E)
        In mode ``"rate"`` the entry spikes in a step with the probability ``value / 256``; in mode ``"latency"`` in
        step ``value - 1``. Never 0 in an entry, and 0 beyond the entries of an image.
    steps : int64 array (T, P)
        Steps for which each image is shown.
    mode : str
        One of `MODES`.
    decoder : str
        One of `DECODERS`: the answer is the neuron with the most spikes, or the one with the first spike, with which
        the image is over.
    labels : int64 array (T, P), optional
        Right answers.

    Raises
    ------
    InputError
        If there is nothing to show, or arrays do not fit together.
    """

    row: NDArray[np.uint16]
    value: NDArray[np.uint8]
    steps: NDArray[np.int64]
    mode: str = "rate"
    decoder: str = "rate"
    labels: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"images, mode: expected one of {', '.join(MODES)}, not {self.mode!r}")
        if self.decoder not in DECODERS:
            raise InputError(f"images, decoder: expected one of {', '.join(DECODERS)}, not {self.decoder!r}")
        if self.row.ndim != 3 or self.row.shape != self.value.shape or self.steps.shape != self.row.shape[:2]:
            raise InputError(
                "images: expected rows and values (trials, images, entries) and steps (trials, images), "
                f"not {self.row.shape}, {self.value.shape} and {self.steps.shape}"
            )
        if self.steps.size == 0:
            raise InputError("images: expected at least one; there is nothing to show")
        if self.steps.min() < 1 or self.steps.max() > _MOST_STEPS:
            raise InputError(
                f"images, steps: expected 1 to {_MOST_STEPS}, not {self.steps.min()} to {self.steps.max()}"
            )
        there = self.value > 0
        if (there[..., 1:] & ~there[..., :-1]).any():
            raise InputError("images: expected entries without gaps; leave out those of value 0")
        if (there[..., 1:] & (np.diff(self.row.astype(np.int64)) <= 0)).any():
            raise InputError("images: expected the rows of an image in ascending order, each once")
        if self.labels is not None and self.labels.shape != self.steps.shape:
            raise InputError(f"images, labels: expected one for each image {self.steps.shape}, not {self.labels.shape}")

    @property
    def trials(self) -> int:
        """Number of trials."""
        return self.steps.shape[0]

    @property
    def presentations(self) -> int:
        """Number of images in each trial."""
        return self.steps.shape[1]

    @property
    def entries(self) -> NDArray[np.int64]:
        """Number of entries of each image, (T, P)."""
        return np.count_nonzero(self.value, axis=2)

    def check(self, rows: int, capacity: int) -> None:
        """Refuse images that do not fit a layer 1 of `rows`, or an encoder of so many entries.

        Raises
        ------
        InputError
            Then.
        """
        most, highest = int(self.entries.max()), int(self.row.max(initial=0))
        if most > capacity:
            raise InputError(
                f"images: expected at most {capacity} entries (capacity of the encoder), not {most}; "
                "raise the capacity, or leave out faint pixels"
            )
        if highest >= rows:
            raise InputError(f"images: expected rows below {rows} (rows of layer 1), not {highest}")

    def take(self, presentations: slice) -> "Images":
        """Return some of the images of every trial."""
        parts = {name: getattr(self, name)[:, presentations] for name in ("row", "value", "steps")}
        labels = None if self.labels is None else self.labels[:, presentations]
        return dataclasses.replace(self, **parts, labels=labels)

    @classmethod
    def from_values(
        cls,
        values: ArrayLike,
        *,
        steps: int | NDArray,
        mode: str,
        decoder: str = "rate",
        labels: ArrayLike | None = None,
        trials: int = 1,
    ) -> "Images":
        """Build from the values of all rows, (P, rows) with further axes flattened, the same in every trial.

        Rows of value 0 have no entry; `steps` is one number, or one for each image.

        Raises
        ------
        InputError
            If the values are not 0 to 255.
        """
        table = np.asarray(values)
        table = table.reshape(len(table), math.prod(table.shape[1:]))
        if table.size and (table.min() < 0 or table.max() > 255):
            raise InputError(f"images: expected values from 0 to 255, not {table.min()} to {table.max()}")
        image, row = np.nonzero(table)
        counts = np.bincount(image, minlength=len(table))
        width = int(counts.max(initial=0))
        place = np.arange(image.size) - np.repeat(np.cumsum(counts) - counts, counts)
        rows = np.zeros((len(table), width), dtype=np.uint16)
        entries = np.zeros((len(table), width), dtype=np.uint8)
        rows[image, place] = row
        entries[image, place] = table[image, row]

        def shown(array: NDArray) -> NDArray:
            return np.broadcast_to(array, (trials, *array.shape))

        return cls(
            row=shown(rows),
            value=shown(entries),
            steps=shown(np.broadcast_to(np.asarray(steps, dtype=np.int64), (len(table),))),
            mode=mode,
            decoder=decoder,
            labels=None if labels is None else shown(np.asarray(labels, dtype=np.int64)),
        )

    @classmethod
    def bernoulli(cls, pixels: ArrayLike, *, steps: int, rate: float = 1.0, **shown) -> "Images":
        """Rate code: a pixel spikes in a step with the probability ``round(pixel * rate) / 256``.

        Parameters
        ----------
        pixels : uint8 array (P, ...)
            Images.
        steps : int
            Steps for each.
        rate : float
            0 to 1.
        **shown
            `decoder`, `labels` and `trials` of `from_values`.
        """
        if not 0 <= rate <= 1:
            raise InputError(f"images, rate: expected 0 to 1 spikes in a step, not {rate:g}")
        return cls.from_values(_look_up(np.rint(_LEVELS * rate), pixels), steps=steps, mode="rate", **shown)

    @classmethod
    def poisson(cls, pixels: ArrayLike, *, steps: int, rate: float = 1.0, **shown) -> "Images":
        """Rate code of yu-tio2: a Poisson train with a rate in proportion to the pixel, at most one spike a step.

        `rate` is the mean number of arrivals in a step at the pixel 255; with at least one of them the pixel spikes,
        which has the probability ``1 - exp(-rate * pixel / 255)``. Other parameters are those of `bernoulli`.
        """
        if not 0 <= rate < np.inf:
            raise InputError(f"images, rate: expected zero or more spikes in a step, not {rate:g}")
        values = np.rint(-255 * np.expm1(-rate / 255 * _LEVELS))
        return cls.from_values(_look_up(values, pixels), steps=steps, mode="rate", **shown)

    @classmethod
    def latency(
        cls, pixels: ArrayLike, *, steps: int, darkest: int = 1, decoder: str = "first spike", **shown
    ) -> "Images":
        """Latency code: a pixel spikes once, the earlier the brighter (yang2020, Fig. 13).

        Pixel 255 spikes in step 0, pixel 0 would in the last one, but pixels below `darkest` are left out; between them
        the step falls linearly. Spikes are in the first 255 steps, which is what an entry can say. Other parameters are
        those of `bernoulli`.
        """
        last = min(steps, 255) - 1
        values = 1 + np.rint((255 - _LEVELS) * last / 255)
        values[: max(darkest, 1)] = 0
        return cls.from_values(_look_up(values, pixels), steps=steps, mode="latency", decoder=decoder, **shown)


def _look_up(values: NDArray[np.float64], pixels: ArrayLike) -> NDArray[np.uint8]:
    """Replace each pixel by the value of its level, one of 256."""
    table = np.asarray(pixels)
    if table.dtype != np.uint8 or table.ndim < 2:
        raise InputError(f"images: expected uint8 pixels (images, ...), not {table.dtype} of the shape {table.shape}")
    return values.astype(np.uint8)[table]
