"""Boards as data: what a design needs to know of the board that it runs on."""

from collections.abc import Mapping
from dataclasses import dataclass

from amaranth.build import Platform
from amaranth_boards.icebreaker import ICEBreakerPlatform
from amaranth_boards.ulx3s import ULX3S_85F_Platform

from memtwin.sim.errors import InputError

__all__ = ["BOARDS", "Board", "Ecp5Pll", "Ice40Pll", "board"]


@dataclass(frozen=True, kw_only=True)
class Ice40Pll:
    """Settings of an SB_PLL40 with simple feedback; ``icepll`` prints them.

    Parameters
    ----------
    divr, divf, divq : int
        Reference divider minus 1, feedback divider minus 1, output divider as a power of two.
    filter_range : int
        Loop filter, by the frequency at the phase detector.
    """

    divr: int
    divf: int
    divq: int
    filter_range: int

    def vco_hz(self, input_hz: float) -> float:
        """Frequency of the oscillator (533 to 1066 MHz)."""
        return input_hz / (self.divr + 1) * (self.divf + 1)

    def output_hz(self, input_hz: float) -> float:
        """Frequency at the output."""
        return self.vco_hz(input_hz) / 2**self.divq


@dataclass(frozen=True, kw_only=True)
class Ecp5Pll:
    """Settings of an EHXPLLL with feedback from its first output; ``ecppll`` prints them.

    Parameters
    ----------
    clki_div, clkfb_div, clkop_div : int
        Reference, feedback and output divider.
    """

    clki_div: int
    clkfb_div: int
    clkop_div: int

    def vco_hz(self, input_hz: float) -> float:
        """Frequency of the oscillator (400 to 800 MHz)."""
        return self.output_hz(input_hz) * self.clkop_div

    def output_hz(self, input_hz: float) -> float:
        """Frequency at the output."""
        return input_hz / self.clki_div * self.clkfb_div


@dataclass(frozen=True, kw_only=True)
class Board:
    """One board.

    Parameters
    ----------
    name, title : str
        Name on the command line, name in a sentence.
    platform : type
        Platform of amaranth-boards: pins, chip, tools.
    family, chip : str
        ``"ice40"`` or ``"ecp5"``; part.
    size : mapping of str to int
        Cells of the chip: LUT4, BRAM, DSP.
    extension : str
        Name of the platform's attribute that holds the resources of an attached section, or nothing.
    oscillator_hz : float
        Frequency of the platform's default clock.
    pll : Ice40Pll or Ecp5Pll
        Makes the clock that designs run at.
    winner : sequence of (str, int)
        LEDs of the winner in binary, least significant bit first: resource and number.
    training, spike : (str, int)
        LED that is on while the network trains, LED that flashes with the output.
    button, second : (str, int)
        Buttons.
    connector : (str, int)
        Header of the scope signals.
    scope : sequence of str
        Pins of the header, in the order of `memtwin.boards.base.Twin.signals`.
    attributes : mapping of str to str
        Electrical attributes of the scope pins.
    loader : sequence of str
        Arguments of openFPGALoader before the bitstream.
    """

    name: str
    title: str
    platform: type[Platform]
    family: str
    chip: str
    size: Mapping[str, int]
    oscillator_hz: float
    pll: Ice40Pll | Ecp5Pll
    winner: tuple[tuple[str, int], ...]
    training: tuple[str, int]
    spike: tuple[str, int]
    button: tuple[str, int]
    second: tuple[str, int]
    connector: tuple[str, int]
    scope: tuple[str, ...]
    attributes: Mapping[str, str]
    loader: tuple[str, ...]
    extension: str = ""

    @property
    def clock_hz(self) -> float:
        """Clock that designs run at."""
        return self.pll.output_hz(self.oscillator_hz)

    def json(self) -> dict:
        """Return what a listing of boards shows, as JSON values."""
        return {
            "name": self.name,
            "title": self.title,
            "chip": self.chip,
            "cells": dict(self.size),
            "clock_hz": self.clock_hz,
        }


BOARDS = {
    entry.name: entry
    for entry in (
        Board(
            name="icebreaker",
            title="1BitSquared iCEBreaker",
            platform=ICEBreakerPlatform,
            family="ice40",
            chip="iCE40UP5K-SG48",
            size={"LUT4": 5280, "BRAM": 30, "DSP": 8},
            oscillator_hz=12e6,
            pll=Ice40Pll(divr=0, divf=79, divq=5, filter_range=1),  # 30 MHz
            # The LEDs of the section that can be broken off, at PMOD 2; the two on the board itself are `led` 0 and 1.
            extension="break_off_pmod",
            winner=(("led_g", 1), ("led_g", 2), ("led_g", 3), ("led_g", 4)),
            training=("led_r", 0),
            spike=("led_g", 0),
            button=("button", 0),
            second=("button", 1),
            connector=("pmod", 0),
            scope=("1", "2", "3", "4", "7", "8", "9", "10"),
            attributes={"IO_STANDARD": "SB_LVCMOS"},
            loader=("-b", "ice40_generic"),
        ),
        Board(
            name="ulx3s-85f",
            title="Radiona ULX3S (ECP5-85F)",
            platform=ULX3S_85F_Platform,
            family="ecp5",
            chip="LFE5U-85F-6BG381",
            size={"LUT4": 83640, "BRAM": 208, "DSP": 156},
            oscillator_hz=25e6,
            pll=Ecp5Pll(clki_div=1, clkfb_div=3, clkop_div=8),  # 75 MHz
            winner=(("led", 0), ("led", 1), ("led", 2), ("led", 3)),
            training=("led", 7),
            spike=("led", 6),
            button=("button_fire", 0),
            second=("button_fire", 1),
            connector=("gpio", 0),
            scope=("0+", "0-", "1+", "1-", "2+", "2-", "3+", "3-"),
            attributes={"IO_TYPE": "LVCMOS33"},
            loader=("-b", "ulx3s", "-m"),
        ),
    )
}


def board(name: str) -> Board:
    """Return the board of that name.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in BOARDS:
        raise InputError(f"board {name}: unknown; expected one of {', '.join(BOARDS)}")
    return BOARDS[name]
