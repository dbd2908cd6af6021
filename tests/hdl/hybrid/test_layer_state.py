"""The state of one layer, read and written on the bus."""

import pytest

from tests.hdl.bench import Bench
from tests.hdl.helpers import fetch, load, places
from tests.hdl.hybrid.card import ADAPTIVE, DEPRESSION, REFRACTORY, SCALED, SKIP


def trio(**card):
    """Three neurons that inhibit each other, learn, adapt and draw; two lanes, which three columns do not fill."""
    options = REFRACTORY | DEPRESSION | SKIP | ADAPTIVE | SCALED
    card = {"conductance": 400e-6, "options": options, "theta_sd": 0.05, "adapt_interval": 2} | card
    return Bench(rows=5, neurons=3, config={"lanes": 2, "inhibition": True, "tie": "lowest"}, **card)


def windows_of(bench):
    """Windows of the state, in the order of their addresses."""
    return [window for window in bench.memory_map.windows.values() if window.state]


async def read_state(bench):
    return {window.name: await fetch(bench.ctx, bench.layer.config, places(window)) for window in windows_of(bench)}


async def write_state(bench, state):
    await load(bench.ctx, bench.layer.config, bench.memory_map.writes(state))


EVENTS = [0b11111, 0b01111, 0b11111, 0b11101, 0b11111, 0b11111, 0b10111, 0b11111, 0, 0b11111]


async def lesson(bench, numbers, halves):
    """Periods of `EVENTS`, which are learnt; what they did goes into `halves`."""
    for number in numbers:
        for half in await bench.period(EVENTS[number % len(EVENTS)], learn=1):
            halves.append((half.clocks, half.trace))


def test_the_state_is_what_the_trace_tells():
    bench = trio()
    traced = {}

    async def script(bench):
        halves = [(0, bench.power_up.trace)]
        for number in range(12):
            await lesson(bench, [number], halves)
            state = await read_state(bench)
            entries = {(e["kind"], e["index"], e.get("row")): e for _, trace in halves for e in trace}  # the last ones
            thresholds = [entries["threshold", neuron, None] for neuron in range(3)]
            assert state["layer1.theta"] == [entry["theta"] for entry in thresholds]
            assert state["layer1.adapt"] == [entry["adapt"] for entry in thresholds]
            assert state["layer1.reciprocal"] == [entries["reciprocal", n, None]["reciprocal"] for n in range(3)]
            devices = [entries["substep", neuron, None] for neuron in range(3)]
            filament = [word for e in devices for word in (e["x"] & 0xFFFF, e["x"] >> 16 | e["on"] << 4)]
            assert state["layer1.filament"] == filament
            layer, get = bench.layer, bench.ctx.get
            gates = get(layer.gate)  # of which none is masked
            # Whether a neuron lost a tie is not in the trace.
            assert [word & 0b10111 for word in state["layer1.latches"]] == [
                get(layer.l1) >> n & 1 | (get(layer.l2) >> n & 1) << 1 | (gates >> n & 1) << 4 for n in range(3)
            ]
            conductance = list(bench.words["layer1.conductance"])
            for (kind, column, row), entry in entries.items():
                if kind == "conductance":
                    conductance[3 * row + column] = entry["conductance"]
            assert state["layer1.conductance"] == conductance
            assert state["layer1.count"] == [2 * number + 2]
            for name, words in state.items():
                traced.setdefault(name, set()).add(tuple(words))

    bench.run(script)
    assert all(len(states) > 1 for states in traced.values())


def test_reading_changes_nothing_and_a_written_state_goes_on():
    halves = {name: [] for name in ("unread", "read", "restored")}
    states = []

    async def unread(bench):
        await lesson(bench, range(14), halves["unread"])

    async def read(bench):
        for number in range(14):
            await lesson(bench, [number], halves["read"])
            states.append(await read_state(bench))

    trio().run(unread)
    trio().run(read)
    assert halves["read"] == halves["unread"]

    async def restored(bench):
        # Of any age, onto whatever is there.
        for number in (9, 2, 6, 11):
            await write_state(bench, states[number])
            assert await read_state(bench) == states[number]
            halves["restored"].clear()
            await lesson(bench, range(number + 1, 14), halves["restored"])
            assert halves["restored"] == halves["unread"][2 * (number + 1) :]
            assert await read_state(bench) == states[-1]

    trio(seed=99).run(restored)
    latches = [word for state in states for word in state["layer1.latches"]]
    assert {word & 3 for word in latches} == {0, 3}
    assert {word >> 3 for word in latches} == {0b00, 0b01, 0b10}  # neither, lost a tie, gate open


@pytest.mark.parametrize("neurons", [1, 3])
def test_a_device_that_is_written_on_keeps_the_layer_from_skipping(neurons):
    bench = Bench(rows=2, neurons=neurons, options=REFRACTORY | SKIP)
    off = [0x1234, 2] * neurons
    skipped = []

    async def script(bench):
        for which in (None, *range(neurons), None):
            filament = list(off)
            if which is not None:
                filament[2 * which + 1] |= 1 << 4
            await write_state(bench, {"layer1.filament": filament})
            half = await bench.half(1)
            skipped.append(half.one("half")["skipped"])
            first = [half.entries("substep", neuron)[0] for neuron in range(neurons)]
            assert len({entry["x"] for neuron, entry in enumerate(first) if neuron != which}) <= 1
            assert [entry["on"] for entry in first] == [int(neuron == which) for neuron in range(neurons)]
            await bench.half(0)

    bench.run(script)
    assert skipped == [1] + [0] * neurons + [1]


def test_without_an_array_nobody_is_suppressed_and_every_gate_is_open():
    bench = Bench(rows=2, neurons=2)

    async def script(bench):
        await write_state(bench, {"layer1.latches": [0b01011, 0b00000]})
        assert (await read_state(bench))["layer1.latches"] == [0b10011, 0b10000]

    bench.run(script)
