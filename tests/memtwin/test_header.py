"""Verilog to read: what is said of every port, one port a line, names of the parts."""

import re
import subprocess

import pytest
from amaranth.hdl import Fragment, Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.designs import DESIGNS, Changes, find_design, verilog
from memtwin.hdl.core.config import ConfigBus
from memtwin.hdl.port.ports import Port, ports_of

LINE = re.compile(r"//   (in |out)  +(\d+)  (\w+) +(bit|unsigned|signed|[US]Q\(-?\d+, \d+\)(?: V)?)  +(\S.*)")


@pytest.mark.parametrize("name", DESIGNS)
def test_every_port_of_a_design_is_described_and_every_part_keeps_its_name(name):
    design = find_design(name, Changes())
    text = verilog(name)
    listed = re.search(rf"^module {design.top}\(\n((?:  \w+,?\n)+)\);\n", text, re.MULTILINE)
    body = text[listed.end() : text.index("endmodule", listed.end())]
    declared = {}
    for way, high, port in re.findall(r"^  (input|output) (?:\[(\d+):0\] )?(\w+);", body, re.MULTILINE):
        declared[port] = (way.removesuffix("put"), int(high or 0) + 1)
    described = {}
    for way, width, port, kind, meaning in (line.groups() for line in map(LINE.fullmatch, text.splitlines()) if line):
        described[port] = (way.strip(), int(width))
        assert (kind == "bit") == (width == "1")
        assert re.match("[A-Z0-9a-z_]", meaning)
        assert "`" not in meaning
    # Inputs that nothing in the design depends on are not in its Verilog.
    assert declared.items() <= described.items()
    assert all(way == "in" for port, (way, _) in described.items() if port not in declared)
    assert listed[1].replace(",", "").split() == re.findall(r"\w+", listed[1])
    assert set(listed[1].replace(",", "").split()) == set(declared)
    # An instance whose name was taken has a number behind it.
    assert not re.findall(r"^  \\?\S+ +\\\S*\$\S* +\($", text, re.MULTILINE)


def test_the_header_is_of_the_design_as_changed(tmp_path):
    (tmp_path / "two.txt").write_text("##\n..\n\n..\n##\n")
    head = verilog("digits", Changes(assignments=(f"patterns={tmp_path / 'two.txt'}", "tau_leak=3ms"), seed=7))
    head = " ".join(line.removeprefix("//").strip() for line in head[: head.index("`timescale")].splitlines())
    assert "experiment digits: substeps 16, patterns two.txt, order shuffled, v_in 1.6V," in head
    assert "seed 7 card ag-sio2: g0 195/s, v0 550mV, tau_leak 3ms," in head
    assert "Layer 1: rows 4, neurons 2," in head
    assert str(tmp_path) not in head
    assert "ten" not in head.split()


class Documented(wiring.Component):
    """A part.

    Members
    -------
    bus : Out(ConfigBus())
        Not needed.
    x : In(16)
        Filament, `UQ(2, 14) V`,
        over two lines.
    y1, y2, ... : Out(3)
        Numbered.
    flag, bit : In(1)
        Shared.

    Raises
    ------
    late : In(1)
        No member.
    """

    def __init__(self, **more):
        members = {"bus": Out(ConfigBus()), "x": In(16), "y1": Out(3), "y7": Out(3), "bit": In(1)}
        super().__init__(members | more)

    def elaborate(self, platform):
        return Module()


def used(part):
    """Let something be made of a part, else Amaranth warns."""
    Fragment.get(part, None)
    return part


def test_ports_are_read_from_signature_and_docstring():
    _, _, *bus, x, y1, y7, bit = ports_of(used(Documented()))
    assert [(port.name, port.direction, port.width) for port in bus] == [
        ("bus__address", "out", 20),
        ("bus__data", "out", 16),
        ("bus__enable", "out", 1),
        ("bus__read", "out", 1),
        ("bus__q", "in", 16),
    ]
    assert bus[0].meaning == "Word address."
    assert x == Port("x", "in", 16, "UQ(2, 14) V", "Filament, UQ(2, 14) V, over two lines.")
    assert y1 == Port("y1", "out", 3, "unsigned", "Numbered.")
    assert y7 == Port("y7", "out", 3, "unsigned", "Numbered.")
    assert bit == Port("bit", "in", 1, "bit", "Shared.")


@pytest.mark.parametrize("name", ["late", "z1", "unsaid"])
def test_a_member_without_a_meaning_is_a_fault(name):
    part = used(Documented(**{name: In(1)}))
    with pytest.raises(ValueError, match=f"the docstring of Documented must say what its member {name} is"):
        ports_of(part)


def test_a_port_a_line_is_still_verilog(icarus, tmp_path):
    (tmp_path / "lia.v").write_text(verilog("lia"))
    command = ["iverilog", "-Wall", "-t", "null", tmp_path / "lia.v"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
