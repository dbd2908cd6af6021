import pkgutil
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

import memtwin as mt
from memtwin.own.design import OwnDesign
from memtwin.serve import build, serving
from memtwin.sim.kinds import KINDS

HYBRID = (mt.hybrid.Layer(inputs=5, neurons=3, inhibition=True, learn=True),)
LIF = (
    mt.lif.Layer(inputs=6, neurons=4, weights=[[3, 1, -2, 4, 0, 2], [1] * 6, [5] * 6, [-1, 2] * 3], r=5.0, lanes=3),
    mt.lif.Layer(inputs=4, neurons=2, weights=[[4, -1, 2, 1], [1, 2, 3, 1]], r=15.0, refractory="2ms"),
)


def drive(rows, steps=60):
    return np.random.default_rng(3).poisson(0.3, (steps, rows))


@pytest.fixture(scope="module")
def hybrid():
    return mt.Network(HYBRID)


@pytest.fixture(scope="module")
def lif():
    return mt.Network(LIF, capacity=16)


def test_a_hybrid_network_is_equal_on_model_and_rtl_and_near_the_physics(hybrid):
    spikes = drive(5).clip(0, 1)
    found = mt.compare(hybrid, spikes, "model", "rtl")
    assert found["equal"]
    assert found["words"] > 1000
    near = mt.compare(hybrid, spikes, "physics", "model")
    assert near["within"], near["outside"]


def test_a_lif_network_is_equal_on_model_and_rtl_and_near_the_physics(lif):
    spikes = drive(6)
    assert spikes.max() > 1  # several spikes of a row in a step
    recording = mt.simulate(lif, spikes)
    assert recording.counts.sum() > 5
    assert recording.counts_of(1).min() > 0
    found = mt.compare(lif, spikes, "model", "rtl", trials=2)
    assert found["equal"]
    assert found["words"] == 2 * 60 * (1 + 4 + 2)
    near = mt.compare(lif, spikes, "physics", "model")
    assert near["within"], near["outside"]


def test_arrays_have_their_time_axes(hybrid):
    recording = mt.simulate(hybrid, drive(5, 20).clip(0, 1), trials=3)
    assert recording.spikes.shape == (3, 20, 3)
    assert np.allclose(recording.step_s, 500e-6 * np.arange(20))
    assert recording.trace("x").shape == (3, 640, 3)
    assert recording.time_s.shape == (640,)
    assert recording.time_s[-1] == pytest.approx(10e-3)


def test_spikes_are_in_the_step_in_which_the_neuron_spikes(lif):
    recording = mt.simulate(lif, drive(6))
    assert np.array_equal(recording.spikes_of("layer1"), recording.trace("spike", layer=1))
    assert np.array_equal(recording.spikes.sum(axis=1), recording.counts)


def test_layers_are_driven_by_the_spikes_of_the_one_before(lif):
    recording = mt.simulate(lif, drive(6))
    alone = mt.simulate(mt.Network(LIF[1:]), recording.spikes_of(1)[0])
    assert np.array_equal(alone.spikes, recording.spikes)


def test_a_run_without_recording_has_counts(hybrid):
    spikes = drive(5).clip(0, 1)
    counts = mt.simulate(hybrid, spikes, record=False)
    assert np.array_equal(counts.counts, mt.simulate(hybrid, spikes).counts)
    with pytest.raises(mt.InputError, match="record=True"):
        _ = counts.spikes


def test_trials_are_those_of_later_seeds():
    net = mt.Network(HYBRID, d2d=True, c2c=True)
    both = mt.simulate(net, mt.poisson("800Hz", "50ms"), trials=2, seed=7)
    later = mt.simulate(net, mt.poisson("800Hz", "50ms"), seed=8)
    assert np.array_equal(both.trace("x")[1], later.trace("x")[0])
    assert not np.array_equal(both.trace("x")[0], later.trace("x")[0])


