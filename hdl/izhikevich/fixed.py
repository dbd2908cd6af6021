"""Words of Izhikevich neurons (docs/izhikevich.md, section 1)."""

from amaranth.hdl import signed, unsigned

__all__ = ["MEMBRANE", "RECOVERY", "STEP", "TOTAL"]

MEMBRANE = signed(20)  # SQ(4, 16)
RECOVERY = signed(23)  # SQ(4, 19)
STEP = unsigned(16)  # UQ(1, 15)
TOTAL = signed(24)  # sum of up to 256 weights SQ(4, 12)
