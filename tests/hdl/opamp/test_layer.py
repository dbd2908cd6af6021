"""A layer of op-amp neurons against docs/opamp-arithmetic.md in plain Python: every word of the trace, every clock."""

import random

import pytest
from amaranth.sim import Simulator
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.opamp.layer import OpampLayer, OpampLayerConfig
from memtwin.hdl.opamp.logarithm import Log2
from memtwin.hdl.opamp.neuron import OpampCircuit, OpampNeuron
from tests.hdl.helpers import load, refused, unused
from tests.hdl.opamp.reference import ReferenceLayer, image_of, latency, parse

CIRCUITS = [(first, second) for first in ("resistor", "dynamic") for second in ("switch", "series", "parallel")]


class Bench:
    """A layer beside its reference; what both do in the same substeps must be the same."""

    def __init__(self, words=None, *, empty=False, **structure):
        self.structure = OpampLayerConfig(**structure)
        self.words = image_of(self.structure) if words is None else words(self.structure)
        self.reference = ReferenceLayer(self.structure, self.words, "layer1.")
        self.memory_map = MemoryMap(None if empty else self.words)
        self.layer = OpampLayer(self.structure, self.memory_map, "layer1.")

    def run(self, script):
        simulator = Simulator(self.layer)
        simulator.add_clock(1e-6)

        async def bench(ctx):
            self.ctx = ctx
            await script(self)

        simulator.add_testbench(bench)
        simulator.run()

    async def power_up(self):
        entries, clocks, _ = await self._wait(self.layer.init)
        self.reference.power_up()
        assert entries == []
        assert self.ctx.get(self.layer.on) == 0
        return clocks

    async def substep(self, events, mask=-1, *, learn=0, first=0, phase=None):
        """Run one substep in both; returns entries and clocks."""
        ctx, layer = self.ctx, self.layer
        mask &= (1 << self.structure.neurons) - 1
        for name, value in {
            "events": events,
            "mask": mask,
            "learn": learn,
            "first": first,
            "phase": phase is not None,
            "driven": phase or 0,
        }.items():
            ctx.set(getattr(layer, name), value)
        before = list(self.reference.on)
        expected = self.reference.substep(events, mask, learn=learn, first=first, phase=phase)
        entries, clocks, sets = await self._wait(layer.start)
        assert entries == expected
        assert ctx.get(layer.on) == sum(bit << index for index, bit in enumerate(self.reference.on))
        assert sets == sum(after and not was for was, after in zip(before, self.reference.on, strict=True))
        return entries, clocks

    async def _wait(self, strobe):
        """Strobe; returns entries, clocks to the first without `busy`, strobes of `set`."""
        ctx, layer = self.ctx, self.layer
        entries, clocks, sets = [], 0, 0
        ctx.set(strobe, 1)
        busy = True
        while busy:
            sets += ctx.get(layer.set)
            await ctx.tick()
            ctx.set(strobe, 0)
            clocks += 1
            # The last entry leaves in the first clock without busy.
            if ctx.get(layer.trace.valid):
                entries.append(parse(ctx.get(layer.trace.word)))
            busy = ctx.get(layer.busy)
        return entries, clocks, sets


def kinds(entries):
    return [kind for kind, *_ in entries]


def last_sum(rows, neurons, lanes, events):
    """Clocks from the start of the crossbar to its last sum, for at most 8 rows."""
    assert rows <= 8
    scan = max(1, events.bit_count())
    slices = -(-neurons // lanes)
    return scan + 3 + (lanes > 1) + (slices - 1) * max(scan + 1, lanes) + neurons - (slices - 1) * lanes - 1


# The simplest circuit and the one with everything; the others take as long, and their parts are in these or in the
# layers drawn below.
QUICK = [("dynamic", "switch", False), ("dynamic", "parallel", True)]
WHOLE = [
    case for case in (*((*circuit, False) for circuit in CIRCUITS), ("resistor", "switch", True)) if case not in QUICK
]


@pytest.mark.parametrize(
    ("first", "second", "terminal"), [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in WHOLE)]
)
def test_one_neuron_of_every_circuit_pulses(first, second, terminal):
    def words(structure):
        return image_of(structure, conductance=2e-6)

    bench = Bench(words, rows=1, neurons=1, first=first, second=second, terminal=terminal)
    values = 3 if (first == "dynamic" and second != "switch") else 2
    shortest = values + latency(OpampNeuron, bench.structure.circuit) + 3
    pulses = []

    async def script(b):
        assert await b.power_up() == 2
        for number in range(45):
            entries, clocks = await b.substep(int(number < 33), phase={0: 1, 33: 0}.get(number), first=number == 0)
            per_neuron = ["circuit", "state", "memristor"][:values]
            evaluated = number in (0, 33)
            assert kinds(entries) == ["phase", "current"] * evaluated + per_neuron
            assert clocks == shortest + evaluated * (last_sum(1, 1, 1, 1) + latency(Log2, 16) + 1)
            pulses.append(b.reference.on[0])

    bench.run(script)
    rises = sum(after and not before for before, after in zip([0, *pulses], pulses, strict=False))
    assert rises >= 3
    assert pulses[-1] == 0


