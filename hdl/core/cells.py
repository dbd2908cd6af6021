"""Words in memory: what a datapath reads one at a time, and tables among them that the configuration bus writes."""

from collections.abc import Iterable
from typing import Any

from amaranth.hdl import Module, Mux, ShapeLike, Value, ValueLike
from amaranth.lib import memory

from memtwin.hdl.core.config import ConfigPort, Window

__all__ = ["cells", "table"]


def cells(
    m: Module, name: str, shape: ShapeLike, depth: int, init: Iterable[object] = (), *, block: bool = False
) -> memory.Memory:
    """Make a memory, the submodule `name` of `m`, in which no word is used that was read in the clock of its write.

    Parameters
    ----------
    m : Module
        Where it belongs.
    name : str
        Its name there.
    shape : ShapeLike
        Shape of a word.
    depth : int
        Words.
    init : iterable
        Contents after reset, from word 0 on; zeros follow.
    block : bool
        It goes into block RAM even with a handful of words, of which synthesis would make hundreds of registers.
    """
    # Without the first attribute Yosys adds logic for a word that is read in the clock of its write.
    attrs: dict[str, Any] = {"no_rw_check": 1, **({"ram_style": "block"} if block else {})}
    made: memory.Memory = memory.Memory(shape=shape, depth=depth, init=init, attrs=attrs)
    m.submodules[name] = made
    return made


def table(
    m: Module,
    name: str,
    window: Window,
    bus: ConfigPort,
    shape: ShapeLike = 16,
    *,
    block: bool = False,
    own: tuple[ValueLike, ValueLike, ValueLike] | None = None,
) -> memory.ReadPort:
    """Make a memory of the words of `window`, which `bus` writes, and return a port to read it.

    A word is at the address that is its offset in the window, which for a matrix is row and column side by side.

    Parameters
    ----------
    m, name, shape, block
        As in `cells`.
    window : Window
        Its addresses on the bus, and its contents after reset.
    bus : ConfigBus
        The bus.
    own : tuple of (address, word, strobe), optional
        Writes of the part itself; the bus wins.
    """
    made = cells(m, name, shape, len(window.contents), window.contents, block=block)
    write = made.write_port()
    hit = window.hit(bus)
    address: Value = window.offset(bus)
    word: Value = bus.data
    strobe = hit
    if own is not None:
        address, word, strobe = Mux(hit, address, own[0]), Mux(hit, word, own[1]), hit | own[2]
    m.d.comb += [write.addr.eq(address), write.data.eq(word), write.en.eq(strobe)]
    return made.read_port()
