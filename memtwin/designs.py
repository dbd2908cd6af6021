"""Designs: the gateware of one run of an experiment, with the coefficients of the default cards.

They are what `memtwin verilog` writes, `memtwin verify` checks and `memtwin build` puts on a board.
"""

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from amaranth.lib import wiring
from amaranth.utils import ceil_log2
from numpy.typing import NDArray

from memtwin.boards.image import BoardImage, LessonPlan, Phase, Picture, Presentation
from memtwin.hdl.core.config import MatrixWindow, MemoryMap
from memtwin.hdl.hybrid.layer import HybridLayerConfig
from memtwin.hdl.hybrid.lia import LateralInhibition
from memtwin.hdl.hybrid.network import HybridNetwork
from memtwin.hdl.hybrid.neuron import HybridNeuron
from memtwin.hdl.hybrid.ts_neuron import TsNeuron
from memtwin.hdl.lif.layer import LifLayerConfig
from memtwin.hdl.lif.network import LifNetwork
from memtwin.hdl.opamp.layer import OpampLayerConfig
from memtwin.hdl.opamp.network import OpampNetwork
from memtwin.hdl.port.host import HostPort
from memtwin.hdl.verilog import convert
from memtwin.sim.backends import Run
from memtwin.sim.cards import Card
from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.engines import gateware
from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from memtwin.sim.experiments.base import Experiment, Settings
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import NetworkSpec
from memtwin.sim.lif.quantize import power_up_words
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifSpec
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import OpampSpec
from memtwin.sim.run_warnings import warnings_of_jobs
from memtwin.train.drawn_digits import DrawnDigits, held_entries

__all__ = ["DESIGNS", "Changes", "Design", "board_image", "find_design", "verilog"]

Image = Mapping[str, Sequence[int]]
Layers = Sequence[HybridLayerConfig] | Sequence[OpampLayerConfig] | Sequence[LifLayerConfig]

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
    parts : callable
        Component and its memory map, from the structure of the layers and the image of their coefficients.
    changes : Changes
        What differs from the default cards and options.
    """

    name: str
    title: str
    experiment: str
    run: str
    use: str
    bench: str
    parts: Callable[[Any, Image], tuple[wiring.Component, MemoryMap]]
    changes: Changes = Changes()

    @property
    def top(self) -> str:
        """Name of the top module."""
        return self.name.replace("-", "_")

    @property
    def is_network(self) -> bool:
        """It is a network behind a host port, so that a host can drive it over a link."""
        return self.parts in (_network, _opamp_network, _lif_network)

    @property
    def settings(self) -> Settings:
        """Cards and options of the experiment."""
        own = self.changes
        return _EXPERIMENTS[self.experiment].settings(
            cards=own.cards, assignments=own.assignments, spread=own.spread, seed=own.seed, trials=1
        )

    @cached_property
    def job(self) -> Run:
        """The run that it is a twin of, trial 0 alone."""
        job = _EXPERIMENTS[self.experiment].plan(self.settings)[self.run]
        spec = job.spec
        if isinstance(spec, NetworkSpec):
            layers = (replace(layer, v_in=float(np.ravel(layer.v_in)[0])) for layer in spec.layers)
            spec = replace(spec, layers=tuple(layers))
        first = {name: values[:1] for name, values in vars(job.program).items() if isinstance(values, np.ndarray)}
        program = replace(job.program, **first)
        return replace(job, spec=spec, program=program, allow_clipping=self.changes.allow_clipping)

    @property
    def spec(self) -> NetworkSpec | OpampSpec | LifSpec:
        """The network that it is a twin of."""
        return self.job.spec

    @cached_property
    def coefficients(self) -> list[LayerCoefficients]:
        """Integers of each layer."""
        return self.job.coefficients()

    @property
    def warnings(self) -> list[str]:
        """What a user should know, a line each."""
        return [*warnings_of_jobs([(self.run, self.job)], "rtl"), *self.settings.warnings]

    @property
    def layers(self) -> Layers:
        """Structure of the layers."""
        structures = [layer.structure for layer in self.coefficients]
        if isinstance(self.spec, OpampSpec):
            return [OpampLayerConfig(**structure) for structure in structures]
        if isinstance(self.spec, LifSpec):
            return [LifLayerConfig(**structure) for structure in structures]
        return [HybridLayerConfig(**structure) for structure in structures]

    @property
    def image(self) -> dict[str, list[int]]:
        """Coefficients of all layers, and those of encoder and decoder."""
        image = gateware.image(self.coefficients, 0)
        if isinstance(self.spec, LifSpec):
            image |= power_up_words(self.job.sample(), self.job.program, 0)
        return image

    def build(self) -> tuple[wiring.Component, MemoryMap]:
        """Build the gateware, which holds the coefficients after reset; and the addresses of the coefficients."""
        return self.parts(self.layers, self.image)


def _ts_neuron(layers: list[HybridLayerConfig], image: Image) -> tuple[wiring.Component, MemoryMap]:
    (layer,) = layers
    neuron = TsNeuron(image, substeps=layer.substeps, recip_shift=layer.recip_shift)
    return neuron, neuron.memory_map


def _hybrid_neuron(layers: list[HybridLayerConfig], image: Image) -> tuple[wiring.Component, MemoryMap]:
    (layer,) = layers
    neuron = HybridNeuron(layer.rows, image, substeps=layer.substeps, recip_shift=layer.recip_shift)
    return neuron, neuron.memory_map


def _lia(layers: list[HybridLayerConfig], image: Image) -> tuple[wiring.Component, MemoryMap]:
    (layer,) = layers
    memory_map = MemoryMap(image)
    return LateralInhibition(layer.neurons, layer.tie, memory_map, "layer1."), memory_map


def _network(layers: list[HybridLayerConfig], image: Image) -> tuple[wiring.Component, MemoryMap]:
    network = HybridNetwork(layers, image)
    return HostPort(network), network.memory_map


def _opamp_network(layers: list[OpampLayerConfig], image: Image) -> tuple[wiring.Component, MemoryMap]:
    network = OpampNetwork(layers, image)
    return HostPort(network), network.memory_map


def _lif_network(layers: list[LifLayerConfig], image: Image) -> tuple[wiring.Component, MemoryMap]:
    network = LifNetwork(layers, held_entries(layers[0].rows), image)
    return HostPort(network), network.memory_map


_NEURON_USE = """\
After reset wait for idle, then hold run high: clk_level is the paper's CLK. With tick tied high it runs as fast as it
can; with tick as a strobe of one clock every {substep} it keeps to the circuit's own time."""

