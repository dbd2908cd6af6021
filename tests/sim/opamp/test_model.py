"""The integer model of op-amp neurons: its substep against a scalar version, behaviour, and runs."""

import dataclasses
import itertools

import numpy as np
import pytest

from memtwin.sim.errors import InputError
from memtwin.sim.model_parts import Saturations
from memtwin.sim.opamp import model, trace
from memtwin.sim.opamp.model_layer import Layer, Memristor
from memtwin.sim.opamp.spec import CIRCUITS
from tests.sim.opamp.jobs import SUBSTEP, layer, network, steps
from tests.sim.opamp.scalar import scalar, scalar_neuron
from tests.sim.opamp.test_log_arithmetic import UNIT


@pytest.mark.parametrize("v1", [0, 0.7])
@pytest.mark.parametrize("circuit", CIRCUITS)
def test_one_substep_is_the_scalar_one(circuit, v1):
    job = steps(circuit, [1e-6] * 2, on=1, trials=3, d2d=True, neuron={"v1": v1})
    neurons = 200
    spec = dataclasses.replace(job.spec, layers=(layer(circuit, np.full((neurons, 2), 1e-5), neuron={"v1": v1}),))
    (coefficients,) = dataclasses.replace(job, spec=spec).coefficients()
    one = Layer(coefficients, Saturations(3), record=True)
    random = np.random.default_rng(4)
    shape = (3, neurons)
    swing, fall = (coefficients.words[name][0] for name in ("swing", "fall"))
    # Half of the switches at an end of their range, and currents at which thresholds lie close.
    one.on = random.integers(0, 2, shape).astype(bool)
    ends = np.where(one.on, swing, 0) + np.where(one.on, 1, -1) * random.integers(0, fall, shape)
    one.s = np.where(random.integers(0, 2, shape), ends, random.integers(-fall, swing, shape))
    one.current = random.integers(0, 2, shape) * random.integers(9 << 13, 30 << 13, shape)
    for part in one.memristors:
        part.u = random.integers(0, part.top[0, 0] + 1, shape)

    states = {part.name: part.u.copy() for part in one.memristors}
    before = one.s.copy(), one.on.copy(), one.current.copy()
    one.substep(0, np.zeros((3, 2), dtype=bool), changed=False)
    words = one.log.words(np.ones(3, dtype=int))
    for trial in range(3):
        integers = {name: values[trial] for name, values in coefficients.words.items()}
        taken = trace.read(np.append(np.uint64(12), words[trial]), coefficients.structure)  # after a phase
        for neuron in range(neurons):
            own = {name: int(v[neuron] if v.size == neurons else v) for name, v in integers.items() if v.size != 400}
            u1, u2 = (int(states.get(name, before[0] * 0)[trial, neuron]) for name in ("r_first", "r_second"))
            s, on, current = (int(values[trial, neuron]) for values in before)
            v_out1, v_out2, on, below, u1, u2, s = scalar_neuron(coefficients.structure, own, u1, u2, s, on, current)
            circuit_word = {name: int(values[0, neuron]) for name, values in taken.circuit.items()}
            assert circuit_word == {"v_out1": v_out1, "v_out2": v_out2, "on": on, "below": below}
            assert taken.state["s"][0, neuron] == one.s[trial, neuron] == s
            got = [int(part.u[trial, neuron]) for part in one.memristors]
            assert got == [u for u, name in ((u1, "r_first"), (u2, "r_second")) if name in states]
            # The words have the only dynamic memristor, or the first of two.
            assert taken.state["u"][0, neuron] == (got or [0])[0]
            if len(got) == 2:
                assert taken.memristor["u"][0, neuron] == got[1]


@pytest.mark.parametrize(("above", "sets"), [(0, False), (1, True)])
def test_a_switch_sets_above_its_threshold_and_not_at_it(above, sets):
    one, v_t = switch_alone()
    one.v_th = np.array([[v_t - above]])
    one.substep(0, np.zeros((1, 1), dtype=bool), changed=False)
    assert one.on[0, 0] == sets


