"""Reads the trace words of docs/opamp-arithmetic.md, section 9: waveforms, events and learning steps.

The same for words of the integer model and of the gateware.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.coefficients import LayerCoefficients
from memtwin.sim.opamp.quantize import AMPERE, OHM, VOLT
from memtwin.sim.opamp.spec import OpampSpec
from memtwin.sim.recording import Event, LayerRecording, Waveform
from memtwin.sim.trace_format import TraceFormat

__all__ = ["FORMAT", "KINDS", "Decoded", "Words", "decode", "decode_layer", "fields", "read"]

KINDS = {4: "conductance", 8: "current", 9: "circuit", 10: "state", 11: "memristor", 12: "phase"}
# Name, first bit and width of what is in the value of each kind; `s` is signed.
_VALUES = {
    "conductance": (("conductance", 0, 16), ("row", 16, 16)),
    "current": (("current", 0, 18),),
    "circuit": (("v_out1", 0, 18), ("v_out2", 18, 18), ("on", 36, 1), ("below", 37, 1)),
    "state": (("u", 0, 27), ("s", 27, 17)),
    "memristor": (("u", 0, 27),),
    "phase": (("driven", 0, 1), ("learn", 1, 1)),
}
_PHASE = next(number for number, name in KINDS.items() if name == "phase")


def _when(spec: OpampSpec, words: NDArray[np.int64]) -> dict[str, Any]:
    """Phase and substep of the last of `words`, counted from power-up."""
    passes = FORMAT.passes(words)
    # A phase or a current belongs to the pass that follows it.
    substep = passes if KINDS.get(int(words[-1]) & 15) in ("phase", "current") else max(passes - 1, 0)
    return {
        "phase": int(np.count_nonzero(words & 15 == _PHASE)) - 1,
        "substep": substep,
        "time_s": substep * spec.substep,
    }


FORMAT = TraceFormat(KINDS, _VALUES, "4 or 8 to 12", begins="circuit", when=_when, signed={"s"})
fields = FORMAT.fields
_LOG = 2.0**-13  # octaves


@dataclass(frozen=True)
class Words:
    """The words of one layer in one trial, sorted by kind; S substeps of N neurons.

    Attributes
    ----------
    circuit, state, memristor : dict of str to int64 array (S, N)
        Fields of each neuron in each substep; `memristor` is empty if there are no second dynamic memristors.
    phases, currents, synapses : dict of str to int64 array
        Fields of the other words in order, and `substep`: in which they are. Of `currents` the first axis is
        the evaluation, the second the column; `synapses` also have `column`.
    """

    circuit: dict[str, NDArray[np.int64]]
    state: dict[str, NDArray[np.int64]]
    memristor: dict[str, NDArray[np.int64]]
    phases: dict[str, NDArray[np.int64]]
    currents: dict[str, NDArray[np.int64]]
    synapses: dict[str, NDArray[np.int64]]

    @property
    def substeps(self) -> int:
        """Number of substeps."""
        return self.circuit["on"].shape[0]


@dataclass(frozen=True)
class Decoded:
    """What the words of one layer in one trial say; the fields are those of `LayerRecording`."""

    waveform: Waveform
    events: list[Event]
    learning: list[tuple[float, int, NDArray[np.float64]]]


def read(words: NDArray[np.uint64], structure: dict) -> Words:
    """Sort the words of one layer in one trial by kind.

    Parameters
    ----------
    words : uint64 array
        The trace from power-up on.
    structure : dict
        Of the layer's `LayerCoefficients`: rows, neurons, and what is in the two places.

    Raises
    ------
    ValueError
        If the words are not those of whole substeps in the order of section 9.
    """
    words = np.asarray(words, dtype=np.uint64)
    kind, index = (words & np.uint64(15)).astype(int), (words >> np.uint64(4) & np.uint64(0xFFFF)).astype(int)
    value = (words >> np.uint64(20)).astype(np.int64)
    neurons, rows = structure["neurons"], structure["rows"]
    pattern = [9, 10] + [11] * (structure["first"] == "dynamic" and structure["second"] != "switch")

    in_pass = (kind >= 9) & (kind <= 11)
    per_pass = len(pattern) * neurons
    _demand(np.count_nonzero(in_pass) % per_pass == 0, f"must be whole substeps of {neurons} neurons")
    of_pass = kind[in_pass].reshape(-1, neurons, len(pattern)), index[in_pass].reshape(-1, neurons, len(pattern))
    _demand((of_pass[0] == pattern).all(), f"must have the kinds {', '.join(map(str, pattern))} for each neuron")
    _demand((of_pass[1] == np.arange(neurons)[:, None]).all(), "must have the neurons in order")
    passes = value[in_pass].reshape(-1, neurons, len(pattern))

    # Substep of each word: synapses come after its neurons, everything else before.
    before: NDArray[np.int64] = np.cumsum(in_pass) - in_pass
    outside = ~in_pass
    _demand((before[outside] % per_pass == 0).all(), "must have nothing between the neurons of a substep")
    substep = before // per_pass - (kind == 4)
    rank = np.select([kind == 4, kind == 12, kind == 8], [0, 1, 2], 3)  # order between the neurons of two substeps
    _demand((np.diff(before[outside] * 4 + rank[outside]) >= 0).all(), "must have phase, then current, in a substep")
    _demand((substep >= 0).all() and (substep[kind != 4] < len(passes)).all(), "must end and begin with a substep")

    phase, current, synapse = kind == 12, kind == 8, kind == 4
    _demand((np.diff(substep[phase]) > 0).all() and not index[phase].any(), "must have one phase word with index 0")
    _demand(not len(passes) or bool((substep[phase][:1] == 0).any()), "must begin with a phase")
    _demand(np.count_nonzero(current) % neurons == 0, f"must have currents of all {neurons} columns")
    columns = index[current].reshape(-1, neurons)
    at_current = substep[current].reshape(-1, neurons)
    _demand((columns == np.arange(neurons)).all(), "must have the columns in order")
    _demand(
        (at_current == at_current[:, :1]).all() and (np.diff(at_current[:, 0]) > 0).all(),
        "must have the currents of a substep once",
    )
    synapses = FORMAT.take("conductance", value[synapse])
    _demand(np.count_nonzero(synapse) % rows == 0, f"must have whole columns of {rows} synapses")
    _demand((synapses["row"].reshape(-1, rows) == np.arange(rows)).all(), "must have the rows of a column in order")
    place = (substep[synapse] * 2**16 + index[synapse]).reshape(-1, rows)
    _demand(
        (place == place[:, :1]).all() and (np.diff(place[:, 0]) > 0).all(), "must have the columns that learn in order"
    )

    return Words(
        circuit=FORMAT.take("circuit", passes[..., 0]),
        state=FORMAT.take("state", passes[..., 1]),
        memristor=FORMAT.take("memristor", passes[..., 2]) if len(pattern) == 3 else {},
        phases={**FORMAT.take("phase", value[phase]), "substep": substep[phase]},
        currents={**FORMAT.take("current", value[current].reshape(-1, neurons)), "substep": at_current[:, 0]},
        synapses={**synapses, "column": index[synapse], "substep": substep[synapse]},
    )


def _demand(right: bool | np.bool_, what: str) -> None:
    if not right:
        raise ValueError(f"the words of a trace {what}")


def _changes(on: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.diff(on, axis=0, prepend=0)


def decode_layer(layer: LayerRecording, spec: OpampSpec, coefficients: LayerCoefficients) -> None:
    """Fill `waveform`, `events` and `learning` of `layer` from its `words`."""
    decoded = [decode(words, spec, coefficients, trial) for trial, words in enumerate(layer.words)]
    layer.waveform = [one.waveform for one in decoded]
    layer.events = [one.events for one in decoded]
    layer.learning = [one.learning for one in decoded]


def decode(words: NDArray[np.uint64], spec: OpampSpec, coefficients: LayerCoefficients, trial: int = 0) -> Decoded:
    """Decode the words of one layer in one trial.

    Parameters
    ----------
    words : uint64 array
        The trace from power-up on.
    spec : OpampSpec
        For the time of a substep.
    coefficients : LayerCoefficients
        For the structure of the layer, its resistances at rest, and the conductances at power-up.
    trial : int
        Row of `coefficients` that the words belong to.

    Returns
    -------
    Decoded
        One sample at the start of each substep: resistances at that moment, currents and voltages with the input of
        the substep that begins, `on` after the decision of that substep, which is also the time of its events.

    Raises
    ------
    ValueError
        If the words are not those of whole substeps in the order of section 9.
    """
    taken = read(words, coefficients.structure)
    integers = {name: values[trial] for name, values in coefficients.words.items()}
    time = np.arange(taken.substeps, dtype=np.float64) * spec.substep

    events = []
    for substep, neuron in zip(*np.nonzero(_changes(taken.circuit["on"])), strict=True):
        kind = "on" if taken.circuit["on"][substep, neuron] else "off"
        events.append(Event(float(time[substep]), int(neuron), kind))

    driven = taken.phases["driven"][np.searchsorted(taken.phases["substep"], np.arange(time.size), side="right") - 1]
    signals = _signals(taken, coefficients.structure, integers)
    waveform = Waveform(time_s=time, clk=driven.astype(np.uint8), signals=signals)
    return Decoded(waveform, events, _learning(taken, spec, coefficients, trial))


def _signals(words: Words, structure: dict, integers: dict[str, NDArray[np.int64]]) -> dict[str, NDArray]:
    """Traces in A, V and Ohm at the starts of substeps."""
    shape = words.circuit["on"].shape
    evaluation = np.searchsorted(words.currents["substep"], np.arange(shape[0]), side="right")
    current = np.vstack([np.zeros((1, shape[1]), dtype=np.int64), words.currents["current"]])[evaluation]
    v_out2 = _quantity(words.circuit["v_out2"], VOLT)
    if structure["terminal"]:
        v_out2 = integers["v1"] * 2.0**-14 + np.where(words.circuit["below"] == 1, -v_out2, v_out2)

    def at_start(state: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.vstack([np.zeros((1, shape[1]), dtype=np.int64), state])[:-1]

    def resistance(initial: str, octaves: NDArray[np.floating]) -> NDArray[np.floating]:
        return OHM * 2.0 ** (integers[initial] * 2.0**-11 - octaves)

    signals = {"i_in": _quantity(current, AMPERE), "v_out1": _quantity(words.circuit["v_out1"], VOLT), "v_out2": v_out2}
    # `state` has the only dynamic memristor, or the first of two.
    places = [place for place, there in _dynamic(structure).items() if there]
    for place, state in zip(places, (words.state, words.memristor), strict=False):
        signals[f"r_{place}"] = resistance(f"r0_{place}_log", at_start(state["u"]) * 2.0**-22)
    depth = at_start(words.state["s"]).clip(0, integers["swing"])
    signals["r_switch"] = resistance("r_off_log", depth * 2.0**-12)
    signals["on"] = words.circuit["on"].astype(np.uint8)
    return signals


def _dynamic(structure: dict) -> dict[str, bool]:
    """Which places of the circuit have a dynamic memristor."""
    return {"first": structure["first"] == "dynamic", "second": structure["second"] != "switch"}


def _quantity(word: NDArray[np.int64], unit: float) -> NDArray[np.floating]:
    """Quantity of a log word; 0 stands for nothing."""
    return np.where(word == 0, 0.0, unit * 2.0 ** (word * _LOG))


def _learning(
    words: Words, spec: OpampSpec, coefficients: LayerCoefficients, trial: int
) -> list[tuple[float, int, NDArray[np.float64]]]:
    """Learning steps: time of the set, neuron, its conductances after, S."""
    rows = coefficients.structure["rows"]
    columns = words.synapses["conductance"].reshape(-1, rows) * coefficients.weight_unit
    substeps, neurons = words.synapses["substep"][::rows], words.synapses["column"][::rows]
    return [
        (float(substep * spec.substep), int(neuron), column)
        for substep, neuron, column in zip(substeps, neurons, columns, strict=True)
    ]
