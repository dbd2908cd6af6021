"""Decoding of the trace words of op-amp neurons, against what the words were made from."""

import dataclasses
import re

import numpy as np
import pytest

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.opamp import model, trace
from memtwin.sim.opamp.spec import CIRCUITS
from memtwin.sim.waves import write_waves
from tests.sim.opamp.jobs import SUBSTEP, network, steps

KIND = {name: kind for kind, name in trace.KINDS.items()}
SPEC = steps("7b", [1e-6], on=1).spec
LOG, FINE = 2**11, 2**22  # words per octave of a coefficient, of u

# Two neurons with two dynamic memristors and two rows; a tenth of 10 V is the terminal's voltage.
COEFFICIENTS = LayerCoefficients(
    structure={"rows": 2, "neurons": 2, "lanes": 1, "first": "dynamic", "second": "parallel", "terminal": True}
    | {"learns": True},
    words={
        "r0_first_log": np.array([[12 * LOG, 13 * LOG]]),
        "r0_second_log": np.array([[10 * LOG, 11 * LOG]]),
        "r_off_log": np.array([8 * LOG]),
        "swing": np.array([4 << 12]),
        "v1": np.array([2**14]),
        "conductance": np.array([[100, 200, 300, 400]]),
    },
    weight_unit=2.0**-34,
    report=[],
)


def word(kind, index, *fields):
    """Word from (value, first bit) pairs."""
    return KIND[kind] | index << 4 | sum(value << 20 + bit for value, bit in fields)


def phase(driven, learn=0):
    return word("phase", 0, (driven, 0), (learn, 1))


def current(neuron, octaves):
    return word("current", neuron, (octaves << 13, 0))


def neuron(index, *, v_out1=0, v_out2=0, on=0, below=0, u=0, s=0, u2=0):
    """Three words of a neuron; voltages and u in octaves, s in its own unit."""
    circuit = word("circuit", index, (v_out1 << 13, 0), (v_out2 << 13, 18), (on, 36), (below, 37))
    return [circuit, word("state", index, (u * FINE, 0), (s & 0x1FFFF, 27)), word("memristor", index, (u2 * FINE, 0))]


def synapse(column, row, conductance):
    return word("conductance", column, (conductance, 0), (row, 16))


# Neuron 0 sets in the second substep and learns; the input ends with the third.
WORDS = np.array(
    [
        *(phase(1, 1), current(0, 20), current(1, 21)),
        *neuron(0, v_out1=20, v_out2=18, u=1, s=-5, u2=3),
        *neuron(1, v_out1=19, v_out2=17, below=1),
        *neuron(0, v_out1=21, v_out2=18, on=1, u=2, s=1 << 12, u2=4),
        *neuron(1, v_out1=19, v_out2=17),
        *(synapse(0, 0, 500), synapse(0, 1, 600)),
        *(phase(0), current(0, 0), current(1, 0)),
        *neuron(0, on=1, u=1, s=(4 << 12) + 7, u2=2),
        *neuron(1),
        *neuron(0, on=0, s=3 << 12),
        *neuron(1),
    ],
    dtype=np.uint64,
)


@pytest.fixture
def decoded():
    return trace.decode(WORDS, SPEC, COEFFICIENTS)


def test_samples_lie_at_the_starts_of_substeps(decoded):
    assert decoded.waveform.time_s == pytest.approx(SUBSTEP * np.arange(4))
    assert decoded.waveform.clk.tolist() == [1, 1, 0, 0]


def test_a_sample_has_the_state_before_and_the_circuit_of_its_substep(decoded):
    signals = {name: values[:, 0].tolist() for name, values in decoded.waveform.signals.items()}
    assert signals["i_in"] == [2.0**-24, 2.0**-24, 0, 0]
    assert signals["v_out1"] == [1, 2, 0, 0]
    assert signals["v_out2"] == [1 + 0.25, 1 + 0.25, 1, 1]
    assert signals["r_first"] == [2.0**20, 2.0**19, 2.0**18, 2.0**19]
    assert signals["r_second"] == [2.0**18, 2.0**15, 2.0**14, 2.0**16]
    assert signals["r_switch"] == [2.0**16, 2.0**16, 2.0**15, 2.0**12]  # within its range
    assert signals["on"] == [0, 1, 1, 0]


