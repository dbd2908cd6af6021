"""Physics of the op-amp neurons: the circuit's equations in continuous time, float64, SI units (docs/opamp-neurons.md).

Layers are feed-forward: a layer is taken through the whole run, then its events are inputs of the next, each at its
very moment. Nothing is rounded to substeps; presentations begin and end at exact times, and the waveforms are sampled
at the start of every substep.
"""

from memtwin.sim.backends import Job, Progress
from memtwin.sim.opamp import physics_neuron, smooth
from memtwin.sim.opamp.physics_array import inputs_of
from memtwin.sim.opamp.physics_course import record
from memtwin.sim.opamp.shown import Stimulus
from memtwin.sim.opamp.spec import OpampSpec
from memtwin.sim.recording import Event, LayerRecording, Recording

__all__ = ["run"]


def run(job: Job, progress: Progress | None = None) -> Recording:
    """Run `job` in continuous time: by the sharp law, or by the smooth one if the spec says `smooth`.

    Returns
    -------
    Recording
        Without `words` and `clocks`, which continuous time does not have. Events have exact times.
    """
    spec, stimulus = job.spec, job.shown
    assert isinstance(spec, OpampSpec)
    assert isinstance(stimulus, Stimulus)  # what goes with it
    run_layer = smooth.run_layer if spec.smooth else physics_neuron.run_layer
    lengths = (stimulus.on + stimulus.off).sum(axis=1)
    grid = (int(lengths.max()), spec.substep)

    layers: list[LayerRecording] = []
    before: list[list[Event]] | None = None
    for number, (layer, sample) in enumerate(zip(spec.layers, job.sample(), strict=True)):

        def tell(done: float, number: int = number) -> None:
            if progress is not None:
                progress((number + done) / len(spec.layers))

        inputs = [
            inputs_of(stimulus, trial, number, layer, spec.substep, None if before is None else before[trial])
            for trial in range(stimulus.trials)
        ]
        outcome = run_layer(layer, sample, inputs, spec.synapse, grid, job.record, tell)
        layers.append(record(outcome, layer, sample, stimulus, spec.substep))
        before = outcome.events
        tell(1.0)
    return Recording(backend="physics", layers=layers, duration=stimulus.on.copy(), time_s=lengths * spec.substep)
