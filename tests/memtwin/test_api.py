"""What Python gets of an experiment: recordings, and cards, options and paths as Python has them."""

import numpy as np
import pytest

import memtwin as mt


def test_a_run_returns_its_recordings():
    outcome = mt.run("hybrid-neuron")
    assert set(outcome.recordings) == {"fire", "rate", "learning", "chain"}
    layer = outcome.recordings["fire"].layers[0]
    assert layer.waveform[0].signals["x"].max() > 1
    assert "recordings" not in outcome.json()


def test_options_are_a_dict_and_cards_are_objects_and_paths_are_texts(tmp_path):
    card = mt.load_card("ag-sio2").replace(tau_leak=3e-3)
    given = {"v_in": 1.6, "fires": 3, "substeps": np.int64(8), "ag-sio2.tau_relax": 0.9e-3, "clock": "2kHz"}
    outcome = mt.run("hybrid-neuron", cards=[card], options=given, out=str(tmp_path / "out"))
    same = mt.run(
        "hybrid-neuron",
        assignments=["tau_leak=3ms", "v_in=1.6V", "fires=3", "substeps=8", "tau_relax=900us", "clock=2kHz"],
    )
    assert outcome.results == same.results
    assert outcome.results != mt.run("hybrid-neuron", options={"fires": 3}).results
    assert (tmp_path / "out" / "fig3b-sequence.png").exists()
    found = mt.compare("hybrid-neuron", "model", "physics", options={"fires": 2}, cards=[card])
    assert found["experiment"] == "hybrid-neuron"


@pytest.mark.parametrize(
    ("options", "what"),
    [({"colour": 1}, "unknown name colour"), ({"fires": 0}, "fires: expected"), ({"v_in": True}, "v_in: expected")],
)
def test_options_that_cannot_be_are_refused(options, what):
    with pytest.raises(mt.InputError, match=what):
        mt.run("hybrid-neuron", options=options)


def test_a_field_that_a_card_does_not_have_names_those_that_it_has():
    with pytest.raises(mt.InputError, match="card ag-sio2 has no field tau_lek; it has g0, v0, tau_leak"):
        mt.load_card("ag-sio2")["tau_lek"]


def test_experiments_and_options_are_listed():
    assert mt.experiments()["digits"] == "A network of two layers learns ten digits in situ"
    rule = mt.options("digits")["v_in"]
    assert (rule["default"], rule["unit"]) == (1.6, "V")
    own = mt.options(mt.hybrid)
    assert own["layer"]["neurons"]["default"] is None
    assert own["layer"]["lanes"]["default"] == 1
    assert own["network"]["device"]["default"] == "ag-sio2"
    assert mt.options(mt.lif.Layer)["network"]["dt"]["default"] == 1e-3
    for wrong in ("no-such", np, 3):
        with pytest.raises(mt.InputError):
            mt.options(wrong)
