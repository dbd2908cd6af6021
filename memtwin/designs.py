"""Designs that are shipped: the gateware of one run of an experiment, with the coefficients of the default cards."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from memtwin.design import HOST_USE, Design, Words
from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.experiments.base import Experiment, Settings
from memtwin.sim.run_warnings import warnings_of_jobs
from memtwin.train.drawn_digits import DrawnDigits

if TYPE_CHECKING:
    from memtwin.boards.content import BoardContent
    from memtwin.design import Built
    from memtwin.hdl.hybrid.structure import HybridLayerConfig

__all__ = ["DESIGNS", "Changes", "ShippedDesign", "board_content", "find_design", "verilog"]

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
class ShippedDesign(Design):
    """A design that is shipped; see `Design`.

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
    is_shipped: ClassVar[bool] = True

    @property
    def is_network(self) -> bool:
        """It is a network behind a host port."""
        return self.parts is None

    @property
    def is_changed(self) -> bool:
        """A user has changed it."""
        return self.changes != Changes()

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
    def warnings(self) -> list[str]:
        """What a user should know, a line each."""
        return [*warnings_of_jobs([(self.run, self.bare_job)], "rtl"), *self.settings.warnings]

    @property
    def narrower(self) -> str:
        """One lane, if it has several."""
        return "--set lanes=1" if self.settings.options.get("lanes", 1) > 1 else ""

    def build(self) -> "Built":
        """Build the gateware: its `parts`, or the network behind a host port."""
        return super().build() if self.parts is None else self.parts(self.layers, self.words)

    @property
    def headline(self) -> str:
        """Say in a line what it is."""
        return f"memtwin, design {self.name}: {self.title}"

    def told(self) -> list[str]:
        """Say which experiment it is of, with which options."""
        settings, rules = self.settings, _EXPERIMENTS[self.experiment].all_options
        # A file by its name alone: the text does not depend on where it lies.
        told = {name: Path(rules[name].words(value)).name for name, value in settings.options.items()}
        options = [f"{name} {text}" for name, text in told.items() if text]
        return [f"experiment {self.experiment}: {', '.join([*options, f'seed {settings.seed}'])}"]

    def board_content(self) -> "BoardContent":
        """What it takes to a board: structure, coefficients, the circuit's own time, and what is shown."""
        from memtwin.boards.content import BoardContent
        from memtwin.boards.twins import TWINS

        if self.name not in TWINS:
            return super().board_content()
        content = BoardContent(layers=self.layers, words=self.words, substep_hz=round(1 / self.spec.step))
        return replace(content, **TWINS[self.name].shows(self.job))


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

_LIF_USE = f"""\
{HOST_USE} Before that write the image: row and value of each pixel that is not zero, in ascending order
of rows, and how many they are."""

_STDP_USE = f"""\
{HOST_USE} A presentation begins with the spikes of one step, and lasts until the next step with spikes."""

_IZHIKEVICH_USE = f"""\
{HOST_USE} Before that write the currents, if they change. A presentation begins with the spikes of one step, and lasts
until the next step with spikes or with other currents."""


def _opamp(name: str, title: str, run: str) -> ShippedDesign:
    """Twin of a run of the experiment of the same name."""
    return ShippedDesign(name=name, title=title, experiment=name, run=run, use=HOST_USE, bench="tb_opamp")


DESIGNS = {
    design.name: design
    for design in (
        ShippedDesign(
            name="ts-neuron",
            title="bare threshold switch under voltage pulses",
            experiment="ts-pulses",
            run="trains",
            use=_NEURON_USE,
            bench="tb_ts_neuron",
            parts=_ts_neuron,
        ),
        ShippedDesign(
            name="hybrid-neuron",
            title="hybrid memristor-CMOS neuron with two synapses",
            experiment="hybrid-neuron",
            run="fire",
            use=_NEURON_USE,
            bench="tb_hybrid_neuron",
            parts=_hybrid_neuron,
        ),
        ShippedDesign(
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
        ShippedDesign(
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
        ShippedDesign(
            name="lif",
            title="five LIF neurons, each under a constant current",
            experiment="lif",
            run="neurons",
            use=_LIF_USE,
            bench="tb_lif",
        ),
        ShippedDesign(
            name="mnist",
            title="network of LIF neurons that tells digits apart",
            experiment="mnist",
            run="drawn",
            use=_LIF_USE,
            bench="tb_lif",
        ),
        ShippedDesign(
            name="stdp-window",
            title="STDP synapse of one input and one neuron",
            experiment="stdp-window",
            run="pairs",
            use=_STDP_USE,
            bench="tb_stdp",
        ),
        ShippedDesign(
            name="coincidence",
            title="LIF neuron whose synapses find correlated inputs",
            experiment="coincidence",
            run="epochs",
            use=_STDP_USE,
            bench="tb_stdp",
        ),
        ShippedDesign(
            name="izhikevich",
            title="five Izhikevich neurons under a step of current",
            experiment="izhikevich",
            run="step",
            use=_IZHIKEVICH_USE,
            bench="tb_izhikevich",
        ),
    )
}


def find_design(name: str, changes: Changes | None = None) -> ShippedDesign:
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
    """Verilog of a design, see `Design.verilog`.

    Raises
    ------
    InputError
        If there is no design of that name, or a change does not fit.
    """
    return find_design(name, changes).verilog()


def board_content(name: str, changes: Changes | None = None) -> "BoardContent":
    """What a design takes to a board on which it plays for itself, see `Design.board_content`.

    Raises
    ------
    InputError
        If there is no design of that name, it needs a host, or a change does not fit.
    """
    return find_design(name, changes).board_content()