def test_only_layers_that_learn_do_and_only_while_they_are_told_to():
    pattern = [[1, 1, 0, 0, 1]]
    for learn, shown, changes in ((True, True, True), (True, False, False), (False, True, False)):
        net = mt.Network([mt.hybrid.Layer(inputs=5, neurons=3, learn=learn)])
        recording = mt.simulate(net, mt.program(pattern, "40ms", learn=shown))
        assert recording.counts.sum() > 0
        assert (np.ptp(recording.conductance()) > 0) == changes


def test_a_gate_that_is_closed_keeps_a_neuron_from_integrating():
    net = mt.Network(HYBRID)
    recording = mt.simulate(net, mt.program([[1] * 5], "40ms", gates=[[1, 0, 1]]))
    assert recording.trace("x")[0].max(axis=0).tolist()[1] == 0
    assert recording.trace("x")[0].max(axis=0)[0] > 0.5


def test_a_train_that_fills_the_list_again_and_again_is_streamed(lif):
    spikes = np.zeros((200, 6), dtype=int)
    spikes[::3] = [3, 1, 4, 1, 5, 2]  # a full list of 16 in one step
    found = mt.compare(lif, spikes, "model", "rtl")
    assert found["equal"]
    assert found["words"] == 200 * 7
    assert len(lif.job(spikes).shown.pieces(0, 16)) == 67
    assert mt.simulate(lif, spikes).counts.sum() > 10


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["hybrid", "lif", "stdp"])
def test_a_train_longer_than_any_counter_is_streamed(kind):
    net = mt.Network([getattr(mt, kind).Layer(inputs=2, neurons=1)])
    spikes = np.zeros((2**16 + 200, 2))
    spikes[2**16 - 20 :] = 1
    recordings = [mt.simulate(net, spikes, backend, record=False) for backend in ("model", "rtl")]
    assert recordings[0].counts[0, 0] > 2
    assert np.array_equal(recordings[0].counts, recordings[1].counts)


def test_op_amp_layers_are_equal_on_model_and_rtl_and_near_the_physics():
    layers = [
        mt.opamp.Layer(inputs=3, neurons=2, learn=True),
        mt.opamp.Layer(inputs=2, neurons=1, g_initial="3uS"),
    ]
    net = mt.Network(layers)
    spikes = mt.program([[1, 0, 1], [0, 1, 0]], "3ms", rest="1ms")
    recording = mt.simulate(net, spikes)
    assert recording.counts_of(1).sum() > 5
    assert np.array_equal(recording.spikes_of(1).sum(axis=1), recording.counts_of(1))
    assert recording.spikes.shape == (1, 8, 1)
    found = mt.compare(net, spikes, "model", "rtl")
    assert found["equal"]
    assert found["words"] > 1000
    near = mt.compare(net, spikes, "physics", "model")
    assert near["within"], near["outside"]


def test_more_spikes_in_a_step_than_a_byte_holds_are_all_there():
    net = mt.Network([mt.opamp.Layer(inputs=3, neurons=1, devices="6a")], pulse="200ms")
    found = mt.simulate(net, [[1, 1, 1]])
    assert found.counts.max() > 255
    assert np.array_equal(found.spikes.sum(axis=1), found.counts)


