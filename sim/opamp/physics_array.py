"""What drives the neurons of a layer, and how its synapses learn (us12387090, Fig. 8 and 9)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.cards import Card
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import LayerSpec
from memtwin.sim.recording import Event

__all__ = ["Inputs", "inputs_of", "learnt"]

Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Inputs:
    """The inputs of one layer in one trial: constant from each time to the next.

    Attributes
    ----------
    times : float array (B,)
        When something changes, s, rising; the first is 0, the last the end of the trial, from when on all is off.
    rows : bool array (B, rows)
        Rows that are driven.
    seen : bool array (B, rows)
        Rows that have been driven in this presentation, up to and including now.
    gates : bool array (B, neurons)
        Neurons whose synapses are connected.
    learn : bool array (B,)
        The layer's synapses may change.
    """

    times: NDArray[np.float64]
    rows: Bools
    seen: Bools
    gates: Bools
    learn: Bools


def inputs_of(
    stimulus: Stimulus,
    trial: int,
    number: int,
    layer: LayerSpec,
    substep: float,
    before: list[Event] | None,
) -> Inputs:
    """Say what `layer`, number 0, 1, ... of the network, gets in a trial.

    Layer 0 gets the pixels of the presentation while that is driven. A later layer gets a buffered pulse from each "on"
    to the next "off" `before`, the events of the layer before.
    """
    starts = stimulus.starts(trial)
    end = starts[-1] * substep
    last = number == stimulus.learn.shape[2] - 1
    ends_of_drive = (starts[:-1] + stimulus.on[trial]) * substep
    phases = starts * substep
    changes = [] if before is None else [event for event in before if event.time_s < end]
    moments = np.unique(np.concatenate([phases, ends_of_drive, [event.time_s for event in changes]]))
    # A presentation without any substep never is the last that began.
    shown = np.searchsorted(phases[:-1], moments, side="right") - 1

    if before is None:
        rows = stimulus.pixels[trial, shown].astype(bool) & (moments < ends_of_drive[shown])[:, None]
    else:
        turns = np.zeros((moments.size, layer.rows), dtype=np.int8)
        for event in changes:
            turns[np.searchsorted(moments, event.time_s), event.neuron] += 1 if event.kind == "on" else -1
        rows = np.cumsum(turns, axis=0) > 0
    live = moments < end
    rows &= live[:, None]
    gates = stimulus.gates[trial, shown].astype(bool) if last else np.ones((moments.size, layer.neurons), dtype=bool)
    seen = rows.copy()
    for place in range(1, moments.size):
        if shown[place] == shown[place - 1]:
            seen[place] |= seen[place - 1]
    learn = stimulus.learn[trial, shown, number].astype(bool) & live
    return Inputs(moments, rows, seen, gates & live[:, None], learn)


def learnt(conductance: NDArray[np.float64], seen: Bools, synapse: Card) -> NDArray[np.float64]:
    """Conductances, S, of one neuron's synapses (rows,) after a learning step: rows that were `seen` up, others down.

    A step is the largest at the end that it leaves, and smaller by the part `nonlinearity` at the end that it goes to
    (docs/opamp-arithmetic.md, section 8; us12387090, Fig. 9).
    """
    low, high = synapse["g_off"], synapse["g_on"]
    bend = synapse["nonlinearity"]
    up = conductance + synapse["potentiation"] * ((high - low) - bend * (conductance - low))
    down = conductance - synapse["depression"] * ((high - low) - bend * (high - conductance))
    return np.where(seen, np.minimum(up, high), np.maximum(down, low))
