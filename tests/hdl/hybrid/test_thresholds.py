import gc

import pytest
from amaranth.hdl import Module
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.hybrid.thresholds import Thresholds
from memtwin.hdl.hybrid.ts_device import TsDevice
from tests.hdl.helpers import fetch, load, places

COEFFICIENTS = {"theta_sd": 200, "adapt_step": 800, "adapt_leak": 9000, "theta_off": 6000}
SEED = 0x1234_5678


def round_shift(value, shift):
    return (value + (1 << (shift - 1))) >> shift


class Model:
    """Sections 2, 3 and 9 of docs/arithmetic.md."""

    def __init__(self, mean, coefficients, seed):
        self.mean = mean
        self.c = coefficients
        self.theta = [0] * len(mean)
        self.adapt = [0] * len(mean)
        self.random = seed

    def step(self):
        s = self.random
        s ^= (s << 13) & 0xFFFF_FFFF
        s ^= s >> 17
        s ^= (s << 5) & 0xFFFF_FFFF
        self.random = s

    def run(self, redraw=0, decay=0, clear=0, rise=0):
        for n, mean in enumerate(self.mean):
            if clear:
                self.adapt[n] = 0
            else:
                if decay:
                    self.adapt[n] -= round_shift(self.adapt[n] * self.c["adapt_leak"], 16)
                if rise >> n & 1:
                    self.adapt[n] = min(self.adapt[n] + self.c["adapt_step"], 65535)
            if redraw or clear:
                self.step()
                noise = sum(self.random.to_bytes(4, "little")) - 510
                theta = mean + round_shift(self.c["theta_sd"] * noise, 8)
                self.theta[n] = min(max(theta, self.c["theta_off"]), 65535)
        return list(zip(range(len(self.mean)), self.theta, self.adapt, strict=True))


class Bench:
    """The unit, a lender of its multiplier, and the model beside it."""

    def __init__(self, mean, coefficients=COEFFICIENTS, seed=SEED, name="layer1."):
        self.memory_map = MemoryMap({name + "theta_mean": mean})
        self.dut = Thresholds(len(mean), self.memory_map, name)
        self.model = Model(mean, coefficients, seed)
        self.coefficients = coefficients
        self.seed = seed

    async def setup(self, ctx):
        self.ctx = ctx
        for name, value in self.coefficients.items():
            ctx.set(getattr(self.dut, name), value)
        ctx.set(self.dut.seed, self.seed)

    async def run(self, load=0, **what):
        """One pass; the (neuron, theta, adapt) that came out, checked for latency and against the model."""
        ctx, dut = self.ctx, self.dut
        levels = {"redraw": 0, "decay": 0, "clear": 0, "rise": 0} | what
        for name, value in {"start": 1, "load": load, **levels}.items():
            ctx.set(getattr(dut, name), value)
        assert not ctx.get(dut.busy)
        await ctx.tick()
        for name in ("start", "load", "redraw", "decay", "clear"):
            ctx.set(getattr(dut, name), 0)
        out = []
        clock = 1
        while ctx.get(dut.busy):
            if ctx.get(dut.o_valid):
                assert clock == 7 + 4 * len(out)
                out.append((ctx.get(dut.o_neuron), ctx.get(dut.o_theta), ctx.get(dut.o_adapt)))
            await ctx.tick()
            clock += 1
        assert clock == 1 + 4 * dut.neurons + 3
        assert out == self.model.run(**levels)
        assert ctx.get(dut.random) == self.model.random
        assert await self.words() == out
        return out

    async def words(self):
        """What the read port gives."""
        out = []
        for n in range(self.dut.neurons):
            self.ctx.set(self.dut.read, n)
            await self.ctx.tick()
            out.append((n, self.ctx.get(self.dut.theta), self.ctx.get(self.dut.adapt)))
        return out

    async def restore(self, state):
        """Write a state by name, and read it; the address of a neuron is that of `read`."""
        name = next(iter(self.memory_map.windows)).removesuffix("theta_mean")
        named = {name + key: words for key, words in state.items()}
        await load(self.ctx, self.dut.config, self.memory_map.writes(named))
        self.model.theta, self.model.adapt = list(state["theta"]), list(state["adapt"])
        self.model.random = state["random"][0] | state["random"][1] << 16
        for key, words in named.items():
            got = []
            for index, place in enumerate(places(self.memory_map.windows[key])):
                self.ctx.set(self.dut.read, min(index, self.dut.neurons - 1))
                got += await fetch(self.ctx, self.dut.config, [place])
            assert got == words, key

    def simulate(self, testbench):
        m = Module()
        m.submodules.dut = dut = self.dut
        m.submodules.device = device = TsDevice()
        m.d.comb += [device.m_a.eq(dut.m_a), device.m_b.eq(dut.m_b), dut.m_product.eq(device.m_product)]

        async def bench(ctx):
            await self.setup(ctx)
            await testbench(ctx)

        sim = Simulator(m)
        sim.add_clock(1e-6)
        sim.add_testbench(bench)
        sim.run()


@pytest.mark.parametrize("neurons", [1, 3, 8])
def test_goes_on_from_a_state_that_was_written(neurons):
    b = Bench([16384 + 100 * n for n in range(neurons)])

    async def testbench(ctx):
        await b.run(load=1, clear=1)
        theta, adapt = [20000 + n for n in range(neurons)], [65000 - 700 * n for n in range(neurons)]
        await b.restore({"theta": theta, "adapt": adapt, "random": [0xABCD, 0x1234]})
        assert await b.words() == list(zip(range(neurons), theta, adapt, strict=True))
        # A decay leaves the thresholds, a redraw goes on with the generator; both are compared with the model.
        decayed = await b.run(decay=1)
        assert [word for _, word, _ in decayed] == theta
        assert all(after < before for (*_, after), before in zip(decayed, adapt, strict=True))
        await b.run(redraw=1, rise=1)

    b.simulate(testbench)