def test_stdp_synapses_are_equal_on_model_and_rtl_and_near_the_physics():
    net = mt.Network([mt.stdp.Layer(inputs=4, neurons=2)], kick="0.1V")
    spikes = mt.poisson("40Hz", "0.3s").teach(mt.regular([20, 0], "0.3s"))
    recording = mt.simulate(net, spikes)
    assert recording.counts[0, 0] >= 6  # those that it is taught, at least
    assert np.array_equal(recording.spikes[0, :, 0].nonzero()[0][:2], [0, 50])
    assert np.ptp(recording.conductance()) > 0
    found = mt.compare(net, spikes, "model", "rtl")
    assert found["equal"]
    assert found["words"] > 1000
    near = mt.compare(net, spikes, "physics", "model")
    assert near["within"], near["outside"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_train_may_have_no_spike(kind):
    net = mt.Network([getattr(mt, kind).Layer(inputs=3, neurons=2)])
    silent = np.zeros((20, 3))
    assert not mt.simulate(net, silent, "model").counts.any()
    assert mt.compare(net, silent, "physics", "model")["within"]


@pytest.mark.parametrize("kind", KINDS)
def test_the_verilog_of_every_kind_compiles(kind, tmp_path, icarus):
    net = mt.Network([getattr(mt, kind).Layer(inputs=3, neurons=2)], name="2 by 3/x")
    text = mt.verilog(net, tmp_path / "net.v")
    assert (tmp_path / "net.v").read_text() == text
    assert text.startswith(f"// memtwin, network 2 by 3/x: {kind} neurons, 3 x 2\n")
    assert "\nmodule network_2_by_3_x(" in text
    command = ["iverilog", "-g2005", "-Wall", "-o", str(tmp_path / "net"), "net.v"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert result.stderr == ""


def test_a_network_that_does_not_fit_a_board_says_so_before_its_tools_run():
    for _ in range(2):  # the package `memtwin.build` is imported now
        with pytest.raises(mt.InputError, match="board"):
            mt.build(mt.Network(HYBRID), "no-such-board")


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: mt.Network([]), "list of layers"),
        (lambda: mt.Network([HYBRID[0], LIF[0]]), "one kind, not hybrid and lif"),
        (lambda: mt.Network(LIF[0]), "list of layers"),
        (lambda: mt.Network(HYBRID, colour="red"), "unknown option colour; expected device, synapse"),
        (
            lambda: mt.Network(HYBRID, device="ta-hfo2"),
            "expected a card of kind threshold switch.*ta-hfo2 is of kind synapse",
        ),
        (lambda: mt.Network(HYBRID, device="no-such-card"), "unknown"),
        (lambda: mt.Network(LIF[::-1]), "4 neurons|2 neurons"),
        (lambda: mt.hybrid.Layer(inputs=5, neurons=0), "neurons: expected a whole number from 1"),
        (lambda: mt.hybrid.Layer(inputs=5, neurons=2.5), "neurons: expected a whole number"),
        (lambda: mt.hybrid.Layer(inputs=5, neurons=2, v_in="5V"), "v_in: expected at most 3.9V"),
        (lambda: mt.hybrid.Layer(inputs=5, neurons=2, v_in="1.5s"), "v_in: expected unit V"),
        (lambda: mt.hybrid.Layer(inputs=5, neurons=2, tie="first"), "tie: expected one of inhibit"),
        (lambda: mt.hybrid.Layer(inputs=5, neurons=2, learn=1), "learn: expected true or false"),
        (lambda: mt.hybrid.Layer(inputs=5, neurons=2, g_initial=np.ones((5, 2))), r"here \(2, 5\), not \(5, 2\)"),
        (lambda: mt.lif.Layer(inputs=2, neurons=1, weights=[[np.nan, 1]]), "weights"),
        (lambda: mt.lif.Layer(inputs=2, neurons=1, weights=[[1], [1, 2]]), "weights"),
        (lambda: mt.lif.Layer(inputs=2, neurons=1, weights="none.csv"), "none.csv: cannot be read"),
    ],
)
def test_what_is_no_network_is_refused_in_a_line(make, what):
    with pytest.raises(mt.InputError, match=what):
        make()