@pytest.mark.parametrize(("below", "resets"), [(0, False), (1, True)])
def test_a_switch_resets_below_its_hold_voltage_and_not_at_it(below, resets):
    one, v_t = switch_alone(on=True)
    one.v_hold = np.array([[v_t + below]])
    one.substep(0, np.zeros((1, 1), dtype=bool), changed=False)
    assert one.on[0, 0] != resets


def switch_alone(*, on=False):
    """Layer of one neuron whose switch is at the end of its range, and the voltage over it."""
    job = steps("5a", [0.1e-6], on=1)
    (coefficients,) = job.coefficients()
    one = Layer(coefficients, Saturations(1))
    one.on[:] = on
    one.s[:] = one.swing if on else 0
    one.current[:] = 20 << 13
    v_out1 = (20 << 13) + int(one.first_memristor.r0[0, 0]) - (16 << 13)
    rt = int(one.r_off[0, 0]) - (int(one.swing[0, 0]) << 1) * on
    total = scalar("add", rt, int(one.r1[0, 0]))
    return one, min(v_out1, int(one.v_sat[0, 0])) + rt - total


@pytest.mark.parametrize(
    ("octaves_below", "grows"),
    [(0, True), (-(65535 / UNIT), True), (-8, False), (-9, False)],
)
def test_growth_ends_eight_octaves_below_the_floor_voltage(octaves_below, grows):
    words = {"r0_first_log": [[0]], "exponent_first": [4096], "v_floor_first_log": [20 << 11], "leak_first": [0]}
    words |= {"growth_first_log": [10 << 11], "span_first": [8 << 11]}
    part = Memristor({name: np.array(word) for name, word in words.items()}, "first")
    beyond = part.substep(np.array([[(20 << 13) + round(octaves_below * UNIT)]]))
    assert part.u[0, 0] == (round(2 ** (10 + octaves_below)) if grows else 0)
    assert not beyond.any()


def test_a_drop_of_nothing_is_not_below_the_terminal():
    job = steps("5a", [0.1e-6], on=1, neuron={"v1": 1})
    (coefficients,) = job.coefficients()
    one = Layer(coefficients, Saturations(1), record=True)
    one.r2, one.first_memristor = np.array([[16 << 13]]), None
    for current, expected in ((20 << 13, (0, 0)), ((20 << 13) - 100, (1, 0)), (21 << 13, (0, 1))):
        one.current[:] = current
        one.substep(0, np.zeros((1, 1), dtype=bool), changed=False)
        words = one.log.words(np.array([99]))[0]
        taken = trace.fields(words[-2])
        assert (taken["below"], int(taken["v_out2"] > 8 << 13)) == expected


# Behaviour (us12387090, Fig. 5B and 6B).


def test_a_novelty_neuron_pulses_at_the_start_of_a_step():
    job = steps("5a", 110e-9 * np.arange(1, 6), on=1000)
    layer_ = model.run(job).layers[0]
    fires = layer_.fires[0, :, 0]
    assert fires[0] >= 1
    assert (np.diff(fires) > 0).all()  # larger steps, more pulses
    on = np.array([event.time_s for event in layer_.events[0] if event.kind == "on"])
    assert (on % 10e-3 < 7e-3).all()
    # The output settles below the threshold of the switch, whatever the current.
    v_out1 = layer_.waveform[0].signals["v_out1"][999::1000, 0]
    assert (v_out1 < 1).all()
    assert (v_out1 > 0.7).all()


