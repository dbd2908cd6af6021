import json
import re

import pytest
from amaranth.hdl import ClockDomain, Elaboratable, Module
from amaranth.lib import io

from memtwin.boards.clock import ClockGenerator
from memtwin.boards.registry import BOARDS, board, resource
from memtwin.boards.top import BoardTop, request_uart
from memtwin.boards.twins import TWINS
from memtwin.designs import board_content
from memtwin.sim.errors import InputError

ENTRIES = pytest.mark.parametrize("entry", BOARDS.values(), ids=lambda entry: entry.name)


def rtlil(entry):
    twin = TWINS["lia"](board_content("lia"), round(entry.clock_hz))
    return entry.platform().prepare(BoardTop(entry, twin), "top", emit_src=False).files


@ENTRIES
def test_a_design_on_the_pins_of_every_board(entry):
    files = rtlil(entry)
    constraints = constrained(files)
    assert f"{entry.oscillator}_0__" in constraints
    assert "scope_0__io" in constraints
    for words in filter(None, (*entry.winner, entry.training, entry.spike, entry.button, entry.button2)):
        name, number, member = resource(words)
        assert f"{name}_{number}__{member and member + '__'}io" in constraints
    assert ("self_press" in files["top.il"]) == (not entry.button)
    assert len(json.loads(files["build_top.json"])["commands"]) >= 3


def test_the_same_text_every_time():
    assert rtlil(board("ecpix5"))["top.il"] == rtlil(board("ecpix5"))["top.il"]


def test_colours_that_nobody_asks_for_are_dark():
    for name, colours in {"ecpix5": 12, "upduino-v3": 3}.items():
        text = rtlil(board(name))["top.il"]
        assert len(re.findall(r"^module \\top\.rgb_led_\d_[rgb]_pin$", text, re.MULTILINE)) == colours


def constrained(files):
    """What the files say of the pins."""
    return "".join(text for name, text in files.items() if name.endswith((".pcf", ".lpf", ".cst")))


class Echo(Elaboratable):
    """Sends what it receives."""

    def __init__(self, target):
        self.target = target

    def elaborate(self, platform):
        m = Module()
        m.domains.sync = ClockDomain()
        m.submodules.clock = ClockGenerator(self.target)
        rx, tx = request_uart(self.target, platform)
        m.submodules.rx = receive = io.Buffer("i", rx)
        m.submodules.tx = send = io.Buffer("o", tx)
        m.d.sync += send.o.eq(receive.i)
        return m


@ENTRIES
def test_serial_port_of_every_board(entry):
    files = entry.platform().prepare(Echo(entry), "top", emit_src=False).files
    constraints = constrained(files)
    assert "uart_0__rx__io" in constraints
    assert "uart_0__tx__io" in constraints


def test_serial_port_is_taken():
    target = board("icebreaker")
    platform = target.platform()
    request_uart(target, platform)
    with pytest.raises(InputError, match="board icebreaker: expected its serial port to be free"):
        request_uart(target, platform)


class Both(Elaboratable):
    """A design with its panel, beside a serial port."""

    def __init__(self, target):
        self.target = target
        self.twin = TWINS["lia"](board_content("lia"), round(target.clock_hz))

    def elaborate(self, platform):
        m = Module()
        m.submodules.top = BoardTop(self.target, self.twin)
        rx, tx = request_uart(self.target, platform)
        m.submodules.rx = receive = io.Buffer("i", rx)
        m.submodules.tx = send = io.Buffer("o", tx)
        m.d.comb += send.o.eq(receive.i)
        return m


@ENTRIES
def test_serial_port_shares_no_pin_with_the_panel(entry):
    files = entry.platform().prepare(Both(entry), "top", emit_src=False).files
    assert {"scope_0__io", "uart_0__rx__io"} <= set(re.findall(r"(?:scope|uart)_0__(?:rx__)?io", constrained(files)))