@pytest.mark.parametrize("neurons", [1, 2, 3, 10])
def test_power_up_then_fire_then_decay(neurons):
    b = Bench([16384 + 100 * n for n in range(neurons)])

    async def testbench(ctx):
        first = await b.run(load=1, clear=1, rise=(1 << neurons) - 1)
        assert all(adapt == 0 for _, _, adapt in first)
        fired = await b.run(redraw=1, rise=1)
        assert fired[0][2] == 800
        assert fired[0][1] != first[0][1]
        again = await b.run(redraw=1, decay=1, rise=1)
        assert again[0][2] == 800 - 110 + 800
        assert (await b.run(clear=1))[0][2] == 0

    b.simulate(testbench)


def test_decay_takes_no_random_number_and_leaves_theta():
    b = Bench([16384] * 4)

    async def testbench(ctx):
        first = await b.run(load=1, clear=1)
        number = ctx.get(b.dut.random)
        after = await b.run(decay=1)
        assert [theta for _, theta, _ in after] == [theta for _, theta, _ in first]
        assert ctx.get(b.dut.random) == number

    b.simulate(testbench)


def test_no_spread_gives_the_mean():
    b = Bench([7000, 16384, 65535], COEFFICIENTS | {"theta_sd": 0})

    async def testbench(ctx):
        assert [theta for _, theta, _ in await b.run(load=1, clear=1)] == [7000, 16384, 65535]

    b.simulate(testbench)


@pytest.mark.parametrize(
    ("mean", "seed", "theta"), [(65535, 4, 65535), (0, 1, 6000)], ids=["clamps_above", "clamps_below"]
)
def test_clamps_a_wide_spread(mean, seed, theta):
    b = Bench([mean] * 8, COEFFICIENTS | {"theta_sd": 65535}, seed)

    async def testbench(ctx):
        assert theta in [t for _, t, _ in await b.run(load=1, clear=1)]

    b.simulate(testbench)


def test_adaptation_saturates():
    b = Bench([16384], COEFFICIENTS | {"adapt_step": 40000})

    async def testbench(ctx):
        await b.run(load=1, clear=1)
        await b.run(rise=1)
        assert (await b.run(rise=1))[0][2] == 65535

    b.simulate(testbench)


def test_step_takes_one_random_number_for_the_next_clock():
    b = Bench([16384])

    async def testbench(ctx):
        await b.run(load=1, clear=1)
        ctx.set(b.dut.step, 1)
        await ctx.tick()
        ctx.set(b.dut.step, 0)
        b.model.step()
        assert ctx.get(b.dut.random) == b.model.random
        await b.run(redraw=1)

    b.simulate(testbench)


def test_start_while_busy_is_ignored():
    b = Bench([16384] * 3)

    async def testbench(ctx):
        ctx.set(b.dut.start, 1)
        await ctx.tick().repeat(3)
        ctx.set(b.dut.start, 0)
        await ctx.tick().repeat(4 * 3)
        assert ctx.get(b.dut.busy) == 1
        await ctx.tick()
        assert ctx.get(b.dut.busy) == 0

    b.simulate(testbench)


def test_mean_is_written_over_the_bus():
    b = Bench([0] * 5, COEFFICIENTS | {"theta_sd": 0})
    mean = [9000, 9001, 9002, 9003, 65535]

    async def testbench(ctx):
        for address, data in b.memory_map.writes({"layer1.theta_mean": mean}):
            ctx.set(b.dut.config.address, address)
            ctx.set(b.dut.config.data, data)
            ctx.set(b.dut.config.enable, 1)
            await ctx.tick()
        ctx.set(b.dut.config.enable, 0)
        b.model.mean = mean
        assert [theta for _, theta, _ in await b.run(load=1, clear=1)] == mean

    b.simulate(testbench)


words = st.integers(0, 65535)
passes = st.fixed_dictionaries(
    {"redraw": st.integers(0, 1), "decay": st.integers(0, 1), "rise": st.integers(0, 7), "clear": st.just(0)}
)


@settings(deadline=None, max_examples=40)
@given(
    mean=st.lists(words, min_size=3, max_size=3),
    coefficients=st.fixed_dictionaries(dict.fromkeys(COEFFICIENTS, words)),
    seed=st.integers(1, 0xFFFF_FFFF),
    plan=st.lists(passes, max_size=6),
)
def test_matches_the_specification(mean, coefficients, seed, plan):
    b = Bench(mean, coefficients, seed)

    async def testbench(ctx):
        await b.run(load=1, clear=1)
        for what in plan:
            await b.run(**what)

    b.simulate(testbench)


@pytest.mark.filterwarnings("ignore::amaranth.hdl.UnusedElaboratable")
@pytest.mark.parametrize(("neurons", "error"), [(0, ValueError), (-1, ValueError), (2.0, TypeError), (True, TypeError)])
def test_bad_number_of_neurons(neurons, error):
    with pytest.raises(error, match="neurons must be"):
        Thresholds(neurons, MemoryMap(), "")
    gc.collect()  # what the constructor left half-made, while its warning is ignored
