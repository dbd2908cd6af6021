"""Op-amp neurons of every circuit against docs/opamp-arithmetic.md in plain Python."""

import random
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.opamp.neuron import FIRSTS, SECONDS, OpampCircuit, OpampNeuron
from tests.hdl.helpers import simulate
from tests.hdl.opamp.reference import ReferenceLayer, image_of
from tests.hdl.pipeline import stream

CIRCUITS = [
    OpampCircuit(first=first, second=second, terminal=terminal)
    for first in FIRSTS
    for second in SECONDS
    for terminal in (False, True)
]
every_circuit = pytest.mark.parametrize(
    "circuit", CIRCUITS, ids=lambda c: f"{c.first}_{c.second}{'_terminal' if c.terminal else ''}"
)


def reference_of(circuit, words, neurons):
    """Formula of section 6 for `neurons` neurons with these coefficients, by name."""
    structure = SimpleNamespace(
        neurons=neurons, first=circuit.first, second=circuit.second, terminal=circuit.terminal, learns=False
    )
    return ReferenceLayer(structure, {"conductance": [], **words}, "")


def expect(circuit, reference, index):
    """Outputs of neuron `index` after its substep; the reference keeps its new state."""
    before = reference.on[index]
    (_, _, v_out1, v_out2, on, below), *_ = reference._neuron(index)
    return {
        "o_valid": 1,
        "o_v_out1": v_out1,
        "o_v_out2": v_out2,
        "o_below": below,
        "o_s": reference.s[index],
        "o_on": on,
        "o_set": int(on and not before),
        **{f"o_u_{place}": reference.u[place][index] for place in circuit.memristors},
    }


def clocks_of(circuit):
    """Clocks for which a neuron must be presented; its results are taken in the last one."""
    return max(1, len(circuit.memristors))


def run(circuit, words, neurons):
    """Outputs for `neurons`, one after the other; `words` are the coefficients of one word."""
    dut = OpampNeuron(circuit)
    names = ["o_valid", "o_v_out1", "o_v_out2", "o_below", "o_s", "o_on", "o_set"]
    outputs = dict.fromkeys([*names, *(f"o_u_{place}" for place in circuit.memristors)], dut.latency)
    stable = {name: words[name] for name in circuit.scalars}
    clocks = clocks_of(circuit)
    items = [{"valid": 1, **neuron} for neuron in neurons for _ in range(clocks)]
    return stream(dut, items, outputs, stable=stable)[clocks - 1 :: clocks]


def specified(circuit, values, neurons):
    """Outputs for `neurons` by the formula."""
    words = {name: [values[name]] for name in circuit.scalars}
    words |= {name: [neuron[name] for neuron in neurons] for name in circuit.per_neuron}
    reference = reference_of(circuit, words, len(neurons))
    reference.s = [neuron["s"] for neuron in neurons]
    reference.on = [neuron["on"] for neuron in neurons]
    reference.current = [neuron["current"] for neuron in neurons]
    for place in circuit.memristors:
        reference.u[place] = [neuron[f"u_{place}"] for neuron in neurons]
    return [expect(circuit, reference, index) for index in range(len(neurons))]


def coefficients(generator, circuit):
    """Random words of a circuit, within what section 1 lets the others hold."""
    words = {name: generator.randrange(65536) for name in circuit.scalars}
    words["v_sat_log"] = generator.randrange(20 << 11, 24 << 11)
    swing = words["swing"] = generator.randrange(20000, 60000)
    rise = words["rise"] = generator.randrange(100, min(swing, 65536 - swing))
    fall = words["fall"] = generator.randrange(100, swing)
    words["rise_per_fall"] = min(round(rise / fall * 256), 65535)
    words["fall_per_rise"] = min(round(fall / rise * 256), 65535)
    for place in circuit.memristors:
        words[f"exponent_{place}"] = generator.randrange(1 << 12, 4 << 12)
        words[f"v_floor_{place}_log"] = generator.randrange(15 << 11, 24 << 11)
        words[f"growth_{place}_log"] = generator.randrange(5 << 11, 20 << 11)
    return words


def state(generator, circuit, words):
    """Random neuron."""
    on = generator.randrange(2)
    swing = words["swing"]
    low, high = (1, swing + words["rise"]) if on else (-words["fall"] + 1, swing)
    neuron = {
        "current": generator.choice((0, generator.randrange(2**18), generator.randrange(2**17))),
        "s": generator.choice((generator.randrange(low, high), swing if on else 0)),
        "on": on,
        "v_th_log": generator.randrange(10 << 11, 24 << 11),
    }
    for place in circuit.memristors:
        neuron[f"u_{place}"] = generator.getrandbits(generator.randrange(1, 28))
        neuron[f"r0_{place}_log"] = generator.randrange(65536)
    return neuron


@every_circuit
def test_random_states(circuit):
    generator = random.Random(repr(circuit))
    results = []
    for _ in range(5):
        words = coefficients(generator, circuit)
        neurons = [state(generator, circuit, words) for _ in range(60)]
        got = run(circuit, words, neurons)
        assert got == specified(circuit, words, neurons)
        results += got
    # What is interesting did happen.
    assert {result["o_set"] for result in results} == {0, 1}
    assert {result["o_below"] for result in results} == ({0, 1} if circuit.terminal else {0})
    assert len({result["o_v_out2"] for result in results}) > 30


