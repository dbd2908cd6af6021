"""Synapses and thresholds of one layer, by the rules of docs/arithmetic.md."""

import pytest

from tests.hdl.bench import Bench
from tests.hdl.hybrid.card import ADAPTIVE, DEPRESSION, REFRACTORY, SCALED
from tests.hdl.hybrid.layer_bench import neuron, rounded


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