_HOST_USE = """\
A write is taken in a clock with enable and ready high: coefficients and presentations, at the addresses below. A
write to go shows the presentation; idle is high when it is over."""

_LIF_USE = f"""\
{_HOST_USE} Before that write the image: row and value of each pixel that is not zero, in ascending order
of rows, and how many they are."""


def _opamp(name: str, title: str, run: str) -> Design:
    """Twin of a run of the experiment of the same name."""
    return Design(
        name=name, title=title, experiment=name, run=run, use=_HOST_USE, bench="tb_opamp", parts=_opamp_network
    )


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
            title="two-layer network that learns ten digits",
            experiment="digits",
            run="adaptive",
            use=_HOST_USE,
            bench="tb_digits",
            parts=_network,
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
            parts=_lif_network,
        ),
        Design(
            name="mnist",
            title="network of LIF neurons for handwritten digits",
            experiment="mnist",
            run="drawn",
            use=_LIF_USE,
            bench="tb_lif",
            parts=_lif_network,
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
    component, memory_map = design.build()
    head = _header(design, component, memory_map)
    # Without a time scale Icarus warns of whoever has one.
    comment = "".join(f"// {line}".rstrip() + "\n" for line in head)
    return f"{comment}\n`timescale 1ns / 1ps\n\n{convert(component, design.top)}"


def _header(design: Design, component: wiring.Component, memory_map: MemoryMap) -> list[str]:
    """Describe the design in the lines of a comment."""
    spec = design.spec
    substep = f"{1e6 * _substep(spec):g} us"
    lines = [f"memtwin, design {design.name}: {design.title}", ""]
    lines += textwrap.wrap(" ".join(design.use.format(substep=substep).split()), 117)
    for number, layer in enumerate(design.coefficients, 1):
        shown = ", ".join(f"{name} {value}" for name, value in layer.structure.items())
        lines += ["", f"Layer {number}: {shown}"]
    lines += ["", "Coefficients after reset are those of"]
    if "net" in design.settings.options:
        lines.append(f"  network {Path(design.settings.options['net']).name}")
    for card in _cards(design, memory_map):
        values = ", ".join(f"{name} {field}" for name, field in card.fields.items())
        lines += textwrap.wrap(f"card {card.name}: {values}", 117, initial_indent="  ", subsequent_indent="    ")
    lines += ["", "Words of 16 bits on the configuration bus, by address:"]
    for window in memory_map.windows.values():
        first, last = window.address(0), window.address(window.depth - 1)
        where = f"0x{first:05x}" if window.depth == 1 else f"0x{first:05x}-0x{last:05x}"
        fields = ""
        if isinstance(window, MatrixWindow):
            fields = f", row * {1 << ceil_log2(window.columns)} + column"
        lines.append(f"  {where:17}  {window.name}{fields}")
    if isinstance(component, HostPort):
        for register, addresses in component.registers.items():
            where = f"0x{addresses[0]:06x}" if len(addresses) == 1 else f"0x{addresses[0]:06x}-0x{addresses[-1]:06x}"
            lines.append(f"  {where:17}  presentation: {register}")
    return lines


def _substep(spec: NetworkSpec | OpampSpec | LifSpec) -> float:
    """Time of one substep, of a step with LIF neurons, s."""
    return spec.dt if isinstance(spec, LifSpec) else spec.substep


def _cards(design: Design, memory_map: MemoryMap) -> list[Card]:
    """Cards that the coefficients of a design come from, each once."""
    spec = design.spec
    names = {name.partition(".")[2] for name in memory_map.windows}
    if isinstance(spec, NetworkSpec):
        cards = [spec.device, spec.synapse, spec.neuron] if "leak" in names else []
        return [*cards, *([spec.lia] if "inhibition" in names else [])]
    if isinstance(spec, LifSpec):
        # Those of a file's network are its synapses, which are exact without spread.
        return [] if "net" in design.settings.options and spec.synapse is None else list(design.settings.cards.values())
    found = [card for layer in spec.layers for card in (layer.neuron, layer.switch, *layer.memristors.values())]
    # Without learning and spread the synapses are those of the experiment.
    if spec.d2d or "step_up" in names:
        found.append(spec.synapse)
    return [card for position, card in enumerate(found) if card not in found[:position]]


def board_image(name: str, changes: Changes | None = None) -> BoardImage:
    """What a design takes to a board: structure, coefficients, the circuit's own time, and what is shown.

    Raises
    ------
    InputError
        If there is no design of that name, or a change does not fit.
    """
    design = find_design(name, changes)
    program = design.job.program
    image = BoardImage(layers=design.layers, image=design.image, substep_hz=round(1 / _substep(design.spec)))
    if isinstance(program, Stimulus):
        return replace(image, stimulus=_presentations(program))
    if isinstance(program, Images):
        capacity = held_entries(design.layers[0].rows)
        return replace(image, pictures=_pictures(program), steps=int(program.steps[0, 0]), capacity=capacity)
    lesson = _lesson(program) if program.learn[0].any() else None
    return replace(image, pulses=_bits(program.pixels[0, 0]), lesson=lesson)


def _presentations(stimulus: Stimulus) -> list[Presentation]:
    """List the presentations of a stimulus."""
    return [
        Presentation(
            **{name: _bits(getattr(stimulus, name)[0, at]) for name in ("pixels", "gates", "learn")},
            **{name: int(getattr(stimulus, name)[0, at]) for name in ("on", "off")},
        )
        for at in range(stimulus.presentations)
    ]


def _pictures(images: Images) -> list[Picture]:
    """List the images of trial 0."""
    return [
        Picture(
            rows=images.row[0, at, :entries].tolist(),
            values=images.value[0, at, :entries].tolist(),
            label=None if images.labels is None else int(images.labels[0, at]),
        )
        for at, entries in enumerate(images.entries[0].tolist())
    ]


def _lesson(program: Program) -> LessonPlan:
    """Turn the program of trial 0 into phases of training, and into how a pattern is shown afterwards.

    The number of a pattern is that of the output neuron that it is taught to, whose gate alone is open.
    """
    pixels, gates, learn = program.pixels[0], program.gates[0], program.learn[0]
    alone = gates.sum(axis=1) == 1
    taught = learn.any(axis=1)
    number = {pixels[at].tobytes(): int(gates[at].argmax()) for at in np.flatnonzero(taught & alone)}
    if sorted(number.values()) != list(range(len(number))):
        raise ValueError("a lesson must teach every pattern to an output neuron of its own, from neuron 0 on")
    patterns = [_bits(np.frombuffer(shown, np.uint8)) for shown in sorted(number, key=number.__getitem__)]

    terms = ("until", "fires", "periods", "rest")
    table = np.column_stack([learn, alone, *(getattr(program, term)[0] for term in terms)])
    starts = np.flatnonzero(np.diff(table, axis=0, prepend=-1).any(axis=1))
    phases = []
    for start, end in zip(starts, [*starts[1:], len(table)], strict=True):
        if taught[start]:
            phases.append(
                Phase(
                    learn=int(learn[start].argmax()),
                    order=[number[shown.tobytes()] for shown in pixels[start:end]],
                    labelled=bool(alone[start]),
                    **{term: int(getattr(program, term)[0, start]) for term in terms},
                )
            )
    after = int(np.flatnonzero(~taught)[0])
    return LessonPlan(
        patterns=patterns, phases=phases, periods=int(program.periods[0, after]), rest=int(program.rest[0, after])
    )


def _bits(pixels: NDArray[np.uint8]) -> int:
    """Flags as bits; bit `r` is row `r`."""
    return sum(int(pixel) << row for row, pixel in enumerate(pixels))
