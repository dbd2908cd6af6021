"""One layer against the timing table of zhang2021 and the rules of docs/arithmetic.md."""

import pytest

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.hybrid.layer import HybridLayer
from memtwin.hdl.hybrid.structure import HybridLayerConfig
from tests.hdl.bench import Bench
from tests.hdl.helpers import refused
from tests.hdl.hybrid.card import DEPRESSION, REFRACTORY, SKIP
from tests.hdl.hybrid.layer_bench import neuron, rounded


def test_fires_on_the_fifth_pulse_of_every_cycle():
    bench = neuron()
    pulses = []

    async def script(bench):
        for _ in range(3):
            number, _ = await bench.until_fire(1)
            pulses.append(number)
            await bench.half(0)
            await bench.period(1)  # the spike; this pulse meets the refractory period

    bench.run(script)
    assert pulses == [5, 5, 5]


def test_timing_table_of_a_fire():
    bench = neuron(options=REFRACTORY | DEPRESSION)
    halves = {}

    async def script(bench):
        _, halves["high k"] = await bench.until_fire(1)
        halves["low k"] = await bench.half(0)
        halves["high k+1"], halves["low k+1"] = await bench.period(1)
        halves["high k+2"] = await bench.half(1, 1)

    bench.run(script)
    table = {
        name: {signal: half.levels[signal] for signal in ("l1", "l2", "t1", "g1", "v_l")}
        for name, half in halves.items()
    }
    assert table == {
        "high k": {"l1": 1, "l2": 0, "t1": 0, "g1": 0, "v_l": 1},
        "low k": {"l1": 1, "l2": 1, "t1": 1, "g1": 0, "v_l": 1},
        "high k+1": {"l1": 0, "l2": 1, "t1": 1, "g1": 1, "v_l": 1},
        "low k+1": {"l1": 0, "l2": 0, "t1": 0, "g1": 0, "v_l": 0},
        "high k+2": {"l1": 0, "l2": 0, "t1": 0, "g1": 0, "v_l": 0},
    }
    assert all(entry["driven"] for entry in halves["high k+2"].entries("substep"))
    assert not any(entry["driven"] for name in ("low k", "high k+1") for entry in halves[name].entries("substep"))


def test_refractory_period_is_two_half_periods_in_every_substep():
    bench = neuron()
    grounded = []

    async def script(bench):
        await bench.until_fire(1)
        for half in (await bench.half(0), *await bench.period(1), *await bench.period(1)):
            grounded.append([entry["t1"] for entry in half.entries("substep")])

    bench.run(script)
    assert grounded == [[1] * 16, [1] * 16, [0] * 16, [0] * 16, [0] * 16]


def test_without_refractory_period_the_device_fires_early_on_the_next_pulse():
    bench = neuron(options=0, v_in=1.9)
    later = []

    async def script(bench):
        await bench.until_fire(1)
        low = await bench.half(0)
        assert low.entries("substep")[-1]["on"] == 1  # 250 us are too short to relax
        later.append(await bench.half(1, 1))

    bench.run(script)
    assert later[0].entries("substep")[0]["node2"] == 1


def test_depression_lifts_node_1_one_substep_after_the_fire():
    bench = neuron(options=REFRACTORY | DEPRESSION)
    halves = []

    async def script(bench):
        _, high = await bench.until_fire(1)
        halves.extend([high, await bench.half(0)])

    bench.run(script)
    passes = halves[0].entries("substep")
    fire = [entry["l1"] for entry in passes].index(1)
    assert [entry["lifted"] for entry in passes] == [0] * (fire + 1) + [1] * (15 - fire)
    # Then the growth is that of the depression voltage.
    lift = bench.word("lift_growth")
    growth = [after["x"] - before["x"] for before, after in zip(passes[fire:], passes[fire + 1 :], strict=False)]
    assert growth == [lift] * (15 - fire)
    assert not any(entry["lifted"] for entry in halves[1].entries("substep"))


