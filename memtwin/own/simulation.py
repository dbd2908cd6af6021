"""What a run of a network of one's own leaves behind, as arrays in SI units with their time axes."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from memtwin.own.network import Network
from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.recording import LayerRecording, Recording

__all__ = ["Simulation"]

_ALIKE = 1e-6  # of a step: rounding of times


class Simulation:
    """One run of a network on one backend.

    Layers are counted from 1, or by their name; without one the last is meant. Arrays begin with the trials.

    Attributes
    ----------
    network : Network
        What was run.
    backend : str
        On what.
    recording : Recording
        All that the backend left: events, learning steps, words of the trace, states.
    steps : int
        Steps of the input.
    warnings : list of str
        What a user should know, a line each.
    """

    def __init__(self, network: Network, job: Job, recording: Recording, warnings: list[str]) -> None:
        self.network, self.job, self.recording, self.warnings = network, job, recording, warnings
        self.backend, self.seed = recording.backend, job.seed
        self.steps = round(float(recording.time_s[0]) / network.step)

    @property
    def trials(self) -> int:
        """Number of trials."""
        return len(self.recording.time_s)

    @property
    def spikes(self) -> NDArray[np.uint32]:
        """Output spikes of the last layer in each step of the input, (trials, T, neurons)."""
        return self.spikes_of()

    @property
    def step_s(self) -> NDArray[np.floating]:
        """Start of each step of the input, s, (T,): the time axis of `spikes`."""
        return np.arange(self.steps) * self.network.step

    @property
    def time_s(self) -> NDArray[np.float64]:
        """When traces are sampled, s, (S,): their time axis."""
        return self._sampled(lambda wave: wave.time_s, None)[0]

    @property
    def counts(self) -> NDArray[np.int64]:
        """Output spikes of each neuron of the last layer, (trials, neurons)."""
        return self.counts_of()

    def spikes_of(self, layer: int | str | None = None) -> NDArray[np.uint32]:
        """Output spikes of a layer in each step of the input, (trials, T, neurons).

        Raises
        ------
        InputError
            If there is no such layer, or the run was not recorded.
        """
        own, circuit = self._layer(layer), self.network.circuit
        self._demand_events(own)
        out = np.zeros((self.trials, self.steps, own.spikes.shape[2]), dtype=np.uint32)
        for trial, events in enumerate(own.events):
            found = [(event.time_s, event.neuron) for event in events if event.kind == circuit.spike]
            times, neurons = np.array(found, dtype=float).reshape(-1, 2).T
            at = times / self.network.step
            at = np.ceil(at - _ALIKE) - 1 if circuit.spike_ends else np.floor(at + _ALIKE)
            np.add.at(out[trial], (at.clip(0, self.steps - 1).astype(np.int64), neurons.astype(np.int64)), 1)
        return out

    def counts_of(self, layer: int | str | None = None) -> NDArray[np.int64]:
        """Output spikes of each neuron of a layer, (trials, neurons)."""
        return self._layer(layer).spikes.sum(axis=1)

    def trace(self, name: str, layer: int | str | None = None) -> NDArray:
        """Return a signal at the times of `time_s`, (trials, S, neurons), or (trials, S) if a layer has one.

        Raises
        ------
        InputError
            If there is no such signal, the run was not recorded, or trials are sampled at different times.
        """
        own = self._layer(layer)
        known = sorted(own.waveform[0].signals) if own.waveform else []
        if known and name not in known:
            raise InputError(f"trace: unknown signal {name}; layers of {self.network.kind} neurons have {known}")
        return self._sampled(lambda wave: wave.signals[name], layer)

    def conductance(self, layer: int | str | None = None) -> NDArray[np.floating]:
        """Conductances, or weights, at the end, (trials, neurons, inputs)."""
        return self._layer(layer).conductance

    def to_xarray(self) -> Any:
        """Return spikes and traces of the last layer as an `xarray.Dataset`.

        Raises
        ------
        InputError
            If xarray is not installed, or as in `trace`.
        """
        try:
            import xarray
        except ImportError:
            raise InputError("to_xarray: needs xarray; pip install xarray") from None
        own = self._layer(None)
        data: dict[str, Any] = {"spikes": (("trial", "step", "neuron"), self.spikes)}
        for name in own.waveform[0].signals if own.waveform else ():
            values = self.trace(name)
            data[name] = (("trial", "time", "neuron")[: values.ndim], values)
        return xarray.Dataset(data, coords={"step": self.step_s, "time": self.time_s})

    def _layer(self, layer: int | str | None) -> LayerRecording:
        names = self.network.names
        if layer is None:
            return self.recording.layers[-1]
        number = names.index(layer) + 1 if layer in names else layer
        if not isinstance(number, int) or not 1 <= number <= len(names):
            raise InputError(f"layer: expected 1 to {len(names)}, or {', '.join(names)}, not {layer!r}")
        return self.recording.layers[number - 1]

    def _demand_events(self, own: LayerRecording) -> None:
        if not own.events:
            raise InputError("recording: has counts alone; run with record=True")

    def _sampled(self, of: Callable[[Any], NDArray], layer: int | str | None) -> NDArray:
        own = self._layer(layer)
        self._demand_events(own)
        first, *others = own.waveform
        if any(not np.array_equal(first.time_s, wave.time_s) for wave in others):
            raise InputError("trace: trials are sampled at different times; take skip=False, or recording.layers")
        return np.stack([of(wave) for wave in own.waveform])
