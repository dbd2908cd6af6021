"""The two pipelines of the STDP engine: decay, and the change of a synapse."""

from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.stdp.decay import StdpDecay
from memtwin.hdl.stdp.update import StdpUpdate
from tests.hdl.pipeline import stream
from tests.hdl.stdp.reference import TOP, decay, depressed, potentiated

WORD = st.integers(0, 2**16 - 1)
STATES = st.one_of(st.integers(0, TOP), st.integers(0, 64), st.just(TOP))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.fixed_dictionaries({"i": STATES, "leak": WORD}), min_size=1, max_size=20))
def test_decay(items):
    got = stream(StdpDecay(), items, {"o": StdpDecay.latency})
    assert [entry["o"] for entry in got] == [decay(item["i"], item["leak"]) for item in items]


def test_decay_is_exponential():
    # 64.1 steps to 1 / e; every step feeds the one before.
    value, leak = TOP, round(2**19 * (1 - 2.718281828 ** (-1 / 64.1)))
    for _ in range(64):
        (entry,) = stream(StdpDecay(), [{"i": value, "leak": leak}], {"o": StdpDecay.latency})
        value = entry["o"]
    assert abs(value / 2**20 - 2.718281828 ** (-64 / 64.1)) < 1e-4


@settings(deadline=None, max_examples=40)
@given(st.data())
def test_change_of_a_synapse(data):
    g_off, g_on = sorted(data.draw(st.tuples(WORD, WORD)))
    up, rate = data.draw(st.booleans()), data.draw(WORD)
    inside = st.one_of(st.integers(g_off, g_on), st.sampled_from([g_off, g_on]))
    items = data.draw(st.lists(st.fixed_dictionaries({"decay": WORD, "g": inside}), min_size=1, max_size=20))
    stable = {"up": up, "rate": rate, "g_off": g_off, "g_on": g_on}
    got = stream(StdpUpdate(), items, {"o_g": StdpUpdate.latency}, stable=stable)
    bound, change = (g_on, potentiated) if up else (g_off, depressed)
    assert [entry["o_g"] for entry in got] == [change(item["g"], item["decay"] << 4, rate, bound) for item in items]
    assert all(g_off <= entry["o_g"] <= g_on for entry in got)


def test_twice_the_way_ends_at_the_bound():
    stable = {"rate": 65535, "g_off": 100, "g_on": 60000}
    items = [{"decay": 65535, "g": g} for g in (100, 101, 30000, 60000)]
    for up, bound in ((1, 60000), (0, 100)):
        got = stream(StdpUpdate(), items, {"o_g": StdpUpdate.latency}, stable={**stable, "up": up})
        assert [entry["o_g"] for entry in got] == [bound] * 4
