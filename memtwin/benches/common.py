"""What the benches share: clock and reset, driver of the configuration bus, monitor of traces, choice of stimulus.

Inputs change and outputs are sampled at the falling edge of the fabric clock, half a clock away from what happens.
"""

import dataclasses
import os
import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import cocotb
import numpy as np
from cocotb.clock import Clock
from cocotb.triggers import FallingEdge
from numpy.typing import NDArray

from memtwin.design import Design
from memtwin.sim import backends
from memtwin.sim.backends import Job
from memtwin.sim.hybrid import trace
from memtwin.sim.hybrid.quantize import quantize
from memtwin.sim.hybrid.spec import NetworkSpec, draw_sample

__all__ = [
    "ConfigDriver",
    "TraceMonitor",
    "assert_equal",
    "design",
    "random",
    "reset",
    "varied",
    "words_of_model",
]

CLOCK_NS = 10


def random() -> np.random.Generator:
    """Random generator of the bench; the seed is that of ``memtwin verify --seed``."""
    return np.random.default_rng(int(os.environ.get("MEMTWIN_SEED", "0")))


def design() -> Design:
    """Return the design under test, as ``memtwin verify`` has stored it."""
    stored: Design = pickle.loads(Path(os.environ["MEMTWIN_DESIGN"]).read_bytes())
    return stored


async def reset(dut: Any, inputs: Mapping[str, int]) -> None:
    """Start the clock, set `inputs`, and reset the design; returns in the first clock after reset."""
    for name, value in inputs.items():
        getattr(dut, name).value = value
    dut.rst.value = 1
    Clock(dut.clk, CLOCK_NS, unit="ns").start()
    for _ in range(3):
        await FallingEdge(dut.clk)
    dut.rst.value = 0


class ConfigDriver:
    """Writes the configuration bus of a part, whose ports start with ``config__``."""

    def __init__(self, dut: Any) -> None:
        self.clk = dut.clk
        self.address, self.data, self.enable = dut.config__address, dut.config__data, dut.config__enable

    async def write(self, writes: Sequence[tuple[int, int]]) -> None:
        """Write words, one a clock."""
        self.enable.value = 1
        for address, word in writes:
            self.address.value, self.data.value = address, word
            await FallingEdge(self.clk)
        self.enable.value = 0


class TraceMonitor:
    """Collects the words of one trace port."""

    def __init__(self, dut: Any, valid: str, word: str) -> None:
        self.words: list[int] = []
        self._clk, self._valid, self._word = dut.clk, getattr(dut, valid), getattr(dut, word)
        cocotb.start_soon(self._run())

    async def _run(self) -> None:
        while True:
            await FallingEdge(self._clk)
            if self._valid.value == 1:
                self.words.append(int(self._word.value))

    def take(self) -> list[int]:
        """Return what has come since the last call."""
        words, self.words = self.words, []
        return words


def varied(spec: NetworkSpec, rng: np.random.Generator, seed: int) -> NetworkSpec:
    """Draw other devices and options for `spec`, such that the same gateware serves them.

    Every option of a layer that is a coefficient may change, and the spreads of the cards apply.
    """
    structures = [layer.structure for layer in quantize(spec, draw_sample(spec, trials=1, seed=0))]
    while True:
        layers = []
        for layer in spec.layers:
            refractory, depression, adaptive, scaled, skip = rng.integers(0, 2, 5).astype(bool).tolist()
            layers.append(
                dataclasses.replace(
                    layer,
                    v_in=float(np.max(layer.v_in)) * rng.uniform(0.9, 1.3),
                    g_initial=np.asarray(layer.g_initial) * rng.uniform(0.8, 1.2, (layer.neurons, layer.rows)),
                    refractory=refractory,
                    depression=depression,
                    adaptive=adaptive,
                    scaled=scaled,
                    skip=skip,
                )
            )
        out = dataclasses.replace(spec, layers=tuple(layers), c2c=True, d2d=True)
        # The shift of the reciprocal is part of the gateware, and follows from the conductances.
        if [layer.structure for layer in quantize(out, draw_sample(out, trials=1, seed=seed))] == structures:
            return out


def words_of_model(job: Job) -> list[NDArray[np.uint64]]:
    """Trace of every layer in trial 0, by the integer model."""
    recording = backends.run(dataclasses.replace(job, record=True), "model")
    return [layer.words[0] for layer in recording.layers]


def assert_equal(
    got: Sequence[int],
    expected: NDArray[np.uint64],
    where: str,
    fields: Callable[[int], Mapping[str, int | str]] = trace.fields,
) -> None:
    """Check that a design and the model said the same, word by word; `fields` takes a word apart for the message."""
    for position, (mine, other) in enumerate(zip(got, expected.tolist(), strict=False)):
        assert mine == other, f"{where}, word {position}: design {fields(mine)}, model {fields(other)}"
    assert len(got) == expected.size, f"{where}: {len(got)} words, {expected.size} in the model"