def test_below_the_terminal_the_drop_is_negative(decoded):
    assert decoded.waveform.signals["v_out2"][:, 1].tolist() == [1 - 0.125, 1 + 0.125, 1, 1]


def test_events_have_the_time_of_the_decision(decoded):
    events = [(event.kind, event.neuron, event.time_s) for event in decoded.events]
    assert events == [("on", 0, pytest.approx(SUBSTEP)), ("off", 0, pytest.approx(3 * SUBSTEP))]


def test_learning_steps(decoded):
    ((time, who, conductance),) = decoded.learning
    assert (time, who) == (pytest.approx(SUBSTEP), 0)
    assert conductance.tolist() == [500 * 2.0**-34, 600 * 2.0**-34]


def test_a_word_taken_apart():
    assert trace.fields(phase(1, 1)) == {"kind": "phase", "index": 0, "driven": 1, "learn": 1}
    circuit, state, memristor = neuron(3, v_out1=20, v_out2=5, below=1, u=31, s=-65536, u2=1)
    assert trace.fields(circuit) == {
        **{"kind": "circuit", "index": 3, "v_out1": 20 << 13, "v_out2": 5 << 13},
        **{"on": 0, "below": 1},
    }
    assert trace.fields(state) == {"kind": "state", "index": 3, "u": 31 * FINE, "s": -65536}
    assert trace.fields(np.uint64(memristor)) == {"kind": "memristor", "index": 3, "u": FINE}
    with pytest.raises(ValueError, match="kind 4 or 8 to 12, not 5"):
        trace.fields(5)


def without(*positions):
    return np.delete(WORDS, positions)


def swapped(i, j):
    words = WORDS.copy()
    words[[i, j]] = words[[j, i]]
    return words


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (WORDS[:-3], "whole substeps of 2 neurons"),
        (without(5), "whole substeps of 2 neurons"),
        (swapped(4, 5), "kinds 9, 10, 11"),
        (np.r_[WORDS[:3], WORDS[6:9], WORDS[3:6], WORDS[9:]], "neurons in order"),
        (swapped(2, 3), "nothing between"),
        (np.r_[WORDS[1:3], WORDS[0], WORDS[3:]], "phase, then current"),
        (swapped(15, 17), "phase, then current"),
        (without(0), "begin with a phase"),
        (np.r_[WORDS[:1], WORDS], "one phase"),
        (without(2), "currents of all 2 columns"),
        (swapped(1, 2), "columns in order"),
        (np.r_[WORDS[:3], WORDS[1:3], WORDS[3:]], "once"),
        (without(15), "whole columns of 2 synapses"),
        (swapped(15, 16), "rows of a column in order"),
        (np.r_[WORDS[:17], WORDS[15:]], "columns that learn in order"),
        (np.r_[synapse(0, 0, 1), synapse(0, 1, 1), WORDS].astype(np.uint64), "end and begin with a substep"),
        (np.r_[WORDS, phase(1)].astype(np.uint64), "end and begin with a substep"),
    ],
)
def test_broken_traces_are_refused(words, message):
    with pytest.raises(ValueError, match=message):
        trace.decode(words, SPEC, COEFFICIENTS)


def test_no_words_are_no_samples():
    empty = trace.decode(np.zeros(0, dtype=np.uint64), SPEC, COEFFICIENTS)
    assert empty.waveform.time_s.size == 0
    assert empty.events == []
    assert empty.learning == []


