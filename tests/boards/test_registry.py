import importlib
import subprocess
from dataclasses import replace
from itertools import pairwise

import pytest

from memtwin.boards.base import SCOPE_PINS, WINNER_BITS
from memtwin.boards.registry import BOARDS, CHIPS, board, resource
from memtwin.boards.tools import find_tool
from memtwin.sim.errors import InputError

ENTRIES = pytest.mark.parametrize("entry", BOARDS.values(), ids=lambda entry: entry.name)


def test_there_are_boards_of_every_family():
    assert len(BOARDS) >= 12
    assert {entry.family for entry in BOARDS.values()} == {"ice40", "ecp5", "gowin"}
    assert len({entry.path for entry in BOARDS.values()}) == len(BOARDS)
    assert {entry.silicon.name for entry in BOARDS.values()} == set(CHIPS)


@ENTRIES
def test_names(entry):
    assert board(entry.name) is entry
    module = entry.path.partition(".")[0].replace("_", "-")
    assert entry.name == module or entry.name.startswith(f"{module}-")


def test_unknown_board_names_the_known():
    with pytest.raises(InputError, match="board icestick: unknown; expected one of icebreaker, ulx3s-85f, "):
        board("icestick")


@pytest.mark.parametrize(
    ("name", "clock_hz"), [("icebreaker", 30e6), ("ulx3s-85f", 75e6), ("orangecrab-r0-2", 72e6), ("tinyfpga-bx", 25e6)]
)
def test_clock(name, clock_hz):
    assert board(name).clock_hz == clock_hz


@ENTRIES
def test_pll_is_within_the_limits_of_the_chip(entry):
    low, high = entry.silicon.limits.vco
    assert low * 1e6 <= entry.pll.vco_hz(entry.oscillator_hz) <= high * 1e6
    assert entry.clock_hz % 1e6 == 0
    assert 0.9 * entry.silicon.clock_mhz <= entry.clock_hz / 1e6 <= entry.silicon.clock_mhz


@ENTRIES
def test_pins_are_there(entry):
    platform = entry.platform()
    lights = [*entry.winner, *filter(None, (entry.training, entry.spike))]
    assert len(entry.winner) <= WINNER_BITS
    assert len(set(lights)) == len(lights)
    buttons = [words for words in (entry.button, entry.button2) if words]
    assert len(set(buttons)) == len(buttons)
    for words in [*lights, *buttons]:
        name, number, member = resource(words)
        parts = platform.lookup(name, number).ios
        assert not member or member in [part.name for part in parts]
    assert len(platform.request("scope", dir="-")) == SCOPE_PINS
    assert platform.lookup(entry.oscillator, 0).clock.frequency == entry.oscillator_hz


@ENTRIES
def test_serial_port(entry):
    assert entry.baud in (115_200, 1_000_000)
    # Every bit of a fast port is a whole number of clocks; of a slow one, nearly so.
    clocks = entry.clock_hz / entry.baud
    assert abs(clocks - round(clocks)) / clocks < 0.01
    assert entry.adapter == (not isinstance(entry.uart, str) or entry.name.startswith("colorlight"))


@ENTRIES
def test_chip_is_that_of_the_platform(entry):
    module, name = entry.path.split(".")
    platform = getattr(importlib.import_module(f"amaranth_boards.{module}"), name)
    if entry.family == "gowin":
        assert (platform.part, platform.family) == (entry.chip, entry.silicon.name)
    elif entry.family == "ecp5":
        assert entry.chip == f"{platform.device}-{platform.speed}{platform.package}"
    else:
        assert entry.chip == f"{platform.device}-{platform.package}"


def test_loader_or_word_what_to_do():
    assert all(bool(entry.loader) != bool(entry.by_hand) for entry in BOARDS.values())


def test_loader_knows_the_boards_and_cables():
    tool = find_tool("openFPGALoader")
    listed = subprocess.run([*tool, "--list-boards"], capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("openFPGALoader lacks a system library")
    cables = subprocess.run([*tool, "--list-cables"], capture_output=True, text=True, check=True)
    known = {kind: text.stdout.split() for kind, text in {"-b": listed, "-c": cables}.items()}
    for entry in BOARDS.values():
        for loader in (entry.loader, *entry.revisions.values()):
            for option, value in pairwise(loader):
                assert option not in known or value in known[option], entry.name


def test_listing():
    assert board("icebreaker").json() == {
        "name": "icebreaker",
        "title": "1BitSquared iCEBreaker",
        "chip": "iCE40UP5K-SG48",
        "cells": {"LUT4": 5280, "BRAM": 30, "DSP": 8},
        "memory_bits": 30 * 4096,
        "clock_hz": 30e6,
        "uart": {"baud": 1_000_000, "adapter": False},
        "loads": True,
        "revisions": [],
    }
    assert board("ecpix5").json()["revisions"] == ["ecpix5-r03"]


def test_a_revision_is_its_board_with_another_loader():
    first, later = board("ecpix5"), board("ecpix5-r03")
    assert later.loader == ("-b", "ecpix5_r03", "-m")
    assert replace(later, loader=first.loader) == first
    for name in ("ecpix5-r04", "icebreaker-r03", "ecpix5-"):
        with pytest.raises(InputError, match=f"board {name}: unknown; expected one of .*, ecpix5, ecpix5-r03, icepi"):
            board(name)
