"""Shifted and bent copies of pictures, so that a network in training never sees the same one twice."""

import functools

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.errors import InputError

__all__ = ["bend", "shift"]

_GRID = 5  # bumps of the displacement, in each direction
_TURN_SD = 0.1  # of turns, shears and scalings at strength 1
_BUMP_SD = 0.8  # of the local displacements at strength 1, pixels

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def shift(images: Bytes, most: int, rng: np.random.Generator) -> Bytes:
    """Shift square pictures (images, pixels) by whole pixels, at most `most` in either direction."""
    side = _side(images)
    padded = np.pad(images.reshape(-1, side, side), ((0, 0), (most, most), (most, most)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side), axis=(1, 2))
    down, right = rng.integers(0, 2 * most + 1, (2, len(images)))
    return windows[np.arange(len(images)), down, right].reshape(len(images), -1)


def bend(images: Bytes, strength: float, rng: np.random.Generator) -> Bytes:
    """Displace the pixels of square pictures (images, pixels) smoothly.

    The displacement is a sum of fixed fields with random weights: the two coordinates (turn, shear, scaling) and a grid
    of Gaussian bumps. `strength` 1 is a standard deviation of 0.1 of the former and of 0.8 pixels of the latter.
    """
    side = _side(images)
    x, y, fields, sd = _fields(side)
    weight = rng.standard_normal((2, len(images), len(fields)), np.float32) * (sd * np.float32(strength))
    return _sample(images, x + weight[0] @ fields, y + weight[1] @ fields, side)


def _side(images: Bytes) -> int:
    side = round(images.shape[1] ** 0.5)
    if side**2 != images.shape[1]:
        raise InputError(f"pictures: expected square ones, not of {images.shape[1]} pixels")
    return side


@functools.lru_cache(maxsize=4)
def _fields(side: int) -> tuple[Floats, Floats, Floats, Floats]:
    """Coordinates of the pixels from the middle, fields (fields, pixels), and the deviation of each field's weight."""
    at = np.arange(side, dtype=np.float32) - np.float32((side - 1) / 2)
    y, x = (part.ravel() for part in np.meshgrid(at, at, indexing="ij"))
    pitch = side / _GRID
    centre = (np.arange(_GRID) - (_GRID - 1) / 2) * pitch
    bump = np.exp(-0.5 * ((at[None, :] - centre[:, None]) / (0.6 * pitch)) ** 2)
    bumps = np.einsum("ay,bx->abyx", bump, bump).reshape(_GRID**2, side * side)
    bumps /= np.sqrt((bumps**2).sum(axis=0).mean())
    fields = np.concatenate([[x, y], bumps]).astype(np.float32)
    sd = np.full(len(fields), _BUMP_SD, np.float32)
    sd[:2] = _TURN_SD
    return x, y, fields, sd


def _sample(images: Bytes, x: Floats, y: Floats, side: int) -> Bytes:
    """Read the pictures between the pixels, bilinearly; outside they are black."""
    width = side + 3
    padded = np.pad(images.reshape(-1, side, side), ((0, 0), (1, 2), (1, 2))).astype(np.float32).ravel()
    middle = np.float32((side - 1) / 2 + 1)
    x, y = (np.clip(part + middle, 0, side + 1) for part in (x, y))
    left, top = x.astype(np.int32), y.astype(np.int32)
    x -= left
    y -= top
    corner = left + width * top + (np.arange(len(images), dtype=np.int32) * (width * width))[:, None]
    upper = padded[corner] * (1 - x) + padded[corner + 1] * x
    corner += width
    lower = padded[corner] * (1 - x) + padded[corner + 1] * x
    return np.rint(upper + (lower - upper) * y).astype(np.uint8)