@pytest.mark.parametrize("lanes", [1, 2])
@pytest.mark.parametrize(("first", "second"), [("dynamic", "switch"), ("resistor", "parallel"), ("dynamic", "series")])
def test_learning_layer_word_by_word_and_its_clocks(first, second, lanes):
    rows, neurons = 5, 3
    bench = Bench(rows=rows, neurons=neurons, lanes=lanes, first=first, second=second, learns=True)
    words = 2 if second == "switch" or first == "resistor" else 3
    pipeline = latency(OpampNeuron, bench.structure.circuit)
    log = latency(Log2, 19)
    draw = random.Random(5)
    learned = []

    async def script(b):
        assert await b.power_up() == neurons + 1
        events, mask = 0, -1
        for number in range(70):
            if draw.random() < 0.2:
                events = draw.choice([0, 1, 0b10110, 0b11111, draw.getrandbits(rows)])
            if draw.random() < 0.1:
                mask = draw.choice([-1, -1, 0b101, 0b010, 0])
            learn, first_one = number % 5 != 0, draw.random() < 0.1
            phase = draw.choice([0, 1, None, None])
            entries, clocks = await b.substep(events, mask, learn=learn, first=first_one, phase=phase)
            columns = kinds(entries).count("conductance") // rows
            learned.append(columns)
            expected = words * neurons + pipeline + 3
            if "current" in kinds(entries):
                expected += last_sum(rows, neurons, lanes, events) + log + 1
            if columns:
                expected += columns * (rows + 7) + neurons - columns
            assert clocks == expected

    bench.run(script)
    assert sum(learned) >= 5
    assert max(learned) >= 2


def test_a_closed_gate_neither_conducts_nor_learns():
    bench = Bench(rows=2, neurons=2, first="resistor", second="switch", learns=True)

    async def script(b):
        await b.power_up()
        entries, _ = await b.substep(3, 0b10, learn=1, first=1)
        currents = [current for kind, _, current in (e for e in entries if e[0] == "current")]
        assert currents[0] == 0 < currents[1]
        assert {index for kind, index, *_ in entries if kind == "conductance"} == {1}
        # Neuron 0 sets in the substep in which its gate opens.
        entries, _ = await b.substep(3, 0b11, learn=1)
        assert {index for kind, index, *_ in entries if kind == "conductance"} == {0}

    bench.run(script)


def test_currents_are_evaluated_only_where_something_changed():
    bench = Bench(rows=3, neurons=2, first="resistor", second="switch", learns=True)
    evaluated = []

    async def script(b):
        async def substep(*arguments, **options):
            entries, _ = await b.substep(*arguments, **options)
            evaluated.append("current" in kinds(entries))

        await b.power_up()
        await substep(0, 0b01)  # no input after power-up, whatever the gates
        await substep(0, 0b11)
        await substep(1, 0b11)
        await substep(1, 0b11)
        await substep(1, 0b10)  # gates
        await substep(1, 0b10)
        await substep(0, 0b10)  # input ends
        await substep(0, 0b10)
        await b.power_up()
        await substep(7, 0b11, learn=1, first=1)  # sets, learns
        await substep(7, 0b11, learn=1)  # the synapses were written
        await substep(7, 0b11, learn=1)
        await b.power_up()
        await substep(0, 0b11)

    bench.run(script)
    assert "".join("-e"[flag] for flag in evaluated) == "--e-e-e-ee--"


def test_rows_seen_start_over_with_a_presentation():
    bench = Bench(rows=3, neurons=1, first="resistor", second="switch", learns=True)
    moves = []

    async def script(b):
        await b.power_up()
        before = list(b.reference.conductance)
        # A row that drives nothing yet, then the one that sets the neuron: both have been seen.
        await b.substep(0b001, 0, learn=1, first=1)
        entries, _ = await b.substep(0b010, 1, learn=1)
        assert kinds(entries)[-3:] == ["conductance"] * 3
        moves.append([after > was for was, after in zip(before, b.reference.conductance, strict=True)])
        before = list(b.reference.conductance)
        for number in range(40):
            entries, _ = await b.substep(0b100, learn=1, first=number == 0)
            if "conductance" in kinds(entries):
                break
        moves.append([after > was for was, after in zip(before, b.reference.conductance, strict=True)])

    bench.run(script)
    assert moves == [[True, True, False], [False, False, True]]


