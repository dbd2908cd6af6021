import pytest

from memtwin.boards.base import SCOPE_PINS, WINNER_BITS
from memtwin.boards.registry import BOARDS, Ecp5Pll, Ice40Pll, board
from memtwin.sim.errors import InputError


def test_names():
    assert list(BOARDS) == ["icebreaker", "ulx3s-85f"]
    assert all(board(name).name == name for name in BOARDS)


def test_unknown_board_names_the_known():
    with pytest.raises(InputError, match="board icestick: unknown; expected one of icebreaker, ulx3s-85f"):
        board("icestick")


@pytest.mark.parametrize(("name", "clock_hz"), [("icebreaker", 30e6), ("ulx3s-85f", 75e6)])
def test_clock(name, clock_hz):
    assert board(name).clock_hz == clock_hz


@pytest.mark.parametrize("entry", BOARDS.values(), ids=lambda entry: entry.name)
def test_pll_is_within_its_limits(entry):
    # Lattice, iCE40 sysCLOCK PLL guide and ECP5 data sheet.
    low, high = {Ice40Pll: (533e6, 1066e6), Ecp5Pll: (400e6, 800e6)}[type(entry.pll)]
    assert low <= entry.pll.vco_hz(entry.oscillator_hz) <= high


def test_pll_formulas():
    # As icepll prints them for 12 to 30 MHz, and ecppll for 25 to 60 MHz.
    assert Ice40Pll(divr=0, divf=79, divq=5, filter_range=1).output_hz(12e6) == 30e6
    assert Ice40Pll(divr=0, divf=79, divq=5, filter_range=1).vco_hz(12e6) == 960e6
    assert Ecp5Pll(clki_div=5, clkfb_div=12, clkop_div=10).output_hz(25e6) == 60e6
    assert Ecp5Pll(clki_div=5, clkfb_div=12, clkop_div=10).vco_hz(25e6) == 600e6


@pytest.mark.parametrize("entry", BOARDS.values(), ids=lambda entry: entry.name)
def test_pins_are_there(entry):
    platform = entry.platform()
    if entry.extension:
        platform.add_resources(getattr(platform, entry.extension))
    lights = [*entry.winner, entry.training, entry.spike]
    assert len(entry.winner) == WINNER_BITS
    assert len(set(lights)) == len(lights)
    for resource in [*lights, entry.button, entry.second]:
        platform.request(*resource, dir="-")
    assert len(entry.scope) == SCOPE_PINS
    header = platform.connectors[entry.connector]
    assert all(pin in header.mapping for pin in entry.scope)
    assert platform.default_clk_frequency == entry.oscillator_hz


def test_listing():
    assert board("icebreaker").json() == {
        "name": "icebreaker",
        "title": "1BitSquared iCEBreaker",
        "chip": "iCE40UP5K-SG48",
        "cells": {"LUT4": 5280, "BRAM": 30, "DSP": 8},
        "clock_hz": 30e6,
    }