def test_a_fire_in_the_last_substep_is_a_fire():
    # The threshold is set to the level that the filament of an undisturbed run reaches in the last substep.
    levels = []

    async def script(bench):
        levels.append([entry["x"] for entry in (await bench.half(1, 1)).entries("substep")])

    neuron().run(script)
    bench = neuron(theta=(levels[0][-1] >> 4) / 2**14)

    async def fires(bench):
        high = await bench.half(1, 1)
        assert [entry["l1"] for entry in high.entries("substep")] == [0] * 15 + [1]
        assert high.fires == 1
        assert (await bench.half(0)).levels["l2"] == 1

    bench.run(fires)


# --- node 1 and the filament ------------------------------------------------------------------------------------------


def test_node_1_divides_and_the_growth_is_interpolated():
    rows = [[80e-6, 300e-6], [120e-6, 20e-6], [40e-6, 900e-6]]
    bench = Bench(rows=3, neurons=2, conductance=rows, config={"lanes": 2})
    events = 0b101

    async def script(bench):
        high = await bench.half(1, events)
        words = {name.removeprefix("layer1."): values for name, values in bench.words.items()}
        for column in range(2):
            conductance = [words["conductance"][row * 2 + column] for row in range(3)]
            total = rounded(sum(conductance) + bench.word("g_load"), 2)
            reciprocal = ((bench.word("v_in") << 12) + (total >> 1)) // total
            assert bench.power_up.one("reciprocal", column)["reciprocal"] == reciprocal
            v1 = rounded(rounded(conductance[0] + conductance[2], 2) * reciprocal, 12)
            growth = words["growth_base"][v1 >> 9] + rounded(words["growth_slope"][v1 >> 9] * (v1 & 511), 9)
            assert high.one("drive", column) == {
                "kind": "drive",
                "index": column,
                "v1": v1,
                "growth": growth,
                "active": 1,
            }

    bench.run(script)


def test_filament_grows_leaks_and_relaxes():
    bench = neuron()

    async def script(bench):
        x = 0
        leak, relax = bench.word("leak"), bench.word("relax")
        for _ in range(4):
            for half in await bench.period(1):
                growth = half.one("drive")["growth"] if half.entries("drive") else 0
                for entry in half.entries("substep"):
                    x = x - rounded((x >> 4) * leak, 16) + growth
                    assert entry["x"] == x
        await bench.until_fire(1)
        x = None
        for entry in (await bench.half(0)).entries("substep"):
            if x is not None:
                assert entry["x"] == x - rounded((x >> 4) * relax, 12)
            x = entry["x"]

    bench.run(script)


def test_a_voltage_below_hold_does_not_drive():
    bench = Bench(rows=2, neurons=1, conductance=[[10e-6], [90e-6]], g_load=90e-6, v_in=1.8)

    async def script(bench):
        high = await bench.half(1, 1)
        assert high.one("drive")["v1"] <= bench.word("v_hold")
        assert not any(entry["driven"] for entry in high.entries("substep"))
        assert high.entries("substep")[-1]["x"] == 0

    bench.run(script)


def test_a_closed_mask_keeps_node_1_at_ground():
    bench = Bench(rows=1, neurons=2, conductance=[[200e-6, 200e-6]])

    async def script(bench):
        high = await bench.half(1, 1, mask=0b10)
        assert {entry["driven"] for entry in high.entries("substep", 0)} == {0}
        assert {entry["driven"] for entry in high.entries("substep", 1)} == {1}

    bench.run(script)


# --- passes -----------------------------------------------------------------------------------------------------------


def test_a_quiet_half_period_is_one_pass_only_with_skip_and_nothing_on():
    counts = {}
    for name, options in {"skip": REFRACTORY | SKIP, "monitored": REFRACTORY}.items():
        bench = neuron(options=options)

        async def script(bench, name=name):
            (quiet, _), _ = await bench.period(0), await bench.until_fire(1)
            low = await bench.half(0)  # the device is still on
            counts[name] = [len(half.entries("substep")) for half in (quiet, low)]
            assert quiet.one("half")["skipped"] == (name == "skip")

        bench.run(script)
    assert counts == {"skip": [1, 16], "monitored": [16, 16]}


