"""A test bench for one layer: half-periods in, traces and clocks out."""

from dataclasses import dataclass

from amaranth.lib.wiring import In
from amaranth.sim import Simulator

from memtwin.hdl.core.config import MemoryMap
from memtwin.hdl.hybrid.layer import HybridLayer
from memtwin.hdl.hybrid.structure import HybridLayerConfig
from tests.hdl.hybrid.card import layer_image

KINDS = {1: "drive", 2: "substep", 3: "threshold", 4: "conductance", 5: "reciprocal", 6: "half"}
FIELDS = {
    "drive": (("v1", 16), ("growth", 16), ("active", 1)),
    "substep": (("x", 20), *((name, 1) for name in ("on", "node2", "l1", "l2", "t1", "lifted", "gate", "driven"))),
    "threshold": (("theta", 16), ("adapt", 16)),
    "conductance": (("conductance", 16), ("row", 16)),
    "reciprocal": (("reciprocal", 16),),
    "half": (("clk", 1), ("skipped", 1), ("learn", 1), ("count", 16)),
}


def parse(word):
    """Take a trace word apart (docs/arithmetic.md, section 11)."""
    kind = KINDS[word & 15]
    entry = {"kind": kind, "index": word >> 4 & 0xFFFF}
    value = word >> 20
    for name, bits in FIELDS[kind]:
        entry[name] = value & (1 << bits) - 1
        value >>= bits
    assert value == 0
    return entry


@dataclass
class Half:
    """What one half-period did."""

    clocks: int
    trace: list
    levels: dict
    fires: int = 0

    def entries(self, kind, index=None):
        return [entry for entry in self.trace if entry["kind"] == kind and index in (None, entry["index"])]

    def one(self, kind, index=0):
        (entry,) = self.entries(kind, index)
        return entry


class Bench:
    """Drives a `HybridLayer` of the trial card."""

    def __init__(self, *, rows, neurons, config=None, **card):
        structure = HybridLayerConfig(rows=rows, neurons=neurons, **(config or {}))
        self.words = layer_image(
            rows=rows,
            neurons=neurons,
            substeps=structure.substeps,
            inhibition=structure.inhibition,
            **card,
        )
        self.memory_map = MemoryMap(self.words)
        self.layer = HybridLayer(structure, self.memory_map, "layer1.")
        self.structure = structure
        self.power_up = None

    def word(self, name):
        """Scalar coefficient."""
        return self.words["layer1." + name][0]

    def run(self, script):
        """Power the layer up and run `script(bench)`, which awaits `half`."""
        simulator = Simulator(self.layer)
        simulator.add_clock(1e-6)

        async def bench(ctx):
            self.ctx = ctx
            ctx.set(self.layer.mask, -1)
            ctx.set(self.layer.pace, self.structure.substeps)
            self.power_up = await self._wait(self.layer.init)
            await script(self)

        simulator.add_testbench(bench)
        simulator.run()

    async def half(self, clk, events=0, *, learn=0, mask=-1):
        """Run one half-period at full speed."""
        ctx, layer = self.ctx, self.layer
        ctx.set(layer.clk, clk)
        ctx.set(layer.events, events)
        ctx.set(layer.learn, learn)
        ctx.set(layer.mask, mask)
        return await self._wait(layer.start)

    async def period(self, events=0, **options):
        """Run a high half-period with `events` and a low one."""
        return await self.half(1, events, **options), await self.half(0, 0, **options)

    async def until_fire(self, events, *, most=20, **options):
        """Run periods up to the high half-period in which a neuron fires; its low half-period is still to come."""
        for number in range(1, most + 1):
            high = await self.half(1, events, **options)
            if high.fires:
                return number, high
            await self.half(0, 0, **options)
        raise AssertionError(f"no fire in {most} periods")

    async def _wait(self, strobe):
        ctx, layer = self.ctx, self.layer
        half = Half(0, [], {})
        ctx.set(strobe, 1)
        # The last entry leaves one clock after busy has fallen.
        while True:
            valid, word, fire = ctx.get(layer.trace.valid), ctx.get(layer.trace.word), ctx.get(layer.fire)
            if valid:
                half.trace.append(parse(word))
            half.fires += fire
            if half.clocks and not ctx.get(layer.busy):
                break
            await ctx.tick()
            ctx.set(strobe, 0)
            half.clocks += 1
        names = [name for name, member in layer.signature.members.items() if member.is_port and member.flow != In]
        half.levels = {name: ctx.get(getattr(layer, name)) for name in names}
        return half
