import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.hybrid.lia import TIES, LateralInhibition
from tests.hdl.helpers import load, refused, simulate


def winner_takes_all(neurons):
    """Image of an array whose truth table is that of the paper: small diagonal and bias, large elsewhere."""
    array = [20 if row == column else 1500 for row in range(neurons) for column in range(neurons)]
    return {"inhibition": array + [100] * neurons, "reference": [1000] * neurons}


class Model:
    """The array after docs/arithmetic.md, section 8."""

    def __init__(self, neurons, tie, words):
        self.neurons, self.tie, self.words = neurons, tie, words
        self.previous = self.suppressed = 0
        self.taken = 0

    def evaluate(self, v_l, numbers):
        new = v_l & ~self.previous
        self.previous = v_l
        self.suppressed &= v_l
        if new.bit_count() > 1 and self.tie != "inhibit":
            start = 0
            if self.tie == "random":
                start = ((numbers[self.taken] >> 16) * self.neurons) >> 16
                self.taken += 1
            order = [(start + i) % self.neurons for i in range(self.neurons)]
            picked = next(i for i in order if new >> i & 1)
            self.suppressed |= new & ~(1 << picked)
        seen = v_l & ~self.suppressed
        gates = 0
        for column in range(self.neurons):
            current = self.words["inhibition"][self.neurons * self.neurons + column]
            for row in range(self.neurons):
                if seen >> row & 1:
                    current += self.words["inhibition"][row * self.neurons + column]
            gates |= (current < self.words["reference"][column]) << column
        return gates


class Bench:
    """Drives an array and the generator that it asks for random numbers."""

    def __init__(self, ctx, dut, numbers=()):
        self.ctx, self.dut, self.numbers = ctx, dut, iter(numbers)
        self.taken = 0

    async def tick(self):
        step = self.ctx.get(self.dut.take_random)
        await self.ctx.tick()
        if step:
            self.ctx.set(self.dut.random, next(self.numbers))
            self.taken += 1

    async def evaluate(self, v_l, refresh=0):
        """Evaluate; returns (gates, clocks for which the array was busy)."""
        self.ctx.set(self.dut.v_l, v_l)
        self.ctx.set(self.dut.refresh, refresh)
        self.ctx.set(self.dut.evaluate, 1)
        changed = self.ctx.get(self.dut.changed)
        await self.tick()
        assert self.ctx.get(self.dut.busy) == changed
        self.ctx.set(self.dut.evaluate, 0)
        clocks = 0
        while self.ctx.get(self.dut.busy):
            await self.tick()
            self.ctx.set(self.dut.v_l, 0)  # the spikes need to hold for one clock after `evaluate`
            clocks += 1
        return self.ctx.get(self.dut.l_g), clocks

    async def clear(self):
        self.ctx.set(self.dut.clear, 1)
        await self.tick()
        self.ctx.set(self.dut.clear, 0)


@pytest.mark.parametrize("neurons", [2, 3, 10])
def test_truth_table_of_the_paper(neurons):
    dut = LateralInhibition(neurons, "inhibit", MemoryMap(winner_takes_all(neurons)), "")
    everyone = (1 << neurons) - 1

    async def test(ctx):
        bench = Bench(ctx, dut)
        assert ctx.get(dut.l_g) == 0
        assert (await bench.evaluate(0, refresh=1))[0] == everyone
        for winner in range(neurons):
            assert (await bench.evaluate(1 << winner))[0] == 1 << winner
            assert (await bench.evaluate(0))[0] == everyone
        assert (await bench.evaluate(0b11))[0] == 0
        assert (await bench.evaluate(everyone))[0] == everyone * (neurons == 1)
        assert bench.taken == 0

    simulate(dut, test)