def test_a_skipped_pass_leaks_for_the_whole_half_period():
    bench = neuron(options=REFRACTORY | SKIP)

    async def script(bench):
        high, low = await bench.period(1)
        x = high.entries("substep")[-1]["x"]
        assert low.one("substep")["x"] == x - rounded((x >> 4) * bench.word("leak_half"), 12)

    bench.run(script)


@pytest.mark.parametrize("neurons", [1, 2, 5, 6, 11])
def test_every_neuron_in_order_in_every_pass(neurons):
    # Conductances differ, so that a state that went to the wrong neuron shows.
    conductance = [[60e-6 + 10e-6 * column for column in range(neurons)]]
    bench = Bench(rows=1, neurons=neurons, conductance=conductance, config={"substeps": 4})

    async def script(bench):
        x = [0] * neurons
        for half in (*await bench.period(1), *await bench.period(1)):
            growth = {entry["index"]: entry["growth"] for entry in half.entries("drive")}
            entries = half.entries("substep")
            assert [entry["index"] for entry in entries] == list(range(neurons)) * 4
            for entry in entries:
                k = entry["index"]
                x[k] += growth.get(k, 0) - rounded((x[k] >> 4) * bench.word("leak"), 16)
                assert entry["x"] == x[k]

    bench.run(script)


def test_passes_wait_for_the_pace():
    bench = neuron()

    async def script(bench):
        ctx, layer = bench.ctx, bench.layer
        passes = 0
        ctx.set(layer.pace, 0)
        ctx.set(layer.start, 1)
        for pace in range(5):
            ctx.set(layer.pace, pace)
            for _ in range(30):
                await ctx.tick()
                ctx.set(layer.start, 0)
                passes += ctx.get(layer.trace.valid) and ctx.get(layer.trace.word) & 15 == 2
            assert passes == pace + 1  # one more has begun
        assert ctx.get(layer.busy) == 1

    bench.run(script)


# --- lateral inhibition -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("neurons", [3, 8])
def test_the_winner_takes_all_from_the_next_substep_on(neurons):
    winner = 1
    theta = [0.5 if column == winner else 0.8 for column in range(neurons)]
    bench = Bench(
        rows=1, neurons=neurons, conductance=[[200e-6] * neurons], theta=theta, config={"inhibition": True}, v_in=1.6
    )

    async def script(bench):
        _, high = await bench.until_fire(1)
        assert high.fires == 1
        entries = high.entries("substep")
        passes = [entries[start : start + neurons] for start in range(0, len(entries), neurons)]
        assert [[entry["index"] for entry in a_pass] for a_pass in passes] == [list(range(neurons))] * 16
        fire = [a_pass[winner]["l1"] for a_pass in passes].index(1)
        assert 0 < fire < 15
        for number, a_pass in enumerate(passes):
            gates = [entry["gate"] for entry in a_pass]
            assert gates == [int(number <= fire or column == winner) for column in range(neurons)]
            assert [entry["driven"] for entry in a_pass] == gates
        # V_L falls at the falling edge after the spike; the LIA opens all gates again after the pass that follows.
        _, *rest = await bench.half(0), *await bench.period(1)
        assert [half.levels["gate"] for half in rest] == [1 << winner, (1 << neurons) - 1]

    bench.run(script)


@pytest.mark.parametrize("tie", ["inhibit", "lowest", "random"])
def test_ties(tie):
    bench = Bench(rows=1, neurons=4, conductance=[[200e-6] * 4], config={"inhibition": True, "tie": tie})

    async def script(bench):
        _, high = await bench.until_fire(1)
        assert high.fires == 4
        assert high.levels["gate"] in {"inhibit": [0], "lowest": [1], "random": [1, 2, 4, 8]}[tie]

    bench.run(script)


