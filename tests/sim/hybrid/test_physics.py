"""The physics against an independent small-step integration and the figures of zhang2021."""

import dataclasses
import math

import numpy as np
import pytest

from memtwin.sim.backends import run
from memtwin.sim.cards import load_card
from memtwin.sim.hybrid.noise import BELL_SD
from memtwin.sim.hybrid.spec import LayerSpec
from tests.sim.hybrid.circuits import HALF, make, neuron, physics, times, xorshift


def small_steps(volts, periods, dt=2e-8):
    """Fire times of Fig. 3b's neuron, integrated in small steps without any closed form."""
    v1 = volts * 100e-6 / (125e-6 + 62e-6)
    g = 195 * math.exp(v1 / 0.55)
    x, on, l1, l2, fires = 0.0, False, False, False, []
    steps = round(HALF / dt)
    for half in range(2 * periods):
        clk = half % 2 == 0
        if not clk:
            l2 = l1
        for step in range(steps):
            driven = clk and not l2
            if on:
                x += dt * (g if driven else -x / 150e-6)
                on = driven or x >= 0.05
            else:
                x += dt * ((g if driven else 0.0) - x / 4e-3)
                on = driven and x >= 1.0
            if clk:
                if on and driven and not l1:
                    fires.append(half * HALF + (step + 1) * dt)
                l1 = on and driven
    return fires


@pytest.mark.parametrize("volts", [1.8, 1.9])
def test_fires_when_a_small_step_integration_does(volts):
    recording = physics(neuron(v_in=volts), [1, 0], periods=12)
    reference = small_steps(volts, periods=12)
    assert len(reference) == 2
    assert times(recording, "fire") == pytest.approx(reference, abs=0.2e-6)


def test_timing_table_of_the_spike_shaper():
    recording = physics(neuron(depression=True), [1, 0], periods=8)
    (fire,) = times(recording, "fire")[:1]
    k = math.floor(fire / (2 * HALF))
    assert k * 2 * HALF < fire < k * 2 * HALF + HALF
    low_k, high_next, low_next = (k * 2 + 1) * HALF, (k * 2 + 2) * HALF, (k * 2 + 3) * HALF
    assert times(recording, "on")[0] == fire
    assert times(recording, "l2_rise")[0] == pytest.approx(low_k, rel=1e-12)
    assert times(recording, "spike")[0] == pytest.approx(high_next, rel=1e-12)
    assert times(recording, "l2_fall")[0] == pytest.approx(low_next, rel=1e-12)

    wave = recording.layers[0].waveform[0]
    s = {name: values[:, 0] for name, values in wave.signals.items()}

    def at(start, end):
        return (wave.time_s > start + 1e-9) & (wave.time_s <= end + 1e-9)

    before, lifted = at(0, fire) & (wave.clk == 1), at(fire, low_k)
    assert not s["l1"][before].any()
    assert s["v1"][before] == pytest.approx(1.8 * 100 / 187)
    for name in ("l1", "t3", "node2", "v_l"):
        assert s[name][lifted].all()
    assert s["v1"][lifted] == pytest.approx(1.5)  # v_dep
    grounded = at(low_k, low_next)
    assert s["t1"][grounded].all()
    assert s["l2"][grounded].all()
    assert s["v_l"][grounded].all()
    assert not s["t3"][grounded].any()
    assert not s["v1"][grounded].any()
    assert s["l1"][at(low_k, high_next)].all()
    assert not s["l1"][at(high_next, low_next)].any()
    assert (s["g1"] == (at(high_next, low_next))).all() or times(recording, "spike").size > 1
    assert not (s["t1"] & s["t3"]).any()
    after = at(low_next, low_next + HALF)
    assert not s["v_l"][after].any()


def test_relaxation_has_750_us_and_is_over_in_time():
    recording = physics(neuron(), [1, 0], periods=40)
    for on, off in zip(times(recording, "on"), times(recording, "off"), strict=False):
        edge = (math.floor(on / HALF) + 1) * HALF
        assert 250e-6 < off - edge < 750e-6


