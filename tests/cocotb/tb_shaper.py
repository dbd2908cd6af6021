"""Bench of the spike shaper, inside the simulator: random strobes against section 6 of docs/arithmetic.md."""

import os
import random
from collections.abc import Iterator
from dataclasses import dataclass

import cocotb
from cocotb.clock import Clock
from cocotb.handle import HierarchyObject
from cocotb.triggers import FallingEdge, RisingEdge

INPUTS = ("level", "strobe", "clear", "commit", "node2", "refractory", "depression")
OUTPUTS = ("l1", "l2", "g1", "g2", "g3", "t1", "t3", "fired")


@dataclass
class Model:
    """The latches, from the text."""

    l1: int = 0
    l2: int = 0
    lift: int = 0
    fired: int = 0

    def step(self, s: dict[str, int]) -> None:
        if s["clear"]:
            self.l1 = self.l2 = self.lift = self.fired = 0
        elif s["strobe"]:
            self.lift = self.fired = 0
            if not s["level"]:
                self.l2 = self.l1
        elif s["commit"]:
            if s["level"]:
                self.fired |= s["node2"] & (1 - self.l1)
                self.l1 = self.lift = s["node2"]
            else:
                self.lift = 0

    def outputs(self, s: dict[str, int]) -> dict[str, int]:
        clk = s["level"]
        return {
            "l1": self.l1,
            "l2": self.l2,
            "g1": self.l2 & clk,
            "g2": self.l1 & clk,
            "g3": self.l1 | self.l2,
            "t1": self.l2 & s["refractory"],
            "t3": self.lift & clk & s["depression"],
            "fired": self.fired,
        }


def stimulus(rng: random.Random, clocks: int) -> Iterator[dict[str, int]]:
    """Half-periods of random length, commits with random gaps, now and then a power-up."""
    level = 0
    options = {"refractory": 1, "depression": 1}
    for _ in range(clocks):
        edge = int(rng.random() < 0.1)
        level ^= edge
        if edge and rng.random() < 0.2:
            options = {name: rng.getrandbits(1) for name in options}
        yield {
            "level": level,
            "strobe": edge,
            "clear": int(rng.random() < 0.01),
            "commit": int(not edge and rng.random() < 0.6),
            "node2": int(rng.random() < 0.4),
            **options,
        }


class Driver:
    """Puts one stimulus a clock on the inputs, at the falling edge."""

    def __init__(self, dut: HierarchyObject) -> None:
        self.inputs = {name: getattr(dut, name) for name in INPUTS}

    def drive(self, s: dict[str, int]) -> None:
        for name, value in s.items():
            self.inputs[name].value = value


class Monitor:
    """Reads the outputs."""

    def __init__(self, dut: HierarchyObject) -> None:
        self.outputs = {name: getattr(dut, name) for name in OUTPUTS}

    def sample(self) -> dict[str, int]:
        return {name: int(signal.value) for name, signal in self.outputs.items()}


@cocotb.test()
async def follows_the_text(dut: HierarchyObject) -> None:
    rng = random.Random(int(os.environ["MEMTWIN_SEED"]))
    driver, monitor, model = Driver(dut), Monitor(dut), Model()
    for signal in driver.inputs.values():
        signal.value = 0
    dut.rst.value = 1
    Clock(dut.clk, 10, unit="ns").start()
    await FallingEdge(dut.clk)
    await FallingEdge(dut.clk)
    dut.rst.value = 0
    fires = 0
    for s in stimulus(rng, 2000):
        driver.drive(s)
        await RisingEdge(dut.clk)
        # The outputs are still those before this edge; the gates have followed the inputs.
        assert monitor.sample() == model.outputs(s)
        model.step(s)
        fires += model.fired
        await FallingEdge(dut.clk)
    assert fires > 20
