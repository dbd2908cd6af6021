import dataclasses

import numpy as np
import pytest

from memtwin.sim import backends
from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.compare import compare
from memtwin.sim.errors import InputError
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import CIRCUITS, LayerSpec, OpampSpec


def layer(circuit, rows, neurons, *, rng, learns=False, lanes=1, **neuron):
    """A layer on cards with values of its own, inside the ranges of the source."""
    first, second = CIRCUITS[circuit]
    return LayerSpec(
        rows=rows,
        neurons=neurons,
        circuit=circuit,
        g_initial=rng.uniform(0.2e-6, 2e-6, (neurons, rows)),
        neuron=load_card("opamp").replace(**neuron),
        switch=load_card("ts-500k").replace(
            v_th=0.6, v_hold=0.5, r_off=2e6, tau_on=rng.uniform(50e-6, 90e-6), tau_off=rng.uniform(50e-6, 300e-6)
        ),
        first=load_card("rm-novelty").replace(r_initial=rng.uniform(10e6, 100e6)) if first == "dynamic" else None,
        second=load_card("rm-integrating").replace(exponent=rng.uniform(1, 6)) if second != "switch" else None,
        learns=learns,
        lanes=lanes,
    )


def stimulus(spec, rng, *, trials=2, presentations=6):
    shape = (trials, presentations)
    return Stimulus.build(
        rng.random((*shape, spec.layers[0].rows)) < 0.6,
        on=rng.integers(0, 300, shape) + (np.arange(presentations) == 0),
        off=rng.integers(0, 20, shape),
        gates=rng.random((*shape, spec.layers[-1].neurons)) < 0.8,
        learn=rng.integers(0, 2, (*shape, len(spec.layers))),
    )


NETWORKS = {
    "5a": lambda rng: [layer("5a", 3, 1, rng=rng)],
    "6a, three neurons, learns": lambda rng: [layer("6a", 5, 3, rng=rng, learns=True, lanes=2)],
    "7a, terminal": lambda rng: [layer("7a", 2, 1, rng=rng, v1=rng.uniform(0.2, 3))],
    "7b-series into 7b": lambda rng: [layer("7b-series", 4, 3, rng=rng), layer("7b", 3, 2, rng=rng, learns=True)],
}


@pytest.mark.parametrize("name", NETWORKS)
def test_gateware_is_the_model_word_by_word(name):
    rng = np.random.default_rng(len(name))
    spec = OpampSpec(layers=tuple(NETWORKS[name](rng)), synapse=load_card("nv-synapse"), d2d=True)
    job = Job(spec=spec, shown=stimulus(spec, rng), seed=5, record=True)
    model, rtl = (backends.run(job, backend) for backend in ("model", "rtl"))
    found = compare(job, model, rtl)
    assert found["equal"], found["first_difference"]
    assert found["words"] > 1000
    assert sum(one.fires.sum() for one in model.layers) > 0
    assert rtl.clocks is not None
    assert (rtl.clocks > 0).all()

    # Counts alone are the same without a record.
    bare = backends.run(dataclasses.replace(job, record=False), "rtl")
    for ours, theirs in zip(bare.layers, model.layers, strict=True):
        assert not ours.words
        assert (ours.fires == theirs.fires).all()
        assert ours.conductance == pytest.approx(theirs.conductance, rel=1e-12)


def test_learning_changes_the_same_synapses():
    rng = np.random.default_rng(3)
    spec = OpampSpec(
        layers=tuple(NETWORKS["6a, three neurons, learns"](rng)), synapse=load_card("nv-synapse"), d2d=True
    )
    job = Job(spec=spec, shown=stimulus(spec, rng, trials=1, presentations=12), seed=1, record=True)
    model, rtl = (backends.run(job, backend) for backend in ("model", "rtl"))
    before = job.sample()[0].conductance
    assert not np.allclose(model.layers[0].conductance, before, rtol=0.01)
    assert len(model.layers[0].learning[0]) == len(rtl.layers[0].learning[0]) > 0
    assert (model.layers[0].conductance == rtl.layers[0].conductance).all()


def test_smooth_law_is_refused():
    rng = np.random.default_rng(0)
    spec = OpampSpec(layers=(layer("5a", 3, 1, rng=rng),), synapse=load_card("nv-synapse"), smooth=True)
    with pytest.raises(InputError, match="backend rtl: model and gateware switch sharply"):
        backends.run(Job(spec=spec, shown=stimulus(spec, rng)), "rtl")
