"""The datapath of Izhikevich neurons, one step at a time, with any word."""

from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.izhikevich.neuron import IzhikevichField, IzhikevichNeuron
from tests.hdl.helpers import simulate
from tests.hdl.izhikevich.reference import signed, stepped


def words(bits, *special):
    """Signed words, often at their ends."""
    half = 1 << bits - 1
    return st.one_of(st.integers(-half, half - 1), st.sampled_from([-half, half - 1, 0, -1, *special]))


COEFFICIENTS = st.fixed_dictionaries({field.name.lower(): st.integers(0, 2**16 - 1) for field in IzhikevichField})


def run(items):
    """State and spike of each item, and the clocks that it took; `first` takes the start from the coefficients."""
    dut, out = IzhikevichNeuron(), []

    async def memory(ctx):
        async for _, _, field in ctx.tick().sample(dut.field):
            ctx.set(dut.word, items[len(out)]["k"][IzhikevichField(field).name.lower()] if len(out) < len(items) else 0)

    async def bench(ctx):
        for item in items:
            for name in ("first", "v", "u", "total", "step"):
                ctx.set(getattr(dut, name), item[name])
            ctx.set(dut.start, 1)
            await ctx.tick()
            ctx.set(dut.start, 0)
            clocks = 1
            while not ctx.get(dut.o_valid):
                await ctx.tick()
                clocks += 1
            out.append((*(ctx.get(port) for port in (dut.o_v, dut.o_u, dut.o_spike)), clocks))
            await ctx.tick()

    simulate(dut, bench, background=[memory])
    return out


ITEM = st.fixed_dictionaries(
    {
        "k": COEFFICIENTS,
        "first": st.integers(0, 1),
        "v": words(20),
        "u": words(23),
        "total": words(24),
        "step": st.one_of(st.integers(0, 2**16 - 1), st.just(2**16 - 1)),
    }
)


@settings(deadline=None, max_examples=60)
@given(st.lists(ITEM, min_size=1, max_size=6))
def test_a_step_is_that_of_the_page(items):
    expected = []
    for item in items:
        k = {name: word if name == "a" else signed(word, 16) for name, word in item["k"].items()}
        v, u = (k["v_start"] << 4, k["u_start"] << 7) if item["first"] else (item["v"], item["u"])
        expected.append((*stepped(v, u, k, item["total"], item["step"]), IzhikevichNeuron.latency))
    assert run(items) == expected


def test_a_membrane_at_the_threshold_does_not_spike():
    # With a step of 0 the membrane stays.
    k = {field.name.lower(): 0 for field in IzhikevichField} | {"threshold": 100}
    items = [{"k": k, "first": 0, "v": v, "u": 0, "total": 0, "step": 0} for v in (1599, 1600, 1601)]
    assert [spike for _, _, spike, _ in run(items)] == [0, 0, 1]
