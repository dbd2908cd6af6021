"""Accuracy of the MNIST networks against bits, steps and encoding: ``python -m memtwin.bench --sweep``.

Every point is a network trained for it, on MNIST's training pictures without 5000 that are held out, and tried on
those; the test set is left alone. The network with a hidden layer has 8 epochs instead of 40, so that the whole sweep
takes minutes.

Of an accuracy on `n` pictures the standard error is that of a mean of `n` rights and wrongs. Networks are tried on the
same pictures, so that the error of a difference is smaller: that of the mean of the differences, picture by picture.
Neither has the chance of the training in it, which is measured apart, with other seeds.
"""

import dataclasses
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from memtwin.bench.float import train_float
from memtwin.sim.backends import Job
from memtwin.sim.backends import run as run_on
from memtwin.sim.figures import COLOURS, axis
from memtwin.sim.lif.recording import LifRecording
from memtwin.sim.lif.shown import MODES
from memtwin.train.data import Digits
from memtwin.train.settings import Settings
from memtwin.train.train import settings_of, train

__all__ = ["HELD_OUT", "POINTS", "REFERENCES", "Point", "draw", "png", "rights", "sweep"]

HELD_OUT = 5000
_ENCODER_SEEDS = 5  # over which an accuracy is a mean, where the encoder draws

_FLAT, _HIDDEN = "784x10", "784x128x10"
_BITS, _STEPS = (2, 3, 4, 5, 6, 7, 8), (2, 5, 10, 20, 40, 80)
_TRAINING_SEEDS = (1, 2, 3, 4)
_PERCENT = 100.0

