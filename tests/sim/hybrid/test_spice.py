"""Hybrid neurons in ngspice, against the closed forms of the physics."""

import dataclasses
import subprocess

import numpy as np
import pytest

from memtwin.sim.backends import Job, run
from memtwin.sim.compare import compare
from memtwin.sim.engines import ngspice as spice
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.hybrid import ngspice as backend
from memtwin.sim.hybrid import physics
from memtwin.sim.hybrid import spice as spice_hybrid
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec

EVENT = 2e-6  # largest difference in time: the smooth law's width, and the 0.5 us in which it switches


def plan(name, **kwargs):
    chosen = EXPERIMENTS[name]
    return chosen.plan(chosen.settings(**kwargs))


RUNS = {name: job for experiment in ("ts-pulses", "hybrid-neuron") for name, job in plan(experiment).items()}


def neuron(*, periods=12, learn=0, spec=None, **changes):
    defaults = {"rows": 2, "neurons": 1, "v_in": 1.8, "g_initial": np.array([[100e-6, 25e-6]]), "depression": False}
    layer = LayerSpec(**(defaults | changes))
    pixels = np.tile([1, 0], (1, 1, 1))
    program = Program.build(pixels, gates=np.ones(layer.neurons), learn=(learn,), periods=periods)
    return Job(spec=NetworkSpec(layers=(layer,), **(spec or {})), shown=program, record=True)


def times(recording, kind, layer=0, trial=0):
    return np.array([event.time_s for event in recording.layers[layer].events[trial] if event.kind == kind])


# The experiments of zhang2021.


@pytest.mark.parametrize("name", RUNS)
def test_devices_switch_as_in_the_physics(ngspice, name):
    job = RUNS[name]
    ours, exact = run(job, "ngspice"), run(job, "physics")
    for number in range(len(job.spec.layers)):
        for trial in range(job.shown.trials):
            for kind in ("on", "off"):
                expected = times(exact, kind, number, trial)
                assert times(ours, kind, number, trial) == pytest.approx(expected, abs=EVENT)
            assert times(exact, "on", number, trial).size > 0
    found = compare(job, exact, ours)
    assert found["within"]
    assert max(found["errors"]["rms_between_events"].values()) < 1e-3


def test_node_1_is_the_divider(ngspice):
    wave = run(neuron(), "ngspice").layers[0].waveform[0]
    v1, t1 = wave.signals["v1"][:, 0], wave.signals["t1"][:, 0]
    pulses = (wave.clk == 1) & (t1 == 0)
    # 10 kOhm to the input, 40 kOhm and the load of 62 uS to ground.
    assert v1[pulses] == pytest.approx(1.8 * 100 / (100 + 25 + 62), rel=1e-4)
    assert np.abs(v1[wave.clk == 0]).max() < 1e-9
    assert np.abs(v1[t1 == 1]).max() < 1e-3


def test_t3_lifts_node_1_when_its_own_device_switches(ngspice):
    recording = run(RUNS["learning"], "ngspice")
    wave = recording.layers[0].waveform[0]
    v1, on = wave.signals["v1"][:, 0], wave.signals["on"][:, 0] == 1
    lifted = wave.signals["t3"][:, 0] == 1
    assert lifted.any()
    assert (on & (wave.clk == 1) & (v1 > 1.4))[lifted].mean() > 0.99
    assert v1[lifted & on] == pytest.approx(1.5, rel=0.01)


def test_learnt_conductances_are_in_force(ngspice):
    job = RUNS["learning"]
    wave = run(job, "ngspice").layers[0].waveform[0]
    exact = run(job, "physics").layers[0].waveform[0]
    pulses = (exact.clk == 1) & (exact.signals["t1"][:, 0] == 0) & (exact.signals["t3"][:, 0] == 0)
    expected = exact.signals["v1"][pulses, 0]
    assert expected.max() > 1.3 * expected.min()  # the divider moves while the synapses learn
    # A sample in which only one of the two has been lifted by T3 is not of the divider.
    divider = wave.signals["on"][pulses, 0] == exact.signals["on"][pulses, 0]
    assert divider.mean() > 0.99
    assert wave.signals["v1"][pulses, 0][divider] == pytest.approx(expected[divider], rel=1e-3)


def test_drawn_thresholds_are_those_of_the_physics(ngspice):
    job = neuron(periods=60, spec={"c2c": True, "d2d": True})
    ours, exact = run(job, "ngspice"), run(job, "physics")
    assert times(exact, "on").size >= 4
    assert np.ptp(np.diff(times(exact, "on"))) > 100e-6
    for kind in ("on", "off"):
        assert times(ours, kind) == pytest.approx(times(exact, kind), abs=EVENT)


def test_the_device_is_solved_and_not_copied(ngspice, monkeypatch):
    """With the gates of a device that never fires, the first switching is still that of the job's own device."""
    job = neuron()
    dull = dataclasses.replace(job.spec.device.replace(g0="1/s"))
    other = dataclasses.replace(job, spec=dataclasses.replace(job.spec, device=dull))
    gates = physics.run(other)
    assert times(gates, "on").size == 0
    monkeypatch.setattr(backend, "given", lambda _: gates)
    assert times(run(job, "ngspice"), "on")[0] == pytest.approx(times(physics.run(job), "on")[0], abs=EVENT)


# The text and the recording.


def test_text_depends_on_the_job_alone():
    job = RUNS["rate"]
    assert spice_hybrid.netlist(job, 2) == spice_hybrid.netlist(job, 2)
    assert spice_hybrid.netlist(job, 2) != spice_hybrid.netlist(job, 3)
    text = spice_hybrid.netlist(RUNS["chain"])
    assert text.isascii()
    assert max(len(line) for line in text.splitlines()) <= 120
    named = [line.split()[1] for line in text.splitlines() if line.startswith(".subckt")]
    assert named == ["threshold_switch", "synapse", "transistor"]


def test_plain_ngspice_runs_the_file(ngspice, tmp_path):
    job = neuron(periods=3)
    (tmp_path / "neuron.cir").write_text(spice_hybrid.netlist(job), encoding="utf-8")
    subprocess.run(["ngspice", "-b", "neuron.cir"], cwd=tmp_path, check=True, capture_output=True)
    table = np.loadtxt(tmp_path / spice.TRACES, skiprows=1)
    assert table.shape[1] == 1 + len(spice_hybrid.probes(job))
    assert table[-1, 0] >= 3 * 500e-6


def test_the_rest_is_that_of_the_physics(ngspice):
    job = neuron()
    ours, exact = run(job, "ngspice"), run(job, "physics")
    assert ours.backend == "ngspice"
    assert (ours.layers[0].fires == exact.layers[0].fires).all()
    assert times(ours, "spike").tolist() == times(exact, "spike").tolist()
    bare = run(dataclasses.replace(job, record=False), "ngspice").layers[0]
    assert (bare.events, bare.waveform, bare.learning) == ([], [], [])


# Mistakes.


@pytest.mark.parametrize("option", ["inhibition", "adaptive"])
def test_what_the_netlist_does_not_have_is_refused(option):
    job = neuron(**{option: True})
    for call in (spice_hybrid.netlist, backend.run):
        with pytest.raises(InputError, match=r"layer 1 has .*: not in the netlist"):
            call(job)


def test_a_trial_that_is_not_there():
    with pytest.raises(InputError, match="trial: expected 0 to 0, not 1"):
        spice_hybrid.netlist(neuron(), 1)
