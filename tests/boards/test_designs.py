"""The shipped designs on the boards: bitstreams, and the lesson of the digits against the integer model."""

import itertools
import re
import subprocess

import numpy as np
import pytest
from amaranth.back import verilog
from amaranth.hdl import Module
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.boards.build import build
from memtwin.boards.lesson import Lesson
from memtwin.boards.registry import board
from memtwin.boards.tools import ToolError
from memtwin.boards.twins import TWINS
from memtwin.designs import board_content, find_design
from memtwin.hdl.hybrid.network import HybridNetwork
from memtwin.sim.backends import Job, run
from memtwin.sim.engines import verilator as simulator
from memtwin.sim.experiments.digits import answers
from memtwin.sim.hybrid.shown import Program

# What a board may spend: the crowded small chip takes long to route above 70 %.
CELLS = {"icebreaker": "ICESTORM_LC", "ulx3s-85f": "TRELLIS_COMB"}
TOO_LARGE = {("apparatus", "icebreaker")}
MOST = 0.7


def check(design, name, out):
    report = build(design, name, out, board_content(design), say=lambda line: None)
    assert report["fmax_hz"] >= report["clock_hz"] == board(name).clock_hz
    used, available = report["utilisation"][CELLS[name]]
    assert 100 < used < MOST * available
    assert (out / f"{design}-{name}.json").is_file()


def test_smallest_design_builds(tmp_path):
    check("lia", "icebreaker", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("design", "name"), sorted(set(itertools.product(TWINS, CELLS)) - TOO_LARGE))
def test_every_design_builds_for_every_board_that_holds_it(design, name, tmp_path):
    check(design, name, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize(("design", "name"), sorted(TOO_LARGE))
def test_a_board_that_is_too_small_is_said_to_be(design, name, tmp_path):
    with pytest.raises(ToolError, match=rf"design {design} does not fit {name}: it needs \d+ of \d+ {CELLS[name]}"):
        build(design, name, tmp_path / "out", board_content(design), say=lambda line: None)
    assert not list((tmp_path / "out").iterdir())


class Taught(wiring.Component):
    """The network of the digits under its lesson, which goes on to the next pattern after each show."""

    def __init__(self, content):
        self.network = HybridNetwork(content.layers, content.words)
        self.lesson = Lesson(content.lesson, self.network.presentation)
        super().__init__(
            {"over": Out(1), "training": Out(1), "shown": Out(4), "winner": Out(4), "answered": Out(1), "next": In(1)}
        )

    def elaborate(self, platform):
        m = Module()
        m.submodules.network = network = self.network
        m.submodules.lesson = lesson = self.lesson
        wiring.connect(m, lesson.presentations, network.presentations)
        m.d.comb += [
            network.tick.eq(1),
            lesson.strobe.eq(network.spikes_strobe),
            lesson.spikes.eq(network.layer2.g1),
            lesson.next.eq(self.next),
            self.over.eq(network.done),
            *(getattr(self, name).eq(getattr(lesson, name)) for name in ("training", "shown", "winner", "answered")),
        ]
        return m


BENCH = """
#include "Vtop.h"
#include <cstdio>

static Vtop dut;

static void tick(int clocks) {
    while (clocks--) {
        dut.clk = 1; dut.eval();
        dut.clk = 0; dut.eval();
    }
}

int main() {
    dut.rst = 1;
    tick(4);
    dut.rst = 0;
    for (int shows = 0; shows < 20;) {
        if (dut.over && !dut.training) {
            int shown = dut.shown;
            dut.next = 1;
            tick(1);
            dut.next = 0;
            tick(30);
            std::printf("show %d winner %d answered %d\\n", shown, dut.winner, dut.answered);
            shows++;
        }
        tick(1);
    }
}
"""


def test_lesson_of_the_digits_gives_the_answers_of_the_model():
    content = board_content("digits")
    program = simulator.compiled(verilog.convert(Taught(content), name="top", emit_src=False), BENCH)
    done = subprocess.run([program], check=True, capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("show")]
    shown, winner, answered = np.array([re.findall(r"\d+", line) for line in lines], dtype=int).T
    assert shown.tolist() == [*range(10)] * 2

    # The same training in the model, and then the same shows, every gate open and nothing learning.
    job = find_design("digits").job
    training = int(job.shown.learn[0].any(axis=1).sum())
    assert sum(len(phase.order) for phase in content.lesson.phases) == training
    steps = [*range(training), *(training + number for number in shown)]
    program = Program(**{name: values[:1, steps] for name, values in vars(job.shown).items()})
    recording = run(Job(spec=job.spec, shown=program, seed=job.seed), "model")
    expected = answers(recording.layers[1].spikes[0, training:])
    assert np.where(answered, winner, -1).tolist() == expected.tolist()
    assert len(set(expected.tolist())) > 3  # it has learnt something
