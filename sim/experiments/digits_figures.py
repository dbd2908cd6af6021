"""Figures of the experiment `digits`: patterns, weight maps, rates, and the evolution of one neuron's synapses."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.figures import COLOURS, axis, blank, panels
from memtwin.sim.recording import Recording

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = ["evolution", "layer1", "layer2", "patterns", "rates"]


def patterns(pixels: NDArray[np.uint8]) -> "Figure":
    """Draw the patterns (Fig. 5a); `pixels` is (patterns, height, width)."""
    columns = min(10, len(pixels))
    rows = -(-len(pixels) // columns)
    figure = blank("Fig. 5a: patterns; black pixels pulse", 0.9 * columns, 1.1 * rows + 0.4)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for number, ax in enumerate(axes):
        if number < len(pixels):
            ax.imshow(pixels[number], cmap="gray_r", vmin=0, vmax=1)
            ax.set_title(str(number), fontsize=8)
        _bare(ax, number < len(pixels))
    return figure


def layer1(runs: Mapping[str, Job], recordings: Mapping[str, Recording], shape: Sequence[int]) -> "Figure":
    """Draw the synapses of layer 1, one picture for each neuron, before and after training (Fig. 5d, 5f)."""
    modes = list(recordings)
    before = runs[modes[0]].sample()[0].conductance[0]
    maps = {"before": before} | {mode: recording.layers[0].conductance[0] for mode, recording in recordings.items()}
    synapse = runs[modes[0]].spec.synapse
    neurons = before.shape[0]
    figure = blank(
        "Fig. 5d, 5f: synapses of layer 1 (µS), neuron by neuron, before training and after it in each mode",
        0.9 * neurons + 0.6,
        1.25 * len(maps) + 0.4,
    )
    axes = figure.subplots(len(maps), neurons, squeeze=False)
    for row, (label, conductance) in zip(axes, maps.items(), strict=True):
        row[0].set_ylabel(label, fontsize=8)
        for ax, synapses in zip(row, conductance, strict=True):
            image = _map(ax, synapses.reshape(shape), synapse["g_min"], synapse["g_max"])
            _bare(ax)
    for number, ax in enumerate(axes[0]):
        ax.set_title(str(number), fontsize=8)
    figure.colorbar(image, ax=axes, shrink=0.6)
    return figure


def layer2(run: Job, recording: Recording) -> "Figure":
    """Draw the synapses of layer 2 before and after training (Fig. 5h, 5j)."""
    synapse = run.spec.synapse
    figure = blank("Fig. 5h, 5j: synapses of layer 2 (µS), adaptive mode", 7, 3.2)
    axes = figure.subplots(1, 2)
    maps = (run.sample()[1].conductance[0], recording.layers[1].conductance[0])
    for ax, label, conductance in zip(axes, ("before", "after"), maps, strict=True):
        image = _map(ax, conductance, synapse["g_min"], synapse["g_max"])
        ax.set_title(label, fontsize=9)
        axis(ax, "neuron of layer 1", "output neuron")
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure


def rates(results: Mapping[str, Any], modes: Sequence[str], flips: int) -> "Figure":
    """Draw the rates of both layers for every pattern, in every mode (Fig. 5g, 5k)."""
    figure = blank(f"Fig. 5g, 5k: rates (Hz) with {flips} flipped pixel", 3.1 * len(modes) + 0.6, 5.8)
    axes = figure.subplots(2, len(modes), squeeze=False)
    for row, layer in zip(axes, ("1", "2"), strict=True):
        for ax, mode in zip(row, modes, strict=True):
            image = ax.imshow(np.array(results[mode]["rates"][layer]), cmap="viridis", vmin=0)
            ax.set_title(mode, fontsize=9)
            axis(ax, f"neuron of layer {layer}", "pattern")
            figure.colorbar(image, ax=ax, shrink=0.8)
    return figure


def evolution(run: Job, recording: Recording, pattern: NDArray[np.uint8]) -> "Figure":
    """Draw the synapses of the neuron that fires most while one pattern alone is shown (Fig. 5e)."""
    layer = recording.layers[0]
    neuron = int(layer.fires[0].sum(axis=0).argmax())
    steps = [synapses for _, who, synapses in layer.learning[0] if who == neuron]
    curves = 1e6 * np.array([run.sample()[0].conductance[0, neuron], *steps])
    figure, (ax,) = panels(f"Fig. 5e: synapses of neuron {neuron} while pattern 1 alone is shown", height=3.6)
    for black, label, colour in ((True, "black pixels", COLOURS[0]), (False, "white pixels", COLOURS[1])):
        chosen = (pattern.ravel() == 1) == black
        lines = ax.plot(curves[:, chosen], color=colour, linewidth=0.8, alpha=0.6)
        if lines:
            lines[0].set_label(label)
    ax.legend(fontsize=8, frameon=False, loc="center right")
    axis(ax, "learning step (a depression and a potentiation for each fire)", "conductance (µS)")
    return figure


def _map(ax: "Axes", siemens: NDArray[np.float64], g_min: float, g_max: float) -> "AxesImage":
    return ax.imshow(1e6 * siemens, cmap="viridis", vmin=1e6 * g_min, vmax=1e6 * g_max)


def _bare(ax: "Axes", frame: bool = True) -> None:
    ax.set_xticks([])
    ax.set_yticks([])
    if not frame:
        ax.set_axis_off()
