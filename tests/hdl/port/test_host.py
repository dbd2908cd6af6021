"""A network behind one bus."""

import pytest
from amaranth.lib.wiring import In

from memtwin.hdl.hybrid.network import HybridNetwork
from memtwin.hdl.hybrid.structure import HybridLayerConfig
from memtwin.hdl.opamp.layer import OpampLayerConfig
from memtwin.hdl.opamp.network import OpampNetwork
from memtwin.hdl.port.host import REGISTERS_BASE, HostPort
from memtwin.hdl.verilog import convert
from tests.hdl.bench import parse
from tests.hdl.helpers import fetch, places, refused, simulate, write
from tests.hdl.hybrid.card import REFRACTORY, layer_image
from tests.hdl.opamp import reference as opamp_reference


def small():
    return HybridNetwork([HybridLayerConfig(rows=20, neurons=2, recip_shift=9)])


IMAGE = layer_image(rows=20, neurons=2, conductance=20e-6, options=REFRACTORY)


async def show(ctx, host, **fields):
    for name, value in (fields | {"go": 1}).items():
        for place, address in enumerate(host.registers[name]):
            await write(ctx, host, address, value >> 16 * place & 0xFFFF)


def run(host, script, parse=parse):
    """Run `script`, and return what the trace of layer 1 says."""
    words = []

    async def bench(ctx):
        if host.paced:
            ctx.set(host.tick, 1)
        await script(ctx)
        await ctx.tick().until(host.idle)
        await ctx.tick().repeat(2)

    async def monitor(ctx):
        async for _, _, valid, word in ctx.tick().sample(host.trace1_valid, host.trace1_word):
            if valid:
                words.append(parse(word))

    simulate(host, bench, background=[monitor])
    return words


def test_loads_coefficients_and_shows_presentations():
    host = HostPort(small())

    async def script(ctx):
        for address, data in host.network.memory_map.writes(IMAGE):
            await write(ctx, host, address, data)
        await show(ctx, host, pixels=0xFFFFF, gates=3, periods=7, rest=1, init=1)

    words = run(host, script)
    halves = [word for word in words if word["kind"] == "half"]
    assert [half["clk"] for half in halves] == [1, 0] * 8
    drives = [word["v1"] for word in words if word["kind"] == "drive"]
    assert len(drives) == 2 * 7
    assert set(drives) == {drives[0]}
    # All twenty rows: the upper register of the pixels was written too.
    assert drives[0] == pytest.approx(1.8 * 2**14 * 400 / (400 + 62), rel=3e-3)
    assert sum(word["l1"] and not word["l2"] for word in words if word["kind"] == "substep") > 0


def test_registers_keep_what_was_written():
    host = HostPort(small())

    async def script(ctx):
        await show(ctx, host, gates=3, periods=2)
        await show(ctx, host)
        await show(ctx, host, periods=1)

    assert len([word for word in run(host, script) if word["kind"] == "half"]) == 2 * (2 + 2 + 1)


def test_ready_and_idle_are_low_from_go_to_the_end():
    host = HostPort(small(), paced=True)
    clocks = []

    async def script(ctx):
        assert (ctx.get(host.ready), ctx.get(host.idle)) == (0, 0)  # power-up after reset
        await show(ctx, host, periods=1)
        assert (ctx.get(host.ready), ctx.get(host.idle)) == (0, 0)
        while not ctx.get(host.idle):
            assert ctx.get(host.ready) == 0
            clocks.append(ctx.get(host.clk_level))
            await ctx.tick()
        assert ctx.get(host.ready) == 1

    run(host, script)
    assert 0 < sum(clocks) < len(clocks)


def test_every_register_has_its_own_addresses():
    host = HostPort(small())
    addresses = [address for words in host.registers.values() for address in words]
    assert addresses == list(range(REGISTERS_BASE, REGISTERS_BASE + len(addresses)))
    assert list(host.registers) == ["pixels", "gates", "learn", "until", "fires", "periods", "rest", "init", "go"]
    assert len(host.registers["pixels"]) == 2
    convert(host, "host")


def test_an_address_between_bus_and_registers_reaches_nothing():
    host = HostPort(small())
    window = host.network.memory_map.windows["layer1.options"]

    async def script(ctx):
        await write(ctx, host, window.address(0), REFRACTORY)
        await write(ctx, host, window.address(0) | 1 << 20, 4)
        await write(ctx, host, window.address(0) | 1 << 22, 4)
        await write(ctx, host, host.registers["periods"][0], 1)
        await write(ctx, host, host.registers["go"][0] | 1 << 22, 1)
        await ctx.tick()
        assert ctx.get(host.idle) == 1
        await show(ctx, host)

    words = run(host, script)
    assert [word["skipped"] for word in words if word["kind"] == "half"] == [0, 0]


