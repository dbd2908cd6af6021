"""A network with everything that a file says of it: how images are shown to it, which devices it is meant for."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memtwin.sim.cards import Card
from memtwin.sim.coefficients import LayerCoefficients, reports_of
from memtwin.sim.errors import InputError
from memtwin.sim.lif.quantize import quantize
from memtwin.sim.lif.shown import DECODERS, MODES, Images
from memtwin.sim.lif.spec import LifLayerSpec, LifSpec
from memtwin.sim.quantised import quantisation_warnings, refuse_clipped
from memtwin.sim.units import format_si

__all__ = ["UNSAID", "Encoding", "StoredNetwork", "card_text", "soonest_spikes"]

UNSAID = {
    "unit": "a unit: no neuron leaks, and a spike adds its weight in a step",
    "default": "as snnTorch has it",
}
"""Why a step that a file does not say is what it is, by `StoredNetwork.dt_source`."""

_SHOWN = 1000  # steps for which an image is shown, where the file does not say it


@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """How images are shown to a network, and its answer read (docs/lif-arithmetic.md, sections 3 and 4).

    Attributes
    ----------
    mode, decoder : str
        See `memtwin.sim.lif.shown.Images`.
    steps : int
        For which an image is shown.
    values : uint8 array (256,)
        The `value` of the entry of a pixel of 0 to 255; with the value 0 the pixel has none.

    Raises
    ------
    InputError
        If one of them is not possible.
    """

    mode: str
    decoder: str
    steps: int
    values: NDArray[np.uint8]

    def __post_init__(self) -> None:
        for name, choices in (("mode", MODES), ("decoder", DECODERS)):
            if getattr(self, name) not in choices:
                raise InputError(f"encoding, {name}: expected one of {', '.join(choices)}, not {getattr(self, name)!r}")
        if not 1 <= self.steps <= 2**16 - 1:
            raise InputError(f"encoding, steps: expected 1 to 65535, not {self.steps}")
        if np.shape(self.values) != (256,) or self.values.dtype != np.uint8:
            raise InputError("encoding, values: expected 256 bytes, one for each value of a pixel")

    def show(
        self, images: NDArray[np.uint8], labels: ArrayLike | None = None, *, trials: int = 1, steps: int | None = None
    ) -> Images:
        """Build what is shown from uint8 pixels (images, ...); `steps` other than those of the encoding if given."""
        values = self.values[images]
        return Images.from_values(
            values, steps=steps or self.steps, mode=self.mode, decoder=self.decoder, labels=labels, trials=trials
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class StoredNetwork:
    """A network as it is written to and read from a file.

    Attributes
    ----------
    spec : LifSpec
        Layers, step, bits.
    names : tuple of str
        Name of the neurons of each layer; those of the nodes in a NIR graph.
    encoding : Encoding, optional
        How images are shown; networks of other programs do not say it.
    cards : dict of str to str
        Card files of the devices, by name (`card_text`).
    notes : dict
        Numbers and texts about where the network comes from: seed, accuracy, ...
    source : str
        What messages call it: the path of its file.
    dt_source : str
        Where the step is from: ``"file"``, ``"option"`` (of whoever read it), or, as the file does not say it,
        ``"unit"`` for neurons without leak or ``"default"``, the 100 us of snnTorch, for those with leak.
    integrates : bool
        The neurons of the last layer are made to send no spikes; the answer is the largest membrane.
    allow_clipping : bool
        Clip values that do not fit their words; else they are refused.
    """

    spec: LifSpec
    names: tuple[str, ...]
    encoding: Encoding | None = None
    cards: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, Any] = field(default_factory=dict)
    source: str = "network"
    dt_source: str = "file"
    integrates: bool = False
    allow_clipping: bool = False

    def coefficients(self) -> list[LayerCoefficients]:
        """Quantise the layers (`memtwin.sim.lif.quantize.quantize`).

        Raises
        ------
        InputError
            If a value cannot be represented; the message names the file, the node and the field.
        """
        out = []
        for name, layer in zip(self.names, self.spec.layers, strict=True):
            alone = LifSpec(layers=(layer,), dt=self.spec.dt, weight_bits=self.spec.weight_bits)
            try:
                own = quantize(alone, alone.sample(trials=1, seed=0))
                if not self.allow_clipping:
                    refuse_clipped(reports_of(own))
                out += own
            except InputError as error:
                raise InputError(f"{self.source}, node {name}, {str(error).removeprefix('layer 1, ')}") from None
        return out

    def shown(self) -> Encoding:
        """Return how images are shown.

        Raises
        ------
        InputError
            If the file does not say it.
        """
        if self.encoding is None:
            raise InputError(
                f"{self.source}: does not say how images are shown; say it with the options encoding and steps, or "
                f"write it into a copy with memtwin export nir {self.source} --encoding MODE --steps N -o FILE"
            )
        return self.encoding

    def warnings(self) -> list[str]:
        """Say what a user should know of the network, a line each."""
        reports = {f"node {name}": own.report for name, own in zip(self.names, self.coefficients(), strict=True)}
        return self.silent() + quantisation_warnings(reports)

    def silent(self) -> list[str]:
        """Say in which layers no neuron can spike while an image is shown, a line each."""
        steps, out = _SHOWN if self.encoding is None else self.encoding.steps, []
        last = len(self.names) - self.integrates
        for name, layer in zip(self.names[:last], self.spec.layers[:last], strict=True):
            soonest = float(soonest_spikes(layer, self.spec.dt).min())
            if soonest > steps:
                soon = f"before step {soonest:.0f} of {steps}" if math.isfinite(soonest) else "at all"
                out.append(
                    f"node {name}: no neuron can spike {soon}, even if all inputs with a positive weight do in every "
                    f"step; check the step of {format_si(self.spec.dt, 's')} (--dt), weights and thresholds"
                )
        return out

    def json(self) -> dict[str, Any]:
        """Say what the network is, and what quantisation changed in every layer."""
        layers, quantisation = [], []
        for name, layer, coefficients in zip(self.names, self.spec.layers, self.coefficients(), strict=True):
            quantisation += [{"node": name, **entry.json()} for entry in coefficients.report]
            leaky = np.isfinite(layer.per_neuron("tau"))
            layers.append(
                {
                    "node": name,
                    "kind": "LIF" if leaky.all() else "IF" if not leaky.any() else "LIF and IF",
                    "rows": layer.rows,
                    "neurons": layer.neurons,
                    "synapses": layer.rows * layer.neurons,
                    "reset": layer.reset,
                }
            )
        shown = self.encoding
        return {
            "file": self.source,
            "dt_s": self.spec.dt,
            "dt_source": self.dt_source,
            "weight_bits": self.spec.weight_bits,
            "layers": layers,
            "quantisation": quantisation,
            "encoding": shown and {"mode": shown.mode, "decoder": shown.decoder, "steps": shown.steps},
            "cards": sorted(self.cards),
            "notes": dict(self.notes),
            "warnings": self.warnings(),
        }


def soonest_spikes(layer: LifLayerSpec, dt: float) -> NDArray[np.float64]:
    """In which step, counted from 1, each neuron spikes if all inputs with a positive weight do in every step.

    Infinite if it never does.
    """
    current = layer.per_neuron("bias") + layer.weight.clip(min=0).sum(axis=1)
    end = layer.per_neuron("r") * current  # from rest; without leak, what it rises in a second
    threshold, tau = layer.per_neuron("v_threshold") - layer.per_neuron("v_leak"), layer.per_neuron("tau")
    with np.errstate(divide="ignore", invalid="ignore"):
        time = np.where(np.isinf(tau), threshold / end, -tau * np.log1p(-threshold / end))
    reaches = end > np.where(np.isinf(tau), 0.0, threshold)
    return np.where(reaches, np.floor(time / dt) + 1, np.inf)


def card_text(card: Card) -> str:
    """Write a card in the format of card files, with its values in SI units."""
    heads = {name: getattr(card, name) for name in ("name", "kind", "title", "citation")}
    parts = ["\n".join(f"{name} = {_quoted(text)}" for name, text in heads.items())]
    for name, own in card.fields.items():
        value = _quoted(f"{own.value!r}{own.unit}")
        parts.append(f"[{name}]\nvalue = {value}\nsource = {_quoted(own.source)}")
    return "\n\n".join(parts) + "\n"


def _quoted(text: str) -> str:
    """Write a string of TOML, whose escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