def test_what_cannot_be_run_is_refused(hybrid, lif):
    with pytest.raises(mt.InputError, match="at most one of a row"):
        mt.simulate(hybrid, np.full((4, 5), 2))
    with pytest.raises(mt.InputError, match="at most 16 spikes in a step"):
        mt.simulate(lif, np.full((4, 6), 3))
    with pytest.raises(mt.InputError, match="have no gates"):
        mt.simulate(lif, mt.program([[1] * 6], "10ms", gates=[[0, 1]]))
    with pytest.raises(mt.InputError, match="cannot be made to spike"):
        mt.simulate(hybrid, mt.poisson(1e3, "5ms").teach(mt.regular(1e3, "5ms")))
    with pytest.raises(mt.InputError, match="expected 10 steps, not 20"):
        mt.simulate(hybrid, mt.poisson(1e3, "5ms").teach(mt.regular(1e3, "10ms")))
    for trials in (0, 1.5, "3", True):
        with pytest.raises(mt.InputError, match="trials: expected a whole number from 1 to 1000000"):
            mt.simulate(lif, drive(6), trials=trials)
    for seed in (-1, 0.5, 2**63 - 1):
        with pytest.raises(mt.InputError, match="seed: expected a whole number from 0"):
            mt.simulate(lif, drive(6), seed=seed)
    for use in (mt.simulate, mt.verilog, lambda net: mt.compare(Path(net), None, "model", "rtl")):
        with pytest.raises(mt.InputError, match="expected a Network, such as"):
            use("net.toml")
    with pytest.raises(mt.InputError, match="backend"):
        mt.simulate(lif, drive(6), "verilog")
    recording = mt.simulate(lif, drive(6))
    with pytest.raises(mt.InputError, match="unknown signal x"):
        recording.trace("x")
    with pytest.raises(mt.InputError, match="layer: expected 1 to 2"):
        recording.trace("v", layer=3)


@pytest.mark.parametrize("form", ["csv", "npy", "npz"])
def test_weights_are_read_from_files(tmp_path, form):
    table = np.array([[1.0, -2.0, 0.5], [0.0, 3.0, 1.0]])
    path = tmp_path / f"weights.{form}"
    if form == "csv":
        np.savetxt(path, table, delimiter=",")
    elif form == "npy":
        np.save(path, table)
    else:
        np.savez(path, weights=table, others=np.zeros(3))
    layer = mt.lif.Layer(inputs=3, neurons=2, weights=path)
    assert np.array_equal(layer.weights, table)


def test_the_names_of_the_package_are_there_and_no_module_takes_their_place():
    assert all(hasattr(mt, name) for name in mt.__all__)
    assert {*KINDS, *mt.__all__} <= set(dir(mt))
    # A module that is imported becomes an attribute of the package, whatever was there; this one can be called.
    assert {module.name for module in pkgutil.iter_modules(mt.__path__)} & set(mt.__all__) == {"build"}
    assert callable(mt.build)


def test_a_network_on_a_virtual_board_is_the_model(lif):
    built = build(OwnDesign(lif))
    spikes = drive(6, 30)
    with serving(built.program) as (server, _):
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            link = {"port": server.url, "map_file": built.map_path}
            found = mt.compare(lif, spikes, "model", "board", port=server.url)  # finds the map by itself
            other = mt.Network([mt.lif.Layer(inputs=6, neurons=4), mt.lif.Layer(inputs=4, neurons=2)], capacity=17)
            with pytest.raises(mt.InputError, match="layer 1 has events 16, expected 17"):
                mt.simulate(other, spikes, "board", **link)
        finally:
            server.stop()
            thread.join()
    assert found["equal"]
    assert found["words"] == 30 * 7
    with pytest.raises(mt.InputError, match="expected a port"):
        mt.simulate(lif, spikes, "board")
    with pytest.raises(mt.InputError, match="option --port: expected with the backend board"):
        mt.simulate(lif, spikes, "model", port="/dev/null")


def test_op_amp_neurons_run_in_ngspice_by_the_law_that_it_can_solve(ngspice):
    net = mt.Network([mt.opamp.Layer(inputs=2, neurons=1)])
    spikes = np.zeros((12, 2), dtype=np.uint8)
    spikes[2:9] = 1
    physics, other = (mt.simulate(net, spikes, backend) for backend in ("physics", "ngspice"))
    assert other.counts.sum() > 0
    assert (physics.counts == other.counts).all()
    found = mt.compare(net, spikes, "physics", "ngspice")
    assert found["errors"]["event_count_difference"] == 0