def test_rates_of_fig_3d():
    volts = [1.4, 1.5, 1.6, 1.7, 1.8, 1.9, 2.0]
    recording = physics(neuron(v_in=volts), np.tile([1, 0], (7, 1, 1)), periods=200)
    periods = [np.unique(np.diff(times(recording, "spike", trial=trial)[1:]).round(9)) for trial in range(7)]
    assert [p.tolist() for p in periods] == [[4.5e-3], [4e-3], [3.5e-3], [3e-3], [3e-3], [2.5e-3], [2.5e-3]]


@pytest.mark.parametrize(("v1", "pulses"), [(0.69, 10), (0.8, 7), (0.95, 5)])
def test_pulses_to_fire_by_voltage_of_node_1(v1, pulses):
    layer = LayerSpec(rows=1, neurons=1, v_in=v1, g_initial=400e-6)
    spec = {"neuron": load_card("hybrid-neuron").replace(g_load=0.0)}
    recording = physics(layer, [1], spec=spec, periods=14)
    assert math.floor(times(recording, "fire")[0] / (2 * HALF)) + 1 == pulses
    # The peak in pulse n is a geometric sum.
    keep = math.exp(-HALF / 4e-3)
    first_peak = 4e-3 * 195 * math.exp(v1 / 0.55) * (1 - keep)
    peaks = first_peak * (1 - keep ** (2 * np.arange(1, 15))) / (1 - keep**2)
    assert np.flatnonzero(peaks >= 1)[0] + 1 == pulses


def test_v1_is_the_divider_of_all_synapses_and_the_load():
    g = np.array([[100e-6, 200e-6, 300e-6], [50e-6, 60e-6, 70e-6]])
    layer = LayerSpec(rows=3, neurons=2, v_in=1.0, g_initial=g)
    wave = physics(layer, [1, 0, 1], periods=1).layers[0].waveform[0]
    assert wave.signals["v1"][0] == pytest.approx([400 / 662, 120 / 242])
    assert not wave.signals["v1"][wave.clk == 0].any()


def test_without_refractory_period_the_device_stays_on():
    recording = physics(neuron(refractory=False), [1, 0], periods=20)
    assert times(recording, "off").size == 0
    assert times(recording, "fire").size == 1  # L1 never falls again
    wave = recording.layers[0].waveform[0]
    assert wave.signals["node2"][:, 0][(wave.clk == 1) & (wave.time_s > 2.3e-3)].all()


def test_second_layer_takes_the_spikes_of_the_first_in_the_same_half_period():
    second = LayerSpec(rows=1, neurons=1, v_in=2.0, g_initial=980e-6)
    recording = physics((neuron(), second), [1, 0], periods=40)
    spikes, fires = times(recording, "spike"), times(recording, "fire", layer=1)
    assert spikes.size == fires.size == 6
    assert ((fires - spikes > 0) & (fires - spikes < HALF)).all()
    assert recording.layers[1].spikes.sum() == 6


# Learning.


def test_hebbian_steps_by_hand():
    layer = neuron(g_initial=400e-6, depression=True)
    recording = physics(layer, [1, 0], periods=100, fires=1, learn=1)
    (depressed, potentiated) = recording.layers[0].learning[0]
    fire = times(recording, "fire")[0]
    end = (math.floor(fire / HALF) + 1) * HALF
    assert depressed[0] == pytest.approx(end, rel=1e-12)
    assert depressed[2] == pytest.approx([400e-6, 400e-6 - 0.2 * 360e-6])
    assert potentiated[0] == pytest.approx(end + 2 * HALF, rel=1e-12)
    assert potentiated[2] == pytest.approx([400e-6 + 0.2 * 590e-6, 328e-6])
    assert recording.layers[0].conductance[0, 0] == pytest.approx(potentiated[2])


def test_a_synapse_beyond_its_bounds_stays_there():
    # Spread puts devices beyond `g_max` and `g_min`; a pulse that can only go towards a bound leaves them alone.
    above = LayerSpec(rows=2, neurons=1, v_in=1.0, g_initial=[[1100e-6, 400e-6]], one_cycle=True)
    assert physics(above, [1, 1], periods=1, learn=1).layers[0].conductance[0, 0].tolist() == [1100e-6, 990e-6]
    below = neuron(g_initial=np.array([[400e-6, 20e-6]]), depression=True)
    recording = physics(below, [1, 0], periods=100, fires=1, learn=1)
    assert recording.layers[0].fires[0, 0] == 1
    assert recording.layers[0].conductance[0, 0, 1] == 20e-6


