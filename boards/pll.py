"""Settings of the PLLs, found by search within the limits of the data sheets.

Designs run at a whole number of megahertz: then a bit of a fast serial port is a whole number of clocks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Self

__all__ = ["Ecp5Pll", "GowinPll", "Ice40Pll", "Limits", "Pll", "find_pll"]

_MHZ = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a PLL bears.

    Parameters
    ----------
    detector, vco : (int, int)
        Lowest and highest frequency at the phase detector, and of the oscillator, MHz.
    """

    detector: tuple[int, int]
    vco: tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Ice40Pll:
    """Settings of an SB_PLL40 with simple feedback.

    Source: Lattice, iCE40 sysCLOCK PLL design and usage guide, and the data sheets.

    Parameters
    ----------
    divr, divf, divq : int
        Reference divider minus 1, feedback divider minus 1, output divider as a power of two.
    """

    divr: int
    divf: int
    divq: int

    LIMITS: ClassVar[Limits] = Limits(detector=(10, 133), vco=(533, 1066))

    @property
    def reference(self) -> int:
        """Divider in front of the phase detector."""
        return self.divr + 1

    def filter_range(self, input_hz: int) -> int:
        """Setting of the loop filter, by the frequency at the phase detector."""
        return 1 + sum(input_hz / self.reference >= edge * _MHZ for edge in (17, 26, 44, 66, 101))

    def vco_hz(self, input_hz: int) -> float:
        """Frequency of the oscillator."""
        return input_hz * (self.divf + 1) / (self.divr + 1)

    def output_hz(self, input_hz: int) -> float:
        """Frequency at the output."""
        return self.vco_hz(input_hz) / 2**self.divq

    @classmethod
    def settings(cls, reference: int) -> Iterator[Self]:
        """List the settings with that reference divider."""
        for divf in range(128 if reference <= 16 else 0):
            for divq in range(1, 7):
                yield cls(divr=reference - 1, divf=divf, divq=divq)


@dataclass(frozen=True, kw_only=True)
class Ecp5Pll:
    """Settings of an EHXPLLL with feedback from its first output.

    Source: Lattice, ECP5 and ECP5-5G data sheet.

    Parameters
    ----------
    clki_div, clkfb_div, clkop_div : int
        Reference, feedback and output divider.
    """

    clki_div: int
    clkfb_div: int
    clkop_div: int

    LIMITS: ClassVar[Limits] = Limits(detector=(10, 400), vco=(400, 800))

    @property
    def reference(self) -> int:
        """Divider in front of the phase detector."""
        return self.clki_div

    def vco_hz(self, input_hz: int) -> float:
        """Frequency of the oscillator."""
        return self.output_hz(input_hz) * self.clkop_div

    def output_hz(self, input_hz: int) -> float:
        """Frequency at the output."""
        return input_hz * self.clkfb_div / self.clki_div

    @classmethod
    def settings(cls, reference: int) -> Iterator[Self]:
        """List the settings with that reference divider."""
        for clkfb_div in range(1, 81):
            for clkop_div in range(1, 129):
                yield cls(clki_div=reference, clkfb_div=clkfb_div, clkop_div=clkop_div)


@dataclass(frozen=True, kw_only=True)
class GowinPll:
    """Settings of an rPLL. Its limits differ from chip to chip.

    Source: Gowin, UG286 (clock resources) and the data sheets.

    Parameters
    ----------
    idiv, fbdiv, odiv : int
        Reference divider, feedback divider, and divider between oscillator and output.
    """

    idiv: int
    fbdiv: int
    odiv: int

    @property
    def reference(self) -> int:
        """Divider in front of the phase detector."""
        return self.idiv

    def vco_hz(self, input_hz: int) -> float:
        """Frequency of the oscillator."""
        return self.output_hz(input_hz) * self.odiv

    def output_hz(self, input_hz: int) -> float:
        """Frequency at the output."""
        return input_hz * self.fbdiv / self.idiv

    @classmethod
    def settings(cls, reference: int) -> Iterator[Self]:
        """List the settings with that reference divider."""
        for fbdiv in range(1, 65):
            for odiv in (2, 4, 8, *range(16, 129, 16)):
                yield cls(idiv=reference, fbdiv=fbdiv, odiv=odiv)


Pll = Ice40Pll | Ecp5Pll | GowinPll


def find_pll(kind: type[Pll], input_hz: int, most_hz: int, limits: Limits) -> Pll:
    """Return the settings with the highest whole number of megahertz up to `most_hz`.

    Of settings with the same output, the ones with the smallest reference divider jitter least; of these, the one whose
    oscillator is nearest to the middle of its range is taken.

    Raises
    ------
    ValueError
        If there are none.
    """
    low, high = limits.vco
    found = [
        (-pll.output_hz(input_hz), pll.reference, abs(vco - (low + high) * _MHZ / 2), pll)
        for reference in range(1, 65)
        if limits.detector[0] <= input_hz / reference / _MHZ <= limits.detector[1]
        for pll in kind.settings(reference)
        if low <= (vco := pll.vco_hz(input_hz)) / _MHZ <= high
        and pll.output_hz(input_hz) <= most_hz
        and not pll.output_hz(input_hz) % _MHZ
    ]
    if not found:
        raise ValueError(f"most_hz must be a frequency that a PLL makes of {input_hz} Hz, not {most_hz!r}")
    return min(found, key=lambda entry: entry[:-1])[-1]
