"""Bounded proofs that no spike is lost between two layers of LIF neurons, and proofs that the proofs can fail."""

import inspect

import pytest
from amaranth.hdl import Assert, Cover, Module, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In

from memtwin.hdl.lif import queue as lif_queue
from memtwin.hdl.lif.queue import SpikeQueue
from tests.formal import prove

pytestmark = pytest.mark.formal


class Steps(wiring.Component):
    """A layer that shows its neurons one per clock, which spike or not, and a reader that takes them when it likes.

    A pass over the neurons begins only when every spike of the one before has been taken, as in a network. The spikes
    are numbered modulo 16, instead of by neuron, and must come out in this order.
    """

    def __init__(self, queue, neurons):
        self.queue = queue
        self.neurons = neurons
        super().__init__({"spike": In(1), "goes": In(1), "takes": In(1)})

    def elaborate(self, platform):
        m = Module()
        m.submodules.queue = queue = self.queue
        left = Signal(range(self.neurons + 1))  # neurons of this pass
        written, taken = Signal(4), Signal(4)
        shows = Signal()
        payload = len(queue.i.payload)
        m.d.comb += [
            shows.eq((left != 0) | (self.goes & (written == taken))),
            queue.i.valid.eq(shows & self.spike),
            queue.i.payload.eq(written),
            queue.o.ready.eq(self.takes),
        ]
        with m.If(left != 0):
            m.d.sync += left.eq(left - 1)
        with m.Elif(shows):
            m.d.sync += left.eq(self.neurons - 1)
        m.d.sync += [written.eq(written + queue.i.valid), taken.eq(taken + (queue.o.valid & self.takes))]
        m.d.comb += Assert(~queue.refused)
        with m.If(queue.o.valid):
            m.d.comb += Assert((written != taken) & (queue.o.payload == taken[:payload]))
        # Nothing stays inside: what has waited for two clocks is offered.
        waits = Signal(range(3))
        with m.If((written == taken) | queue.o.valid):
            m.d.sync += waits.eq(0)
        with m.Elif(waits < 2):
            m.d.sync += waits.eq(waits + 1)
        m.d.comb += Assert(waits < 2)
        everything = Signal()  # all neurons spike, and nobody takes one
        idle = Signal(init=1)
        with m.If(self.takes | (shows & ~self.spike)):
            m.d.sync += idle.eq(0)
        m.d.comb += [everything.eq(idle & (written == self.neurons)), Cover(everything)]
        return m


def mutant(neurons, old, new):
    """Queue built from the source of the module with one thing wrong."""
    source = inspect.getsource(lif_queue)
    assert source.count(old) == 1, f"the queue no longer has {old!r} once"
    names = {}
    exec(compile(source.replace(old, new), "mutant", "exec"), names)
    return names["SpikeQueue"](neurons)


MUTANTS = {
    "depth_of_neurons": (2, "self._neurons + 1)", "self._neurons)"),
    "one_place_less": (4, "self._neurons + 1)", "self._neurons - 1)"),
    "written_late": (2, "queue.w_data.eq(self.i.payload)", "queue.w_data.eq(0)"),
}


@pytest.mark.parametrize("neurons", [1, 2, 3])
def test_no_spike_is_lost(neurons, tmp_path):
    depth = 3 * neurons + 8  # two passes and a part of a third
    assert prove(Steps(SpikeQueue(neurons), neurons), depth, "queue", tmp_path) is None


def test_the_queue_can_hold_all_neurons(tmp_path):
    assert prove(Steps(SpikeQueue(3), 3), 12, "queue", tmp_path, cover=True) is None


@pytest.mark.parametrize("name", MUTANTS)
def test_mutant_is_caught(name, tmp_path):
    neurons, *change = MUTANTS[name]
    assert prove(Steps(mutant(neurons, *change), neurons), 3 * neurons + 8, "queue", tmp_path) is not None
