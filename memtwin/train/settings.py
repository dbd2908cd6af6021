"""Everything that decides a training, so that equal settings give equal networks."""

import dataclasses
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from memtwin.nir.networks import Encoding, StoredNetwork
from memtwin.sim.errors import InputError
from memtwin.sim.lif.shown import MODES
from memtwin.train.data import CLASSES, SIDE

__all__ = ["NETS", "Settings", "encoding_of", "settings_of"]

_LIMITS: dict[str, tuple[float, float]] = {
    "hidden": (0, 1024),
    "steps": (1, 65535),
    "levels": (1, 255),
    "dark": (2, 255),
    "brightness": (0.01, 255),
    "weight_bits": (2, 8),  # more, and the sum over the rows does not fit its 16 bits
    "leak": (0, 0.99),
    "slope": (0.01, 1000),
    "start": (0.01, 1000),
    "winner": (0.1, 255),
    "epochs": (1, 10000),
    "batch": (1, 100000),
    "rate": (1e-9, 1),
    "decay": (0, 1000),
    "shift": (0, SIDE // 2),
    "bend": (0, 10),
    "spread": (0, 1),
    "smooth": (0, 1),
    "seed": (0, 2**63 - 1),
}


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a network is trained.

    Attributes
    ----------
    hidden : int
        Neurons of the hidden layer; 0 for none.
    mode : str
        Encoder, ``"rate"`` or ``"latency"``.
    steps : int
        For which an image is shown.
    brightness : float
        Mode rate: a pixel spikes in a step with the probability ``brightness * pixel / 256``. (Pixels of 1 do not.)
    levels, dark : int
        Mode latency: pixels from `dark` to 255 spike once, in the first `levels` steps, the brightest first.
    weight_bits : int
        Of a signed weight.
    leak : float
        Part of its membrane that a hidden neuron loses in a step.
    slope : float
        Of the fast sigmoid that stands for the derivative of a spike, 1 / threshold.
    start : float
        Deviation of what hidden neurons integrate at first over all steps, in thresholds.
    winner : float
        Threshold of the last layer: so often the median winner spikes in an image.
    epochs, batch : int
        Passes through the pictures, and pictures between two steps of the optimiser.
    rate, decay : float
        Largest rate of Adam, which falls to 0 along a cosine, and weight decay in units of the rate.
    shift : int
        Pictures are shifted by at most so many pixels in either direction.
    bend : float
        Strength of their smooth distortion (`memtwin.train.distort.bend`).
    spread : float
        Relative deviation of the conductances, drawn anew for every batch: the spread of the devices to come. Training
        then needs more epochs; cut short, it bears the spread no better than without.
    smooth : float
        Part of the label that is given to all classes alike.
    seed : int
        Of all that chance decides.

    Raises
    ------
    InputError
        If a value is out of range.
    """

    hidden: int = 0
    mode: str = "rate"
    steps: int = 20
    brightness: float = 1.0
    levels: int = 4
    dark: int = 64
    weight_bits: int = 6
    leak: float = 0.0
    slope: float = 2.0
    start: float = 2.0
    winner: float = 2.0
    epochs: int = 8
    batch: int = 128
    rate: float = 1e-3
    decay: float = 0.0
    shift: int = 0
    bend: float = 0.0
    spread: float = 0.0
    smooth: float = 0.0
    seed: int = 1

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InputError(f"training, mode: expected one of {', '.join(MODES)}, not {self.mode!r}")
        for name, (least, most) in _LIMITS.items():
            if not least <= getattr(self, name) <= most:
                raise InputError(f"training, {name}: expected {least:g} to {most:g}, not {getattr(self, name):g}")
        if self.mode == "latency" and self.levels > self.steps:
            raise InputError(f"training, levels: expected at most {self.steps} (steps), not {self.levels}")

    @property
    def encoding(self) -> Encoding:
        """How images are shown to the network."""
        pixel = np.arange(256)
        if self.mode == "rate":
            value = np.minimum(np.rint(self.brightness * pixel), 255) * (pixel > 1)
        else:
            value = (1 + (255 - pixel) * self.levels // (256 - self.dark)) * (pixel >= self.dark)
        return Encoding(mode=self.mode, decoder="rate", steps=self.steps, values=value.astype(np.uint8))


_PIXELS = SIDE**2
_HIDDEN = Settings(hidden=128, mode="latency", steps=12, epochs=40, rate=1e-2, bend=0.7, shift=1)
NETS = {f"{_PIXELS}x{CLASSES}": Settings(decay=1.0), f"{_PIXELS}x128x{CLASSES}": _HIDDEN}


def settings_of(net: str, **changes: Any) -> Settings:
    """Return the settings for a network of a name: ``784x10``, ``784x128x10``, or any other number of hidden neurons.

    Raises
    ------
    InputError
        If the name is no such network, or a change is not possible.
    """
    found = re.fullmatch(rf"{_PIXELS}(?:x([1-9][0-9]{{0,3}}))?x{CLASSES}", net)
    if found is None:
        raise InputError(f"net: expected {' or '.join(NETS)} (or another number of hidden neurons), not {net!r}")
    hidden = int(found[1] or 0)
    base = _HIDDEN if hidden else NETS[net]
    return dataclasses.replace(base, **{"hidden": hidden, **changes})


def encoding_of(network: StoredNetwork, *, mode: str = "", steps: int = 0, decoder: str = "") -> Encoding:
    """Return how images are shown to a network: as its file says, but for what is asked for.

    Parameters
    ----------
    network : StoredNetwork
        Network, whose file may say nothing; then `mode` and `steps` must be given.
    mode, steps, decoder
        See `Encoding`. With another mode than that of the file, pixels become values as in training.

    Raises
    ------
    InputError
        If neither the file nor the caller says it, or a value is not possible.
    """
    own = network.encoding
    if mode and (own is None or mode != own.mode):
        steps = steps or (0 if own is None else own.steps)
        if not steps:
            raise InputError(f"{network.source}: expected steps with an encoding, as the file has none")
        own = Settings(mode=mode, steps=steps, levels=min(Settings.levels, steps)).encoding
    own = network.shown() if own is None else own
    return dataclasses.replace(own, steps=steps or own.steps, decoder=decoder or own.decoder)
