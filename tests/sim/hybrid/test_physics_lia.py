"""The lateral inhibition array against sums by hand, races and ties."""

import numpy as np
import pytest

from memtwin.sim.cards import load_card
from memtwin.sim.hybrid.physics_layer import PhysicsLayer
from memtwin.sim.hybrid.physics_lia import InhibitionArray
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec
from tests.sim.hybrid.circuits import HALF, physics, times, xorshift


def test_array_voltages_by_hand():
    card = load_card("lia")
    volts = InhibitionArray(card, 10).voltages(np.eye(10))
    total = 9 * card["g_inhibit"] + card["g_self"] + card["g_bias"] + card["g_load"]
    assert volts[0, 0] == pytest.approx(1.5 * (card["g_self"] + card["g_bias"]) / total)
    assert volts[0, 1] == pytest.approx(1.5 * (card["g_inhibit"] + card["g_bias"]) / total)


def race(tie, g=(200e-6, 200e-6, 100e-6), **kwargs):
    layer = LayerSpec(rows=1, neurons=3, v_in=1.6, g_initial=np.array(g)[:, None], inhibition=True, tie=tie, **kwargs)
    return physics(layer, [1], periods=6, seed=3, learn=1)


def test_the_first_to_fire_closes_the_gates_of_the_others_at_once():
    recording = race("inhibit", g=(200e-6, 220e-6, 100e-6))
    fire = times(recording, "fire", neuron=1)[0]
    assert times(recording, "fire", neuron=0).size == 0 or times(recording, "fire", neuron=0)[0] > fire + 1e-3
    wave = recording.layers[0].waveform[0]
    after = (wave.time_s > fire) & (wave.time_s < fire + 3 * HALF) & (wave.clk == 1)
    first = np.flatnonzero(after)[0]
    assert wave.signals["gate"][first].tolist() == [0, 1, 0]
    assert wave.signals["v1"][first].tolist() == [0.0, 1.5, 0.0]


def test_exact_tie_inhibits_both_and_nobody_learns():
    recording = race("inhibit")
    assert times(recording, "fire", neuron=0)[0] == times(recording, "fire", neuron=1)[0]
    wave = recording.layers[0].waveform[0]
    tied = wave.signals["v_l"][:, :2].all(axis=1)
    assert not wave.signals["gate"][tied].any()
    assert (recording.layers[0].conductance[0, :2] == 200e-6).all()


@pytest.mark.parametrize("tie", ["lowest", "random"])
def test_exact_tie_can_be_decided(tie):
    recording = race(tie)
    wave = recording.layers[0].waveform[0]
    tied = wave.signals["v_l"][:, :2].all(axis=1)
    gates = np.unique(wave.signals["gate"][tied], axis=0)
    assert gates.sum() == 1
    winner = int(np.argmax(gates))
    assert winner == 0 if tie == "lowest" else winner in (0, 1)
    # Only the winner learns.
    g = recording.layers[0].conductance[0]
    assert g[winner] > 200e-6
    assert g[1 - winner] == 200e-6


@pytest.mark.parametrize("new", [(0, 1, 2, 3, 4), (1, 3), (0, 4), (2, 3, 4)])
def test_a_random_tie_goes_to_the_first_at_or_after_a_random_place(new):
    layer = LayerSpec(rows=1, neurons=5, v_in=1.6, g_initial=100e-6, inhibition=True, tie="random")
    spec = NetworkSpec(layers=(layer,))
    (sample,) = spec.sample(trials=60, seed=0)
    physics_layer = PhysicsLayer(spec, layer, sample, None)
    starts = [((xorshift(int(state)) >> 16) * 5) >> 16 for state in physics_layer.random.state]
    assert set(starts) == set(range(5))
    physics_layer.l1[:, new] = True
    gates = physics_layer._inhibit()
    for start, gate in zip(starts, gates, strict=True):
        after = [neuron for neuron in new if neuron >= start]
        assert np.flatnonzero(gate).tolist() == [min(after or new)]


def test_a_tie_without_t3_does_not_hang():
    # Gates and latches would chase each other without end: L1 rises once per event, and falls with its gate.
    fires = race("inhibit", depression=False).layers[0].fires[0, 0]
    assert fires[0] == fires[1]
    assert 1 <= fires[0] <= 6