def test_reads_the_state_when_its_latency_is_over():
    host = HostPort(small())
    windows = host.network.memory_map.windows
    state = [place for window in windows.values() if window.state for place in places(window)]
    other = [windows["layer1.leak"].address(0), windows["layer1.options"].address(0), host.registers["periods"][0]]
    aliases = [windows["layer1.count"].address(0) | 1 << bit for bit in (20, 22)]

    async def script(ctx):
        for address, data in host.network.memory_map.writes(IMAGE):
            await write(ctx, host, address, data)
        await show(ctx, host, pixels=0xFFFFF, gates=3, periods=3, rest=1, init=1)
        await ctx.tick().until(host.idle)
        words = dict(zip(state, await fetch(ctx, host, state, host.read_latency), strict=True))
        assert [words[place] for place in places(windows["layer1.conductance"])] == IMAGE["layer1.conductance"]
        assert words[windows["layer1.count"].address(0)] == 8
        assert any(words[place] for place in places(windows["layer1.filament"]))
        # No word of another address, and none of the one before.
        assert await fetch(ctx, host, other + aliases, host.read_latency) == [0] * 5
        backwards = await fetch(ctx, host, state[::-1], host.read_latency)
        assert backwards == [words[place] for place in state[::-1]]

    run(host, script)


@pytest.mark.parametrize("neurons", [10, 150])
def test_every_port_fits_a_machine_word(neurons):
    host = HostPort(HybridNetwork([HybridLayerConfig(rows=4, neurons=neurons, lanes=2)]))
    widths = {name: member.shape for name, member in host.signature.members.items()}
    assert max(widths.values()) <= 64
    assert {name for name, member in host.signature.members.items() if member.flow == In} == {
        "address",
        "data",
        "enable",
        "read",
    }
    assert sum(width for name, width in widths.items() if name.startswith("spikes1")) == neurons
    assert "spikes1" in convert(host, "host")


OPAMP = OpampLayerConfig(rows=20, neurons=2, first="dynamic", second="switch", learns=True)


def test_op_amp_neurons_load_coefficients_and_show_presentations():
    host = HostPort(OpampNetwork([OPAMP]))
    words = opamp_reference.image_of(OPAMP)
    reference = opamp_reference.Reference([OPAMP], words)
    shown = [
        {"pixels": 0xC0003, "gates": 3, "learn": 1, "on": 25, "off": 3, "init": 1},
        {"pixels": 0x00100, "gates": 2, "learn": 0, "on": 12, "off": 0, "init": 0},
    ]

    async def script(ctx):
        for address, data in host.network.memory_map.writes(words):
            await write(ctx, host, address, data)
        for fields in shown:
            await show(ctx, host, **fields)

    values = run(host, script, opamp_reference.parse)
    for fields in shown:
        reference.present(**fields)
    assert values == reference.traces[0]
    assert any(pulses for (pulses,) in reference.pulses)


def test_registers_of_op_amp_neurons():
    host = HostPort(OpampNetwork([OPAMP]))
    assert list(host.registers) == ["pixels", "gates", "learn", "on", "off", "init", "go"]
    assert [len(words) for words in host.registers.values()] == [2, 1, 1, 1, 1, 1, 1]
    convert(host, "host")


def test_output_pulses_of_op_amp_neurons_are_on_the_ports():
    host = HostPort(OpampNetwork([OPAMP], opamp_reference.image_of(OPAMP)), paced=True)
    reference = opamp_reference.Reference([OPAMP], opamp_reference.image_of(OPAMP))
    seen, levels = [], []

    async def script(ctx):
        await ctx.tick().until(host.idle)
        await show(ctx, host, pixels=0xC0003, gates=3, learn=1, on=25, off=3)
        while not ctx.get(host.idle):
            levels.append(ctx.get(host.clk_level))
            if ctx.get(host.spikes_strobe):
                seen.append((ctx.get(host.spikes1),))
            await ctx.tick()

    run(host, script, opamp_reference.parse)
    reference.present(pixels=0xC0003, gates=3, learn=1, on=25, off=3)
    assert seen == reference.pulses
    assert 0 < sum(levels) < len(levels)


def test_only_a_network_can_be_behind_it():
    refused("^network must be a NetworkPort, not 7$", HostPort, 7, error=TypeError)
