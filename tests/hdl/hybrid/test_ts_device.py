import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.hybrid.ts_device import TsDevice

COEFFICIENTS = {"leak": 32768, "leak_half": 20000, "relax": 6000, "theta_off": 6000, "x_max": 30000}
NEURON = {"x": 0, "on": 0, "growth": 0, "driven": 0, "skipped": 0, "theta": 16384, "adapt": 0}


def round_shift(value, shift):
    return (value + (1 << (shift - 1))) >> shift


def expected(n, c):
    """Section 6 of docs/arithmetic.md for one neuron: (x, on, node2)."""
    x, on, driven = n["x"], n["on"], n["driven"]
    xh = x >> 4
    if n["skipped"]:
        x = x - round_shift(xh * c["leak_half"], 12)
    elif not on:
        x = min(x - round_shift(xh * c["leak"], 16) + (n["growth"] if driven else 0), 2**20 - 1)
    elif driven:
        x = min(x + n["growth"], c["x_max"] << 4)
    else:
        x = x - round_shift(xh * c["relax"], 12)
    if not on and driven:
        on = int(x >= min(n["theta"] + n["adapt"], 65535) << 4)
    elif on and not driven:
        on = int(x >= c["theta_off"] << 4)
    return x, on, on & driven


def stream(neurons, coefficients, gaps=()):
    """Present the neurons (after those in `gaps` a clock is left empty); the (clock, result) pairs that come out."""
    dut = TsDevice()
    results = []
    entered = []
    late = {}

    async def testbench(ctx):
        for name, value in coefficients.items():
            ctx.set(getattr(dut, name), value)
        clock = 0

        async def tick():
            nonlocal clock
            if clock - TsDevice.theta_delay in late:
                for name, value in late[clock - TsDevice.theta_delay].items():
                    ctx.set(getattr(dut, name), value)
            await ctx.tick()
            clock += 1
            if ctx.get(dut.o_valid):
                results.append((clock, (ctx.get(dut.o_x), ctx.get(dut.o_on), ctx.get(dut.o_node2))))

        for index, neuron in enumerate(neurons):
            for name, value in neuron.items():
                if name not in ("theta", "adapt"):
                    ctx.set(getattr(dut, name), value)
            late[clock] = {name: neuron[name] for name in ("theta", "adapt")}
            ctx.set(dut.valid, 1)
            entered.append(clock)
            await tick()
            ctx.set(dut.valid, 0)
            if index in gaps:
                await tick()
        for _ in range(TsDevice.latency + 2):
            await tick()

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
    assert [clock for clock, _ in results] == [clock + TsDevice.latency for clock in entered]
    return [result for _, result in results]


TOP = 2**20 - 1
CASES = {
    "off_leaks": ({"x": 100000}, 100000 - 3125, 0, 0),
    "off_integrates": ({"x": 100000, "driven": 1, "growth": 10000}, 100000 - 3125 + 10000, 0, 0),
    "undriven_growth_is_ignored": ({"x": 0, "growth": 65535}, 0, 0, 0),
    "switches_on_at_the_threshold": ({"x": 0, "driven": 1, "growth": 32000, "theta": 2000}, 32000, 1, 1),
    "stays_off_just_below_it": ({"x": 0, "driven": 1, "growth": 31999, "theta": 2000}, 31999, 0, 0),
    "adaptation_raises_the_threshold": ({"driven": 1, "growth": 32000, "theta": 2000, "adapt": 1}, 32000, 0, 0),
    "does_not_switch_on_undriven": ({"x": 500000, "theta": 0}, 500000 - 15625, 0, 0),
    "clips_off": ({"x": TOP, "driven": 1, "growth": 65535, "theta": 65535}, TOP, 1, 1),
    "threshold_saturates": ({"x": TOP, "driven": 1, "growth": 65535, "theta": 65535, "adapt": 65535}, TOP, 1, 1),
    "threshold_does_not_wrap": ({"x": 300000, "driven": 1, "theta": 65535, "adapt": 2}, 300000 - 9375, 0, 0),
    "on_grows_to_the_ceiling": ({"x": 479990, "on": 1, "driven": 1, "growth": 11}, 480000, 1, 1),
    "on_grows_below_the_ceiling": ({"x": 479980, "on": 1, "driven": 1, "growth": 19}, 479999, 1, 1),
    "on_driven_below_rupture_stays_on": ({"x": 10, "on": 1, "driven": 1, "growth": 5}, 15, 1, 1),
    "above_the_ceiling_falls_to_it": ({"x": TOP, "on": 1, "driven": 1}, 480000, 1, 1),
    "on_relaxes": ({"x": 400000, "on": 1}, 400000 - 36621, 1, 0),
    "ruptures": ({"x": 105000, "on": 1}, 105000 - 9612, 0, 0),
    "skipped_decays_by_a_half_period": ({"x": 100000, "skipped": 1}, 100000 - 30518, 0, 0),
}


@pytest.mark.parametrize("name", CASES)
def test_case(name):
    neuron, *result = CASES[name]
    assert stream([NEURON | neuron], COEFFICIENTS) == [tuple(result)]


words = st.integers(0, 65535)
neurons = st.fixed_dictionaries(
    {
        "x": st.integers(0, TOP),
        "on": st.integers(0, 1),
        "growth": words,
        "driven": st.integers(0, 1),
        "skipped": st.integers(0, 1),
        "theta": words,
        "adapt": st.one_of(st.just(0), words),
    }
)
coefficients = st.fixed_dictionaries(
    {
        "leak": words,
        "leak_half": st.integers(0, 65535),
        "relax": st.integers(0, 65535),
        "theta_off": words,
        "x_max": words,
    }
)


@settings(deadline=None, max_examples=60)
@given(neurons=st.lists(neurons, min_size=1, max_size=12), c=coefficients, gaps=st.sets(st.integers(0, 11)))
def test_matches_the_specification_at_one_neuron_per_clock(neurons, c, gaps):
    assert stream(neurons, c, gaps) == [expected(neuron, c) for neuron in neurons]


def test_idle_multiplier_is_lent():
    dut = TsDevice()
    factors = [(0, 0), (65535, 65535), (3, 5), (12345, 54321)]

    async def testbench(ctx):
        products = []
        for a, b in [*factors, (0, 0), (0, 0)]:
            ctx.set(dut.m_a, a)
            ctx.set(dut.m_b, b)
            await ctx.tick()
            products.append(ctx.get(dut.m_product))
        assert products[1:5] == [a * b for a, b in factors]
        assert ctx.get(dut.o_valid) == 0

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()


def test_borrowed_multiplier_does_not_disturb_a_pass():
    dut = TsDevice()

    async def testbench(ctx):
        for name, value in (COEFFICIENTS | NEURON | {"x": 100000, "m_a": 65535, "m_b": 65535}).items():
            ctx.set(getattr(dut, name), value)
        ctx.set(dut.valid, 1)
        await ctx.tick()
        ctx.set(dut.valid, 0)
        await ctx.tick().repeat(3)
        assert ctx.get(dut.o_valid) == 1
        assert ctx.get(dut.o_x) == 100000 - 3125

    sim = Simulator(dut)
    sim.add_clock(1e-6)
    sim.add_testbench(testbench)
    sim.run()
