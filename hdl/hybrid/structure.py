"""What is fixed when the gateware of a layer of hybrid neurons is generated, and its coefficients of one word."""

import enum
from dataclasses import dataclass

from amaranth.lib import data
from amaranth.utils import ceil_log2

from memtwin.hdl.core.check import check_integer

__all__ = ["OPTIONS", "SCALARS", "TIES", "HybridLayerConfig", "HybridTraceKind"]

TIES = ("inhibit", "lowest", "random")

# Coefficients of one word, in the order of their registers on the bus.
SCALARS = (
    "leak",
    "leak_half",
    "relax",
    "theta_off",
    "x_max",
    "v_hold",
    "v_in",
    "theta_sd",
    "adapt_step",
    "adapt_leak",
    "adapt_interval",
    "g_load",
    "g_min",
    "g_max",
    "potentiation",
    "depression",
    "seed_low",
    "seed_high",
    "options",
)
# Bits of the coefficient `options`.
OPTIONS = data.StructLayout({name: 1 for name in ("refractory", "depression", "skip", "adaptive", "scaled")})


class HybridTraceKind(enum.IntEnum):
    """Kind of an entry of this layer's trace, bits 0-3 of its word (docs/arithmetic.md, section 11)."""

    DRIVE = 1
    SUBSTEP = 2
    THRESHOLD = 3
    CONDUCTANCE = 4
    RECIPROCAL = 5
    HALF = 6


@dataclass(frozen=True, kw_only=True)
class HybridLayerConfig:
    """What is fixed when the gateware of a layer is generated (docs/arithmetic.md, section 1).

    Attributes
    ----------
    rows : int
        Inputs of the crossbar, 1 to 65536.
    neurons : int
        Neurons, one per column of the crossbar, 1 to 65536.
    lanes : int
        Columns of the crossbar that are summed at once, a power of two of at most `neurons`; no influence on results.
    substeps : int
        Device updates per half-period, a power of two from 1 to 1024.
    recip_shift : int
        Fraction bits of the reciprocal of a column's conductance, 0 to 15.
    inhibition : bool
        The layer has a lateral inhibition array.
    tie : str
        What the array does with several neurons that fire in one substep, one of `TIES`: the array's own answer
        (all inhibit each other), the lowest index wins, or one picked at random wins.
    one_cycle : bool
        An input pulse alone potentiates the synapses of an open gate (layer 2 of the digits network); else the
        neuron's own spike must coincide.

    Raises
    ------
    TypeError, ValueError
        If a field has the wrong type or is out of range.
    """

    rows: int
    neurons: int
    lanes: int = 1
    substeps: int = 16
    recip_shift: int = 12
    inhibition: bool = False
    tie: str = "inhibit"
    one_cycle: bool = False

    def __post_init__(self) -> None:
        check_integer("rows", self.rows, 1, 65536)
        check_integer("neurons", self.neurons, 1, 65536)
        check_integer("lanes", self.lanes, 1, self.neurons)
        check_integer("substeps", self.substeps, 1, 1024)
        check_integer("recip_shift", self.recip_shift, 0, 15)
        for name in ("lanes", "substeps"):
            value = getattr(self, name)
            if value & (value - 1):
                raise ValueError(f"{name} must be a power of two, not {value!r}")
        for name in ("inhibition", "one_cycle"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} must be a bool, not {getattr(self, name)!r}")
        if self.tie not in TIES:
            raise ValueError(f"tie must be one of {', '.join(TIES)}, not {self.tie!r}")

    @property
    def pace_bits(self) -> int:
        """Width of a number of substeps, 0 to `substeps`."""
        return ceil_log2(self.substeps) + 1