# --- latency ----------------------------------------------------------------------------------------------------------


def digits_layer(options, lanes):
    return Bench(
        rows=30,
        neurons=10,
        conductance=400e-6,
        v_in=1.6,
        options=options,
        theta=[1.0 + 0.05 * column for column in range(10)],
        config={"lanes": lanes, "inhibition": True},
    )


@pytest.mark.parametrize("lanes", [2, 4])
def test_clocks_of_a_half_period_of_thirty_rows_and_ten_neurons(lanes):
    bench = digits_layer(REFRACTORY | DEPRESSION | SKIP, lanes)
    clocks = {}

    async def script(bench):
        sixteen = 0x2AAAAAAA | 1
        assert sixteen.bit_count() == 16
        clocks["quiet"] = (await bench.half(1, 0)).clocks
        high, low = await bench.period(sixteen)
        clocks["events"], clocks["skipped"] = high.clocks, low.clocks
        await bench.until_fire(sixteen)
        clocks["relaxing"] = (await bench.half(0)).clocks

    bench.run(script)
    assert clocks == {"quiet": 18, "skipped": 18, "events": {2: 284, 4: 250}[lanes], "relaxing": 185}


@pytest.mark.parametrize(("neurons", "clocks"), [(1, 116), (2, 132), (4, 164), (5, 105), (10, 185)])
def test_clocks_of_sixteen_passes(neurons, clocks):
    bench = Bench(rows=1, neurons=neurons, options=REFRACTORY)

    async def script(bench):
        assert (await bench.half(0)).clocks == clocks
        assert clocks == (16 * (neurons + 1) + 9 if neurons >= 5 else 16 * (neurons + 6) + 4)

    bench.run(script)


@pytest.mark.parametrize(("rows", "neurons"), [(3, 2), (3, 10), (30, 10)])
def test_clocks_of_a_fire_and_of_learning(rows, neurons):
    events = (1 << (rows + 1) // 2) - 1
    theta = [0.8] + [3.0] * (neurons - 1)
    clocks = {}
    for learn in (0, 1):
        bench = Bench(rows=rows, neurons=neurons, conductance=400e-6, theta=theta, options=REFRACTORY | DEPRESSION)

        async def script(bench, learn=learn):
            clocks["high"] = (await bench.half(1, events)).clocks
            await bench.half(0)
            _, high = await bench.until_fire(events, learn=learn)
            assert high.fires == 1
            clocks[learn] = high.clocks

        bench.run(script)
    assert clocks[0] - clocks["high"] == 4 * neurons + 5
    assert clocks[1] - clocks[0] == rows + 12 + 27 + neurons - 1


# --- construction -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "error", "message"),
    [
        ({"rows": 0}, ValueError, "rows must be in 1..65536, not 0"),
        ({"neurons": 2.0}, TypeError, "neurons must be an integer, not 2.0"),
        ({"lanes": 4}, ValueError, "lanes must be in 1..3, not 4"),
        ({"lanes": 3}, ValueError, "lanes must be a power of two, not 3"),
        ({"substeps": 12}, ValueError, "substeps must be a power of two, not 12"),
        ({"substeps": 2048}, ValueError, "substeps must be in 1..1024, not 2048"),
        ({"recip_shift": -1}, ValueError, "recip_shift must be in 0..15, not -1"),
        ({"inhibition": 1}, TypeError, "inhibition must be a bool, not 1"),
        ({"tie": "highest"}, ValueError, "tie must be one of inhibit, lowest, random, not 'highest'"),
    ],
)
def test_a_bad_structure_is_refused(fields, error, message):
    with pytest.raises(error, match=message):
        HybridLayerConfig(**({"rows": 2, "neurons": 3} | fields))


def test_a_bad_image_is_refused():
    refused(
        "layer1.gain must have 3 words, not 2",
        HybridLayer,
        HybridLayerConfig(rows=2, neurons=3),
        MemoryMap({"layer1.gain": [1, 2]}),
        "layer1.",
    )
