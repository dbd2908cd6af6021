"""Pairs of backends that `memtwin compare` is asked for: what cannot be compared is refused before anything runs."""

import dataclasses

import pytest

from memtwin import api
from memtwin.levels import Levels
from memtwin.sim import backends
from memtwin.sim.errors import InputError


@pytest.mark.parametrize(
    ("name", "pair", "said"),
    [
        ("lif", ("model", "model"), "option --backends: expected two that differ, not model and model"),
        ("lif", ("physics", "ngspice"), "backend ngspice: not for networks of this kind"),
        ("stdp-window", ("ngspice", "rtl"), "backend ngspice: not for networks of this kind"),
        ("digits", ("model", "ngspice"), "layer 1 has lateral inhibition: not in the netlist"),
        ("opamp-5a", ("model", "ngspice"), "backend model: model and gateware switch sharply"),
        ("opamp-5a", ("ngspice", "rtl"), "backend rtl: model and gateware switch sharply"),
        ("opamp-5a", ("ngspice", "board"), "backend rtl: model and gateware switch sharply"),
        ("apparatus", ("physics", "ngspice"), "layer 2 learns: ngspice has no synapse that learns"),
        ("lia", ("physics", "board"), "backend board: expected a port"),
        ("lia", ("lattice", "model"), "backend lattice: unknown"),
    ],
)
def test_refused_with_one_line_before_anything_runs(monkeypatch, name, pair, said):
    monkeypatch.setattr(Levels, "run", None)
    port = "socket://127.0.0.1:9" if "board" in pair and "port" not in said else None
    with pytest.raises(InputError, match=said) as error:
        api.compare(name, *pair, port=port)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "other", "recorded"),
    [
        ("hybrid-neuron", "physics", True),
        ("hybrid-neuron", "model", False),
        ("lif", "physics", True),
        ("lif", "model", False),
        ("opamp-5a", "physics", True),
        ("opamp-5a", "model", True),
        ("stdp-window", "physics", True),
    ],
)
def test_a_board_is_compared_with_every_backend(monkeypatch, name, other, recorded):
    """With continuous time by its trace; by counts and state with a backend with words, unless it keeps no state."""

    def run(levels, runs, backend, report):
        assert all(job.record is recorded for job in runs.values())
        out = {label: backends.run(job, "model" if backend == "board" else backend) for label, job in runs.items()}
        return {label: dataclasses.replace(recording, backend=backend) for label, recording in out.items()}

    monkeypatch.setattr(Levels, "run", run)
    found = api.compare(name, other, "board", port="socket://127.0.0.1:9")
    if other == "physics":
        assert found["within"], found["outside"]
        assert found["errors"]["event_count_difference"] == 0
    else:
        assert found["equal"]
        assert (found["compared"]["words"] > 0) is recorded
        assert found["compared"]["counts"] > 0


def test_what_cannot_be_measured_is_told_of(monkeypatch):
    """A recording that is not whole has no errors, and every run that is outside is named."""

    def broken(levels, jobs, backend, report):
        recordings = whole(levels, jobs, backend, report)
        if backend == "model":
            for recording in recordings.values():
                recording.layers[0].waveform[0].signals["v"][7, 0] = float("nan")
        return recordings

    whole = Levels.run
    monkeypatch.setattr(Levels, "run", broken)
    found = api.compare("lif", "physics", "model")
    assert found["within"] is False
    assert found["outside"] == ["neurons: waveform.v, layer 1, trial 0: not all numbers are finite"]
    assert found["errors"] == {"event_time_s": None, "event_count_difference": None, "rms_between_events": {}}


def test_a_clock_is_for_the_gateware():
    assert not [why for why in api.run("lif").warnings if "--board" in why]
    found = api.run("lif", clock_board="ulx3s-85f")
    assert "option --board: without influence on the backend model; it is for the clock of rtl" in found.warnings
    with pytest.raises(InputError, match="board fast: unknown"):
        api.run("lif", clock_board="fast")
