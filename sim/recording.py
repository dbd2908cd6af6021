"""What a run leaves behind, the same for every backend."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Event", "LayerRecording", "Recording", "Waveform", "acceleration_of"]


@dataclass(frozen=True)
class Event:
    """Something that happened to one neuron at one time.

    `kind` is ``"on"`` (the device switches on; an op-amp neuron's pulse begins), ``"off"`` (it ruptures or resets; the
    pulse ends), and for hybrid neurons ``"fire"`` (L1 rises), ``"spike"`` (G1 rises), ``"l2_rise"`` or ``"l2_fall"``.
    """

    time_s: float
    neuron: int
    kind: str


@dataclass
class Waveform:
    """Traces of one layer in one trial, one sample per substep; arrays are (S,) or (S, neurons).

    Hybrid neurons are sampled at the end of every substep: `time_s` is that end, `clk` the level of CLK in the substep.
    Signals: `x` the filament, `v1` the voltage of node 1 (V); `on node2 l1 l2 g1 v_l t1 t3 gate` are 0 or 1.

    Op-amp neurons are sampled at the start of every substep: `time_s` is that start, `clk` is 1 where there is input.
    Signals: `i_in` (A), `v_out1`, `v_out2` (V), `r_first`, `r_second` (the dynamic memristors that exist), `r_switch`
    (Ohm); `on` is 1 from set to reset. States are those of that moment, currents and voltages those that the input of
    the beginning substep makes of them, and `on` follows the decision of that substep.
    """

    time_s: NDArray[np.float64]
    clk: NDArray[np.uint8]
    signals: dict[str, NDArray]


@dataclass
class LayerRecording:
    """One layer over a whole run.

    Attributes
    ----------
    fires, spikes : int64 array (trials, presentations, neurons)
        Fires and output spikes in each presentation, its rest included; of op-amp neurons both are the pulses.
    conductance : float array (trials, neurons, rows)
        At the end of the run, S.
    learning : list (one per trial) of list of (time_s, neuron, float array (rows,))
        The neuron's conductances, S, after each learning step; only with `record`.
    waveform : list of Waveform, one per trial; only with `record`.
    events : list (one per trial) of list of Event; only with `record`.
    words : list of uint64 array, one per trial
        The trace of docs/arithmetic.md, section 11, or docs/opamp-arithmetic.md, section 9; only with `record`, and not
        in `physics` and `ngspice`, which have no words.
    """

    fires: NDArray[np.int64]
    spikes: NDArray[np.int64]
    conductance: NDArray[np.floating]
    learning: list[list[tuple[float, int, NDArray[np.float64]]]] = field(default_factory=list)
    waveform: list[Waveform] = field(default_factory=list)
    events: list[list[Event]] = field(default_factory=list)
    words: list[NDArray[np.uint64]] = field(default_factory=list)


@dataclass
class Recording:
    """One run of a program on one backend.

    Attributes
    ----------
    layers : list of LayerRecording
        Layer 1 first.
    duration : int64 array (trials, presentations)
        How long each presentation took, without its rest, in the `tick` of the kind: clock periods, substeps, steps.
    time_s : float array (trials,)
        Simulated time of the whole program or stimulus.
    clocks : int64 array (trials,) or None
        Fabric clocks of the whole program, where there is a fabric.
    saturated : dict of str to int
        How often an arithmetic word hit the end of its range, by name (`model` only).
    warnings : dict of str to list of str
        What a user should know of this run, and where in it that is so.
    state : dict of str to int64 array (trials, words)
        What the network remembers at the end, by window (docs/link.md, section 5); another run can start from it.
        Empty on backends without words.
    """

    backend: str
    layers: list[LayerRecording]
    duration: NDArray[np.int64]
    time_s: NDArray[np.floating]
    clocks: NDArray[np.int64] | None = None
    saturated: dict[str, int] = field(default_factory=dict)
    warnings: dict[str, list[str]] = field(default_factory=dict)
    state: dict[str, NDArray[np.int64]] = field(default_factory=dict)


def acceleration_of(recordings: Iterable[Recording], clock_hz: float) -> float | None:
    """Simulated time over the time that the fabric took at `clock_hz`; None where there is no fabric."""
    recordings = list(recordings)
    clocks = [recording.clocks for recording in recordings if recording.clocks is not None]
    if len(clocks) < len(recordings):
        return None
    seconds = sum(int(own.sum()) for own in clocks) / clock_hz
    return sum(float(recording.time_s.sum()) for recording in recordings) / seconds
