"""A network of LIF neurons beside its reference: runs both and keeps what comes out."""

from amaranth.hdl import Cat, Const

from memtwin.hdl.lif.network import LifNetwork
from tests.hdl.helpers import Taps, load, simulate, ticks
from tests.hdl.lif.reference import Reference, image_of, parse


class Recorder:
    """Runs presentations on a network and keeps what comes out of it."""

    def __init__(self, network):
        self.network = network
        self.traces = [[] for _ in network.layers]
        self.spikes = []  # `on` of every layer at each strobe
        self.steps = []  # clocks of each step but the first one of an image, from strobe to strobe
        self.images = []  # clocks in which an image was shown
        self.answers = []
        self.adding = 0  # clocks in which the crossbar of layer 1 added a slice
        self.spans = []  # clocks from the first to the last event of a step, both included

    def run(self, *presentations, writes=(), period=1):
        """Show presentations; there is a tick every `period` clocks."""
        network = self.network
        crossbar = network._layers[0]._crossbar

        async def host(ctx):
            await ctx.tick().until(network.idle)
            for fields in presentations:
                await load(ctx, network.config, fields.get("writes", ()))
                await ctx.tick()
                ctx.set(network.presentations.payload, {"init": 0} | {k: v for k, v in fields.items() if k != "writes"})
                ctx.set(network.presentations.valid, 1)
                await ctx.tick().until(network.presentations.ready)
                ctx.set(network.presentations.valid, 0)
                self.answers.append((ctx.get(network.answer), ctx.get(network.answer_spikes)))
            await ctx.tick().until(network.idle)
            await ctx.tick().repeat(2)

        async def queues(ctx):
            found = network._queues.values()
            step, refused = network._presenter.step, Cat(Const(0), *(queue.refused for queue in found))
            waits = Cat(Const(0), *(queue.o.valid for queue in found))
            async for _, _, begins, is_refused, is_waiting in ctx.tick().sample(step, refused, waits):
                assert not is_refused
                assert not (begins and is_waiting)

        async def monitor(ctx):
            taps = Taps(network, parse)
            clocks, last, shown, events = 0, None, 0, []
            async for _, _, begins, level, strobe, done, waits, adds, *rest in ctx.tick().sample(
                network.begins,
                network.clk_level,
                network.spikes_strobe,
                network.done,
                crossbar.i.valid,
                crossbar.adding,
                *taps.signals,
            ):
                clocks += 1
                shown += level
                self.adding += adds
                if waits:
                    events.append(clocks)
                if begins:
                    last = None
                if strobe:
                    self.spikes.append(taps.pulses(rest))
                    self.spans.append(events[-1] - events[0] + 1 if events else 0)
                    events = []
                    if last is not None:
                        self.steps.append(clocks - last)
                    last = clocks
                if done:
                    self.images.append(shown)
                    shown = 0
                for layer, entry in taps.entries(rest):
                    self.traces[layer].append(entry)

        simulate(network, host, background=[ticks(network, period), monitor, queues])
        return self


def network_of(structures, capacity, **options):
    """Network and reference of the same coefficients."""
    words = image_of(structures, capacity, **options)
    return LifNetwork(structures, capacity, words), Reference(structures, words)


def both(network, reference, *presentations, **options):
    """Run network and reference, and expect the same."""
    recorder = Recorder(network).run(*presentations, **options)
    for fields in presentations:
        reference.present(**{name: value for name, value in fields.items() if name != "writes"})
    assert recorder.traces == reference.traces
    assert recorder.spikes == reference.spikes
    assert recorder.answers == reference.answers
    assert len(recorder.images) == len(presentations)
    return recorder
