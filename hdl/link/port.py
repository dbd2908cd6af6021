"""A twin behind a serial line: requests in, answers and events out."""

from amaranth.hdl import Cat, EnableInserter, Module, Mux, ResetInserter, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.check import check_integer
from memtwin.hdl.link.engine import LinkEngine
from memtwin.hdl.link.events import LinkEvents
from memtwin.hdl.link.frame_decoder import FrameDecoder
from memtwin.hdl.link.frame_encoder import FrameEncoder
from memtwin.hdl.link.map import DIGEST_BYTES
from memtwin.hdl.link.registers import DIVIDER_BITS, TRIAL_BITS, LinkRegisters
from memtwin.hdl.link.uart import UartReceiver, UartTransmitter
from memtwin.hdl.port.host import HostPort

__all__ = ["PROTOCOL", "LinkPort"]

PROTOCOL = 2


class LinkPort(wiring.Component):
    """A host port whose bus is driven by frames over a UART.

    One request is carried out at a time, from its first byte to the last one of its answer, while the next one can
    come in. A burst is looked through before its first word is written or read, so that it is carried out as a whole
    or not at all. Frames of events leave between answers.

    The host port is held in its tracks, clock by clock, where the queue of events asks for it (option `wait`), and
    is reset by a request.

    Latency: the first byte of an answer is made ``words + 16`` clocks after its request has come in, if no frame of
    events is open, and each further one 10 clocks later; it leaves when it is whole. Throughput: events take more than
    90 % of the bytes of the line while they wait.

    Parameters
    ----------
    host : HostPort
        The network.
    clock_hz : int
        Clock that the twin runs at, which a host asks for.
    divider : int
        Clocks of a bit after power-up, 4 to the largest number of `divider_bits`.
    map_digest, design_digest : bytes
        Digests that a host asks for, 8 bytes each; see `link_map`.
    traces : bool
        Trace words can be streamed.
    depth : int, optional
        Events of the queue, at least 128; 256 without traces and 512 with.
    divider_bits : int
        Width of the divider.
    trial_bits : int
        A divider stays for ``2048 << trial_bits`` clocks without a valid frame. The longest frame must take less: 2570
        times the largest divider.

    Members
    -------
    rx : In(1)
        Serial line from the host.
    tick : In(1)
        Only if the host port is paced: as there.
    tx : Out(1)
        Serial line to the host.
    divider : Out(divider_bits)
        Clocks of a bit, as they are.
    on_trial : Out(1)
        The divider may have to change back: the clock must not stand still.

    Source: docs/link.md.
    """

    def __init__(
        self,
        host: HostPort,
        *,
        clock_hz: int,
        divider: int,
        map_digest: bytes,
        design_digest: bytes,
        traces: bool = False,
        depth: int | None = None,
        divider_bits: int = DIVIDER_BITS,
        trial_bits: int = TRIAL_BITS,
    ) -> None:
        if not isinstance(host, HostPort):
            raise TypeError(f"host must be a HostPort, not {host!r}")
        check_integer("clock_hz", clock_hz, 1, (1 << 32) - 1)
        for name, digest in {"map_digest": map_digest, "design_digest": design_digest}.items():
            if not isinstance(digest, bytes):
                raise TypeError(f"{name} must be bytes, not {digest!r}")
            if len(digest) != DIGEST_BYTES:
                raise ValueError(f"{name} must be {DIGEST_BYTES} bytes, not {digest!r}")
        self.host = host
        network = host.network
        self._traces = traces
        identity = bytes([PROTOCOL]) + design_digest + map_digest + clock_hz.to_bytes(4, "little")
        self._divider_bits = divider_bits
        self._registers = LinkRegisters(
            divider, identity, traces=traces, divider_bits=divider_bits, trial_bits=trial_bits
        )
        self._events = LinkEvents(
            [layer.neurons for layer in network.layers],
            fires=network.has_fires,
            traces=traces,
            depth=(512 if traces else 256) if depth is None else depth,
        )
        self._engine = LinkEngine(
            identity_words=-(-len(identity) // 2),
            end=host.network.memory_map.end,
            readable=[
                range(window.base, window.base + (1 << window.bits))
                for window in network.memory_map.windows.values()
                if window.state
            ],
            go=host.registers["go"].start,
            read_latency=host.read_latency,
        )
        super().__init__(
            {
                "rx": In(1, init=1),
                **({"tick": In(1)} if host.paced else {}),
                "tx": Out(1, init=1),
                "divider": Out(divider_bits, init=divider),
                "on_trial": Out(1),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Join the line, the engine, the registers, the events and the host port."""
        m = Module()
        m.submodules.receiver = receiver = UartReceiver(self._divider_bits)
        m.submodules.transmitter = transmitter = UartTransmitter(self._divider_bits)
        m.submodules.decoder = decoder = FrameDecoder()
        m.submodules.encoder = encoder = FrameEncoder()
        m.submodules.registers = registers = self._registers
        m.submodules.engine = engine = self._engine
        host, events = self.host, self._events
        m.submodules.host = ResetInserter(engine.reset)(EnableInserter(~events.hold)(host))
        m.submodules.events = ResetInserter(engine.reset)(events)

        # The line.
        m.d.comb += [
            receiver.rx.eq(self.rx),
            self.tx.eq(transmitter.tx),
            *(part.divider.eq(registers.divider) for part in (self, receiver, transmitter)),
            decoder.i.valid.eq(receiver.o.valid),
            decoder.i.payload.eq(receiver.o.payload),
            decoder.framing_error.eq(receiver.framing_error),
        ]
        wiring.connect(m, encoder.o, transmitter.i)

        # Bodies: answers and events take turns, frame by frame.
        m.d.comb += [
            engine.frame_valid.eq(decoder.frame_valid),
            engine.length.eq(decoder.length),
            engine.byte.eq(decoder.data),
            decoder.address.eq(engine.place),
            decoder.release.eq(engine.release),
            events.allow.eq(~engine.speaks),
            engine.silence.eq(~events.open),
            encoder.i.valid.eq(Mux(events.open, events.o.valid, engine.o.valid)),
            encoder.i.payload.eq(Mux(events.open, events.o.payload, engine.o.payload)),
            events.o.ready.eq(events.open & encoder.i.ready),
            engine.o.ready.eq(~events.open & encoder.i.ready),
        ]
        m.d.sync += engine.sent.eq(encoder.idle & transmitter.idle)

        # The bus.
        powered = Signal()
        with m.If(engine.reset):
            m.d.sync += powered.eq(0)
        with m.Elif(host.idle):
            m.d.sync += powered.eq(1)
        m.d.comb += [
            host.address.eq(engine.address),
            host.data.eq(engine.data),
            host.enable.eq(engine.write),
            host.read.eq(engine.read),
            engine.q.eq(host.q),
            engine.idle.eq(host.idle & ~events.busy),
            registers.address.eq(engine.link_address),
            registers.data.eq(engine.data),
            registers.write.eq(engine.link_write),
            registers.access.eq(engine.access),
            engine.ready.eq(registers.ready),
            engine.link_q.eq(registers.q),
            registers.clear.eq(engine.reset),
            registers.settle.eq(engine.settle),
            engine.answer_pending.eq(registers.answer_pending),
            registers.used.eq(receiver.busy),
            registers.frame_valid.eq(engine.frame_taken),
            self.on_trial.eq(registers.on_trial),
            registers.counted.eq(
                Cat(
                    receiver.framing_error,
                    decoder.malformed,
                    decoder.oversized,
                    decoder.crc_error,
                    decoder.overrun,
                    engine.refused,
                )
            ),
            registers.idle.eq(engine.idle),
            registers.powered.eq(powered),
            registers.busy.eq(~host.idle),
            registers.over.eq(events.ended),
        ]
        m.d.sync += registers.dropped.eq(events.dropped)  # a clock late, which keeps two sums out of one path

        # The network.
        network = host.network
        layers = range(1, len(network.layers) + 1)
        m.d.comb += [
            events.spikes.eq(Cat(network.pulses(number) for number in layers)),
            events.spikes_strobe.eq(host.spikes_strobe),
            events.over.eq(network.done),
            events.idle.eq(host.idle),
            events.beat.eq(registers.beat),
            events.options.eq(registers.options),
            events.trace_kinds.eq(registers.trace_kinds),
        ]
        if host.paced:
            m.d.comb += host.tick.eq(self.tick)
        if network.has_answer:
            m.d.comb += events.answer.eq(network.answer)
        if network.has_fires:
            m.d.comb += [
                events.l1.eq(Cat(network.fires(number) for number in layers)),
                # A neuron fires while CLK is high only.
                events.fires_strobe.eq(host.begins & ~host.clk_level),
            ]
        if self._traces:
            for number in layers:
                for part in ("valid", "word"):
                    name = f"trace{number}_{part}"
                    m.d.comb += getattr(events, name).eq(getattr(host, name))
        return m
