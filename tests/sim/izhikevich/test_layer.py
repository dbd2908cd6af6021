import numpy as np
import pytest

import memtwin as mt
from memtwin.sim.errors import InputError


def test_neurons_have_what_is_given_for_them_in_the_place_of_the_card():
    layer = mt.izhikevich.Layer(inputs=2, neurons=3, c="-50mV", d=[2, 4, 8], weights=[[1, 2], [3, 4], [5, 6]])
    net = mt.Network([layer], device="izhikevich-fs", dt="1ms")
    assert [card["d"] for card in net.spec.devices] == [2, 4, 8]
    assert {card["c"] for card in net.spec.devices} == {-0.05}
    assert {card["a"] for card in net.spec.devices} == {0.1}
    assert net.spec.weight.tolist() == [[1, 2], [3, 4], [5, 6]]
    assert net.spec.step == 1e-3


@pytest.mark.parametrize("backend", ["physics", "model"])
def test_spikes_and_currents_reach_the_neurons(backend):
    net = mt.Network([mt.izhikevich.Layer(inputs=1, neurons=3, weights=100, current=[0, 0, 20], d=[8, 20, 8])])
    spikes = np.zeros((100, 1))
    spikes[20:24] = 1
    recording = mt.simulate(net, spikes, backend)
    first = recording.spikes[0].argmax(axis=0)
    assert first[0] == first[1] in range(20, 25)
    assert first[2] < 20
    assert recording.trace("u")[0, 60, 1] > recording.trace("u")[0, 60, 0]


def test_a_train_longer_than_the_counter_is_several_presentations():
    net = mt.Network([mt.izhikevich.Layer(inputs=1, neurons=1, current=7)])
    drive = net.job(np.zeros((70_000, 1))).shown
    assert drive.steps == (65535, 4465)
    assert drive.current.tolist() == [[[7], [7]]]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"weights": 101.0}, "weights: expected at most 100"),
        ({"current": -101.0}, "current: expected at least -100"),
        ({"b": 1.0}, "b: expected at most 0.99"),
        ({"c": "-65"}, "c: expected unit V"),
        ({"d": [1, 2, 3]}, r"d: expected the shape \(neurons\), here \(2,\)"),
        ({"neurons": 1025}, "neurons: expected a whole number from 1 to 1024"),
    ],
)
def test_options_are_checked(values, message):
    with pytest.raises(InputError, match=message):
        mt.izhikevich.Layer(**{"inputs": 1, "neurons": 2, **values})


def test_what_the_kind_does_not_have_is_refused():
    layer = mt.izhikevich.Layer(inputs=2, neurons=2)
    with pytest.raises(InputError, match="expected one layer of Izhikevich neurons, not 2"):
        mt.Network([layer, layer])
    net = mt.Network([layer])
    for spikes, message in (
        (np.full((5, 2), 2), "at most one of a row in a step"),
        (mt.program([[1, 0]], "5ms", gates=[[1, 0]]), "Izhikevich neurons have no gates"),
        (mt.regular([20, 20], "10ms").teach(mt.regular([100, 0], "10ms")), "Izhikevich neurons cannot be made to"),
    ):
        with pytest.raises(InputError, match=message):
            mt.simulate(net, spikes)
    with pytest.raises(InputError, match="dt: expected at most 1ms"):
        mt.Network([layer], dt="2ms")
