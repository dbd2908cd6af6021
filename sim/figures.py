"""Drawing helpers that the figures of the experiments share. Nothing here touches a display.

Matplotlib is imported when the first figure is made: most commands draw none, and it takes longer than they do.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "axis", "blank", "digital", "panels", "spread_bars"]

COLOURS = ("#1f5f99", "#c8501e", "#3a7d44", "#7a4b94", "#8a6d1d", "#555555")


def blank(title: str, width: float, height: float) -> "Figure":
    """Make a figure without panels, of a size in inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    return figure


def panels(
    title: str, rows: int = 1, *, width: float = 7.0, height: float = 3.2, ratios: Sequence[float] | None = None
) -> "tuple[Figure, list[Axes]]":
    """Make a figure of `rows` panels above each other that share their x axis.

    Returns
    -------
    figure, axes
        The axes from top to bottom, with a light grid and without frame lines on the right and at the top.
    """
    figure = blank(title, width, height)
    axes = figure.subplots(rows, 1, sharex=True, squeeze=False, gridspec_kw={"height_ratios": ratios})[:, 0]
    for ax in axes:
        ax.spines[["top", "right"]].set_visible(False)
        ax.grid(True, linewidth=0.4, alpha=0.5)
        ax.tick_params(labelsize=8)
    return figure, list(axes)


def axis(ax: "Axes", x: str = "", y: str = "") -> None:
    """Label the axes of a panel."""
    ax.set_xlabel(x, fontsize=9)
    ax.set_ylabel(y, fontsize=9)


def digital(ax: "Axes", time_s: ArrayLike, signals: Mapping[str, ArrayLike]) -> None:
    """Draw signals of 0 and 1 above each other, the first on top, over time in ms.

    A sample holds for the time since the sample before it.
    """
    milliseconds = np.concatenate([[0.0], 1e3 * np.asarray(time_s)])
    levels = []
    for number, (name, values) in enumerate(signals.items()):
        base = len(signals) - 1 - number
        wave = np.asarray(values, dtype=float)
        colour = COLOURS[number % len(COLOURS)]
        steps = base + 0.7 * np.concatenate([wave[:1], wave])
        ax.fill_between(milliseconds, base, steps, step="pre", color=colour, alpha=0.25, linewidth=0)
        ax.step(milliseconds, steps, where="pre", color=colour, linewidth=1)
        levels.append((base + 0.35, name))
    ax.set_yticks([level for level, _ in levels], [name for _, name in levels], fontsize=8)
    ax.set_ylim(-0.15, len(signals) - 0.15)
    ax.grid(False, axis="y")


def spread_bars(ax: "Axes", points: Mapping[str, Mapping[str, Any]], scale: float, colour: str) -> None:
    """Draw means with one standard deviation over amplitudes in V; points without a mean are left out."""
    known = {volts: point for volts, point in points.items() if point["mean"] is not None}
    ax.errorbar(
        [float(volts) for volts in known],
        [point["mean"] * scale for point in known.values()],
        [point["sd"] * scale for point in known.values()],
        fmt="s",
        markersize=4,
        capsize=3,
        color=colour,
        alpha=0.6,
        label="mean and sd, cycle to cycle",
    )
