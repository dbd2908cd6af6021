"""Designs: the gateware of one run of an experiment, with the coefficients of the default cards.

They are what `memtwin verilog` writes, `memtwin verify` checks and `memtwin build` puts on a board. The gateware is
imported when it is made: names, options and cards of a design are checked without Amaranth.
"""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from memtwin.sim.backends import Job
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.experiments.base import Experiment, Settings
from memtwin.sim.kind import Gateware
from memtwin.sim.kinds import kind_of
from memtwin.sim.run_warnings import warnings_of_jobs
from memtwin.train.drawn_digits import DrawnDigits

if TYPE_CHECKING:
    from amaranth.lib import wiring

    from memtwin.boards.content import BoardContent
    from memtwin.hdl.core.config import MemoryMap
    from memtwin.hdl.hybrid.structure import HybridLayerConfig

    Built = tuple[wiring.Component, MemoryMap]

__all__ = ["DESIGNS", "HOST_USE", "Changes", "Design", "board_content", "find_design", "verilog"]

Words = Mapping[str, Sequence[int]]

_EXPERIMENTS: dict[str, Experiment] = {**EXPERIMENTS, DrawnDigits.name: DrawnDigits()}


@dataclass(frozen=True, kw_only=True)
class Changes:
    """What a user changes of a design, in the words of the command line.

    Attributes
    ----------
    cards : tuple of str
        Names or files of cards.
    assignments : tuple of str
        ``"NAME=VALUE"``: options of the experiment that the design is a twin of, and fields of cards.
    spread : bool
        Apply the spreads of the cards where the experiment leaves them out.
    seed : int
        Seed of the devices.
    allow_clipping : bool
        Clip coefficients that do not fit their words; else they are refused.
    """

    cards: tuple[str, ...] = ()
    assignments: tuple[str, ...] = ()
    spread: bool = False
    seed: int = 0
    allow_clipping: bool = False


@dataclass(frozen=True, kw_only=True)
class Design:
    """A design that is shipped.

    Attributes
    ----------
    name, title : str
        Name on the command line, name in a sentence.
    experiment, run : str
        Run of an experiment that it is a twin of: `name` and label.
    use : str
        What a user of the Verilog must know first.
    bench : str
        Module of `memtwin.benches` that verifies it.
    parts : callable, optional
        Component and its memory map, from the structure of the layers and the words of their coefficients; by default
        the network behind a host port.
    changes : Changes
        What differs from the default cards and options.
    """

    name: str
    title: str
    experiment: str
    run: str
    use: str
    bench: str
    parts: "Callable[[Any, Words], Built] | None" = None
    changes: Changes = Changes()

    @property
    def top(self) -> str:
        """Name of the top module."""
        return self.name.replace("-", "_")

    @property
    def is_network(self) -> bool:
        """It is a network behind a host port, so that a host can drive it over a link."""
        return self.parts is None

    @property
    def settings(self) -> Settings:
        """Cards and options of the experiment."""
        own = self.changes
        return _EXPERIMENTS[self.experiment].settings(
            cards=own.cards, assignments=own.assignments, spread=own.spread, seed=own.seed, trials=1
        )

    @cached_property
    def job(self) -> Job:
        """The run that it is a twin of, trial 0 alone."""
        return self._first_trial(_EXPERIMENTS[self.experiment].plan(self.settings)[self.run])

    @cached_property
    def bare_job(self) -> Job:
        """The same as far as its network goes (`Experiment.networks`): enough for structure and coefficients."""
        return self._first_trial(_EXPERIMENTS[self.experiment].networks(self.settings)[self.run])

    def _first_trial(self, job: Job) -> Job:
        first = {name: values[:1] for name, values in vars(job.shown).items() if isinstance(values, np.ndarray)}
        program = replace(job.shown, **first)
        return replace(job, spec=job.spec.first_trial(), shown=program, allow_clipping=self.changes.allow_clipping)

    @property
    def spec(self) -> Any:
        """The network that it is a twin of."""
        return self.bare_job.spec

    @cached_property
    def coefficients(self) -> list[LayerCoefficients]:
        """Integers of each layer."""
        return self.bare_job.coefficients()

    @property
    def warnings(self) -> list[str]:
        """What a user should know, a line each."""
        return [*warnings_of_jobs([(self.run, self.bare_job)], "rtl"), *self.settings.warnings]

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
        if self.parts is not None:
            return self.parts(self.layers, self.words)
        from memtwin.sim.engines import gateware

        host = gateware.host_of(self.bare_job, self.coefficients)
        return host, host.network.memory_map


