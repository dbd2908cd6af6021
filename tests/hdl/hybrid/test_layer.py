"""One layer against the timing table of zhang2021 and the rules of docs/arithmetic.md."""

import pytest

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.hybrid.layer import HybridLayer
from memtwin.hdl.hybrid.structure import HybridLayerConfig
from tests.hdl.bench import Bench
from tests.hdl.helpers import fetch, load, places, refused
from tests.hdl.hybrid.card import ADAPTIVE, DEPRESSION, REFRACTORY, SCALED, SKIP

# S1 = 10 kOhm at the input and S2 = 40 kOhm to ground (zhang2021, Fig. 3b).
FIXED_RESISTORS = [[100e-6], [25e-6]]


def rounded(value, shift):
    return (value + (1 << shift >> 1)) >> shift


def neuron(**card):
    return Bench(rows=2, neurons=1, conductance=FIXED_RESISTORS, **card)


# --- the timing table -------------------------------------------------------------------------------------------------


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


# --- learning ---------------------------------------------------------------------------------------------------------


def learner(options, **card):
    return Bench(rows=3, neurons=2, conductance=[[200e-6, 150e-6]] * 3, options=options, theta=[0.5, 2.0], **card)


def updated(bench, conductance, *, up):
    if up:
        return conductance + rounded((bench.word("g_max") - conductance) * bench.word("potentiation"), 15)
    return conductance - rounded((conductance - bench.word("g_min")) * bench.word("depression"), 15)


def test_depression_after_the_fire_and_potentiation_with_the_spike():
    bench = learner(REFRACTORY | DEPRESSION)

    async def script(bench):
        words = bench.words["layer1.conductance"]
        column = [words[row * 2] for row in range(3)]
        _, high = await bench.until_fire(0b011, learn=1)
        assert [(entry["index"], entry["row"]) for entry in high.entries("conductance")] == [(0, 2)]
        column[2] = updated(bench, column[2], up=False)
        assert high.one("conductance")["conductance"] == column[2]
        assert [entry["index"] for entry in high.entries("reciprocal")] == [0]

        assert not (await bench.half(0, learn=1)).entries("conductance")
        spike = await bench.half(1, 0b110, learn=1)
        assert [(entry["index"], entry["row"]) for entry in spike.entries("conductance")] == [(0, 1), (0, 2)]
        for entry in spike.entries("conductance"):
            column[entry["row"]] = updated(bench, column[entry["row"]], up=True)
            assert entry["conductance"] == column[entry["row"]]
        total = rounded(sum(column) + bench.word("g_load"), 2)
        reciprocal = ((bench.word("v_in") << 12) + (total >> 1)) // total
        assert spike.one("reciprocal")["reciprocal"] == reciprocal

        # The new reciprocal and conductances are what the next pulses meet.
        await bench.half(0)
        drive = (await bench.half(1, 0b010)).one("drive")
        assert drive["v1"] == rounded(rounded(column[1], 2) * reciprocal, 12)

    bench.run(script)


@pytest.mark.parametrize("options", [REFRACTORY | DEPRESSION, REFRACTORY])
def test_a_layer_that_may_not_learn_or_has_no_depression_leaves_its_synapses(options):
    bench = learner(options)
    learn = 0 if options & DEPRESSION else 1

    async def script(bench):
        _, high = await bench.until_fire(0b011, learn=learn)
        assert not high.entries("conductance")

    bench.run(script)


def test_scaled_depression_counts_the_lifted_passes():
    bench = learner(REFRACTORY | DEPRESSION | SCALED, depression=0.03)

    async def script(bench):
        _, high = await bench.until_fire(0b011, learn=1)
        lifted = sum(entry["lifted"] for entry in high.entries("substep", 0))
        assert lifted > 1
        before = bench.words["layer1.conductance"][2 * 2]
        step = min(32768, bench.word("depression") * lifted)
        after = before - rounded((before - bench.word("g_min")) * step, 15)
        assert high.one("conductance")["conductance"] == after

    bench.run(script)