@pytest.mark.parametrize(
    ("tie", "number", "v_l", "gates"),
    [
        pytest.param("inhibit", 0, 0b1010, 0b0000, id="inhibit"),
        pytest.param("lowest", 0, 0b1010, 0b0010, id="lowest"),
        pytest.param("lowest", 0, 0b1000, 0b1000, id="lowest-alone"),
        pytest.param("random", 0x0000FFFF, 0b1010, 0b0010, id="random-start-0"),
        pytest.param("random", 0x3FFFFFFF, 0b1010, 0b0010, id="random-start-0-end"),
        pytest.param("random", 0x40000000, 0b1010, 0b0010, id="random-start-1"),
        pytest.param("random", 0x80000000, 0b1010, 0b1000, id="random-start-2"),
        pytest.param("random", 0xFFFFFFFF, 0b1010, 0b1000, id="random-start-3"),
        pytest.param("random", 0xFFFFFFFF, 0b0110, 0b0010, id="random-round-the-corner"),
        pytest.param("random", 0xFFFFFFFF, 0b0100, 0b0100, id="random-alone"),
    ],
)
def test_tie(tie, number, v_l, gates):
    dut = LateralInhibition(4, tie, MemoryMap(winner_takes_all(4)), "")

    async def test(ctx):
        bench = Bench(ctx, dut, [number])
        assert (await bench.evaluate(v_l))[0] == gates
        assert bench.taken == (tie == "random" and v_l.bit_count() > 1)

    simulate(dut, test)


def test_loser_of_a_tie_stays_suppressed_while_it_spikes():
    dut = LateralInhibition(4, "lowest", MemoryMap(winner_takes_all(4)), "")

    async def test(ctx):
        bench = Bench(ctx, dut)
        assert (await bench.evaluate(0b0110))[0] == 0b0010
        assert (await bench.evaluate(0b0100))[0] == 0b1111  # the winner is over, the loser still not seen
        assert (await bench.evaluate(0b0101))[0] == 0b0001  # one new spike is no tie
        assert (await bench.evaluate(0b0001))[0] == 0b0001
        assert (await bench.evaluate(0b0101))[0] == 0b0000  # the loser spikes again, and is seen again
        assert (await bench.evaluate(0b0110))[0] == 0b0000  # one goes, one comes: no tie

    simulate(dut, test)


def test_clear_forgets_spikes_and_losers():
    dut = LateralInhibition(4, "lowest", MemoryMap(winner_takes_all(4)), "")

    async def test(ctx):
        bench = Bench(ctx, dut)
        assert (await bench.evaluate(0b0110))[0] == 0b0010
        await bench.clear()
        assert not ctx.get(dut.busy)
        gates, clocks = await bench.evaluate(0)
        assert clocks == 0  # nobody spikes, as after power-up
        gates, clocks = await bench.evaluate(0, refresh=1)
        assert (gates, clocks > 0) == (0b1111, True)
        assert (await bench.evaluate(0b0110))[0] == 0b0010  # a tie again, as both are new

    simulate(dut, test)


def test_losers_are_shown_and_what_an_evaluation_left_is_restored():
    dut = LateralInhibition(4, "lowest", MemoryMap(winner_takes_all(4)), "")

    async def test(ctx):
        bench = Bench(ctx, dut)
        assert (await bench.evaluate(0b0110))[0] == 0b0010
        assert ctx.get(dut.suppressed) == 0b0100
        # Neuron 0 won a tie against neuron 1; then both are as if they had never spiked, one after the other.
        for neuron, latches in enumerate((0b101, 0b011, 0b000, 0b000)):
            ctx.set(dut.restore, 1 << neuron)
            ctx.set(dut.latches, latches)
            await bench.tick()
        ctx.set(dut.restore, 0)
        assert (ctx.get(dut.l_g), ctx.get(dut.suppressed)) == (0b0001, 0b0010)
        assert await bench.evaluate(0b0011) == (0b0001, 0)  # as it was evaluated before
        assert (await bench.evaluate(0b0010))[0] == 0b1111  # the loser is still not seen
        assert (await bench.evaluate(0b0110))[0] == 0b0100  # no tie: only one is new

    simulate(dut, test)