Say = Callable[[str], None]
Rights = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One network of the sweep.

    Attributes
    ----------
    net : str
        Its name, as `memtwin.train.train.settings_of` takes it.
    sweep : str
        What is varied: ``"bits"``, ``"steps"``, ``"levels"``, ``"seed"``, or ``"float"`` for a network without spikes.
    at : int
        Its value.
    settings : Settings
        All of the training.
    """

    net: str
    sweep: str
    at: int
    settings: Settings


_RATE = settings_of(_FLAT)
_LATENCY = dataclasses.replace(_RATE, mode="latency", steps=12)
_DEEP = settings_of(_HIDDEN, epochs=8)
_DEEP_RATE = dataclasses.replace(_DEEP, mode="rate", steps=8, rate=5e-3)
REFERENCES = {_FLAT: _RATE, _HIDDEN: _DEEP}  # the networks from which differences are taken


def _vary(net: str, base: Settings, name: str, values: Sequence[int], sweep: str = "") -> list[Point]:
    out = []
    for at in values:
        # An image cannot have more levels than steps.
        levels = min(base.levels, at) if name == "steps" else base.levels
        changes: dict[str, Any] = {"levels": levels, name: at}
        out.append(Point(net=net, sweep=sweep or name, at=at, settings=dataclasses.replace(base, **changes)))
    return out


POINTS = (
    Point(net=_FLAT, sweep="float", at=0, settings=_RATE),
    Point(net=_HIDDEN, sweep="float", at=0, settings=_DEEP),
    *(point for base in (_RATE, _LATENCY) for point in _vary(_FLAT, base, "weight_bits", _BITS, "bits")),
    *(point for base in (_RATE, _LATENCY) for point in _vary(_FLAT, base, "steps", _STEPS)),
    *_vary(_FLAT, _RATE, "seed", _TRAINING_SEEDS),
    *_vary(_HIDDEN, _DEEP, "weight_bits", _BITS, "bits"),
    *_vary(_HIDDEN, _DEEP, "steps", (2, 4, 8, 12, 20, 40)),
    *_vary(_HIDDEN, _DEEP_RATE, "steps", (2, 5, 8, 12, 20)),
    *_vary(_HIDDEN, _DEEP, "levels", (1, 2, 4, 8)),
    *_vary(_HIDDEN, _DEEP, "seed", _TRAINING_SEEDS),
)


def sweep(
    digits: Digits, *, points: Sequence[Point] = POINTS, held_out: int = HELD_OUT, say: Say | None = None
) -> dict[str, Any]:
    """Train and try the networks of `points`.

    Parameters
    ----------
    digits : Digits
        Pictures to train with, of which `held_out` are not.
    points : sequence of Point
        Equal settings are trained once.
    say : callable, optional
        Is told of every network.

    Returns
    -------
    dict
        JSON values: ``held_out``; ``points``, each with ``net``, ``encoding``, ``sweep``, ``at``, ``accuracy``,
        ``standard_error``, and, where the network of `REFERENCES` is among them, ``difference`` from it and
        ``difference_error``.
    """
    training, others = digits.split(held_out, seed=1)
    known: dict[tuple[Settings, bool], Rights] = {}
    for point in points:
        if _key(point) not in known:
            right = known[_key(point)] = rights(training, others, point)
            if say:
                say(f"{point.net} {_encoding(point)} {point.sweep} {point.at}: {_PERCENT * right.mean():.2f} %")
    out = []
    for point in points:
        right = known[_key(point)]
        found: dict[str, Any] = {
            "net": point.net,
            "encoding": _encoding(point),
            "sweep": point.sweep,
            "at": point.at,
            "accuracy": float(right.mean()),
            "standard_error": _error(right),
        }
        reference = known.get((REFERENCES[point.net], False))
        if reference is not None:
            found["difference"] = float((right - reference).mean())
            found["difference_error"] = _error(right - reference)
        out.append(found)
    return {"held_out": held_out, "points": out}


def rights(training: Digits, others: Digits, point: Point) -> Rights:
    """Train the network of a point; return how often it answers each of `others` rightly, 0 to 1."""
    if point.sweep == "float":
        return (train_float(training, point.settings).answers(others.images) == others.labels).astype(np.float64)
    network = train(training, point.settings)
    shown = point.settings.encoding.show(
        others.images, others.labels, trials=_ENCODER_SEEDS if point.settings.mode == "rate" else 1
    )
    recording = run_on(Job(spec=network.spec, shown=shown), "model")
    assert isinstance(recording, LifRecording)
    return (recording.answers == others.labels).mean(axis=0)


def draw(found: Mapping[str, Any]) -> Figure:
    """Draw accuracy over bits and over steps, one row for each network, from what `sweep` returns."""
    figure = Figure(figsize=(7.4, 5.6), layout="constrained")
    figure.suptitle(f"MNIST, {found['held_out']} pictures held out; bars: one standard error", fontsize=10)
    titles = {"bits": "bits of a weight", "steps": "steps of an image"}
    for row, net in zip(figure.subplots(2, 2, sharex="col", sharey="row"), REFERENCES, strict=True):
        own = [point for point in found["points"] if point["net"] == net]
        (flat,) = (point["accuracy"] for point in own if point["sweep"] == "float")
        for ax, (varied, title) in zip(row, titles.items(), strict=True):
            ax.axhline(
                _PERCENT * flat, color=COLOURS[5], linewidth=1, linestyle="--", label="floating point, no spikes"
            )
            _curves(ax, [point for point in own if point["sweep"] == varied])
            ax.spines[["top", "right"]].set_visible(False)
            ax.grid(True, linewidth=0.4, alpha=0.5)
            ax.tick_params(labelsize=8)
            axis(ax, title if net == _HIDDEN else "", f"{net}, %" if varied == "bits" else "")
            ax.legend(fontsize=7, frameon=False, loc="lower right")
            if varied == "steps":
                ax.set_xscale("log", base=2)
                ax.set_xticks(_STEPS, [str(steps) for steps in _STEPS])
                ax.minorticks_off()
    return figure


def png(found: Mapping[str, Any]) -> bytes:
    """Return the figure of `draw` as a PNG file."""
    file = io.BytesIO()
    draw(found).savefig(file, format="png", dpi=110)
    return file.getvalue()


def _curves(ax: Axes, points: Sequence[Mapping[str, Any]]) -> None:
    """Draw one curve for each encoding."""
    for encoding, colour in zip(MODES, COLOURS, strict=False):
        own = sorted((point for point in points if point["encoding"] == encoding), key=lambda point: point["at"])
        if not own:
            continue
        ax.errorbar(
            [point["at"] for point in own],
            [_PERCENT * point["accuracy"] for point in own],
            [_PERCENT * point["standard_error"] for point in own],
            marker="o",
            markersize=4,
            capsize=2,
            linewidth=1.2,
            color=colour,
            label=encoding,
        )


def _key(point: Point) -> tuple[Settings, bool]:
    return point.settings, point.sweep == "float"


def _encoding(point: Point) -> str:
    return "pixels" if point.sweep == "float" else point.settings.mode


def _error(values: Rights) -> float:
    """Standard error of the mean of one value for each picture."""
    return float(values.std(ddof=1) / np.sqrt(values.size))