def test_scaled_depression_is_in_proportion_to_the_time_t3_drove():
    layer = neuron(g_initial=400e-6, depression=True, scaled=True)
    recording = physics(layer, [1, 0], periods=100, fires=1, learn=1)
    fire = times(recording, "fire")[0]
    share = (math.floor(fire / HALF) + 1) - fire / HALF
    assert 0.05 < share < 0.95
    assert recording.layers[0].conductance[0, 0, 1] == pytest.approx(400e-6 - 0.2 * share * 360e-6, rel=1e-9)


def test_without_learning_nothing_changes():
    recording = physics(neuron(g_initial=400e-6, depression=True), [1, 0], periods=40)
    assert (recording.layers[0].conductance == 400e-6).all()
    assert recording.layers[0].learning == [[]]


def test_one_cycle_layer_is_set_by_the_pulse_itself():
    layer = LayerSpec(rows=3, neurons=2, v_in=1.0, g_initial=40e-6, one_cycle=True)
    recording = physics(layer, [0, 1, 0], periods=1, learn=1, gates=np.array([0, 1]))
    g = recording.layers[0].conductance[0]
    assert g[1].tolist() == [40e-6, 990e-6, 40e-6]
    assert (g[0] == 40e-6).all()


def test_a_closed_gate_leaves_node_1_at_ground():
    layer = LayerSpec(rows=1, neurons=2, v_in=1.8, g_initial=100e-6)
    recording = physics(layer, [1], periods=20, gates=np.array([1, 0]))
    wave = recording.layers[0].waveform[0]
    assert not wave.signals["v1"][:, 1].any()
    assert recording.layers[0].fires[0, 0, 0] > 0
    assert recording.layers[0].fires[0, 0, 1] == 0


def test_thresholds_are_redrawn_in_order_after_a_fire():
    spec = {"c2c": True}
    layer = LayerSpec(rows=1, neurons=2, v_in=1.8, g_initial=100e-6, depression=False)
    recording = physics(layer, [1], periods=40, seed=4, spec=spec)
    job = make(layer, [1], seed=4, spec=spec)
    state = int(job.sample()[0].seed[0])
    thetas = []  # of the two neurons, from power-up on
    for _ in range(2 * 30):
        state = xorshift(state)
        thetas.append(1 + 0.15 * (sum(state.to_bytes(4, "little")) - 510) / BELL_SD)
    thetas = np.array(thetas).reshape(-1, 2)

    # Every fire happens at the threshold of the draw in force: one redraw for each half-period with a fire.
    fires = sorted((e.time_s, e.neuron) for e in recording.layers[0].events[0] if e.kind == "fire")
    halves = sorted({math.floor(t / HALF) for t, _ in fires})
    g = 195 * math.exp(1.8 * 100 / 162 / 0.55)
    for index, neuron_number in ((0, n) for n in (0, 1)):
        first = min(t for t, n in fires if n == neuron_number)
        draws = sum(1 for half in halves if half < math.floor(first / HALF))
        x, t = 0.0, 0.0
        while t + HALF < first:
            driven = round(t / HALF) % 2 == 0
            x = g * 4e-3 * driven + (x - g * 4e-3 * driven) * math.exp(-HALF / 4e-3)
            t += HALF
        x = g * 4e-3 + (x - g * 4e-3) * math.exp(-(first - t) / 4e-3)
        assert x == pytest.approx(thetas[index + draws, neuron_number], rel=1e-9)


