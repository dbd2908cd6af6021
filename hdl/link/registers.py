"""Registers of the link itself: bit time, options of the event stream, and what a twin counts."""

from amaranth.hdl import Cat, Module, Mux, Signal
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out

from memtwin.hdl.core.cells import cells
from memtwin.hdl.core.check import check_integer

__all__ = [
    "COUNTERS",
    "DIVIDER_BITS",
    "LEAST_DIVIDER",
    "LINK_REGISTERS",
    "READ_ONLY",
    "TRIAL_BITS",
    "LinkRegisters",
]

LEAST_DIVIDER = 4
DIVIDER_BITS = 13  # so that the longest frame takes less than a trial: 257 bytes of 10 bits, 8191 clocks each
WORD_BITS = 16
OPTION_BITS = 4
BEAT_BITS = 11
TRIAL_BITS = 14  # with the clocks of a beat, 2**25 clocks

# Names of the registers, and their words.
LINK_REGISTERS = {
    "divider": range(0, 1),
    "options": range(1, 2),
    "trace_kinds": range(2, 3),
    "state": range(3, 4),
    "runs": range(4, 6),
    "clocks": range(6, 9),
    "framing_errors": range(9, 10),
    "malformed": range(10, 11),
    "oversized": range(11, 12),
    "crc_errors": range(12, 13),
    "overruns": range(13, 14),
    "refused": range(14, 15),
    "dropped": range(15, 16),
}
COUNTERS = tuple(LINK_REGISTERS)[6:]
READ_ONLY = range(LINK_REGISTERS["state"].start, LINK_REGISTERS["clocks"].stop)
# All but the last counter rise by one.
FIRST_COUNTER = LINK_REGISTERS[COUNTERS[0]].start
STROBES = len(COUNTERS) - 1

_CARRIED = tuple(address for words in LINK_REGISTERS.values() for address in words[:-1])

CLOCKS_BITS = 10
DROPS_BITS = 10