@pytest.mark.parametrize("v1", [0, 0.375])
@pytest.mark.parametrize("circuit", CIRCUITS)
def test_decoded_signals_obey_ohm_and_kirchhoff(circuit, v1):
    """Whatever the integers do, voltages and resistances of a sample must fit the circuit (us12387090, Fig. 5 to 7)."""
    job = steps(circuit, [0.2e-6, 0.3e-6, 0.55e-6], on=300, off=100, neuron={"v1": v1}, memristor={"v_floor": "1.5V"})
    signals = model.run(job).layers[0].waveform[0].signals
    neuron_card, switch = job.spec.layers[0].neuron, job.spec.layers[0].switch
    assert set(signals) == {
        *("i_in", "v_out1", "v_out2", "r_switch", "on"),
        *(f"r_{place}" for place in job.spec.layers[0].memristors),
    }
    driven = np.repeat(np.tile([1, 0], 3), np.tile([300, 100], 3))
    current_in = driven * np.repeat([0.2e-6, 0.3e-6, 0.55e-6], 400)
    assert signals["i_in"][:, 0] == pytest.approx(current_in, rel=5e-4)
    first = signals.get("r_first", neuron_card["r2"])
    assert signals["v_out1"] == pytest.approx(np.minimum(signals["i_in"] * first, neuron_card["v_sat"]), rel=5e-4)
    branch = signals["r_switch"]
    if CIRCUITS[circuit][1] == "series":
        branch = branch + signals["r_second"]
    elif CIRCUITS[circuit][1] == "parallel":
        branch = 1 / (1 / branch + 1 / signals["r_second"])
    drop = neuron_card["r1"] * (signals["v_out1"] - v1) / (branch + neuron_card["r1"])
    # Smaller drops than 1 uV are nothing; near zero, the difference of V_OUT1 and the terminal is that of two words.
    assert signals["v_out2"] - v1 == pytest.approx(drop, rel=2e-3, abs=1.1e-6)
    assert (signals["r_switch"].min(), signals["r_switch"].max()) == (
        pytest.approx(switch["r_off"] if not signals["on"].any() else switch["r_on"], rel=1e-3),
        pytest.approx(switch["r_off"], rel=1e-3),
    )


def test_events_of_a_run_are_its_counts():
    job = network(trials=3)
    recording = model.run(job)
    for number, layer in enumerate(recording.layers):
        for trial in range(3):
            on = [event for event in layer.events[trial] if event.kind == "on"]
            edges = job.shown.starts(trial) * SUBSTEP - 1e-9
            for who in range(layer.fires.shape[2]):
                times = [event.time_s for event in on if event.neuron == who]
                assert np.histogram(times, edges)[0].tolist() == layer.fires[trial, :, who].tolist()
            assert layer.events[trial] == sorted(layer.events[trial], key=lambda event: (event.time_s, event.neuron))
            for who in range(layer.fires.shape[2]):
                steps_of = [after for _, neuron_, after in layer.learning[trial] if neuron_ == who]
                if steps_of:
                    assert steps_of[-1] == pytest.approx(layer.conductance[trial, who])
        assert (number == 1) == any(layer.learning)


# Waves.


def test_waves_of_op_amp_neurons(tmp_path):
    job = steps("6a", [0.9e-6, 0.3e-6], on=300, off=100)
    recording = model.run(job)
    vcd, gtkw = write_waves(recording, tmp_path / "B")
    text = vcd.read_text()
    declared = re.findall(r"\$var (\w+) \d+ (\S+) (\S+) \$end", text)
    names = ["clk", "i_in", "v_out1", "v_out2", "r_second", "r_switch", "on"]
    assert [name for _, _, name in declared] == names
    assert {name for kind, _, name in declared if kind == "real"} == set(names) - {"clk", "on"}
    assert re.findall(r"^memtwin\.(\S+)$", gtkw.read_text(), re.MULTILINE) == [
        "clk",
        *(f"layer1.neuron0.{name}" for name in names[1:]),
    ]
    # Sampled at the start of a substep: the input changes where it does.
    symbol = {name: code for _, code, name in declared}
    assert changes(text, symbol["clk"]) == [(0, 1), (3_000_000, 0), (4_000_000, 1), (7_000_000, 0)]
    # GTKWave sees a pulse from the substep in which it was decided.
    on = changes(text, symbol["on"])
    expected = [(round(event.time_s * 1e9), int(event.kind == "on")) for event in recording.layers[0].events[0]]
    assert [change for change in on if change != (0, 0)] == expected


def changes(text, symbol):
    """Times (ns) and values of one scalar signal."""
    time, out = 0, {}
    for line in text.partition("$enddefinitions")[2].splitlines():
        if line.startswith("#"):
            time = int(line[1:])
        elif line[1:] == symbol and line[0] in "01":
            out[time] = int(line[0])  # the last value of a moment stays
    return list(out.items())


def test_trials_decode_with_their_own_devices():
    job = steps("5a", [0.3e-6], on=20, trials=2, d2d=True)
    first, second = model.run(job).layers[0].waveform
    (sample,) = job.sample()
    ratio = first.signals["r_first"][0, 0] / second.signals["r_first"][0, 0]
    assert ratio == pytest.approx(sample.r_first[0, 0] / sample.r_first[1, 0], rel=1e-3)
    assert dataclasses.replace(job, seed=1).sample()[0].r_first[0] == pytest.approx(sample.r_first[1])