def _ts_neuron(layers: "list[HybridLayerConfig]", words: Words) -> "Built":
    from memtwin.hdl.hybrid.ts_neuron import TsNeuron

    (layer,) = layers
    neuron = TsNeuron(words, substeps=layer.substeps, recip_shift=layer.recip_shift)
    return neuron, neuron.memory_map


def _hybrid_neuron(layers: "list[HybridLayerConfig]", words: Words) -> "Built":
    from memtwin.hdl.hybrid.neuron import HybridNeuron

    (layer,) = layers
    neuron = HybridNeuron(layer.rows, words, substeps=layer.substeps, recip_shift=layer.recip_shift)
    return neuron, neuron.memory_map


def _lia(layers: "list[HybridLayerConfig]", words: Words) -> "Built":
    from memtwin.hdl.core.config import MemoryMap
    from memtwin.hdl.hybrid.lia import LateralInhibition

    (layer,) = layers
    memory_map = MemoryMap(words)
    return LateralInhibition(layer.neurons, layer.tie, memory_map, "layer1."), memory_map


_NEURON_USE = """\
After reset wait for idle, then hold run high: clk_level is the paper's CLK. With tick tied high it runs as fast as it
can; with tick as a strobe of one clock every {substep} it keeps to the circuit's own time."""

HOST_USE = """\
A write is taken in a clock with enable and ready high: coefficients and presentations, at the addresses below. A
write to go shows the presentation; idle is high when it is over."""

_LIF_USE = f"""\
{HOST_USE} Before that write the image: row and value of each pixel that is not zero, in ascending order
of rows, and how many they are."""

_STDP_USE = f"""\
{HOST_USE} A presentation begins with the spikes of one step, and lasts until the next step with spikes."""

_IZHIKEVICH_USE = f"""\
{HOST_USE} Before that write the currents, if they change. A presentation begins with the spikes of one step, and lasts
until the next step with spikes or with other currents."""


def _opamp(name: str, title: str, run: str) -> Design:
    """Twin of a run of the experiment of the same name."""
    return Design(name=name, title=title, experiment=name, run=run, use=HOST_USE, bench="tb_opamp")


DESIGNS = {
    design.name: design
    for design in (
        Design(
            name="ts-neuron",
            title="bare threshold switch under voltage pulses",
            experiment="ts-pulses",
            run="trains",
            use=_NEURON_USE,
            bench="tb_ts_neuron",
            parts=_ts_neuron,
        ),
        Design(
            name="hybrid-neuron",
            title="hybrid memristor-CMOS neuron with two synapses",
            experiment="hybrid-neuron",
            run="fire",
            use=_NEURON_USE,
            bench="tb_hybrid_neuron",
            parts=_hybrid_neuron,
        ),
        Design(
            name="lia",
            title="lateral inhibition array",
            experiment="lia",
            run="layer",
            use="""\
After reset strobe evaluate with refresh. From then on evaluate may be held high: l_g follows v_l, and is valid when
busy is low.""",
            bench="tb_lia",
            parts=_lia,
        ),
        Design(
            name="digits",
            title="two-layer network of hybrid neurons that learns patterns",
            experiment="digits",
            run="adaptive",
            use=HOST_USE,
            bench="tb_digits",
        ),
        _opamp("opamp-5a", "novelty neuron with a dynamic memristor in the feedback", "D"),
        _opamp("opamp-6a", "learning neuron with a dynamic memristor in series with the switch", "D"),
        _opamp("opamp-7a", "neuron with a dynamic memristor in parallel with the switch", "D"),
        _opamp("opamp-7b", "neuron with two dynamic memristors", "D"),
        _opamp("apparatus", "two-layer network of novelty and learning neurons", "stream"),
        Design(
            name="lif",
            title="five LIF neurons, each under a constant current",
            experiment="lif",
            run="neurons",
            use=_LIF_USE,
            bench="tb_lif",
        ),
        Design(
            name="mnist",
            title="network of LIF neurons that tells digits apart",
            experiment="mnist",
            run="drawn",
            use=_LIF_USE,
            bench="tb_lif",
        ),
        Design(
            name="stdp-window",
            title="STDP synapse of one input and one neuron",
            experiment="stdp-window",
            run="pairs",
            use=_STDP_USE,
            bench="tb_stdp",
        ),
        Design(
            name="coincidence",
            title="LIF neuron whose synapses find correlated inputs",
            experiment="coincidence",
            run="epochs",
            use=_STDP_USE,
            bench="tb_stdp",
        ),
        Design(
            name="izhikevich",
            title="five Izhikevich neurons under a step of current",
            experiment="izhikevich",
            run="step",
            use=_IZHIKEVICH_USE,
            bench="tb_izhikevich",
        ),
    )
}