def test_a_learning_neuron_integrates_then_pulses():
    currents = 1e-6 * np.array([0.5, 0.54, 0.58, 0.62, 0.66])
    layer_ = model.run(steps("6a", currents, on=1000, off=2000)).layers[0]
    fires = layer_.fires[0, :, 0]
    assert fires[0] == 0
    assert (np.diff(fires) > 0).all()
    # V_OUT1 is linear in the current; the first pulse comes sooner the larger the current.
    v_out1 = layer_.waveform[0].signals["v_out1"][::3000, 0]
    assert v_out1 == pytest.approx(5e6 * currents, rel=1e-3)
    on = [event.time_s for event in layer_.events[0] if event.kind == "on"]
    first = [next(time for time in on if time >= 30e-3 * step) - 30e-3 * step for step in range(1, 5)]
    assert (np.diff(first) < 0).all()


def test_a_pulse_keeps_the_period_of_continuous_time():
    # 464 us are no whole number of substeps: each pulse takes 46 or 47, and the mean is right.
    job = steps("6a", [0.9e-6], on=5000, switch={"tau_on": "93us", "tau_off": "371us"})
    on = np.array([event.time_s for event in model.run(job).layers[0].events[0] if event.kind == "on"])
    periods = np.rint(np.diff(on) / SUBSTEP)
    assert set(periods) == {46, 47}
    assert periods.mean() == pytest.approx(46.4, abs=0.05)


# Runs.


def test_the_words_say_what_the_state_is():
    job = network()
    recording = model.run(job)
    for number, coefficients in enumerate(job.coefficients()):
        layer_ = recording.layers[number]
        for trial in range(2):
            taken = trace.read(layer_.words[trial], coefficients.structure)
            assert taken.substeps == 4 * 200
            starts = job.shown.starts(trial)
            rises = np.diff(taken.circuit["on"], axis=0, prepend=0) == 1
            for presentation, (start, end) in enumerate(itertools.pairwise(starts)):
                assert rises[start:end].sum(axis=0).tolist() == layer_.fires[trial, presentation].tolist()
            conductance = coefficients.words["conductance"][trial].reshape(layer_.conductance.shape[:0:-1]).T.copy()
            conductance[taken.synapses["column"], taken.synapses["row"]] = taken.synapses["conductance"]
            assert conductance * coefficients.weight_unit == pytest.approx(layer_.conductance[trial], rel=1e-12)
    assert recording.layers[1].fires.sum() > 5
    assert recording.time_s.tolist() == pytest.approx([8e-3, 8e-3])
    assert (recording.duration == 150).all()


def words_of(recording):
    return [[words.tobytes() for words in layer_.words] for layer_ in recording.layers]


def test_same_seed_same_words():
    assert words_of(model.run(network())) == words_of(model.run(network()))
    assert words_of(model.run(network())) != words_of(model.run(network(seed=9)))


def test_trial_t_of_a_seed_is_trial_0_of_a_later_seed():
    together = model.run(network(trials=3, seed=5))
    for trial in range(3):
        alone = model.run(network(trials=1, seed=5 + trial))
        for one, other in zip(together.layers, alone.layers, strict=True):
            assert one.words[trial].tobytes() == other.words[0].tobytes()
            assert one.fires[trial].tolist() == other.fires[0].tolist()
            assert one.conductance[trial].tolist() == other.conductance[0].tolist()


def test_trials_take_their_own_time():
    job = network(trials=3, d2d=False)
    on, off = np.array([[150, 0, 9, 1], [10, 200, 0, 300], [0, 0, 0, 40]]), np.array([[0, 80, 1, 0]] * 3)
    longer = dataclasses.replace(job, shown=dataclasses.replace(job.shown, on=on, off=off))
    together = model.run(longer)
    assert together.time_s.tolist() == pytest.approx(SUBSTEP * (on + off).sum(axis=1))
    for trial in range(3):
        own = {name: values[trial : trial + 1] for name, values in vars(longer.shown).items()}
        alone = model.run(dataclasses.replace(longer, shown=dataclasses.replace(longer.shown, **own)))
        for one, other in zip(together.layers, alone.layers, strict=True):
            assert one.words[trial].tobytes() == other.words[0].tobytes()
            assert one.fires[trial].tolist() == other.fires[0].tolist()
            assert one.conductance[trial].tolist() == other.conductance[0].tolist()


