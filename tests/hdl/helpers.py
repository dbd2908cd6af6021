import gc
import warnings
from contextlib import contextmanager

import pytest
from amaranth.hdl import UnusedElaboratable
from amaranth.sim import Simulator

from memtwin.hdl.core.config import READ_LATENCY


def simulate(dut, *benches, background=()):
    """Run test benches on `dut` until all but those in the background are done."""
    simulator = Simulator(dut)
    simulator.add_clock(1e-6)
    for bench in benches:
        simulator.add_testbench(bench)
    for bench in background:
        simulator.add_testbench(bench, background=True)
    simulator.run()


async def sampled(ctx, condition, *values):
    """Wait for a clock in which `condition` holds, and return the values in it.

    Unlike `until` of Amaranth it leaves no asynchronous generator to the garbage collector.
    """
    while True:
        _, _, holds, *out = await ctx.tick().sample(condition, *values)
        if holds:
            return out


async def load(ctx, bus, writes):
    """Write (address, data) pairs over the configuration bus."""
    for address, data in writes:
        ctx.set(bus.address, address)
        ctx.set(bus.data, data)
        ctx.set(bus.enable, 1)
        await ctx.tick()
    ctx.set(bus.enable, 0)


async def fetch(ctx, bus, addresses, latency=READ_LATENCY):
    """Read words over the configuration bus, or a `HostPort`; they come when they are due, and not only later."""
    words = []
    for address in addresses:
        ctx.set(bus.address, address)
        ctx.set(bus.read, 1)
        await ctx.tick()
        ctx.set(bus.read, 0)
        await ctx.tick().repeat(latency - 1)
        words.append(ctx.get(bus.q))
    return words


def places(window):
    """Addresses of the words of a window."""
    return [window.address(index) for index in range(window.depth)]


async def write(ctx, host, address, data):
    """Write a word to a `HostPort`."""
    ctx.set(host.address, address)
    ctx.set(host.data, data)
    ctx.set(host.enable, 1)
    await ctx.tick().until(host.ready)
    ctx.set(host.enable, 0)


def ticks(network, period):
    """Test bench for the background: a tick every `period` clocks."""

    async def bench(ctx):
        count = 0
        ctx.set(network.tick, period == 1)
        async for _ in ctx.tick():
            count += 1
            ctx.set(network.tick, count % period == 0)

    return bench


class Taps:
    """What every network shows of its layers; for a monitor, which samples `signals` last."""

    def __init__(self, network, parse):
        numbers = range(1, len(network.layers) + 1)
        self._layers = len(numbers)
        self._parse = parse
        ports = [getattr(network, f"trace{number}") for number in numbers]
        pulses = [network.pulses(number) for number in numbers]
        self.signals = [*(signal for port in ports for signal in (port.valid, port.word)), *pulses]

    def entries(self, values):
        """List the (layer, entry) of the traces in this clock; layer 0 is the first."""
        words = [values[2 * layer : 2 * layer + 2] for layer in range(self._layers)]
        return [(layer, self._parse(word)) for layer, (valid, word) in enumerate(words) if valid]

    def pulses(self, values):
        """Output pulses of every layer in this clock."""
        return tuple(values[2 * self._layers :])


@contextmanager
def unused():
    """What is made here may stay unused."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnusedElaboratable)
        yield
        gc.collect()


def refused(message, component, *arguments, error=ValueError):
    """Expect an error from a constructor; the half-made component is not an unused one."""
    with unused(), pytest.raises(error, match=message):
        component(*arguments)