@settings(deadline=None, max_examples=30)
@given(circuit=st.sampled_from(CIRCUITS), seed=st.integers(0, 2**32), data=st.data())
def test_extreme_words(circuit, seed, data):
    """Every word but those of the switch's course at the ends of its range as often as between them."""
    words = coefficients(random.Random(seed), circuit)
    word = st.one_of(st.sampled_from([0, 1, 65535]), st.integers(0, 65535))
    course = ("swing", "rise", "fall", "rise_per_fall", "fall_per_rise")
    words |= {name: data.draw(word, name) for name in circuit.scalars if name not in course}
    # `EXP2` of the terminal's drop has 24 bits.
    words["v_sat_log"] = min(words["v_sat_log"], (24 << 11) - 1) if circuit.terminal else words["v_sat_log"]
    neuron = state(random.Random(seed), circuit, words)
    neuron |= {name: data.draw(word, name) for name in circuit.per_neuron}
    neuron["current"] = data.draw(st.one_of(st.sampled_from([0, 1, 2**18 - 1]), st.integers(0, 2**18 - 1)), "current")
    for place in circuit.memristors:
        neuron[f"u_{place}"] = data.draw(st.one_of(st.sampled_from([0, 1, 2**27 - 1]), st.integers(0, 2**27 - 1)))
    assert run(circuit, words, [neuron]) == specified(circuit, words, [neuron])


SUBSTEPS = 250


@every_circuit
def test_successive_substeps(circuit):
    """A layer of three neurons, whose states go back into the pipeline, under a current that is on, off and on."""
    structure = SimpleNamespace(rows=1, neurons=3, learns=False, **vars(circuit))
    words = image_of(structure, "")
    reference = reference_of(circuit, words, 3)
    dut = OpampNeuron(circuit)
    states = ["s", "on", *(f"u_{place}" for place in circuit.memristors)]
    seen = set()

    async def bench(ctx):
        for name in circuit.scalars:
            ctx.set(getattr(dut, name), words[name][0])
        values = [dict.fromkeys(states, 0) for _ in range(3)]
        clocks = clocks_of(circuit)
        for substep in range(SUBSTEPS):
            # 2 V over 2 MOhm, in log words; less for the others.
            current = 0 if 100 <= substep < 140 else 24 << 13
            for clock in range(dut.latency + 3 * clocks):
                index, again = divmod(clock, clocks)
                ctx.set(dut.valid, index < 3)
                if index < 3:
                    reference.current[index] = max(current - 2000 * index, 0)
                    ctx.set(dut.current, reference.current[index])
                    for name in circuit.per_neuron:
                        ctx.set(getattr(dut, name), words[name][index])
                    for name, value in values[index].items():
                        ctx.set(getattr(dut, name), value)
                index, again = divmod(clock - dut.latency, clocks)
                assert ctx.get(dut.o_valid) == (index >= 0)
                if index >= 0 and again == clocks - 1:
                    expected = expect(circuit, reference, index)
                    got = {name: ctx.get(getattr(dut, name)) for name in expected}
                    assert got == expected, substep
                    values[index] = {name: got[f"o_{name}"] for name in states}
                    seen.add((got["o_on"], got["o_set"]))
                await ctx.tick()

    simulate(dut, bench)
    # It fires, and it comes to rest.
    assert seen == {(0, 0), (1, 0), (1, 1)}


@every_circuit
def test_latency_is_that_of_the_documentation(circuit):
    dut = OpampNeuron(circuit)
    valid = []

    async def bench(ctx):
        for clock in range(dut.latency + 2):
            ctx.set(dut.valid, clock == 0)
            valid.append(ctx.get(dut.o_valid))
            await ctx.tick()

    simulate(dut, bench)
    assert valid == [0] * dut.latency + [1, 0]
    assert 9 <= dut.latency <= 24


def test_circuit_names_its_coefficients():
    circuit = OpampCircuit(first="resistor", second="switch")
    assert circuit.memristors == ()
    assert circuit.per_neuron == ("v_th_log",)
    assert circuit.scalars == (
        "r2_log",
        "v_sat_log",
        "r1_log",
        "r_off_log",
        "v_hold_log",
        "swing",
        "rise",
        "fall",
        "rise_per_fall",
        "fall_per_rise",
    )


def test_circuit_names_those_of_its_memristors():
    circuit = OpampCircuit(first="dynamic", second="parallel", terminal=True)
    assert circuit.memristors == ("first", "second")
    assert circuit.per_neuron == ("r0_first_log", "r0_second_log", "v_th_log")
    assert circuit.scalars[:3] == ("v_sat_log", "v1", "r1_log")
    assert circuit.scalars[10:] == (
        "exponent_first",
        "exponent_second",
        "v_floor_first_log",
        "v_floor_second_log",
        "growth_first_log",
        "growth_second_log",
        "leak_first",
        "leak_second",
        "span_first",
        "span_second",
    )
    assert OpampCircuit(first="resistor", second="series").memristors == ("second",)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"first": "diode"}, ValueError, "first must be one of resistor, dynamic, not 'diode'"),
        ({"second": None}, ValueError, "second must be one of switch, series, parallel, not None"),
        ({"terminal": 1}, TypeError, "terminal must be a bool, not 1"),
    ],
)
def test_circuit_refuses(fields, error, message):
    with pytest.raises(error, match=message):
        OpampCircuit(**{"first": "resistor", "second": "switch"} | fields)