class LinkRegisters(wiring.Component):
    """Registers of the link.

    What is counted lies in one memory, and one adder serves all of it: strobes and short counts are kept in flip-flops
    until it is their turn. A counter stays at 65535, a number of more words goes around.

    While `access` is high nothing is added, so that all words that are read are of one moment; `ready` follows when the
    clocks up to then have been added. It may last for 500 clocks before any count is lost.

    Latency: `q` is the word of `address`, which must hold for two clocks; `ready` follows `access` after 19 clocks at
    most, 17 more after `clear`. Throughput: one word per clock.

    Parameters
    ----------
    divider : int
        Clocks of a bit after power-up, 4 to the largest number of `divider_bits`.
    identity : bytes
        What a host is told about the twin, at most 32 bytes.
    traces : bool
        There is a register of the kinds of trace words; else it is 0.
    divider_bits : int
        Width of the divider. What a host writes is taken as the nearest number that there is.
    trial_bits : int
        The divider is on trial from when it is written, or the line is used, up to a valid frame; after
        ``2**trial_bits`` beats of a trial it is again that of power-up.

    Members
    -------
    address : In(5)
        Register, or, from 16 on, word of the identity.
    data : In(16)
        Word to write.
    write : In(1)
        Strobe, only while `ready`. Words that are read only are left alone.
    q : Out(16)
        Word, only while `ready`.
    access : In(1)
        The registers are read or written.
    ready : Out(1)
        They can be.
    clear : In(1)
        Strobe: as after power-up, but for the divider; not during `access`.
    settle : In(1)
        Strobe: a divider that was written takes effect.
    answer_pending : Out(1)
        A divider waits for its answer to have left, and then for `settle`.
    used : In(1)
        Something comes over the line.
    frame_valid : In(1)
        Strobe: a valid frame has come.
    counted : In(6)
        Strobes of the counters but `dropped`.
    dropped : In(4)
        Events that were dropped in this clock.
    idle : In(1)
        A presentation can begin.
    powered : In(1)
        The network has been powered up.
    busy : In(1)
        The network is not idle.
    over : In(1)
        Strobe: a presentation is over.
    beat : Out(1)
        Strobe, every 2048 clocks.
    divider : Out(divider_bits)
        Clocks of a bit.
    on_trial : Out(1)
        The divider may have to change back.
    options : Out(4)
        `spikes`, `fires`, `done`, `wait`.
    trace_kinds : Out(16)
        Kinds of trace words to stream.

    Source: docs/link.md, section 4.
    """

    def __init__(
        self,
        divider: int,
        identity: bytes,
        *,
        traces: bool,
        divider_bits: int = DIVIDER_BITS,
        trial_bits: int = TRIAL_BITS,
    ) -> None:
        check_integer("divider_bits", divider_bits, LEAST_DIVIDER.bit_length(), WORD_BITS - 1)
        check_integer("divider", divider, LEAST_DIVIDER, (1 << divider_bits) - 1)
        check_integer("trial_bits", trial_bits, 1, TRIAL_BITS)
        self._divider = divider
        self._identity = _words(identity)
        self._traces = traces
        self._trial_bits = trial_bits
        super().__init__(
            {
                "address": In(5),
                "data": In(WORD_BITS),
                "write": In(1),
                "q": Out(WORD_BITS),
                "access": In(1),
                "ready": Out(1),
                "clear": In(1),
                "settle": In(1),
                "answer_pending": Out(1),
                "used": In(1),
                "frame_valid": In(1),
                "counted": In(STROBES),
                "dropped": In(4),
                "idle": In(1),
                "powered": In(1),
                "busy": In(1),
                "over": In(1),
                "beat": Out(1),
                "divider": Out(divider_bits, init=divider),
                "on_trial": Out(1),
                "options": Out(OPTION_BITS),
                "trace_kinds": Out(WORD_BITS),
            }
        )

    def elaborate(self, platform: object) -> Module:
        """Build the bit time, the options, and the counts."""
        m = Module()
        here = {name: self.address == words.start for name, words in LINK_REGISTERS.items() if len(words) == 1}

        # Bit time. It is on trial until a frame comes, so that no host is locked out by what another one has written.
        wanted = Signal.like(self.divider, init=self._divider)
        trial = Signal(self._trial_bits + 1)
        age = Signal(BEAT_BITS)
        m.d.sync += Cat(age, self.beat).eq(age + 1)
        with m.If(self.write & here["divider"]):
            m.d.sync += [wanted.eq(self.data), self.answer_pending.eq(1)]
            with m.If(self.data[2:] == 0):
                m.d.sync += wanted[:3].eq(LEAST_DIVIDER)
            with m.If(self.data[len(wanted) :].any()):
                m.d.sync += wanted.eq(-1)
        with m.If(self.beat):
            m.d.sync += trial.eq(trial + 1)
        with m.If(~self.on_trial):
            m.d.sync += trial.eq(0)
        with m.If(self.used):
            m.d.sync += self.on_trial.eq(1)
        with m.If(self.settle):
            m.d.sync += [self.divider.eq(wanted), self.answer_pending.eq(0), self.on_trial.eq(1)]
        with m.Elif(self.frame_valid):
            m.d.sync += self.on_trial.eq(0)
        with m.Elif(trial[-1]):
            m.d.sync += [self.divider.eq(self._divider), wanted.eq(self._divider), self.on_trial.eq(0)]

        with m.If(self.write & here["options"]):
            m.d.sync += self.options.eq(self.data)
        with m.If(self.clear):
            m.d.sync += self.options.eq(0)
        if self._traces:
            with m.If(self.write & here["trace_kinds"]):
                m.d.sync += self.trace_kinds.eq(self.data)
            with m.If(self.clear):
                m.d.sync += self.trace_kinds.eq(0)

        # What waits to be added. `clocks` is added long before it is full, or when it is read.
        strobes = Signal(STROBES)
        runs = Signal()
        drops = Signal(DROPS_BITS)
        clocks = Signal(CLOCKS_BITS)
        m.d.sync += [
            strobes.eq(strobes | self.counted),
            runs.eq(runs | self.over),
            clocks.eq(clocks + self.busy),
        ]
        with m.If(~drops[-1] | ~drops[-2]):  # never full: there is more room than a clock can bring
            m.d.sync += drops.eq(drops + self.dropped)

        # The memory: a word is read, kept, for a block RAM is slow, and written.
        counts = cells(m, "counts", WORD_BITS, 32, [*[0] * 16, *self._identity], block=True)
        read, write = counts.read_port(), counts.write_port()
        place = Signal(4)
        amount = Signal(CLOCKS_BITS)
        kept = Signal(WORD_BITS)
        total = Signal(WORD_BITS + 1)
        is_counter = place >= FIRST_COUNTER
        is_carried = Signal()  # there is a word above this one
        is_clocks = Signal()
        is_cleared = Signal()  # `clear` waits
        m.d.comb += [
            total.eq(kept + amount),
            is_carried.eq(Cat(place == address for address in _CARRIED).any()),
            read.en.eq(1),
            read.addr.eq(place),
            write.addr.eq(place),
            write.data.eq(Mux(is_counter & total[-1], -1, total)),
        ]
        m.d.sync += kept.eq(read.data)
        with m.If(self.clear):
            m.d.sync += is_cleared.eq(1)
        with m.FSM(name="counts"):
            with m.State("choose"):
                m.next = "read"
                m.d.sync += [amount.eq(1), is_clocks.eq(0)]
                with m.If(is_cleared):
                    m.d.sync += [place.eq(0), is_cleared.eq(0)]
                    m.next = "clear"
                with m.Elif(self.access | clocks[-1]):
                    m.d.sync += [
                        place.eq(LINK_REGISTERS["clocks"].start),
                        amount.eq(clocks),
                        clocks.eq(self.busy),
                        is_clocks.eq(1),
                    ]
                with m.Elif(drops != 0):
                    m.d.sync += [place.eq(LINK_REGISTERS["dropped"].start), amount.eq(drops), drops.eq(self.dropped)]
                with m.Elif(runs):
                    m.d.sync += [place.eq(LINK_REGISTERS["runs"].start), runs.eq(self.over)]
                for index in range(STROBES):
                    with m.Elif(strobes[index]):
                        m.d.sync += [place.eq(FIRST_COUNTER + index), strobes[index].eq(self.counted[index])]
                with m.Else():
                    m.next = "choose"
            with m.State("read"):
                m.next = "keep"
            with m.State("keep"):
                m.next = "add"
            with m.State("add"):
                m.d.comb += write.en.eq(1)
                m.d.sync += amount.eq(1)
                m.next = "choose"
                with m.If(total[-1] & is_carried):
                    m.d.sync += place.eq(place + 1)
                    m.next = "read"
                with m.Elif(self.access & is_clocks):
                    m.next = "held"
            with m.State("held"):
                m.d.comb += [
                    self.ready.eq(1),
                    read.addr.eq(self.address),
                    write.addr.eq(self.address),
                    write.data.eq(0),
                    write.en.eq(self.write & (self.address >= FIRST_COUNTER)),
                ]
                with m.If(~self.access):
                    m.next = "choose"
            with m.State("clear"):
                m.d.comb += [write.en.eq(1), write.data.eq(0)]
                m.d.sync += [place.eq(place + 1), clocks.eq(0), drops.eq(0), runs.eq(0), strobes.eq(0)]
                with m.If(place == 15):
                    m.next = "choose"

        # `address` stays where it is for a clock, so that nothing need be kept beside the word of the memory.
        m.d.comb += self.q.eq(read.data)
        for name, value in {
            "divider": wanted,
            "options": self.options,
            "trace_kinds": self.trace_kinds,
            "state": Cat(self.idle, self.powered),
        }.items():
            with m.If(here[name]):
                m.d.comb += self.q.eq(value)
        return m


def _words(data: bytes) -> list[int]:
    """Return the words of `data`, filled up with a zero byte."""
    data += bytes(len(data) % 2)
    return [int.from_bytes(data[place : place + 2], "little") for place in range(0, len(data), 2)]
