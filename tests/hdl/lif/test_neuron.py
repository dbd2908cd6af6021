"""The LIF neuron against docs/lif-arithmetic.md, section 2, and its signed saturation."""

import pytest
from amaranth.hdl import Const, Module, Signal, signed
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.fixed import ssat
from memtwin.hdl.lif.neuron import LifNeuron
from tests.hdl.lif import reference as lif_reference
from tests.hdl.lif.reference import update
from tests.hdl.pipeline import stream

LATE = {
    "v": LifNeuron.state_delay,
    "hold": LifNeuron.state_delay,
    "leak": LifNeuron.state_delay,
    "bias": LifNeuron.bias_delay,
    "threshold": LifNeuron.threshold_delay,
}
OUTPUTS = dict.fromkeys(("o_valid", "o_v", "o_spike", "o_hold", "o_u"), LifNeuron.latency)
REST = {"acc": 0, "v": 0, "hold": 0, "leak": 0, "gain": 0, "bias": 0, "threshold": 65535}
LAYER = {"gain_shift": 0, "v_reset": 0, "refractory": 0, "subtract": 0}


def word(bits):
    """Words of a signed field, with its ends more often than by chance."""
    top = (1 << bits - 1) - 1
    return st.one_of(st.sampled_from([-top - 1, -1, 0, 1, top]), st.integers(-top - 1, top))


def count(bits):
    top = (1 << bits) - 1
    return st.one_of(st.sampled_from([0, 1, top]), st.integers(0, top))


NEURONS = st.fixed_dictionaries(
    {
        "acc": word(16),
        "v": word(20),
        "hold": st.sampled_from([0, 0, 0, 1, 255]),
        "leak": count(16),
        "gain": count(16),
        "bias": word(16),
        "threshold": count(16),
    }
)
LAYERS = st.fixed_dictionaries(
    {"gain_shift": st.integers(0, 15), "v_reset": word(16), "refractory": count(8), "subtract": st.integers(0, 1)}
)


def check(neurons, layer):
    """Present `neurons`, one a clock, and expect what the formula says, `latency` clocks later."""
    items = [{"valid": 1, **neuron} for neuron in neurons]
    results = stream(LifNeuron(), items, OUTPUTS, late=LATE, stable=layer)
    for neuron, result in zip(neurons, results, strict=True):
        v, spike, hold, u = update(**neuron, **layer)
        if u is None:
            u = result["o_u"]  # nobody looks at it
        assert result == {"o_valid": 1, "o_v": v, "o_spike": spike, "o_hold": hold, "o_u": u}
    return results


@settings(deadline=None, max_examples=60)
@given(st.lists(NEURONS, min_size=1, max_size=30), LAYERS)
def test_matches_the_formula(neurons, layer):
    check(neurons, layer)


@pytest.mark.parametrize("gain_shift", range(16))
def test_every_shift_rounds_half_up(gain_shift):
    sums = [-32768, -1000, -3, -2, -1, 0, 1, 2, 3, 1000, 32767]
    neurons = [REST | {"acc": acc, "gain": gain} for acc in sums for gain in (1, 2, 255, 256, 65535)]
    results = check(neurons, LAYER | {"gain_shift": gain_shift})
    assert any(result["o_v"] > 0 for result in results)


@pytest.mark.parametrize("offset", [-17, -16, -1, 0, 1, 15, 16])
@pytest.mark.parametrize("threshold", [0, 1, 32767])
def test_spikes_above_the_threshold_only(threshold, offset):
    u = max(-(2**19), min(2**19 - 1, (threshold << 4) + offset))
    (result,) = check([REST | {"v": u, "threshold": threshold}], LAYER | {"subtract": 1, "refractory": 3})
    assert result["o_spike"] == (u > threshold << 4)
    assert result["o_hold"] == 3 * result["o_spike"]


def test_a_threshold_beyond_the_membrane_is_never_reached():
    (result,) = check([REST | {"v": 2**19 - 1, "threshold": 32768}], LAYER)
    assert result["o_spike"] == 0


def test_a_neuron_on_hold_keeps_its_membrane():
    neuron = REST | {"v": 1234, "leak": 30000, "acc": 500, "gain": 65535, "bias": 99, "threshold": 0}
    for hold in (1, 2, 255):
        (result,) = check([neuron | {"hold": hold}], LAYER)
        assert (result["o_v"], result["o_hold"], result["o_spike"]) == (1234, hold - 1, 0)


def test_nothing_leaves_where_nothing_entered():
    items = [{"valid": valid, **REST} for valid in (0, 1, 1, 0, 0, 1, 0)]
    results = stream(LifNeuron(), items, {"o_valid": LifNeuron.latency}, late=LATE, stable=LAYER)
    assert [result["o_valid"] for result in results] == [0, 1, 1, 0, 0, 1, 0]


@pytest.mark.parametrize(("width", "to"), [(8, 5), (6, 5), (5, 5), (4, 7), (9, 1)])
def test_ssat_clamps(width, to):
    m = Module()
    value, out = Signal(signed(width)), Signal(signed(max(width, to)))
    m.d.comb += out.eq(ssat(value, to))
    simulator = Simulator(m)

    async def bench(ctx):
        for word in range(-(1 << width - 1), 1 << width - 1):
            ctx.set(value, word)
            assert ctx.get(out) == lif_reference.ssat(word, to)

    simulator.add_testbench(bench)
    simulator.run()


def test_ssat_takes_signed_words_only():
    with pytest.raises(TypeError, match="value must be signed, not unsigned"):
        ssat(Const(3, 4), 2)
