"""The same LIF network in Brian2, for comparison of speed; Brian2 is not needed for anything else.

Only networks of one layer of neurons that do not leak and reset by subtraction, as the shipped one: in Brian2 their
whole step is events, synapses, thresholds. Events are those of our encoder, so that both do the same work.
"""

import importlib
import time

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.lif.encoder import Encoder
from memtwin.sim.lif.shown import Images
from memtwin.sim.lif.spec import LifSpec

__all__ = ["available", "encoded", "simulate"]


def available() -> bool:
    """Whether Brian2 can be imported; 2.9 cannot with NumPy from 2.4 on, which fails in its own way."""
    try:
        importlib.import_module("brian2")
    except (ImportError, AttributeError):
        return False
    return True


def encoded(job: Job[LifSpec, Images]) -> NDArray[np.int64]:
    """Return the events of trial 0 as a table (events, 3) of image, step and row."""
    encoder = Encoder(job.spec, job.shown, job.sample()[0])
    out = []
    for wave in encoder.waves():
        live = np.ones(wave.trial.size, dtype=bool)
        for step in range(int(wave.steps.max())):
            wave.step(step, live)
            image, row = np.nonzero(wave.events[:, :-1])
            out.append(np.stack([wave.presentation[image], np.full_like(image, step), row], axis=1))
    return np.concatenate(out)


def simulate(job: Job[LifSpec, Images]) -> tuple[NDArray[np.int64], float]:
    """Simulate a job of one trial in Brian2's runtime mode, one image after the other.

    Parameters
    ----------
    job : Job
        Network and images, all shown for the same number of steps.

    Returns
    -------
    spikes : int64 array (images, neurons)
        Counts.
    seconds : float
        Of processor time, of the run alone: the network is built and its code compiled before.

    Raises
    ------
    InputError
        If the network is of another kind.
    """
    layer, shown = job.spec.layers[0], job.shown
    steps = int(shown.steps.max())
    leaky = np.isfinite(layer.per_neuron("tau")).any()
    if len(job.spec.layers) > 1 or leaky or layer.reset != "subtract" or layer.refractory:
        raise InputError("Brian2: expected one layer of neurons without leak and hold that reset by subtraction")
    if (shown.steps != steps).any():
        raise InputError("Brian2: expected the same steps for all images")

    b = importlib.import_module("brian2")  # only here: it is no dependency

    b.start_scope()
    dt = job.spec.dt * b.second
    b.defaultclock.dt = dt
    image, step, row = encoded(job).T
    source = b.SpikeGeneratorGroup(layer.rows, row, (image * steps + step) * dt)
    neurons = b.NeuronGroup(layer.neurons, "v : 1\ndrift : 1 (constant)", threshold="v > 1", reset="v -= 1")
    # Membranes are in thresholds.
    scale = layer.per_neuron("r") * job.spec.dt / layer.per_neuron("v_threshold")
    neurons.drift = scale * layer.per_neuron("bias")
    neurons.run_regularly("v += drift", when="synapses")
    synapses = b.Synapses(source, neurons, "w : 1 (constant)", on_pre="v_post += w")
    synapses.connect()
    synapses.w = (layer.weight * scale[:, None]).T.ravel()
    # Brian2 looks at the thresholds before it adds up the events of the same step, so that its neurons spike a step
    # later. Between the two, and after the resets that belong to the image before, the membranes go to 0.
    neurons.run_regularly("v = 0", dt=steps * dt, when="after_resets")
    monitor = b.SpikeMonitor(neurons)
    network = b.Network(source, neurons, synapses, monitor)
    network.schedule = ["start", "groups", "thresholds", "resets", "synapses", "end"]
    network.store()
    network.run(dt)  # compiles
    network.restore()
    began = time.process_time()
    network.run((shown.presentations * steps + 1) * dt)
    seconds = time.process_time() - began

    spikes = np.zeros((shown.presentations, layer.neurons), dtype=np.int64)
    which = (np.rint(np.asarray(monitor.t / dt)).astype(int) - 1) // steps
    np.add.at(spikes, (which, np.asarray(monitor.i)), 1)
    return spikes, seconds
