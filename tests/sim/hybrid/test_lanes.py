"""Lanes that the gateware does not have are refused when a network is described, on every backend."""

import numpy as np
import pytest

from memtwin.sim.cards import load_card
from memtwin.sim.errors import InputError
from memtwin.sim.hybrid.spec import LayerSpec
from memtwin.sim.opamp import spec as circuit


@pytest.mark.parametrize("lanes", [0, 3, 8, -1])
def test_lanes_are_a_power_of_two_of_at_most_the_neurons(lanes):
    message = f"lanes: expected a power of two from 1 to 5 \\(neurons\\), not {lanes}"
    with pytest.raises(InputError, match=message):
        LayerSpec(rows=2, neurons=5, v_in=2.0, g_initial=1e-4, lanes=lanes)
    cards = {"neuron": load_card("opamp"), "switch": load_card("ts-500k"), "second": load_card("rm-learning")}
    with pytest.raises(InputError, match=message):
        circuit.LayerSpec(rows=2, neurons=5, circuit="6a", g_initial=np.ones((5, 2)), lanes=lanes, **cards)
