"""A pass of all neurons of a layer through one threshold switch: one substep."""

from amaranth.hdl import Cat, Module, Mux, ResetInserter, Signal, unsigned
from amaranth.lib import data, wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.cells import cells
from memtwin.hdl.core.config import ConfigBus, Window
from memtwin.hdl.core.delay_line import delayed
from memtwin.hdl.core.fixed import GROWTH, THETA, X
from memtwin.hdl.hybrid.ts_device import TsDevice

__all__ = ["DEVICE", "FLAGS", "NeuronPass"]

DEVICE = ("leak", "leak_half", "relax", "theta_off", "x_max")  # coefficients of the threshold switch
FLAGS = data.StructLayout({"lifted": 1, "driven": 1, "gate": 1, "t1": 1})


class NeuronPass(wiring.Component):
    """The state of all threshold switches, the growth that drives them, and the pipeline that updates one per clock.

    Neurons enter in ascending order and are stored in that order. A pass that has entered can be dropped with `drop`,
    as long as no neuron of it has been stored.

    Latency: a neuron that enters with `issue` is stored, and its trace is on the ports, ``TsDevice.latency + 1`` clocks
    later, in the clock of `commit`. Throughput: one neuron per clock.

    Parameters
    ----------
    neurons : int
        Neurons.
    count_bits : int
        Width of a number of substeps of a half-period.
    lift : Window
        Growth of each neuron while T3 lifts its node 1.
    filament : Window
        State of the devices, two words a neuron: `x` 0 to 15; `x` from 16 on, and `on`.

    Members
    -------
    config : In(ConfigBus())
        Writes of `lift`; reads and writes of `filament`, while nothing is in the pipeline.
    begin : In(1)
        Strobe: a half-period begins; no pass is completed.
    clearing : In(1)
        Power-up: with `store` a neuron is stored as zeros.
    store : In(1)
        See `clearing`.
    index : In(range(neurons))
        Neuron that enters, or whose state is shown.
    issue : In(1)
        It enters.
    drop : In(1)
        What is in the pipeline is dropped.
    skipped : In(1)
        This pass is that of a whole half-period without input.
    scaled : In(1)
        The passes in which T3 lifts node 1 are counted.
    t1, t3, gate, active : In(neurons)
        T1, T3, gate of the synapses; node 1 is above the hold voltage.
    leak, leak_half, relax, theta_off, x_max : In(16)
        Coefficients of the device.
    g_valid, g_index, growth : In(1), In(range(neurons)), In(16)
        Growth of a neuron as its inputs drive it.
    t_read : Out(range(neurons))
        Neuron whose threshold must be on `theta` and `adapt` one clock later.
    theta, adapt : In(16)
        Threshold and its adaptation.
    m_a, m_b, m_product : In(16), In(16), Out(32)
        Multiplier to borrow, as in `TsDevice`.
    x, on : Out(20), Out(1)
        Device of neuron `index` of the clock before.
    lifted : Out(count_bits)
        Passes of the last half-period in which T3 lifted its node 1.
    formed : Out(1)
        A device is on.
    commit : Out(1)
        Strobe: a neuron leaves.
    o_index : Out(range(neurons))
        It; `o_x`, `o_on`, `o_node2` and `o_flags` are its results, and what it entered with.
    o_x, o_on, o_node2, o_flags : Out(20), Out(1), Out(1), Out(FLAGS)
        See `o_index`.
    ended : Out(1)
        Clock after the last neuron of a pass has left.
    waiting : Out(1)
        A pass whose neurons have all entered has not ended yet.
    completed : Out(count_bits)
        Passes of this half-period that have ended.

    Source: docs/arithmetic.md, sections 4 and 6.
    """

    o_flags: data.View

    def __init__(self, neurons: int, count_bits: int, lift: Window, filament: Window) -> None:
        self._neurons = neurons
        self._lift = lift
        self._filament = filament
        super().__init__(
            {
                "config": In(ConfigBus()),
                **{name: In(1) for name in ("begin", "clearing", "store", "issue", "drop", "skipped", "scaled")},
                "index": In(range(neurons)),
                **{name: In(neurons) for name in ("t1", "t3", "gate", "active")},
                **{name: In(16) for name in DEVICE},
                "g_valid": In(1),
                "g_index": In(range(neurons)),
                "growth": In(GROWTH),
                "t_read": Out(range(neurons)),
                "theta": In(THETA),
                "adapt": In(THETA),
                "m_a": In(16),
                "m_b": In(16),
                "m_product": Out(32),
                "x": Out(X),
                "on": Out(1),
                "lifted": Out(count_bits),
                "formed": Out(1),
                "commit": Out(1),
                "o_index": Out(range(neurons)),
                "o_x": Out(X),
                "o_on": Out(1),
                "o_node2": Out(1),
                "o_flags": Out(FLAGS),
                "ended": Out(1),
                "waiting": Out(1),
                "completed": Out(count_bits),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the memories around the device."""
        m = Module()
        neurons = self._neurons
        last = neurons - 1
        # Power-up holds the device in reset, so that zeros come out of it for every neuron.
        device = TsDevice()
        m.submodules.ts_device = ResetInserter(self.clearing)(device)

        # State of a neuron. `lifted` is counted in a half-period, and nothing between half-periods. Each half of a word
        # is one of the filament on the bus, and is written alone from there.
        state = data.StructLayout({"x": X, "on": 1, "lifted": len(self.lifted)})
        states = cells(m, "state", unsigned(32), neurons)
        state_write = states.write_port(granularity=16)
        state_read = states.read_port()
        before = data.View(state, state_read.data[: state.size])
        after = Signal(state)

        # Growth per substep: bank 0 for node 1 as the inputs drive it, bank 1 for node 1 lifted by T3.
        bank = 1 << ceil_log2(neurons)
        growths = cells(m, "drive", GROWTH, 2 * bank, [0] * bank + self._lift.init)
        drive_write, drive_read = growths.write_port(), growths.read_port()
        lift_hit = self._lift.hit(self.config)
        lift_address = bank + self._lift.offset(self.config)[: ceil_log2(neurons)]
        m.d.comb += [
            drive_write.en.eq(lift_hit | self.g_valid),
            drive_write.addr.eq(Mux(lift_hit, lift_address, self.g_index)),
            drive_write.data.eq(Mux(lift_hit, self.config.data, self.growth)),
        ]

        # Stage 0: addresses and flags of a neuron. T1 and T3 exclude each other except where node 1 stays at ground, so
        # T1 wins.
        entering = Signal(FLAGS)
        lifted = self.t3.bit_select(self.index, 1)
        drives = ~self.t1 & (self.t3 | (self.gate & self.active))
        (theta_index,) = delayed(m, "index", device.theta_delay, self.index)
        m.d.comb += [
            state_read.addr.eq(self.index),
            drive_read.addr.eq(Cat(self.index, lifted)),
            self.t_read.eq(theta_index),
        ]
        m.d.sync += [
            entering.lifted.eq(lifted),
            entering.driven.eq(drives.bit_select(self.index, 1)),
            entering.gate.eq(self.gate.bit_select(self.index, 1)),
            entering.t1.eq(self.t1.bit_select(self.index, 1)),
        ]

        # Stage 1 on: the threshold switch.
        in_flight = Signal(device.latency + 1)
        m.d.sync += in_flight.eq(Mux(self.drop, 0, Cat(self.issue, in_flight)))
        m.d.comb += [
            device.valid.eq(in_flight[0]),
            device.x.eq(before.x),
            device.on.eq(before.on),
            device.growth.eq(drive_read.data),
            device.driven.eq(entering.driven),
            *(
                getattr(device, name).eq(getattr(self, name))
                for name in (*DEVICE, "skipped", "theta", "adapt", "m_a", "m_b")
            ),
            self.m_product.eq(device.m_product),
            self.commit.eq(in_flight[-1]),
            self.o_x.eq(device.o_x),
            self.o_on.eq(device.o_on),
            self.o_node2.eq(device.o_node2),
        ]
        leaving, lifted_before = delayed(m, "flags", device.latency, entering, before.lifted)
        m.d.comb += self.o_flags.eq(leaving)

        # Last stage: store.
        store = self.commit | (self.clearing & self.store)
        filament_hit = self._filament.hit(self.config)
        place = self._filament.offset(self.config)
        stored = Mux(filament_hit, place[1:], self.o_index)
        with m.If(self.scaled):
            m.d.comb += after.lifted.eq(Mux(self.completed == 0, 0, lifted_before) + leaving.lifted)
        m.d.comb += [
            after.x.eq(device.o_x),
            after.on.eq(device.o_on),
            state_write.en.eq(Mux(filament_hit, Cat(~place[0], place[0]), store.replicate(2))),
            state_write.addr.eq(stored),
            state_write.data.eq(Mux(filament_hit, self.config.data.replicate(2), after)),
        ]
        m.d.sync += self.ended.eq(self.commit & (self.o_index == last))
        with m.If(store):
            m.d.sync += self.o_index.eq(Mux(self.o_index == last, 0, self.o_index + 1))
        with m.If(state_write.en[1]):
            # Neurons are stored in ascending order, over the bus too.
            on = Mux(filament_hit, self.config.data[4], device.o_on)
            m.d.sync += self.formed.eq(on | (self.formed & (stored != 0)))

        # Passes.
        entered = self.issue & (self.index == last)
        m.d.sync += self.waiting.eq(~self.drop & (entered | (self.waiting & ~self.ended)))
        with m.If(self.begin):
            m.d.sync += self.completed.eq(0)
        with m.Elif(self.ended):
            m.d.sync += self.completed.eq(self.completed + 1)

        # On the bus.
        filament = Mux(self.config.address[0], Cat(before.x[16:], before.on), before.x[:16])
        m.d.comb += [
            self.x.eq(before.x),
            self.on.eq(before.on),
            self.lifted.eq(before.lifted),
            self.config.q.eq(self._filament.shown(self.config, filament)),
        ]
        return m
