"""The lateral inhibition array: truth table, margins, ties (zhang2021, Fig. 4)."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.cards import Card
from memtwin.sim.experiments.base import Experiment, Measured, Settings, every_field
from memtwin.sim.experiments.option import AMPLITUDE, Option
from memtwin.sim.figures import COLOURS, axis, digital, panels
from memtwin.sim.hybrid.physics_lia import InhibitionArray
from memtwin.sim.hybrid.quantize import quantize
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import TIES, LayerSpec
from memtwin.sim.recording import Recording, Waveform

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Lia"]

SIZES = (2, 10, 100, 1000)
# Synapses, S, from the weakest neuron to the last but one, and of the strongest, which wins by more than a substep.
WEAK, MIDDLE, STRONG = 60e-6, 450e-6, 900e-6


class Lia(Experiment):
    """A layer with a lateral inhibition array in which each neuron has one synapse, to a row of its own.

    Every trial starts from power-up and shows one set of rows: each row alone, pairs of rows of unequal drive, all
    rows, and the two rows of equal drive (neurons 0 and 1), which is a tie. The truth table is read from the gates at
    every substep: nobody's V_L high, all gates open; one neuron's, its own gate only; a tie as the option `tie` says.
    A gate may follow V_L one substep late, as it does on a clocked backend.

    The margins are those of the array alone, for several sizes: on the physics the voltages of the passive array, on
    the other backends the sums and references of the quantised words, in volts.
    """

    name = "lia"
    title = "The lateral inhibition array"
    source = "zhang2021, Fig. 4 and Supp. Note 1"
    idle = {  # noqa: RUF012
        "synapse": every_field("synapse"),
        "hybrid neuron": ("v_spike", "adapt_step", "tau_adapt"),
    }
    options = {  # noqa: RUF012
        "neurons": Option(10, "", "neurons, and rows of the array beside the bias row", least=2, most=1000),
        "v_in": Option(1.6, "V", "amplitude of the input pulses", **AMPLITUDE),
        "tie": Option("inhibit", "", "what two neurons do that fire at once", choices=TIES),
    }

    def plan(self, settings: Settings) -> dict[str, Job]:
        """Plan one run with a trial for each set of rows."""
        n = settings.options["neurons"]
        layer = LayerSpec(
            rows=n,
            neurons=n,
            v_in=settings.options["v_in"],
            g_initial=np.diag(_synapses(n)),
            inhibition=True,
            tie=settings.options["tie"],
            skip=False,
        )
        spec = settings.network(layer)
        shown = _patterns(n)
        pixels = np.array([pattern for pattern, _ in shown.values()])[:, None]
        # "twice" shows two firing cycles; every other trial ends when the first spike is over.
        fires = np.array([2 if name == "twice" else 1 for name in shown])[:, None]
        program = Program.build(pixels, gates=np.ones(n), learn=(0,), periods=40, fires=fires, rest=1)
        return {"layer": Job(spec=spec, shown=program, seed=settings.seed, record=True)}

    def summarise(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        measured: Measured,
    ) -> dict[str, Any]:
        """Check the truth table against the recording, and work out the margins."""
        n, tie = settings.options["neurons"], settings.options["tie"]
        recording = recordings["layer"]
        layer = recording.layers[0]
        checks = [
            _gates_follow(layer.waveform[trial], tie) and _fires_as_expected(layer.fires[trial, 0], winners, tie)
            for trial, (_, winners) in enumerate(_patterns(n).values())
        ]
        exact = recording.backend != "physics"
        return {
            "truth_table_ok": all(checks),
            "margin_v": {str(size): _margin(settings, size, exact) for size in SIZES},
            "tie": tie,
            "largest_n": _largest(settings.lia),
            "programmed": {
                str(size): {"g_bias_S": card["g_bias"], "margin_v": _passive_margin(card, size)}
                for size, card in ((size, programmed(settings.lia, size)) for size in SIZES)
            },
        }

    def figures(
        self,
        settings: Settings,
        runs: Mapping[str, Job],
        recordings: Mapping[str, Recording],
        results: Mapping[str, Any],
    ) -> "dict[str, Figure]":
        """Draw the column voltages (Fig. 4c, 4d), the moment of inhibition (Fig. 4e), and the margins."""
        n = settings.options["neurons"]
        twice = list(_patterns(n)).index("twice")
        return {
            "fig4d-columns": _draw_columns(settings.lia, n),
            "fig4e-moment": _draw_moment(recordings["layer"].layers[0].waveform[twice]),
            "margins": _draw_margins(settings.lia, results),
        }


def programmed(card: Card, n: int) -> Card:
    """Return `card` with the bias row raised as far as `n` neurons need it (docs/lia.md).

    The bias row lifts every column alike: so far that the winner's column is as far below the reference as the
    losers' are above it, and never below the bias conductance of the card.
    """
    inner = (n - 1) * card["g_inhibit"] + card["g_self"] + card["g_load"]
    middle = card["v_l"] * (card["g_self"] + card["g_inhibit"]) / 2
    centred = (card["v_ref"] * inner - middle) / (card["v_bias"] - card["v_ref"])
    return card.replace(g_bias=max(centred, card["g_bias"]))


def _synapses(n: int) -> NDArray[np.float64]:
    """Synapse of every neuron to its own row, S: the first two equal, later ones stronger."""
    if n == 2:
        return np.full(2, WEAK)
    return np.concatenate([[WEAK], np.geomspace(WEAK, MIDDLE, n - 2), [STRONG]])


def _patterns(n: int) -> dict[str, tuple[NDArray[np.uint8], tuple[int, ...]]]:
    """Rows of every trial, and the neurons that win: two for a tie. Neuron 0 is as strong as 1, later ones stronger."""
    out: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for i in range(n):
        out[f"alone {i}"] = ((i,), (i,))
    for i in range(1, n - n // 2):
        out[f"pair {i}"] = ((i, i + n // 2), (i + n // 2,))
    if n > 2:
        out["all"] = (tuple(range(n)), (n - 1,))
    out["tie"] = ((0, 1), (0, 1))
    out["twice"] = ((n - 1,), (n - 1,))
    return {name: (np.isin(np.arange(n), rows).astype(np.uint8), winners) for name, (rows, winners) in out.items()}


def _fires_as_expected(fires: NDArray[np.int64], winners: tuple[int, ...], tie: str) -> bool:
    """Whether the winners fired, and nobody else; a tie is two fires, whoever is suppressed."""
    return set(np.flatnonzero(fires).tolist()) == set(winners)


def _gates_follow(wave: Waveform, tie: str) -> bool:
    """Whether the gates of every substep are those of its V_L, or of the V_L one substep before."""
    v_l, gate = wave.signals["v_l"] == 1, wave.signals["gate"] == 1
    before = np.vstack([np.zeros_like(v_l[:1]), v_l[:-1]])
    fits = _allowed(v_l, gate, tie) | _allowed(before, gate, tie)
    somebody = v_l.any(axis=1)
    return bool(fits.all() and somebody.any() and not somebody.all())


def _allowed(v_l: NDArray[np.bool_], gate: NDArray[np.bool_], tie: str) -> NDArray[np.bool_]:
    """The truth table: which rows of gates (T, n) it allows for which rows of V_L (T, n)."""
    high, opened = v_l.sum(axis=1), gate.sum(axis=1)
    own_only = (opened == 1) & (v_l & gate).any(axis=1)
    # Of several neurons that fire at once all inhibit each other, or all but one are ignored.
    several = (opened == 0) if tie == "inhibit" else own_only
    return np.select([high == 0, high == 1], [opened == gate.shape[1], own_only], several)


def _margin(settings: Settings, n: int, exact: bool) -> float:
    """Smallest distance of a column of the array for `n` neurons from the reference, V; negative on the wrong side."""
    if not exact:
        return _passive_margin(settings.lia, n)
    layer = LayerSpec(rows=1, neurons=n, v_in=1.0, g_initial=settings.synapse["g_medium"], inhibition=True)
    spec = settings.network(layer)
    words = quantize(spec, Job(spec=spec, shown=_nothing(n)).sample())[0].words
    table, reference = words["inhibition"][0].reshape(n + 1, n), words["reference"][0]
    # A reference word stands for v_ref.
    volts = settings.lia["v_ref"] / reference
    return _smallest(table[n] * volts, (table[:n] + table[n]) * volts, settings.lia["v_ref"])


def _nothing(n: int) -> Program:
    return Program.build(np.zeros((1, 1, 1)), gates=np.ones(n), learn=(0,), periods=1)


def _passive_margin(card: Card, n: int) -> float:
    array = InhibitionArray(card, n)
    return _smallest(array.voltages(np.zeros(n)), array.voltages(np.eye(n)), card["v_ref"])


def _smallest(nobody: NDArray[np.float64], winner: NDArray[np.float64], v_ref: float) -> float:
    """Margin over both conditions: `nobody` (n,) fires; the neuron of the row fires, in `winner` (n, n)."""
    own = np.diagonal(winner)
    losers = winner[~np.eye(len(own), dtype=bool)]
    return float(min((v_ref - nobody).min(), (v_ref - own).min(), (losers - v_ref).min()))


def _largest(card: Card) -> int | None:
    """Most neurons for which the array of the card keeps the truth table, counted up from 2; null if not even 2."""
    n = 2
    while n <= 4096 and _closed_form(card, n)[2] > 0 and max(_closed_form(card, n)[:2]) < card["v_ref"]:
        n += 1
    return n - 1 if n > 2 else None


def _closed_form(card: Card, n: int) -> tuple[float, float, float]:
    """Column voltages with nobody, of the winner, and above the reference of a loser (docs/lia.md)."""
    total = (n - 1) * card["g_inhibit"] + card["g_self"] + card["g_bias"] + card["g_load"]
    bias = card["v_bias"] * card["g_bias"] / total
    loser = bias + card["v_l"] * card["g_inhibit"] / total
    return bias, bias + card["v_l"] * card["g_self"] / total, loser - card["v_ref"]


def _draw_columns(card: Card, n: int) -> "Figure":
    figure, axes = panels(f"Fig. 4d: columns of the array for {n} neurons", 2, height=4.2)
    array, reference = InhibitionArray(card, n), 1e3 * card["v_ref"]
    winner = np.eye(n)[0]
    for ax, seen, title in ((axes[0], np.zeros(n), "nobody fires"), (axes[1], winner, "neuron 1 fires")):
        volts = 1e3 * array.voltages(seen)
        colours = [COLOURS[2] if v < reference else COLOURS[1] for v in volts]
        ax.bar(np.arange(1, n + 1), volts, color=colours, width=0.6)
        ax.axhline(reference, color=COLOURS[5], linewidth=0.8, linestyle="--")
        ax.text(1, reference, "V_ref ", transform=ax.get_yaxis_transform(), fontsize=7, ha="right", va="bottom")
        ax.set_title(f"{title} (green: gate open)", fontsize=8, loc="left")
        axis(ax, "", "column (mV)")
    axes[1].set_xlabel("column", fontsize=9)
    return figure


def _draw_moment(wave: Waveform) -> "Figure":
    figure, (ax,) = panels("Fig. 4e: V_L rises when the device switches on; two firing cycles", height=3.4)
    names = {"CLK": wave.clk, "node 2": wave.signals["node2"][:, -1], "V_L": wave.signals["v_l"][:, -1]}
    names |= {"own gate": wave.signals["gate"][:, -1], "another's gate": wave.signals["gate"][:, 0]}
    digital(ax, wave.time_s, names)
    ax.set_xlim(0, 1e3 * wave.time_s[-1])
    axis(ax, "time (ms)")
    return figure


def _draw_margins(card: Card, results: Mapping[str, Any]) -> "Figure":
    figure, (ax,) = panels("Margin of the array to V_ref over its size", height=3.6)
    sizes = np.unique(np.geomspace(2, 1000, 120).astype(int))
    volts = np.array([_closed_form(card, n) for n in sizes])
    fixed = 1e3 * np.minimum(card["v_ref"] - volts[:, :2].max(axis=1), volts[:, 2])
    centred = []
    for n in sizes:
        tuned = programmed(card, int(n))
        nobody, own, loser = _closed_form(tuned, int(n))
        centred.append(1e3 * min(card["v_ref"] - max(nobody, own), loser))
    ax.plot(sizes, fixed, color=COLOURS[0], label="conductances of the card")
    ax.plot(sizes, centred, color=COLOURS[2], linestyle="--", label="bias row programmed for the size")
    points = results["margin_v"]
    ax.plot([int(n) for n in points], [1e3 * v for v in points.values()], "o", color=COLOURS[1], label="results")
    ax.axhline(0, color=COLOURS[5], linewidth=0.8)
    ax.set_xscale("log")
    ax.legend(fontsize=8, frameon=False)
    axis(ax, "neurons", "margin (mV)")
    return figure