def test_nobody_is_suppressed_without_a_rule_for_ties():
    dut = LateralInhibition(2, "inhibit", MemoryMap(winner_takes_all(2)), "")

    async def test(ctx):
        ctx.set(dut.restore, 0b11)
        ctx.set(dut.latches, 0b111)
        await ctx.tick()
        assert (ctx.get(dut.l_g), ctx.get(dut.suppressed)) == (0b11, 0)

    simulate(dut, test)


@pytest.mark.parametrize("tie", TIES)
def test_latency(tie):
    neurons = 10
    dut = LateralInhibition(neurons, tie, MemoryMap(winner_takes_all(neurons)), "")

    async def test(ctx):
        bench = Bench(ctx, dut, [1 << 31] * 9)
        # The bias row is in the second group of 8 rows, and no group takes less than one clock.
        sums = [neurons * (max(seen, 1) + 2) + 6 for seen in range(4)]
        assert await bench.evaluate(0) == (0, 0)
        assert await bench.evaluate(0, refresh=1) == (0x3FF, sums[0])
        assert await bench.evaluate(0b1000) == (0b1000, sums[1])
        assert await bench.evaluate(0b1000) == (0b1000, 0)
        assert await bench.evaluate(0b1000, refresh=1) == (0b1000, sums[1])
        _, clocks = await bench.evaluate(0b1011)
        ties = {"inhibit": sums[3], "lowest": sums[2] + neurons + 1, "random": sums[2] + 2 * neurons + 2}
        assert clocks == ties[tie]

    simulate(dut, test)


@settings(deadline=None, max_examples=25)
@given(
    st.integers(1, 12),
    st.sampled_from(TIES),
    st.sampled_from([1, 2, 4]),
    st.lists(st.tuples(st.integers(0, 4095), st.booleans()), max_size=12),
    st.randoms(use_true_random=True),
)
def test_any_array(neurons, tie, lanes, spikes, draw):
    lanes = min(lanes, 1 << (neurons - 1).bit_length())
    words = {
        "layer1.inhibition": [draw.randrange(1 << draw.randrange(17)) for _ in range((neurons + 1) * neurons)],
        "layer1.reference": [draw.randrange(65536) for _ in range(neurons)],
    }
    numbers = [draw.getrandbits(32) for _ in spikes]
    memory_map = MemoryMap()
    dut = LateralInhibition(neurons, tie, memory_map, "layer1.", lanes)
    model = Model(neurons, tie, {name.removeprefix("layer1."): values for name, values in words.items()})

    async def test(ctx):
        await load(ctx, dut.config, memory_map.writes(words))
        bench = Bench(ctx, dut, numbers)
        assert (await bench.evaluate(0, refresh=1))[0] == model.evaluate(0, numbers)
        for pattern, refresh in spikes:
            v_l = pattern % (1 << neurons)
            if v_l == model.previous and not refresh:
                assert await bench.evaluate(v_l) == (ctx.get(dut.l_g), 0)
            else:
                assert (await bench.evaluate(v_l, refresh))[0] == model.evaluate(v_l, numbers)
            assert bench.taken == model.taken

    simulate(dut, test)


def test_random_pick_is_fair():
    dut = LateralInhibition(3, "random", MemoryMap(winner_takes_all(3)), "")
    draw = random.Random(5)
    won = dict.fromkeys([0b001, 0b010, 0b100], 0)

    async def test(ctx):
        bench = Bench(ctx, dut, (draw.getrandbits(32) for _ in range(300)))
        for _ in range(300):
            won[(await bench.evaluate(0b111))[0]] += 1
            await bench.evaluate(0)

    simulate(dut, test)
    assert all(70 < count < 130 for count in won.values())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, "inhibit"), "neurons must be an integer of at least 1, not 0"),
        ((10, "first"), "tie must be one of inhibit, lowest, random, not 'first'"),
    ],
)
def test_bad_parameter(arguments, message):
    refused(message, LateralInhibition, *arguments, MemoryMap(), "")
