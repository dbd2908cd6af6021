"""What a layer of op-amp neurons went through, and its recording."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.opamp.physics_circuit import Circuit
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import LayerSample, LayerSpec
from memtwin.sim.recording import Event, LayerRecording, Waveform

__all__ = ["Outcome", "Samples", "record"]


@dataclass
class Samples:
    """States of all neurons at the start of each of S substeps, after what happens then.

    Attributes
    ----------
    w : float array (dynamic memristors, S, E)
    y, current : float array (S, E)
        Switch, and input current in A.
    on : bool array (S, E)
    """

    w: NDArray[np.float64]
    y: NDArray[np.float64]
    current: NDArray[np.float64]
    on: NDArray[np.bool_]

    @classmethod
    def empty(cls, devices: int, substeps: int, elements: int) -> "Samples":
        """Make room for so many."""
        shape = (substeps, elements)
        return cls(np.zeros((devices, *shape)), np.zeros(shape), np.zeros(shape), np.zeros(shape, dtype=bool))


@dataclass
class Outcome:
    """A layer's run: what a law of switching hands back.

    Attributes
    ----------
    events : list (one per trial) of list of Event, rising in time
    learning : list (one per trial) of list of (time_s, neuron, float array (rows,))
    conductance : float array (trials, neurons, rows)
        At the end, S.
    samples : Samples or None
        Only if they were asked for.
    """

    events: list[list[Event]]
    learning: list[list[tuple[float, int, NDArray[np.float64]]]]
    conductance: NDArray[np.float64]
    samples: Samples | None


def record(
    outcome: Outcome, layer: LayerSpec, sample: LayerSample, stimulus: Stimulus, substep: float
) -> LayerRecording:
    """Count the pulses of each presentation; with samples, keep events and learning, and compute the waveforms."""
    shape = (stimulus.trials, stimulus.presentations, layer.neurons)
    fires = np.zeros(shape, dtype=np.int64)
    for trial, events in enumerate(outcome.events):
        starts = stimulus.starts(trial)[:-1] * substep
        for event in events:
            if event.kind == "on":
                # A presentation without any substep never is the last that began.
                fires[trial, np.searchsorted(starts, event.time_s, side="right") - 1, event.neuron] += 1
    out = LayerRecording(fires=fires, spikes=fires.copy(), conductance=outcome.conductance)
    if outcome.samples is not None:
        out.events, out.learning = outcome.events, outcome.learning
        signals = _signals(Circuit(layer, sample), layer, outcome.samples)
        out.waveform = [_waveform(signals, layer.neurons, stimulus, trial, substep) for trial in range(stimulus.trials)]
    return out


def _signals(circuit: Circuit, layer: LayerSpec, samples: Samples) -> dict[str, NDArray]:
    """Signals (S, E) of the waveform."""
    w, r_switch = np.clip(samples.w, 0.0, 1.0), circuit.r_switch(np.clip(samples.y, 0.0, 1.0))
    signals: dict[str, NDArray] = {
        "i_in": samples.current,
        "v_out1": circuit.v_out1(w, samples.current),
        "v_out2": circuit.v_out2(w, r_switch, samples.current),
    }
    for number, place in enumerate(layer.memristors):
        signals[f"r_{place}"] = circuit.r_dynamic(w[number], number)
    return {**signals, "r_switch": r_switch, "on": samples.on.astype(np.uint8)}


def _waveform(signals: dict[str, NDArray], neurons: int, stimulus: Stimulus, trial: int, substep: float) -> Waveform:
    """Cut one trial out of the signals of all."""
    lengths = np.stack([stimulus.on[trial], stimulus.off[trial]], axis=1).ravel()
    clk = np.repeat(np.tile(np.array([1, 0], dtype=np.uint8), stimulus.presentations), lengths)
    own = slice(trial * neurons, (trial + 1) * neurons)
    time: NDArray[np.float64] = substep * np.arange(clk.size, dtype=float)
    return Waveform(time, clk, {name: values[: clk.size, own].copy() for name, values in signals.items()})