def test_without_recording_the_counts_are_the_same():
    job = network()
    plain, recorded = model.run(dataclasses.replace(job, record=False)), model.run(job)
    for one, other in zip(plain.layers, recorded.layers, strict=True):
        assert not one.words
        assert not one.waveform
        assert one.fires.tolist() == other.fires.tolist()
        assert one.conductance.tolist() == other.conductance.tolist()


def test_currents_are_evaluated_when_something_changes():
    job = steps("5a", [0.3e-6, 0.3e-6], on=5, off=5)
    currents = trace.read(model.run(job).layers[0].words[0], job.coefficients()[0].structure).currents
    assert currents["substep"].tolist() == [0, 5, 10, 15]
    assert (currents["current"][[1, 3]] == 0).all()
    # Nothing at the start is no change, though the gate is closed; the gate alone is one.
    pixels = np.array([[[0, 0], [1, 1], [1, 1], [1, 1]]])
    gates = np.array([[[0], [0], [1], [1]]])
    silent = dataclasses.replace(
        job.shown, pixels=pixels, gates=gates, on=np.full((1, 4), 3), off=np.zeros((1, 4), int), learn=gates * 0
    )
    recording = model.run(dataclasses.replace(job, shown=silent))
    currents = trace.read(recording.layers[0].words[0], job.coefficients()[0].structure).currents
    assert currents["substep"].tolist() == [3, 6]
    assert (currents["current"][:, 0] > 0).tolist() == [False, True]


def test_learning_moves_the_synapses_of_the_neuron_that_set():
    job = network(d2d=False)
    layer_ = model.run(job).layers[1]
    synapse = job.spec.synapse
    width = synapse["g_on"] - synapse["g_off"]
    conductance = job.sample()[1].conductance[0]
    assert layer_.learning[0]
    for time, neuron, after in layer_.learning[0]:
        presentation = int(time / (200 * SUBSTEP) + 1e-6)
        assert job.shown.gates[0, presentation, neuron]
        assert any(event.time_s == time and event.neuron == neuron for event in layer_.events[0] if event.kind == "on")
        c = conductance[neuron]
        up = np.minimum(c + 0.25 * (width - 0.8 * (c - synapse["g_off"])), synapse["g_on"])
        down = np.maximum(c - 0.25 * (width - 0.8 * (synapse["g_on"] - c)), synapse["g_off"])
        close = 1e-3 * width
        assert ((np.abs(after - up) < close) | (np.abs(after - down) < close)).all()
        conductance[neuron] = after
    assert layer_.conductance[0] == pytest.approx(conductance, rel=1e-3)  # of a neuron that never set: as quantised


def test_only_rows_seen_in_the_presentation_are_potentiated():
    one = layer("6a", [[1e-6, 1e-6]], learns=True, neuron={"r2": "9MOhm"}, memristor={"tau": "1ms", "v_floor": "0.5V"})
    job = steps("6a", [1e-6] * 2, on=600, off=0)
    pixels = np.array([[[1, 1], [1, 0]]])
    program = dataclasses.replace(job.shown, pixels=pixels, learn=np.array([[[0], [1]]]))
    job = dataclasses.replace(job, spec=dataclasses.replace(job.spec, layers=(one,)), shown=program)
    layer_ = model.run(job).layers[0]
    assert layer_.fires[0].min() > 0
    # Row 1 was seen in the first presentation only, in which nothing is learnt.
    assert layer_.conductance[0, 0, 0] > 1.5e-6
    assert layer_.conductance[0, 0, 1] < 0.5e-6
    assert len(layer_.learning[0]) == layer_.fires[0, 1, 0]


