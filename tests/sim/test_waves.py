"""Waves on the paper's time axis: what GTKWave would show is what was recorded."""

import dataclasses
import itertools
import re

import pytest

from memtwin.sim import backends
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.waves import write_waves
from tests.sim.izhikevich.jobs import CARDS, constant_job


@pytest.fixture(scope="module")
def recording():
    experiment = EXPERIMENTS["hybrid-neuron"]
    return backends.run(experiment.plan(experiment.settings())["fire"], "model")


def changes(vcd, name):
    """Times (ns) and values of one scalar signal of the first neuron."""
    text = vcd.read_text()
    symbol = re.search(rf"\$var wire 1 (\S+) {name} \$end", text)[1]
    time, out = 0, []
    for line in text.partition("$enddefinitions")[2].splitlines():
        if line.startswith("#"):
            time = int(line[1:])
        elif line[1:] == symbol and line[0] in "01":
            out.append((time, int(line[0])))
    return out


def test_clk_is_the_papers_clock(recording, tmp_path):
    vcd, _ = write_waves(recording, tmp_path / "fire")
    edges = [time for time, _ in changes(vcd, "clk")]
    assert len(edges) > 10
    assert {later - earlier for earlier, later in itertools.pairwise(edges[1:])} == {250_000}


@pytest.mark.parametrize(("name", "width"), [("g1", 250_000), ("l2", 500_000)])
def test_spike_and_refractory_period_have_the_papers_width(recording, tmp_path, name, width):
    vcd, _ = write_waves(recording, tmp_path / "fire")
    seen = changes(vcd, name)
    rises = [time for time, value in seen if value and time]
    falls = [time for time, value in seen if not value and time]
    assert len(rises) >= 2
    assert {fall - rise for rise, fall in zip(rises, falls, strict=False)} == {width}


def test_gtkw_names_signals_that_the_vcd_has(recording, tmp_path):
    vcd, gtkw = write_waves(recording, tmp_path / "fire")
    declared = set(re.findall(r"\$var \w+ \d+ \S+ (\S+) \$end", vcd.read_text()))
    shown = re.findall(r"^memtwin\.(\S+)$", gtkw.read_text(), re.MULTILINE)
    assert shown
    assert {name.rpartition(".")[2] for name in shown} <= declared


HYBRID = ["v1", "x", "on", "node2", "l1", "l2", "g1", "v_l", "t1", "t3", "gate"]


@pytest.mark.parametrize(
    ("name", "run", "signals"),
    [
        ("hybrid-neuron", "fire", HYBRID),
        ("opamp-5a", "B", ["i_in", "v_out1", "v_out2", "r_first", "r_switch", "on"]),
        ("lif", "neurons", ["v", "spike", "hold"]),
        ("stdp-window", "pairs", ["u", "on"]),
        ("izhikevich", "step", ["v", "u", "spike"]),
    ],
)
@pytest.mark.parametrize("backend", ["physics", "model"])
def test_every_signal_of_a_neuron_is_there_in_the_order_of_its_kind(name, run, signals, backend, tmp_path):
    experiment = EXPERIMENTS[name]
    short = {"opamp-5a": ("b_on=0.3ms",), "lif": ("time=20ms",), "izhikevich": ("time=20ms", "step=1ms")}
    job = experiment.plan(experiment.settings(assignments=short.get(name, ())))[run]
    vcd, gtkw = write_waves(backends.run(dataclasses.replace(job, record=True), backend), tmp_path / "waves")
    shown = re.findall(r"^memtwin\.layer1\.neuron0\.(\S+)$", gtkw.read_text(), re.MULTILINE)
    assert shown == signals
    declared = {found: kind for kind, found in re.findall(r"\$var (\w+) \d+ \S+ (\S+) \$end", vcd.read_text())}
    for signal in signals:
        level = signal in ("spike", "hold", "on", "node2", "l1", "l2", "g1", "v_l", "t1", "t3", "gate")
        assert declared[signal] == ("wire" if level else "real")


def test_counts_are_whole_numbers(tmp_path):
    """A neuron that spikes several times in a step of the physics."""
    job = constant_job(100.0, cards=(CARDS[0].replace(a="0.1", d="0.01", c="20mV"),), step=1e-3, time=0.02)
    recording = backends.run(job, "physics")
    vcd, _ = write_waves(recording, tmp_path / "fast")
    text = vcd.read_text()
    symbol = re.search(r"\$var integer 32 (\S+) spike \$end", text)[1]
    values = [int(bits, 2) for bits in re.findall(rf"^b([01]+) {re.escape(symbol)}$", text, re.MULTILINE)]
    assert max(values) == recording.layers[0].waveform[0].signals["spike"].max() > 1


def test_nothing_is_written_without_waveforms(recording, tmp_path):
    for layer in recording.layers:
        assert layer.waveform
    bare = type(recording)(backend="model", layers=[], duration=recording.duration, time_s=recording.time_s)
    assert write_waves(bare, tmp_path / "none") == []
    assert list(tmp_path.iterdir()) == []
