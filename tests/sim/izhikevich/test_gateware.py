import dataclasses

import pytest

from memtwin.sim import backends
from memtwin.sim.compare import compare
from tests.sim.izhikevich.jobs import CARDS, constant_job, random_job


@pytest.mark.parametrize(("neurons", "rows"), [(1, 1), (5, 7)])
def test_gateware_is_the_model_word_by_word(neurons, rows):
    job = random_job(neurons, rows, seed=rows)
    model, rtl = (backends.run(job, backend) for backend in ("model", "rtl"))
    found = compare(job, model, rtl)
    assert found["equal"], found["first_difference"]
    assert found["ticks"] == 2 * 161
    assert found["words"] == 2 * 161 * neurons
    assert model.layers[0].spikes.sum() > 0
    assert (rtl.clocks > 0).all()

    # Counts alone are the same without a record.
    bare = backends.run(dataclasses.replace(job, record=False), "rtl")
    assert not bare.layers[0].words
    assert (bare.layers[0].spikes == model.layers[0].spikes).all()


def test_a_difference_is_found():
    job = constant_job(time=0.05)
    other = dataclasses.replace(job, spec=dataclasses.replace(job.spec, devices=(CARDS[0], CARDS[0], *CARDS[2:])))
    first = compare(job, *(backends.run(each, "model") for each in (job, other)))["first_difference"]
    assert first["kind"] == "neuron"
    assert first["index"] == 1
    spikes = [event.time_s for event in backends.run(job, "model").layers[0].events[0] if event.neuron == 1]
    assert first["time_s"] == pytest.approx(spikes[0] - 0.5e-3)  # the reset, at the end of its step
