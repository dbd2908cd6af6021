"""Waves of a recording on the paper's time axis, for GTKWave: a VCD, and a `.gtkw` that picks what to show."""

from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from vcd import VCDWriter
from vcd.gtkw import GTKWSave

from memtwin.sim.files import whole
from memtwin.sim.recording import Recording, Waveform

__all__ = ["write_waves"]


def write_waves(recording: Recording, path: Path, trial: int = 0) -> list[Path]:
    """Write one trial of `recording` to ``path.vcd`` and ``path.gtkw``; returns both paths.

    Time is simulated time in nanoseconds. A recording without waveforms writes nothing and returns an empty list.
    """
    waveforms = [layer.waveform[trial] for layer in recording.layers if layer.waveform]
    if not waveforms:
        return []
    vcd, gtkw = path.with_suffix(".vcd"), path.with_suffix(".gtkw")
    with whole(vcd) as partial, partial.open("w") as file:
        _write_vcd(file, waveforms, recording.backend)
    with whole(gtkw) as partial, partial.open("w") as file:
        save = GTKWSave(file)
        save.dumpfile(vcd.name, abspath=False)
        save.trace("memtwin.clk")
        for number, waveform in enumerate(waveforms, 1):
            for neuron in range(_neurons(waveform)):
                with save.group(f"layer {number}, neuron {neuron}", closed=neuron > 0):
                    for name in _names(waveform):
                        save.trace(f"memtwin.layer{number}.neuron{neuron}.{name}")
    return [vcd, gtkw]


def _names(waveform: Waveform) -> list[str]:
    """Signals that every neuron has, in the order of the kind."""
    return [name for name, values in waveform.signals.items() if values.ndim == 2]


def _neurons(waveform: Waveform) -> int:
    return waveform.signals[_names(waveform)[0]].shape[1]


def _variable(values: NDArray) -> dict[str, Any]:
    """Type of a signal: a number, a count, or a level of 0 and 1."""
    if np.issubdtype(values.dtype, np.floating):
        return {"var_type": "real", "init": 0.0}
    if values.max(initial=0) > 1:
        return {"var_type": "integer", "size": 32, "init": 0}
    return {"var_type": "wire", "size": 1, "init": 0}


def _write_vcd(file: IO[str], waveforms: list[Waveform], backend: str) -> None:
    changes: list[tuple[int, Any, int | float]] = []
    # Without a date equal runs give equal files.
    with VCDWriter(file, timescale="1 ns", date="", comment=f"memtwin, {backend}, simulated time") as writer:
        clk = writer.register_var("memtwin", "clk", "wire", size=1, init=0)
        changes += _changes(clk, waveforms[0], waveforms[0].clk)
        for number, waveform in enumerate(waveforms, 1):
            for neuron in range(_neurons(waveform)):
                scope = f"memtwin.layer{number}.neuron{neuron}"
                for name in _names(waveform):
                    values = waveform.signals[name]
                    variable = writer.register_var(scope, name, **_variable(values))
                    changes += _changes(variable, waveform, values[:, neuron])
        changes.sort(key=lambda change: change[0])
        for time, variable, value in changes:
            writer.change(variable, time, value)


def _changes(variable: Any, waveform: Waveform, values: NDArray) -> list[tuple[int, Any, int | float]]:
    """List what changes and when; a value holds from the start of its substep."""
    times = [round(time * 1e9) for time in waveform.time_s]
    if times and times[0] > 0:  # sampled at the ends of substeps
        times = [0, *times[:-1]]
    out: list[tuple[int, Any, int | float]] = []
    last = None
    for time, value in zip(times, values.tolist(), strict=True):
        if value != last:
            out.append((time, variable, value))
            last = value
    return out
