"""A design: the gateware of a network that holds its coefficients, whoever describes the network.

It is what is written as Verilog, verified, built for a board and served. The gateware is imported when it is made:
names, options and cards are checked without Amaranth.
"""

import textwrap
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from memtwin.sim.backends import Job
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.errors import InputError
from memtwin.sim.kind import Gateware
from memtwin.sim.kinds import kind_of

if TYPE_CHECKING:
    from amaranth.lib import wiring

    from memtwin.boards.content import BoardContent
    from memtwin.hdl.core.config import MemoryMap

    Built = tuple[wiring.Component, MemoryMap]

__all__ = ["HOST_USE", "Design", "Words"]

Words = Mapping[str, Sequence[int]]

HOST_USE = """\
A write is taken in a clock with enable and ready high: coefficients and presentations, at the addresses below. A
write to go shows the presentation; idle is high when it is over."""


class Design(ABC):
    """Gateware with the coefficients of trial 0.

    Attributes
    ----------
    name : str
        Letters, digits and hyphens, a letter first.
    use : str
        What a user of the Verilog must know first.
    bench : str
        Module of `memtwin.benches` that verifies it.
    is_network : bool
        It is a network behind a host port, so that a host can drive it over a link.
    is_shipped, is_changed : bool
        It is one of `memtwin.designs.DESIGNS`, of which it is known what fits which board; it is not as shipped.
    """

    name: str
    use: str = HOST_USE
    bench: str
    is_shipped: ClassVar[bool] = False

    @property
    def is_network(self) -> bool:
        """A host can drive it over a link; see the class."""
        return True

    @property
    def is_changed(self) -> bool:
        """It is not as it is shipped; see the class."""
        return True

    @property
    def top(self) -> str:
        """Name of the top module."""
        return self.name.replace("-", "_")

    @property
    @abstractmethod
    def job(self) -> Job:
        """What its bench shows first, trial 0 alone."""

    @property
    @abstractmethod
    def bare_job(self) -> Job:
        """The same as far as its network goes: enough for structure and coefficients."""

    @property
    @abstractmethod
    def warnings(self) -> list[str]:
        """What a user should know, a line each."""

    @property
    @abstractmethod
    def headline(self) -> str:
        """Say in a line what it is."""

    @abstractmethod
    def told(self) -> list[str]:
        """Say what the coefficients come from beside cards: options, seed."""

    def told_layers(self) -> list[list[str]]:
        """Say of each layer what is fixed in the gateware, and what else there is to say, a line each."""
        structures = (
            ", ".join(f"{name} {value}" for name, value in own.structure.items()) for own in self.coefficients
        )
        return [[f"Layer {number}: {structure}"] for number, structure in enumerate(structures, 1)]

    def head(self, memory_map: "MemoryMap") -> list[str]:
        """Describe it in lines of text, which stand above the ports and addresses in its Verilog."""
        from memtwin.header import WIDTH

        def indented(lines: Iterable[str]) -> Iterator[str]:
            for line in lines:
                yield from textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")

        use = self.use.format(substep=f"{1e6 * self.spec.step:g} us")
        out = [self.headline, "", *textwrap.wrap(" ".join(use.split()), WIDTH)]
        for first, *others in self.told_layers():
            out += ["", first, *indented(others)]
        words = {name.partition(".")[2] for name in memory_map.windows}
        cards = dict.fromkeys(
            f"card {card.name}: {', '.join(f'{name} {field}' for name, field in card.fields.items())}"
            for card in self.spec.cards(words)
        )
        return [*out, "", "Coefficients after reset are those of", *indented([*self.told(), *cards])]

    @property
    def narrower(self) -> str:
        """The option with which it takes fewer cells and more clocks; nothing if it is as narrow as can be."""
        return ""

    def board_content(self) -> "BoardContent":
        """What it takes to a board on which it plays for itself: coefficients, its own time, and what is shown.

        Raises
        ------
        InputError
            If it needs a host.
        """
        raise InputError(f"option --alone: expected a design that plays for itself; {self.name} needs the link")

    @property
    def spec(self) -> Any:
        """The network."""
        return self.bare_job.spec

    @cached_property
    def coefficients(self) -> list[LayerCoefficients]:
        """Integers of each layer."""
        return self.bare_job.coefficients()

    @property
    def layers(self) -> list[Any]:
        """Structure of the layers."""
        return [self._gateware.layer(layer.structure) for layer in self.coefficients]

    @property
    def words(self) -> dict[str, list[int]]:
        """Coefficients of all layers, and what else the gateware of their kind holds."""
        from memtwin.sim.engines import gateware

        return gateware.first_words(self.bare_job, self.coefficients)

    @property
    def _gateware(self) -> Gateware:
        return kind_of(self.spec).gateware()

    def build(self) -> "Built":
        """Build the gateware, which holds the coefficients after reset; and the addresses of the coefficients."""
        from memtwin.sim.engines import gateware

        host = gateware.host_of(self.bare_job, self.coefficients)
        return host, host.network.memory_map

    def verilog(self, built: "Built | None" = None) -> str:
        """Verilog, the same text whenever and wherever it is written; of what `build` has returned, if that is there.

        Raises
        ------
        InputError
            If a value does not fit its word.
        """
        from memtwin.header import interface, written

        component, memory_map = self.build() if built is None else built
        head = [*self.head(memory_map), "", *interface(component, memory_map)]
        return written(head, component, self.top)
