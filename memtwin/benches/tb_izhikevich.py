"""Bench of the design made of Izhikevich neurons, inside the simulator."""

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np

from memtwin.benches.host import HostTester
from memtwin.sim.backends import Job
from memtwin.sim.izhikevich import trace
from memtwin.sim.izhikevich.shown import Drive
from memtwin.sim.izhikevich.spec import IzhikevichSpec

FIRST = 300  # steps of the current that the design is shipped with
STEPS = (40, 1, 90)
RANGES = {"a": (0.01, 0.12), "b": (-0.1, 0.3), "c": (-70e-3, -45e-3), "d": (0.0, 10.0)}


class IzhikevichTester(HostTester):
    """Tester with random neurons, weights and drives."""

    def varied(self) -> Job:
        """Draw a network that the same gateware serves, and what is shown to it."""
        return Job(spec=self._spec(), shown=self._drive())

    def _spec(self) -> IzhikevichSpec:
        rng, spec = self.rng, self.design.spec
        devices = (
            device.replace(**{name: rng.uniform(*ends) for name, ends in RANGES.items()}) for device in spec.devices
        )
        return replace(
            spec,
            devices=tuple(devices),
            weight=rng.uniform(-50, 100, spec.weight.shape),
            step=rng.uniform(0.2e-3, 1e-3),
        )

    def _drive(self) -> Drive:
        rng, spec = self.rng, self.design.spec
        return Drive(
            steps=STEPS,
            inputs=(rng.random((1, sum(STEPS), spec.rows)) < 0.2).astype(np.uint8),
            current=rng.uniform(-10, 30, (1, len(STEPS), spec.neurons)),
        )


@cocotb.test()
async def as_shipped(dut: Any) -> None:
    """The first steps of the experiment without and with current, with the coefficients as shipped."""
    test = IzhikevichTester(dut)
    await test.start()
    job = test.design.job
    drive = job.shown
    steps = tuple(min(FIRST, length) for length in drive.steps)
    await test.check(replace(job, shown=replace(drive, steps=steps, inputs=drive.inputs[:, : sum(steps)])))


@cocotb.test()
async def random_neurons(dut: Any) -> None:
    """Random neurons, weights, currents and spikes."""
    test = IzhikevichTester(dut)
    await test.start()
    job = test.varied()
    await test.load(job)
    (words,) = await test.check(job)
    assert trace.read(words, job.spec.neurons)["spike"].any()
