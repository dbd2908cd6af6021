"""What goes into a bitstream: the structure and the coefficients of a network, and what is shown to it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic

from memtwin.hdl.port.network_port import AnyLayer

__all__ = ["BoardContent", "LessonPlan", "Phase", "Picture", "Presentation"]


def _counts(least: int, **values: object) -> None:
    for name, value in values.items():
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{name} must be an integer, not {value!r}")
        if not least <= value <= 65535:
            raise ValueError(f"{name} must be in {least}..65535, not {value!r}")


@dataclass(frozen=True, kw_only=True)
class Phase:
    """One part of a lesson, in which one layer learns (docs/arithmetic.md, section 10).

    Parameters
    ----------
    learn : int
        Layer that learns; 0 is layer 1.
    order : sequence of int
        Patterns to present, one presentation each.
    until : int
        Layer whose fires are counted; 0 is layer 1.
    fires, periods, rest : int
        Fires that end a presentation, or 0 for exactly `periods`; the most clock periods; periods of rest after it.
    labelled : bool
        Only the gate of the neuron of the last layer that has the number of the pattern is open; else all are.
    """

    learn: int
    order: Sequence[int]
    until: int = 0
    fires: int = 0
    periods: int
    rest: int = 0
    labelled: bool = False

    def __post_init__(self) -> None:
        _counts(0, learn=self.learn, until=self.until, fires=self.fires, rest=self.rest)
        _counts(1, periods=self.periods)
        if not self.order:
            raise ValueError("order must have at least one pattern")


@dataclass(frozen=True, kw_only=True)
class LessonPlan:
    """What `memtwin.boards.lesson.Lesson` shows: phases of training, then one pattern after the other for good.

    Parameters
    ----------
    patterns : sequence of int
        Patterns; bit `r` is input row `r` of layer 1.
    phases : sequence of Phase
        Training, in order.
    periods, rest : int
        Clock periods of a presentation, and of rest after it, once the training is over.
    """

    patterns: Sequence[int]
    phases: Sequence[Phase]
    periods: int
    rest: int = 0

    def __post_init__(self) -> None:
        _counts(1, periods=self.periods)
        _counts(0, rest=self.rest)
        if not self.patterns:
            raise ValueError("patterns must have at least one pattern")
        if not self.phases:
            raise ValueError("phases must have at least one phase")
        for number, phase in enumerate(self.phases, 1):
            if not all(0 <= pattern < len(self.patterns) for pattern in phase.order):
                raise ValueError(f"order of phase {number} must have patterns in 0..{len(self.patterns) - 1} only")


@dataclass(frozen=True, kw_only=True)
class Presentation:
    """One presentation of a stimulus to op-amp neurons (docs/opamp-arithmetic.md, section 7).

    Parameters
    ----------
    pixels, gates, learn : int
        Active inputs of layer 1, connected neurons of the last layer, layers that learn; as bits.
    on, off : int
        Substeps with and, after them, without input.
    """

    pixels: int
    gates: int
    learn: int
    on: int
    off: int

    def __post_init__(self) -> None:
        _counts(0, on=self.on, off=self.off)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """One image for LIF neurons: the pixels that are not zero (docs/lif-arithmetic.md, section 3).

    Parameters
    ----------
    rows, values : sequence of int
        Row of each entry, ascending, and its value, 1 to 255.
    label : int, optional
        Right answer.
    """

    rows: Sequence[int]
    values: Sequence[int]
    label: int | None = None

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.values):
            raise ValueError(f"values must be as many as rows, {len(self.rows)}, not {len(self.values)}")
        if any(after <= before for before, after in pairwise([-1, *self.rows])):
            raise ValueError("rows must be ascending")
        if not all(1 <= value <= 255 for value in self.values):
            raise ValueError("values must be in 1..255")


@dataclass(frozen=True, kw_only=True)
class BoardContent(Generic[AnyLayer]):
    """Everything that a design takes from cards and experiments; it is computed elsewhere and only stored here.

    Parameters
    ----------
    layers : sequence of LayerShape
        Structure of the network, or of the one neuron or array of the other designs.
    words : mapping of str to sequence of int
        Coefficients by name, such as ``"layer1.leak"``.
    substep_hz : int
        Substeps per second of the circuit's time; steps with LIF neurons.
    pulses : int
        Inputs that pulse, as bits (``hybrid-neuron``).
    learn : bool
        The synapses learn (``hybrid-neuron``).
    lesson : LessonPlan, optional
        What is taught and shown (``digits``).
    stimulus : sequence of Presentation
        What is shown again and again (op-amp neurons).
    pictures : sequence of Picture
        Images of which one is shown again and again (LIF neurons).
    steps, capacity : int
        Steps for which one is shown; entries of the encoder (LIF neurons).
    """

    layers: Sequence[AnyLayer]
    words: Mapping[str, Sequence[int]]
    substep_hz: int
    pulses: int = 1
    learn: bool = False
    lesson: LessonPlan | None = None
    stimulus: Sequence[Presentation] = ()
    pictures: Sequence[Picture] = ()
    steps: int = 1
    capacity: int = 2

    def __post_init__(self) -> None:
        if not self.layers:
            raise ValueError("layers must have at least one layer")
        _counts(1, steps=self.steps)
        if isinstance(self.substep_hz, bool) or not isinstance(self.substep_hz, int):
            raise TypeError(f"substep_hz must be an integer, not {self.substep_hz!r}")
        if self.substep_hz < 1:
            raise ValueError(f"substep_hz must be at least 1, not {self.substep_hz!r}")
        if not 0 <= self.pulses < 1 << self.layers[0].rows:
            raise ValueError(f"pulses must have {self.layers[0].rows} bits, not {self.pulses!r}")
