"""Bench of the designs made of LIF neurons, inside the simulator; the environment names the design."""

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from memtwin.benches.common import words_of_model
from memtwin.benches.host import HostTester
from memtwin.sim.backends import Job
from memtwin.sim.lif import trace
from memtwin.sim.lif.shown import DECODERS, MODES, Images
from memtwin.sim.lif.spec import RESETS, LifLayerSpec, LifSpec

SHOWN = 3  # images of those that the design ships with
IMAGES, STEPS = 6, 12
MOST_HOLD = 4


class LifTester(HostTester):
    """Tester with random networks and images."""

    def varied(self) -> Job:
        """Draw a network that the same gateware serves, and sparse images to which every layer spikes."""

        def draw() -> Job:
            return Job(spec=self._spec(), shown=self._images(), seed=int(self.rng.integers(2**31)))

        return self.drawn(draw, lambda job: all(self.spikes(words_of_model(job))))

    def spikes(self, words: list[NDArray[np.uint64]]) -> list[int]:
        """Count the spikes of each layer."""
        layers = zip(words, self.design.layers, strict=True)
        return [int(trace.read(one, layer.neurons).spike.sum()) for one, layer in layers]

    def _spec(self) -> LifSpec:
        spec = self.design.spec
        assert isinstance(spec, LifSpec)
        return replace(spec, layers=tuple(self._layer(layer, spec.dt) for layer in spec.layers))

    def _layer(self, layer: LifLayerSpec, dt: float) -> LifLayerSpec:
        rng, neurons = self.rng, layer.neurons
        tau = dt * 10 ** rng.uniform(0, 2, neurons)
        threshold = rng.uniform(0.5, 2, neurons)
        # A drive that reaches the threshold within some steps, now and then.
        drive = threshold * tau / dt
        return replace(
            layer,
            weight=rng.normal(0.1, 1, (neurons, layer.rows)),
            tau=np.where(rng.random(neurons) < 0.2, np.inf, tau),
            r=1.0,
            v_leak=0.0,
            v_threshold=threshold,
            v_reset=rng.uniform(-0.5, 0.4),
            bias=rng.uniform(-0.1, 0.3, neurons) * drive,
            refractory=int(rng.integers(MOST_HOLD + 1)) * dt,
            reset=RESETS[rng.integers(len(RESETS))],
        )

    def _images(self) -> Images:
        rng, spec = self.rng, self.design.spec
        assert isinstance(spec, LifSpec)
        rows = spec.layers[0].rows
        part = min(0.1, spec.capacity / rows / 2)
        values = rng.integers(1, 256, (IMAGES, rows)) * (rng.random((IMAGES, rows)) < part)
        values[0] = 0  # without events
        mode = MODES[rng.integers(len(MODES))]
        if mode == "latency":
            values = (values * STEPS + 254) // 255
        return Images.from_values(
            values, steps=rng.integers(1, STEPS + 1, IMAGES), mode=mode, decoder=DECODERS[rng.integers(len(DECODERS))]
        )


@cocotb.test()
async def as_shipped(dut: Any) -> None:
    """The first images that the design is shown on a board, with the coefficients that it is shipped with."""
    test = LifTester(dut)
    await test.start()
    job = test.design.job
    images = job.shown
    parts = {name: getattr(images, name)[:, :SHOWN] for name in ("row", "value", "steps")}
    await test.check(replace(job, shown=replace(images, **parts, labels=None)))


@cocotb.test()
async def random_networks(dut: Any) -> None:
    """Random weights, neurons, codes and sparse images."""
    test = LifTester(dut)
    await test.start()
    job = test.varied()
    await test.load(job)
    await test.check(job)