def test_coefficients_over_the_bus_are_those_of_an_image():
    bench = Bench(empty=True, rows=2, neurons=3, first="dynamic", second="parallel", learns=True)

    async def script(b):
        await load(b.ctx, b.layer.config, b.memory_map.writes(b.words))
        await b.power_up()
        for number in range(30):
            await b.substep(3, learn=1, first=number == 0)

    bench.run(script)
    assert bench.reference.conductance != bench.words["layer1.conductance"]


@settings(deadline=None, max_examples=6)
@given(
    st.tuples(st.integers(1, 9), st.integers(1, 5), st.sampled_from([1, 2, 4])),
    st.tuples(st.sampled_from(CIRCUITS), st.booleans(), st.booleans()),
    st.integers(0, 2**32),
)
def test_any_layer_word_by_word(shape, circuit, seed):
    rows, neurons, lanes = shape
    (first, second), terminal, learns = circuit
    draw = random.Random(seed)

    def words(structure):
        values = image_of(structure)
        size = rows * neurons
        low, high = (values["layer1.g_off"][0], values["layer1.g_on"][0]) if learns else (0, 65535)
        values["layer1.conductance"] = [draw.choice([low, high, draw.randint(low, high)]) for _ in range(size)]
        for name in ("r0_first_log", "r0_second_log", "v_th_log"):
            old = values.get("layer1." + name)
            if old:
                values["layer1." + name] = [draw.choice([0, 65535, *[word + draw.randrange(2048)] * 3]) for word in old]
        return values

    while lanes > neurons:
        lanes //= 2
    bench = Bench(
        words, rows=rows, neurons=neurons, lanes=lanes, first=first, second=second, terminal=terminal, learns=learns
    )

    async def script(b):
        await b.power_up()
        events = draw.getrandbits(rows)
        for _ in range(40):
            if draw.random() < 0.2:
                events = draw.getrandbits(rows)
            mask = -1 if draw.random() < 0.8 else draw.getrandbits(neurons)
            await b.substep(events, mask, learn=draw.randrange(2), first=draw.random() < 0.2)

    bench.run(script)


GOOD = {"rows": 3, "neurons": 4, "first": "dynamic", "second": "parallel"}


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"rows": 0}, ValueError, "rows must be in 1..256, not 0"),
        ({"rows": 257}, ValueError, "rows must be in 1..256, not 257"),
        ({"rows": 2.0}, TypeError, "rows must be an integer, not 2.0"),
        ({"neurons": True}, TypeError, "neurons must be an integer, not True"),
        ({"neurons": 65537}, ValueError, "neurons must be in 1..65536, not 65537"),
        ({"lanes": 8}, ValueError, "lanes must be in 1..4, not 8"),
        ({"lanes": 3}, ValueError, "lanes must be a power of two, not 3"),
        ({"learns": 1}, TypeError, "learns must be a bool, not 1"),
        ({"first": "coil"}, ValueError, "first must be .*, not 'coil'"),
        ({"second": "coil"}, ValueError, "second must be .*, not 'coil'"),
        ({"terminal": 1}, TypeError, "terminal must be a bool, not 1"),
    ],
)
def test_bad_structure(change, error, message):
    with pytest.raises(error, match=message):
        OpampLayerConfig(**(GOOD | change))


def test_circuit_of_the_structure():
    assert OpampLayerConfig(**GOOD, terminal=True).circuit == OpampCircuit(
        first="dynamic", second="parallel", terminal=True
    )


@pytest.mark.parametrize("learns", [False, True])
def test_memory_map_has_the_words_of_the_circuit(learns):
    structure = OpampLayerConfig(**GOOD, learns=learns)
    memory_map = MemoryMap()
    with unused():
        OpampLayer(structure, memory_map, "layer7.")
    sizes = {name: window.depth for name, window in memory_map.windows.items()}
    assert sizes == {name: len(words) for name, words in image_of(structure, "layer7.").items()}
    assert sizes["layer7.r0_second_log"] == 4
    assert ("layer7.bend_up" in sizes) == learns


def test_only_a_structure_makes_a_layer():
    refused("config must be an OpampLayerConfig, not 7", OpampLayer, 7, MemoryMap(), "layer1.", error=TypeError)


def test_an_image_of_the_wrong_length_is_refused():
    structure = OpampLayerConfig(**GOOD)
    refused(
        "layer1.v_th_log must have 4 words, not 1",
        OpampLayer,
        structure,
        MemoryMap({"layer1.v_th_log": [1]}),
        "layer1.",
    )
