"""Bench of the designs made of STDP synapses, inside the simulator; the environment names the design."""

from dataclasses import replace
from typing import Any

import cocotb
import numpy as np
from numpy.typing import NDArray

from memtwin.benches.host import HostTester
from memtwin.sim.backends import Job
from memtwin.sim.stdp import trace
from memtwin.sim.stdp.shown import SpikeTrains
from memtwin.sim.stdp.spec import StdpSpec

EPOCHS, STEPS = 3, 60
FIRST = 160  # steps of the stimulus as shipped


class StdpTester(HostTester):
    """Tester with random synapses and spikes."""

    def varied(self) -> Job:
        """Draw synapses, amplitudes and spikes until they are for the same gateware."""
        return self.drawn(lambda: Job(spec=self._spec(), shown=self._trains(), seed=int(self.rng.integers(2**31))))

    def _spec(self) -> StdpSpec:
        rng, spec = self.rng, self.design.spec
        return replace(
            spec,
            g_initial=spec.g_off + rng.random(spec.g_initial.shape) * (spec.g_on - spec.g_off),
            kick=rng.uniform(0.5, 1.5) * spec.kick,
            rate_up=rng.uniform(0.02, 0.2),
            rate_down=rng.uniform(0.02, 0.5),
        )

    def _trains(self) -> SpikeTrains:
        rng, spec = self.rng, self.design.spec
        shape = (1, EPOCHS, STEPS)
        return SpikeTrains(
            inputs=(rng.random((*shape, spec.rows)) < 0.2).astype(np.uint8),
            forced=(rng.random((*shape, spec.neurons)) < 0.05).astype(np.uint8),
            learn=np.array([[1, 0, 1]], dtype=np.uint8),
        )


def changed(words: NDArray[np.uint64]) -> int:
    """Count the synapses that were written."""
    return int(np.count_nonzero((words & np.uint64(15)) == trace.KIND["conductance"]))


@cocotb.test()
async def as_shipped(dut: Any) -> None:
    """The first steps of the experiment's first epoch, with the coefficients that the design is shipped with."""
    test = StdpTester(dut)
    await test.start()
    job = test.design.job
    trains = job.shown
    first = replace(
        trains,
        inputs=trains.inputs[:, :1, :FIRST],
        forced=trains.forced[:, :1, :FIRST],
        learn=trains.learn[:, :1],
    )
    await test.check(replace(job, shown=first))


@cocotb.test()
async def random_spikes(dut: Any) -> None:
    """Random conductances, amplitudes, inputs and forced spikes, with and without learning."""
    test = StdpTester(dut)
    await test.start()
    job = test.varied()
    await test.load(job)
    (words,) = await test.check(job)
    assert changed(words)
