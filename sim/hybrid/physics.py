"""Physics: the circuit's equations in continuous time, float64, SI units.

Between events every voltage is constant, and the device has a closed form; the times of events are solved, not stepped
to. CLK edges, device switching, latches, gates and comparators are events (docs/hybrid-neuron.md). The order of a
program's presentations and of random numbers is that of docs/arithmetic.md; nothing is rounded.
"""

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.backends import Job, Progress
from memtwin.sim.hybrid.ceiling import ceiling_warnings
from memtwin.sim.hybrid.physics_layer import PhysicsLayer
from memtwin.sim.hybrid.physics_record import Recorder
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.recording import LayerRecording, Recording

__all__ = ["run"]


class _Cursor:
    """Where every trial is in its program."""

    def __init__(self, program: Program) -> None:
        self.program = program
        shape = (program.trials,)
        self.trial = np.arange(program.trials)
        self.position = np.zeros(shape, dtype=np.int64)
        self.shown, self.rested, self.fires = (np.zeros(shape, dtype=np.int64) for _ in range(3))
        self.resting = np.zeros(shape, dtype=bool)
        self.periods = np.zeros((program.trials, program.presentations), dtype=np.int64)
        self._move()

    @property
    def active(self) -> NDArray[np.bool_]:
        """Trials that are not over."""
        return self.position < self.program.presentations

    @property
    def index(self) -> NDArray[np.int64]:
        """Presentation of each trial (the last where the trial is over)."""
        return np.minimum(self.position, self.program.presentations - 1)

    @property
    def pulsing(self) -> NDArray[np.bool_]:
        """Trials that are being shown something."""
        return self.active & ~self.resting

    def at(self, name: str) -> NDArray:
        """Look up a field of each trial's presentation."""
        return getattr(self.program, name)[self.trial, self.index]

    def period_over(self, fires: NDArray[np.int64], quiet: NDArray[np.bool_]) -> None:
        """Count a period with so many fires (trials,) of the counted layer, after which its V_L is all low or not."""
        pulsing, active = self.pulsing, self.active
        self.shown += pulsing
        self.rested += active & ~pulsing
        self.fires += fires * pulsing
        wanted = self.at("fires")
        self.resting |= pulsing & (wanted > 0) & (self.fires >= wanted) & quiet
        self._move()

    def _move(self) -> None:
        """Go on to rest, or to the next presentation, where it is time."""
        while True:
            self.resting |= self.active & (self.shown >= self.at("periods"))
            over = self.active & self.resting & (self.rested >= self.at("rest"))
            if not over.any():
                return
            self.periods[self.trial[over], self.position[over]] = self.shown[over]
            self.position[over] += 1
            for count in (self.shown, self.rested, self.fires, self.resting):
                count[over] = 0


def run(job: Job, progress: Progress | None = None) -> Recording:
    """Run `job` in continuous time; all trials at once, half-period by half-period.

    Returns
    -------
    Recording
        Without `words` and `clocks`, which continuous time does not have; with ``job.record`` event times are exact
        and the waveforms are sampled at substep ends.
    """
    spec, program = job.spec, job.shown
    trials, presentations = program.trials, program.presentations
    cursor = _Cursor(program)
    recorders: list[Recorder | None] = [
        Recorder(trials, layer.neurons, spec.substeps, spec.half_period) if job.record else None
        for layer in spec.layers
    ]
    layers = [
        PhysicsLayer(spec, layer, sample, recorder)
        for layer, sample, recorder in zip(spec.layers, job.sample(), recorders, strict=True)
    ]
    fires = [np.zeros((trials, presentations, layer.neurons), dtype=np.int64) for layer in spec.layers]
    spikes = [np.zeros_like(count) for count in fires]
    halves = np.zeros(trials, dtype=np.int64)

    told = 0.0
    while cursor.active.any():
        active, index = cursor.active, cursor.index
        rows = cursor.at("pixels").astype(bool) & cursor.pulsing[:, None]
        learn = cursor.at("learn").astype(bool) & active[:, None]
        counted = np.zeros((trials, len(layers)), dtype=np.int64)
        quiet = np.zeros((trials, len(layers)), dtype=bool)
        for clk in (True, False):
            signal = rows
            for number, layer in enumerate(layers):
                last = number == len(layers) - 1
                mask = cursor.at("gates").astype(bool) if last else np.ones_like(layer.on)
                if recorder := recorders[number]:
                    recorder.begin(clk, active)
                fired = layer.half_period(clk, signal, mask, learn[:, number])
                if clk:
                    signal = layer.l2  # G1, the input pulses of the next layer
                    fires[number][cursor.trial[active], index[active]] += fired[active]
                    spikes[number][cursor.trial[active], index[active]] += layer.l2[active]
                    counted[:, number] = fired.sum(axis=1)
                quiet[:, number] = ~layer.v_l.any(axis=1)
        halves += 2 * active
        until = cursor.at("until")
        cursor.period_over(counted[cursor.trial, until], quiet[cursor.trial, until])
        done = float(cursor.position.mean() / presentations)
        if progress is not None and done > told:
            progress(done)
            told = done

    out = []
    for number, (layer, recorder) in enumerate(zip(layers, recorders, strict=True)):
        recording = LayerRecording(fires=fires[number], spikes=spikes[number], conductance=layer.conductance)
        if recorder is not None:
            recording.learning = recorder.learning
            recording.events = recorder.events
            recording.waveform = recorder.waveforms(halves)
        out.append(recording)
    return Recording(
        backend="physics",
        layers=out,
        duration=cursor.periods,
        time_s=halves * spec.half_period,
        warnings=ceiling_warnings(spec, [layer.at_ceiling for layer in layers]),
    )