def test_a_one_cycle_layer_sets_the_synapses_of_open_gates():
    bench = Bench(
        rows=2,
        neurons=2,
        conductance=[[40e-6, 40e-6]] * 2,
        potentiation=1.0,
        config={"one_cycle": True},
    )

    async def script(bench):
        high = await bench.half(1, 0b10, learn=1, mask=0b01)
        (entry,) = high.entries("conductance")
        assert (entry["index"], entry["row"], entry["conductance"]) == (0, 1, bench.word("g_max"))
        assert not (await bench.half(0, learn=1)).entries("conductance")

    bench.run(script)


# --- thresholds -------------------------------------------------------------------------------------------------------


def noise(state):
    return sum(state >> shift & 255 for shift in (0, 8, 16, 24)) - 510


def xorshift(state):
    state ^= state << 13 & 0xFFFFFFFF
    state ^= state >> 17
    return state ^ (state << 5 & 0xFFFFFFFF)


def test_every_threshold_is_drawn_at_power_up_and_after_each_fire():
    bench = Bench(rows=1, neurons=3, conductance=[[200e-6] * 3], theta=[0.5, 1.9, 1.9], theta_sd=0.05)
    state = 0x12345678

    def draw():
        nonlocal state
        out = []
        for mean in bench.words["layer1.theta_mean"]:
            state = xorshift(state)
            out.append(mean + rounded(bench.word("theta_sd") * noise(state), 8))
        return out

    async def script(bench):
        assert [entry["theta"] for entry in bench.power_up.entries("threshold")] == draw()
        for _ in range(2):
            _, high = await bench.until_fire(1)
            assert high.fires == 1
            assert [entry["theta"] for entry in high.entries("threshold")] == draw()
            await bench.half(0)
            await bench.period(1)

    bench.run(script)


def test_adaptation_rises_for_who_fired_and_decays_at_its_interval():
    bench = Bench(
        rows=1,
        neurons=2,
        conductance=[[200e-6] * 2],
        theta=[0.5, 1.9],
        options=REFRACTORY | ADAPTIVE,
        adapt_interval=3,
    )

    async def script(bench):
        adapt = 0
        for number in range(24):
            clk = 1 - number % 2
            half = await bench.half(clk, clk, learn=1, mask=0b01)
            due = (number + 1) % 8 == 0
            if due:
                adapt -= rounded(adapt * bench.word("adapt_leak"), 16)
            if half.fires:
                adapt += bench.word("adapt_step")
            if due or half.fires:
                assert [entry["adapt"] for entry in half.entries("threshold")] == [adapt, 0]
            else:
                assert not half.entries("threshold")
        assert adapt > 0

    bench.run(script)


def test_adaptation_rests_while_the_layer_may_not_learn():
    bench = neuron(options=REFRACTORY | ADAPTIVE, adapt_interval=0)

    async def script(bench):
        _, high = await bench.until_fire(1)
        assert high.one("threshold")["adapt"] == 0
        assert not (await bench.half(0)).entries("threshold")

    bench.run(script)


def test_power_up_forgets_everything_but_the_conductances():
    bench = learner(REFRACTORY | DEPRESSION | ADAPTIVE)
    first = {}

    async def script(bench):
        first["trace"] = bench.power_up.trace
        _, high = await bench.until_fire(0b011, learn=1)
        again = await bench._wait(bench.layer.init)
        assert [entry for entry in again.trace if entry["kind"] == "threshold"] == [
            entry for entry in first["trace"] if entry["kind"] == "threshold"
        ]
        assert again.one("reciprocal")["reciprocal"] == high.one("reciprocal")["reciprocal"]
        assert (again.levels["l1"], again.levels["l2"], again.levels["node2"]) == (0, 0, 0)
        half = await bench.half(1, 0)
        assert half.one("half")["count"] == 0
        assert {entry["x"] for entry in half.entries("substep")} == {0}

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


# --- the state on the bus ---------------------------------------------------------------------------------------------


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
