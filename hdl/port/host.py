"""A network behind one bus of addresses: what a simulator's harness or a link drives."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.config import READ_LATENCY
from memtwin.hdl.port.network_port import NetworkPort

__all__ = ["REGISTERS_BASE", "HostPort"]

REGISTERS_BASE = 1 << 23
WORD_BITS = 16
PORT_BITS = 64


class HostPort(wiring.Component):
    """A network with nothing but plain ports of at most 64 bits: one bus, traces and spikes out.

    Addresses below `REGISTERS_BASE` go to the network's configuration bus. From there on are the registers, one
    16-bit word each: the fields of a presentation, lowest word first, and ``go``. A write to ``go``, of any data,
    shows the presentation that the registers hold; they keep their contents, so that a host writes only what changes.

    Words of the network's state can be read while it is idle; `address` is held from `read` until the word is taken,
    and nothing is written meanwhile. Other addresses have the word 0.

    Latency: a write is taken in the clock in which `enable` and `ready` are both high; `q` has its word `read_latency`
    clocks after `read`. Throughput: one write per clock.

    Parameters
    ----------
    network : NetworkPort
        Network.
    paced : bool
        Has the port `tick`; without it the network runs at full speed.

    Attributes
    ----------
    registers : dict of str to range
        Addresses of each field of the presentation, and of ``go``.
    read_latency : int
        Clocks from `read` to `q`.

    Members
    -------
    address : In(24)
        Word address.
    data : In(16)
        Word to write.
    enable : In(1)
        A write is asked for; it is taken in a clock in which `ready` is high.
    read : In(1)
        Read strobe, while `idle`.
    tick : In(1)
        Only if `paced`: the time of one substep or step has passed; high for full speed.
    q : Out(16)
        Word that was read.
    ready : Out(1)
        A write can be taken: the network is idle.
    idle : Out(1)
        Powered up, and nothing is being shown.
    clk_level : Out(1)
        Level that a scope shows along with the spikes: something is being shown, or the inputs are driven.
    begins : Out(1)
        Strobe: a part of a presentation begins.
    spikes_strobe : Out(1)
        Strobe: the output pulses of every layer are valid.
    trace1_valid, trace2_valid, ... : Out(1)
        An entry is on the trace of the layer of that number.
    trace1_word, trace2_word, ... : Out(64)
        The entry: kind in bits 0-3, index in bits 4-19, value in bits 20-63.
    spikes1, spikes2, ... : Out(neurons)
        Output pulses of the layer of that number, one bit per neuron.
    spikes1_0, spikes1_1, ... : Out(64)
        The same of a layer of more than 64 neurons, 64 each.
    """

    read_latency = READ_LATENCY + 1

    def __init__(self, network: NetworkPort, *, paced: bool = False) -> None:
        if not isinstance(network, NetworkPort):
            raise TypeError(f"network must be a NetworkPort, not {network!r}")
        self.network = network
        self.paced = paced
        self.registers: dict[str, range] = {}
        free = REGISTERS_BASE
        for name in (*network.presentation.members, "go"):
            bits = 1 if name == "go" else network.presentation[name].width
            self.registers[name] = range(free, free - (-bits // WORD_BITS))
            free = self.registers[name].stop
        self._spikes: dict[str, tuple[int, range]] = {}
        for number, layer in enumerate(network.layers, 1):
            starts = range(0, layer.neurons, PORT_BITS)
            for part, start in enumerate(starts):
                name = f"spikes{number}" if len(starts) == 1 else f"spikes{number}_{part}"
                self._spikes[name] = (number, range(start, min(layer.neurons, start + PORT_BITS)))
        layers = range(1, len(network.layers) + 1)
        super().__init__(
            {
                "address": In(24),
                "data": In(16),
                "enable": In(1),
                "read": In(1),
                **({"tick": In(1)} if paced else {}),
                "q": Out(16),
                "ready": Out(1),
                "idle": Out(1),
                "clk_level": Out(1),
                "begins": Out(1),
                "spikes_strobe": Out(1),
                **{f"trace{number}_valid": Out(1) for number in layers},
                **{f"trace{number}_word": Out(64) for number in layers},
                **{name: Out(len(neurons)) for name, (_, neurons) in self._spikes.items()},
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the registers around the network."""
        m = Module()
        m.submodules.network = network = self.network
        taken = Signal()
        to_registers = Signal()
        go = Signal()
        # Addresses between the bus and the registers reach nothing.
        to_network = self.address[len(network.config.address) :] == 0
        m.d.comb += [
            to_registers.eq(self.address >= REGISTERS_BASE),
            self.idle.eq(network.idle & ~network.presentations.valid),
            self.ready.eq(self.idle),
            taken.eq(self.enable & self.ready),
            network.config.address.eq(self.address),
            network.config.data.eq(self.data),
            network.config.enable.eq(taken & to_network),
            network.config.read.eq(self.read & self.ready & to_network),
            network.tick.eq(self.tick if self.paced else 1),
            self.clk_level.eq(network.clk_level),
            self.begins.eq(network.begins),
            self.spikes_strobe.eq(network.spikes_strobe),
        ]
        m.d.sync += self.q.eq(Mux(to_network, network.config.q, 0))

        for name, addresses in self.registers.items():
            words = []
            for address in addresses:
                here = taken & to_registers & (self.address[: len(self.address) - 1] == address - REGISTERS_BASE)
                if name == "go":
                    m.d.comb += go.eq(here)
                    continue
                word = Signal(WORD_BITS, name=f"{name}_{address - addresses.start}")
                with m.If(here):
                    m.d.sync += word.eq(self.data)
                words.append(word)
            if words:
                m.d.comb += network.presentations.payload[name].eq(Cat(words))
        with m.If(go):
            m.d.sync += network.presentations.valid.eq(1)
        with m.Elif(network.presentations.ready):
            m.d.sync += network.presentations.valid.eq(0)

        for number in range(1, len(network.layers) + 1):
            trace = getattr(network, f"trace{number}")
            m.d.comb += [
                getattr(self, f"trace{number}_valid").eq(trace.valid),
                getattr(self, f"trace{number}_word").eq(trace.word),
            ]
        for name, (number, neurons) in self._spikes.items():
            m.d.comb += getattr(self, name).eq(network.pulses(number)[neurons.start : neurons.stop])
        return m
