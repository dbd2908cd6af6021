import gc
import warnings

import pytest
from amaranth.hdl import UnusedElaboratable
from amaranth.sim import Simulator


def simulate(dut, *benches):
    """Run test benches on `dut` until all are done."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    simulator.run()


async def load(ctx, bus, writes):
    """Write (address, data) pairs over the configuration bus."""
    for address, data in writes:
        ctx.set(bus.address, address)
        ctx.set(bus.data, data)
        ctx.set(bus.enable, 1)
        await ctx.tick()
    ctx.set(bus.enable, 0)


def refused(message, component, *arguments):
    """Expect a ValueError from a constructor; the half-made component is not an unused one."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        with pytest.raises(ValueError, match=message):
            component(*arguments)
        gc.collect()
