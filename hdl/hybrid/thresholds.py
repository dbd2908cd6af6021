"""Thresholds: spread from device to device and from cycle to cycle, and adaptation."""

from amaranth.hdl import Cat, Module, Mux, Signal, signed
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

from memtwin.hdl.core.cells import table
from memtwin.hdl.core.check import check_integer
from memtwin.hdl.core.config import ConfigBus, MemoryMap
from memtwin.hdl.core.fixed import THETA
from memtwin.hdl.core.random import Xorshift32

__all__ = ["Thresholds"]


class Thresholds(wiring.Component):
    """Threshold pass: decay and rise of the adaptation and a fresh threshold, for every neuron in order.

    ::

        adapt = adapt - round_shift(adapt * adapt_leak, 16)                                 if decay
        adapt = saturate(adapt + adapt_step)                                                if rise[neuron]
        theta = clamp(theta_mean + round_shift(theta_sd * noise, 8), theta_off, 65535)      if redraw

    Each redraw takes one random number. With `clear` every `adapt` is 0 and every `theta` is drawn.

    Latency: `busy` is high for ``4 * neurons + 3`` clocks. Throughput: one neuron per 4 clocks; the first one's
    `o_valid` comes 7 clocks after `start`. Both products are made by a borrowed multiplier (see `TsDevice`).
    Three block RAMs up to 256 neurons.

    Parameters
    ----------
    neurons : int
        Number of neurons.
    memory_map : MemoryMap
        Map in which the mean thresholds claim ``theta_mean``, and the state ``theta`` and ``adapt``, one word per
        neuron each, and ``random``, two words.
    prefix : str
        Prefix of the names, such as ``"layer1."``.

    Members
    -------
    config : In(ConfigBus())
        Writes, and reads of the state, while not `busy`. Of ``theta`` and ``adapt`` the neuron is read that `read`
        holds, not that of the address.
    start : In(1)
        Strobe, while not `busy`: run a pass.
    redraw, decay, clear : In(1)
        What the pass does; taken with `start`.
    rise : In(neurons)
        Neurons whose adaptation rises; stable until the pass is over.
    seed : In(32)
        Seed of the generator, not 0.
    load : In(1)
        Strobe: the generator takes `seed`, at the latest together with `start`.
    step : In(1)
        Strobe, while not `busy`: take one random number.
    theta_sd, adapt_step, adapt_leak, theta_off : In(16)
        Coefficients of the layer (docs/arithmetic.md, section 1); stable during a pass.
    read : In(ceil_log2(neurons))
        Neuron whose threshold is read, while not `busy`.
    theta, adapt : Out(16)
        Threshold and adaptation of the neuron that `read` held one clock ago, UQ(2, 14).
    random : Out(32)
        The random number, one clock after `step`.
    busy : Out(1)
        A pass is running; from the clock after `start` on.
    o_valid : Out(1)
        Strobe: a neuron is done, and is being written.
    o_neuron : Out(ceil_log2(neurons))
        Which.
    o_theta, o_adapt : Out(16)
        Its threshold and adaptation, changed or not.
    m_a, m_b : Out(16)
        Factors for the borrowed multiplier; zero when there are none.
    m_product : In(32)
        Product of the factors of two clocks earlier.

    Source: docs/arithmetic.md, sections 2, 3 and 9.
    """

    def __init__(self, neurons: int, memory_map: MemoryMap, prefix: str) -> None:
        check_integer("neurons", neurons, 1)
        self.neurons = neurons
        self._mean = memory_map.claim(prefix + "theta_mean", neurons)
        self._theta = memory_map.claim(prefix + "theta", neurons, state=True)
        self._adapt = memory_map.claim(prefix + "adapt", neurons, state=True)
        self._random = memory_map.claim(prefix + "random", 2, state=True)
        bits = ceil_log2(neurons)
        super().__init__(
            {
                "config": In(ConfigBus()),
                "start": In(1),
                "redraw": In(1),
                "decay": In(1),
                "clear": In(1),
                "rise": In(neurons),
                "seed": In(32),
                "load": In(1),
                "step": In(1),
                "theta_sd": In(16),
                "adapt_step": In(THETA),
                "adapt_leak": In(16),
                "theta_off": In(THETA),
                "read": In(bits),
                "theta": Out(THETA),
                "adapt": Out(THETA),
                "random": Out(32),
                "busy": Out(1),
                "o_valid": Out(1),
                "o_neuron": Out(bits),
                "o_theta": Out(THETA),
                "o_adapt": Out(THETA),
                "m_a": Out(16),
                "m_b": Out(16),
                "m_product": In(32),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the memories, the generator and the pass."""
        m = Module()
        depth = self.neurons
        m.submodules.generator = generator = Xorshift32()
        read_mean = table(m, "theta_mean", self._mean, self.config, THETA)
        read_theta, read_adapt = (
            table(m, name, window, self.config, THETA, own=(self.o_neuron, word, self.o_valid))
            for name, window, word in (("theta", self._theta, self.o_theta), ("adapt", self._adapt, self.o_adapt))
        )

        # A neuron is addressed in phases 0 to 3, so that its words stay at the read ports until phase 4, which is
        # phase 0 of the next neuron. It is clamped in phase 5 and written in phase 6.
        running = Signal()
        phase = Signal(2)
        neuron = Signal(self.o_neuron.shape())
        late = Signal(3)
        redraw = Signal()
        decay = Signal()
        clear = Signal()
        rises = Signal()
        last = neuron == depth - 1
        m.d.comb += self.busy.eq(running | late.any())
        m.d.sync += late.eq(Cat(running & (phase == 3), late))
        with m.If(self.start & ~self.busy):
            m.d.sync += [
                running.eq(1),
                phase.eq(0),
                neuron.eq(0),
                redraw.eq(self.redraw | self.clear),
                decay.eq(self.decay & ~self.clear),
                clear.eq(self.clear),
            ]
        with m.Elif(running):
            m.d.sync += phase.eq(phase + 1)
            with m.If(phase == 3):
                m.d.sync += [
                    neuron.eq(neuron + 1),
                    running.eq(~last),
                    rises.eq(self.rise.bit_select(neuron, 1) & ~clear),
                    self.o_neuron.eq(neuron),
                ]

        address = Mux(self.busy, neuron, self.read)
        m.d.comb += [
            read_mean.addr.eq(neuron),
            read_theta.addr.eq(address),
            read_adapt.addr.eq(address),
            self.theta.eq(read_theta.data),
            self.adapt.eq(read_adapt.data),
            generator.load.eq(self.load),
            generator.seed.eq(self.seed),
            generator.step.eq(Mux(running, redraw & (phase == 0), self.step)),
            generator.restore.eq(Mux(self._random.hit(self.config), 1 << self._random.offset(self.config), 0)),
            generator.word.eq(self.config.data),
            self.random.eq(generator.state),
            self.config.q.eq(
                self._theta.shown(self.config, read_theta.data)
                | self._adapt.shown(self.config, read_adapt.data)
                | self._random.shown(self.config, generator.state.word_select(self._random.offset(self.config), 16))
            ),
        ]

        # Products: phase 1 asks for the decay, phase 2 for the spread; they are there in phases 3 and 4.
        negative = Signal()
        with m.If(running & (phase == 1)):
            m.d.comb += [self.m_a.eq(read_adapt.data), self.m_b.eq(self.adapt_leak)]
        with m.If(running & (phase == 2)):
            m.d.comb += [
                self.m_a.eq(Mux(generator.noise < 0, -generator.noise, generator.noise)),
                self.m_b.eq(self.theta_sd),
            ]
            m.d.sync += negative.eq(generator.noise < 0)

        # Adaptation. The half bit of the rounded product is the borrow out of the lowest bit pair.
        product = self.m_product
        decayed = Signal(17)
        risen = Signal(17)
        m.d.comb += [
            decayed.eq(Cat(0, read_adapt.data) - Cat(product[15], product[16:])),
            risen.eq(self.o_adapt + self.adapt_step),
        ]
        with m.If(clear):
            m.d.sync += self.o_adapt.eq(0)
        with m.Elif(running & (phase == 3)):
            m.d.sync += self.o_adapt.eq(Mux(decay, decayed[1:], read_adapt.data))
        with m.Elif(late[0] & rises):
            m.d.sync += self.o_adapt.eq(Mux(risen[16], 0xFFFF, risen))

        # Threshold: mean + q + half or mean - q - half, as one sum whose lowest bit pair holds the carry. Halves
        # round up, so that a negative product only rounds away from zero above the half.
        half = Signal()
        flip = Signal(19)
        spread = Signal(20)
        drawn = Signal(signed(19))
        m.d.comb += [
            half.eq(product[7] & (~negative | product[:7].any())),
            flip.eq(product[8:25] ^ negative.replicate(19)),
            spread.eq(Cat(1, read_mean.data) + Cat(half ^ negative, flip)),
        ]
        with m.If(late[0]):
            m.d.sync += drawn.eq(Mux(redraw, spread[1:], read_theta.data))
        with m.Elif(late[1] & redraw):
            with m.If((drawn < 0) | (drawn[:18] < self.theta_off)):
                m.d.sync += drawn.eq(self.theta_off)
            with m.Elif(drawn[16:18].any()):
                m.d.sync += drawn.eq(0xFFFF)
        m.d.comb += [
            self.o_theta.eq(drawn),
            self.o_valid.eq(late[2]),
        ]
        return m
