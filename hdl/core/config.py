"""Configuration bus: every coefficient and table of a design is one 16-bit word at one address.

A part that holds coefficients claims a window of the `MemoryMap` when it is constructed, so that the map is known
before elaboration and a host never guesses an address. What a network remembers from one presentation to the next is
in windows of the same bus, which can also be read (docs/link.md, section 5).
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import reduce
from operator import or_

from amaranth.hdl import Module, Mux, Signal, Value, ValueLike
from amaranth.lib import wiring
from amaranth.lib.wiring import In, Out
from amaranth.utils import ceil_log2

__all__ = [
    "READ_LATENCY",
    "ConfigBus",
    "ConfigPort",
    "MatrixWindow",
    "MemoryMap",
    "Registers",
    "Window",
    "connect_config",
]

# Clocks from a read strobe to its word: the neuron, two more for a threshold (`TsDevice.theta_delay`), memory.
READ_LATENCY = 4


class ConfigPort(wiring.PureInterface):
    """A port of the `ConfigBus`."""


class ConfigBus(wiring.Signature):
    """A bus without back-pressure: one word per clock is written, in the clock in which `enable` is high.

    A word of a state is on `q` `READ_LATENCY` clocks after `read`, if `address` is held until then; there is no other
    read or write in between. A part that holds no word of that address shows zero. A design must be idle while its
    tables are written or its state is read (see `NetworkPort.idle`).

    Members
    -------
    address : Out(20)
        Word address.
    data : Out(16)
        Word to write.
    enable : Out(1)
        Write strobe.
    read : Out(1)
        Read strobe.
    q : In(16)
        Word that was read.
    """

    def __init__(self) -> None:
        super().__init__({"address": Out(20), "data": Out(16), "enable": Out(1), "read": Out(1), "q": In(16)})

    def create(self, *, path: tuple[str | int, ...] = (), src_loc_at: int = 0) -> ConfigPort:
        """Create a port."""
        return ConfigPort(self, path=path, src_loc_at=1 + src_loc_at)


def connect_config(m: Module, bus: ConfigPort, parts: Iterable[ConfigPort], *words: Value) -> None:
    """Connect `bus`, the port of a component, to those of the `parts` within; their words are ORed, and its own."""
    parts = list(parts)
    for part in parts:
        m.d.comb += [getattr(part, name).eq(getattr(bus, name)) for name in ("address", "data", "enable", "read")]
    m.d.comb += bus.q.eq(reduce(or_, (*(part.q for part in parts), *words)))


class Window:
    """A power-of-two aligned range of the configuration bus.

    Parameters
    ----------
    name : str
        Name of the words among the coefficients, such as ``"layer1.growth_base"``.
    base, depth : int
        First address and number of words.
    init : sequence of int
        Contents after reset.
    state : bool
        The words are part of the state: they can be read.
    """

    def __init__(self, name: str, base: int, depth: int, init: Sequence[int], *, state: bool = False) -> None:
        self.name = name
        self.base = base
        self.depth = depth
        self.init = list(init)
        self.state = state

    @property
    def bits(self) -> int:
        """Width of the offset."""
        return ceil_log2(self.depth)

    @property
    def contents(self) -> list[int]:
        """Contents after reset by offset."""
        return self.init

    def address(self, index: int) -> int:
        """Bus address of word `index` of them."""
        if not 0 <= index < self.depth:
            raise ValueError(f"index of {self.name} must be in 0..{self.depth - 1}, not {index}")
        return self.base + index

    def hit(self, bus: ConfigPort) -> Value:
        """One while `bus` writes into this window."""
        return bus.enable & self.here(bus)

    def here(self, bus: ConfigPort) -> Value:
        """One while the address on `bus` is in this window."""
        return bus.address[self.bits :] == self.base >> self.bits

    def shown(self, bus: ConfigPort, word: ValueLike) -> Value:
        """Return `word` while the address on `bus` is in this window, else zero: a part of `q`."""
        return Mux(self.here(bus), word, 0)

    def offset(self, bus: ConfigPort) -> Value:
        """Offset of the word that `bus` addresses."""
        return bus.address[: self.bits]


class MatrixWindow(Window):
    """Window of a matrix, whose row and column are separate fields of the address.

    Word `row * columns + column` of them is at offset `(row << ceil_log2(columns)) + column`, so that the
    gateware needs no division.

    Parameters
    ----------
    name : str
        Name of the words among the coefficients.
    base : int
        First address.
    rows, columns : int
        Shape of the matrix.
    init : sequence of int
        Contents after reset, `rows * columns` words.
    state : bool
        The words are part of the state: they can be read.
    """

    def __init__(
        self, name: str, base: int, rows: int, columns: int, init: Sequence[int], *, state: bool = False
    ) -> None:
        super().__init__(name, base, rows * columns, init, state=state)
        self.rows = rows
        self.columns = columns

    @property
    def bits(self) -> int:
        """Width of the offset."""
        return ceil_log2(self.rows) + ceil_log2(self.columns)

    @property
    def contents(self) -> list[int]:
        """Contents after reset by offset; zeros where the address has no word."""
        rows = [self.init[start : start + self.columns] for start in range(0, self.depth, self.columns)]
        gap = [0] * ((1 << ceil_log2(self.columns)) - self.columns)
        return [word for row in rows for word in (*row, *gap)]

    def address(self, index: int) -> int:
        """Bus address of word `index` of them."""
        if not 0 <= index < self.depth:
            raise ValueError(f"index of {self.name} must be in 0..{self.depth - 1}, not {index}")
        row, column = divmod(index, self.columns)
        return self.base + (row << ceil_log2(self.columns)) + column

    def fields(self, bus: ConfigPort) -> tuple[Value, Value]:
        """Row and column of the word that `bus` addresses."""
        offset = self.offset(bus)
        return offset[ceil_log2(self.columns) :], offset[: ceil_log2(self.columns)]


class MemoryMap:
    """Hands out windows of the configuration bus and the initial words that belong in them.

    Parameters
    ----------
    words : mapping of str to sequence of int, optional
        Coefficients that the gateware holds after reset, by name. What is missing starts as zero and is
        expected to be written over the bus.
    """

    def __init__(self, words: Mapping[str, Sequence[int]] | None = None) -> None:
        self.windows: dict[str, Window] = {}
        self._words = dict(words or {})
        self._free = 0

    @property
    def end(self) -> int:
        """First address behind all windows."""
        return self._free

    def claim(self, name: str, depth: int, *, state: bool = False) -> Window:
        """Claim `depth` words under `name`; with `state`, they can be read.

        Raises
        ------
        ValueError
            If the name is taken, or `words` hold another number of them.
        """
        init = self._initial(name, depth)
        base = self._reserve(1 << ceil_log2(depth))
        self.windows[name] = window = Window(name, base, depth, init, state=state)
        return window

    def claim_matrix(self, name: str, rows: int, columns: int, *, state: bool = False) -> "MatrixWindow":
        """Claim `rows * columns` words under `name`; errors as in `claim`."""
        init = self._initial(name, rows * columns)
        base = self._reserve(1 << (ceil_log2(rows) + ceil_log2(columns)))
        self.windows[name] = window = MatrixWindow(name, base, rows, columns, init, state=state)
        return window

    def _initial(self, name: str, depth: int) -> list[int]:
        if name in self.windows:
            raise ValueError(f"window {name} must be claimed once")
        init = list(self._words.get(name, [0] * depth))
        if len(init) != depth:
            raise ValueError(f"{name} must have {depth} words, not {len(init)}")
        return init

    def _reserve(self, size: int) -> int:
        """Return the lowest free address that is a multiple of `size`, a power of two."""
        base = -(-self._free // size) * size
        self._free = base + size
        return base

    def writes(self, words: Mapping[str, Sequence[int]]) -> list[tuple[int, int]]:
        """List the (address, data) writes that load `words`, in the order of the map.

        Raises
        ------
        ValueError
            If there is a name or a length that the design does not have.
        """
        for name in words:
            if name not in self.windows:
                raise ValueError(f"words of {name}, which the design does not have")
        out = []
        for name, window in self.windows.items():
            if name not in words:
                continue
            values = words[name]
            if len(values) != window.depth:
                raise ValueError(f"{name} must have {window.depth} words, not {len(values)}")
            out += [(window.address(index), int(word)) for index, word in enumerate(values)]
        return out


class Registers(wiring.Component):
    """Scalar coefficients, one 16-bit register each, readable all at once.

    Parameters
    ----------
    memory_map : MemoryMap
        Map in which each register claims one word.
    prefix : str
        Prefix of the names, such as ``"layer1."``.
    names : sequence of str
        Names of the registers.

    Members
    -------
    config : In(ConfigBus())
        Writes.
    <name> : Out(16)
        Value of each register, `registers["leak"]`; it follows a write after one clock.
    """

    def __init__(self, memory_map: MemoryMap, prefix: str, names: Sequence[str]) -> None:
        self._windows = {name: memory_map.claim(prefix + name, 1) for name in names}
        super().__init__(
            {
                "config": In(ConfigBus()),
                **{name: Out(16, init=window.init[0]) for name, window in self._windows.items()},
            }
        )

    def __getitem__(self, name: str) -> Signal:
        """Value of the register `name`."""
        register: Signal = getattr(self, name)
        return register

    def elaborate(self, platform: object) -> Module:
        """Build the registers."""
        m = Module()
        for name, window in self._windows.items():
            with m.If(window.hit(self.config)):
                m.d.sync += self[name].eq(self.config.data)
        return m