def test_adaptive_threshold_rises_at_a_fire_and_decays_while_learning():
    cards = {"neuron": load_card("hybrid-neuron").replace(adapt_step=0.5, tau_adapt="5ms")}
    layer = neuron(adaptive=True, g_initial=np.array([[100e-6, 25e-6]]))
    synapse = load_card("ta-hfo2").replace(potentiation=1e-9, depression=1e-9)
    spec = cards | {"synapse": synapse}
    recording = physics(layer, [1, 0], periods=60, learn=1, spec=spec)
    fires = times(recording, "fire")
    assert fires.size >= 3

    # Rebuild the filament from the waveform: at a fire it equals 1 + adapt.
    wave = recording.layers[0].waveform[0]
    adapt, last = 0.0, 0.0
    for fire in fires:
        adapt *= math.exp(-(fire - last) / 5e-3)
        before = np.flatnonzero(wave.time_s < fire)[-1]
        gap = fire - wave.time_s[before]
        ceiling = 195 * math.exp(1.8 * 100 / 187 / 0.55) * 4e-3
        start = wave.signals["x"][before, 0]
        assert wave.clk[before] == 1
        x = ceiling + (start - ceiling) * math.exp(-gap / 4e-3)
        assert x == pytest.approx(1 + adapt, rel=1e-9)
        end = (math.floor(fire / HALF) + 1) * HALF
        adapt, last = adapt * math.exp(-(end - fire) / 5e-3) + 0.5, end
    frozen = physics(layer, [1, 0], periods=60, learn=0, spec=spec)
    assert times(frozen, "fire").size > fires.size


# Programs.


def test_presentations_end_after_their_fires_and_rest():
    pixels = np.array([[[1, 0], [0, 0], [1, 0]]])
    recording = physics(
        neuron(), pixels, periods=np.array([[40, 3, 2]]), fires=np.array([[2, 0, 0]]), rest=np.array([[1, 0, 2]])
    )
    # Fires in periods 5 and 11, and V_L is low again at the end of period 12.
    assert recording.duration.tolist() == [[12, 3, 2]]
    assert recording.time_s == pytest.approx([(12 + 1 + 3 + 2 + 2) * 2 * HALF])
    assert recording.layers[0].fires[0, :, 0].tolist() == [2, 0, 0]
    assert recording.layers[0].spikes[0, :, 0].tolist() == [2, 0, 0]


def test_a_presentation_of_no_periods_is_rest_only():
    recording = physics(neuron(), np.ones((1, 2, 2)), periods=np.array([[0, 1]]), rest=np.array([[2, 0]]))
    assert recording.duration.tolist() == [[0, 1]]
    assert recording.time_s == pytest.approx([3 * 2 * HALF])


@pytest.mark.parametrize("record", [False, True])
def test_trials_do_not_touch_each_other(record):
    layer = LayerSpec(
        rows=4, neurons=3, v_in=1.6, g_initial=400e-6, inhibition=True, tie="random", adaptive=True, scaled=True
    )
    spec = {"c2c": True, "d2d": True}
    draw = np.random.default_rng(1)
    pixels = draw.integers(0, 2, (5, 6, 4))
    options = {"periods": 30, "fires": 2, "rest": 2, "learn": 1, "spec": spec}
    together = physics(layer, pixels, seed=10, record=record, **options)
    for trial in range(5):
        alone = physics(layer, pixels[trial], seed=10 + trial, **options)
        assert alone.duration[0].tolist() == together.duration[trial].tolist()
        assert alone.layers[0].fires[0].tolist() == together.layers[0].fires[trial].tolist()
        assert alone.layers[0].conductance[0] == pytest.approx(together.layers[0].conductance[trial], rel=1e-12)
        if record:
            assert len(alone.layers[0].events[0]) == len(together.layers[0].events[trial])
            assert alone.layers[0].waveform[0].time_s.size == together.layers[0].waveform[trial].time_s.size
    assert together.layers[0].fires.sum() > 10


def test_progress_ends_at_one():
    told = []
    job = dataclasses.replace(make(neuron(), np.ones((1, 4, 2)), periods=3), record=False)
    run(job, "physics", told.append)
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_no_sample_is_lost_at_the_end_of_a_half_period():
    # The sum of the stretches between events is a half-period only up to rounding.
    for clock in np.geomspace(900, 9e3, 40):
        spec = {"neuron": load_card("hybrid-neuron").replace(clock=float(clock))}
        recording = physics(neuron(skip=False), [1, 0], spec=spec, periods=12)
        filament = recording.layers[0].waveform[0].signals["x"]
        assert filament.min() > 0, clock