def find_design(name: str, changes: Changes | None = None) -> Design:
    """Return the design of that name, with the changes that a user asks for.

    Raises
    ------
    InputError
        If there is none.
    """
    if name not in DESIGNS:
        raise InputError(f"design {name}: unknown; expected one of {', '.join(DESIGNS)}")
    return DESIGNS[name] if changes is None else replace(DESIGNS[name], changes=changes)


def verilog(name: str, changes: Changes | None = None) -> str:
    """Verilog of a design, the same text whenever and wherever it is written.

    Raises
    ------
    InputError
        If there is no design of that name, or a change does not fit.
    """
    design = find_design(name, changes)
    from memtwin.header import written

    component, memory_map = design.build()
    return written(_header(design, component, memory_map), component, design.top)


def _header(design: Design, component: "wiring.Component", memory_map: "MemoryMap") -> list[str]:
    """Describe the design in lines of text."""
    from memtwin.header import WIDTH, interface

    spec, settings = design.spec, design.settings
    substep = f"{1e6 * spec.step:g} us"
    lines = [f"memtwin, design {design.name}: {design.title}", ""]
    lines += textwrap.wrap(" ".join(design.use.format(substep=substep).split()), WIDTH)
    for number, layer in enumerate(design.coefficients, 1):
        shown = ", ".join(f"{name} {value}" for name, value in layer.structure.items())
        lines += ["", f"Layer {number}: {shown}"]
    lines += ["", "Coefficients after reset are those of"]
    words = {name.partition(".")[2] for name in memory_map.windows}
    rules = _EXPERIMENTS[design.experiment].all_options
    # A file by its name alone: the text does not depend on where it lies.
    options = [f"{name} {Path(rules[name].words(value)).name}" for name, value in settings.options.items()]
    told = [f"experiment {design.experiment}: {', '.join([*options, f'seed {settings.seed}'])}"]
    for card in spec.cards(words):
        told.append(f"card {card.name}: {', '.join(f'{name} {field}' for name, field in card.fields.items())}")
    for line in told:
        lines += textwrap.wrap(line, WIDTH, initial_indent="  ", subsequent_indent="    ")
    return [*lines, "", *interface(component, memory_map)]


def board_content(name: str, changes: Changes | None = None) -> "BoardContent":
    """What a design takes to a board: structure, coefficients, the circuit's own time, and what is shown.

    Raises
    ------
    InputError
        If there is no design of that name, or a change does not fit.
    """
    design = find_design(name, changes)
    from memtwin.boards.content import BoardContent
    from memtwin.boards.twins import TWINS

    content = BoardContent(layers=design.layers, words=design.words, substep_hz=round(1 / design.spec.step))
    return replace(content, **TWINS[name].shows(design.job))