def set_by_the_terminal(on, off, pixels):
    """A neuron that learns and whose terminal alone sets it, as soon as there is no input; it is quiet while driven."""
    neuron = {"v1": 1.5, "v_pulse": "0.1V", "r2": "5MOhm"}
    one = layer("7a", [[1.5e-6, 1.5e-6]], learns=True, neuron=neuron)
    job = steps("7a", [1e-6] * 2, on=1)
    program = dataclasses.replace(
        job.shown, pixels=np.array([pixels]), on=np.array([on]), off=np.array([off]), learn=np.ones((1, 2, 1), int)
    )
    job = dataclasses.replace(job, spec=dataclasses.replace(job.spec, layers=(one,)), shown=program)
    # V_OUT1 of one row is half of the terminal: with 0.75 V over it the switch stays as it is.
    return model.run(job).layers[0]


def test_a_row_seen_earlier_in_the_presentation_still_counts():
    layer_ = set_by_the_terminal(on=[3, 0], off=[5, 0], pixels=[[1, 0], [0, 0]])
    assert layer_.fires[0, :, 0].tolist() == [1, 0]
    ((time, _, after),) = layer_.learning[0]
    assert time == pytest.approx(3 * SUBSTEP)
    assert after[0] > 1.5e-6 > after[1]


def test_a_presentation_without_input_has_seen_nothing():
    layer_ = set_by_the_terminal(on=[3, 0], off=[0, 5], pixels=[[1, 0], [1, 0]])
    assert layer_.fires[0, :, 0].tolist() == [0, 1]
    ((_, _, after),) = layer_.learning[0]
    assert (after < 1.5e-6).all()


def test_what_a_synapse_learns_counts_from_the_next_substep():
    one = layer("6a", [[1e-6, 1e-6]], learns=True, neuron={"r2": "9MOhm", "v_pulse": "0.5V"})
    job = steps("6a", [1e-6] * 2, on=300)
    program = dataclasses.replace(job.shown, pixels=np.array([[[1, 1], [1, 0]]]), learn=np.ones((1, 2, 1), int))
    job = dataclasses.replace(job, spec=dataclasses.replace(job.spec, layers=(one,)), shown=program)
    layer_ = model.run(job).layers[0]
    currents = trace.read(layer_.words[0], job.coefficients()[0].structure).currents["substep"]
    on = [round(event.time_s / SUBSTEP) for event in layer_.events[0] if event.kind == "on"]
    assert len(on) > 2
    assert currents.tolist() == sorted({0, 300, *(substep + 1 for substep in on)})


def test_saturations_are_counted_for_live_trials():
    # A hundredfold of the voltage at the floor grows faster than the word can say.
    job = steps("6a", [1e-6], on=20, memristor={"v_floor": "20mV", "exponent": "9"})
    counts = model.run(job).saturated
    assert set(counts) == {"growth"}
    assert counts["growth"] >= 1
    twice = dataclasses.replace(
        job,
        shown=dataclasses.replace(
            job.shown,
            **{name: np.repeat(values, 2, axis=0) for name, values in vars(job.shown).items() if name != "on"},
            on=np.array([[20], [40]]),
        ),
    )
    longer = dataclasses.replace(job, shown=dataclasses.replace(job.shown, on=np.array([[40]])))
    assert model.run(twice).saturated["growth"] == counts["growth"] + model.run(longer).saturated["growth"]
    assert model.run(steps("6a", [0.5e-6], on=20)).saturated == {}


def test_progress_ends_at_one():
    told = []
    model.run(steps("5a", [1e-7], on=3000, record=False), told.append)
    assert told[-1] == 1.0
    assert told == sorted(told)
    assert len(told) > 2


def test_the_smooth_law_is_refused():
    job = steps("5a", [1e-7], on=3)
    with pytest.raises(InputError, match="smooth law"):
        model.run(dataclasses.replace(job, spec=dataclasses.replace(job.spec, smooth=True)))
