"""Recordings of LIF networks as NIR data, beside the graph of the same network (`memtwin.nir.nir_io`)."""

from pathlib import Path

import nir
import numpy as np

from memtwin.nir.networks import StoredNetwork
from memtwin.sim.errors import InputError
from memtwin.sim.files import whole
from memtwin.sim.recording import LayerRecording, Recording

__all__ = ["data_of", "write_recording"]


def write_recording(network: StoredNetwork, recording: Recording, path: Path) -> None:
    """Write a recording to a file of NIR data, whole or not at all; ``nir.read_data`` reads it.

    Raises
    ------
    InputError
        If nothing but counts was recorded, or the file cannot be written.
    """
    data = data_of(network, recording)
    with whole(path) as partial:
        nir.write_data(partial, data)


def data_of(network: StoredNetwork, recording: Recording) -> nir.NIRGraphData:
    """Say a recording in NIR: for the neurons of each layer `spikes` (events) and `v` (one value a step).

    A sample is a trial, with its images one after the other. A spike is in the middle of its step, and `v` is the
    membrane after the step; behind the end of a trial that is shorter than others, `v` is not a number.

    Raises
    ------
    InputError
        If nothing but counts was recorded.
    """
    nodes = {}
    for name, layer in zip(network.names, recording.layers, strict=True):
        if not layer.waveform:
            raise InputError(f"{network.source}: expected a recording of every step; run with record=True")
        nodes[name] = _node(layer, network.spec.dt)
    return nir.NIRGraphData(nodes)


def _node(layer: LayerRecording, dt: float) -> nir.NIRNodeData:
    neurons = layer.spikes.shape[2]
    steps = max(wave.time_s.size for wave in layer.waveform)
    shape = (len(layer.waveform), steps, neurons)
    spike, v = np.zeros(shape, dtype=bool), np.full(shape, np.nan)
    for trial, wave in enumerate(layer.waveform):
        spike[trial, : wave.time_s.size] = wave.signals["spike"]
        v[trial, : wave.time_s.size] = wave.signals["v"]
    most = int(spike.sum(axis=(1, 2)).max())
    # The middle of a step, so that rounding cannot move a spike to the step before.
    events = nir.TimeGriddedData(spike, dt).to_event(most, time_shift=dt / 2)
    return nir.NIRNodeData({"spikes": events, "v": nir.TimeGriddedData(v, dt)})
