"""Recordings as NIR data."""

import nir
import numpy as np
import pytest

from memtwin.nir.nir_io import graph_of
from memtwin.nir.recording import data_of, write_recording
from memtwin.sim.errors import InputError
from tests.memtwin.nir.graphs import images, model, random_network


def test_a_recording_has_the_spikes_and_membranes_of_every_step(tmp_path):
    network = random_network(3)
    recording = model(network.spec, images(16), record=True)
    write_recording(network, recording, tmp_path / "run.nir")
    data = nir.read_data(tmp_path / "run.nir")
    data.check_nodes(graph_of(network))  # the same names and sizes
    for name, layer in zip(network.names, recording.layers, strict=True):
        spikes = data.nodes[name].observables["spikes"]
        assert np.array_equal(spikes.to_time_gridded(1e-3).data[0], layer.waveform[0].signals["spike"])
        assert np.array_equal(data.nodes[name].observables["v"].data[0], layer.waveform[0].signals["v"])
        assert (spikes.idx >= 0).sum() == layer.spikes.sum()


def test_counts_alone_are_no_recording():
    network = random_network(3)
    with pytest.raises(InputError, match="run with record=True"):
        data_of(network, model(network.spec, images(16)))
