"""Figures of one op-amp neuron: current, resistance, both voltages and pulses over time (us12387090, Fig. 5, 6)."""

from typing import TYPE_CHECKING

import numpy as np

from memtwin.sim.figures import COLOURS, axis, panels
from memtwin.sim.opamp.spec import OpampSpec
from memtwin.sim.recording import LayerRecording

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["draw_stimulus"]

_MEMRISTORS = {"r_first": "$R_m$, feedback", "r_second": "$R_m$, beside the switch"}


def draw_stimulus(title: str, layer: LayerRecording, spec: OpampSpec) -> "Figure":
    """Draw one neuron under one stimulus (trial 0), from top to bottom I_in, R_m, V_OUT1, V_OUT2; pulses are marked."""
    wave = layer.waveform[0]
    ms = 1e3 * wave.time_s
    figure, (current, resistance, out1, out2) = panels(title, 4, height=6.0, ratios=(1, 2, 2, 2))

    micro = 1e6 * wave.signals["i_in"][:, 0]
    current.fill_between(ms, 0, micro, step="post", color=COLOURS[2], alpha=0.4, linewidth=0)
    axis(current, "", "$I_{in}$ (uA)")

    present = [name for name in _MEMRISTORS if name in wave.signals]
    for name, colour in zip(present, COLOURS, strict=False):
        resistance.plot(ms, wave.signals[name][:, 0], color=colour, linewidth=1.2, label=_MEMRISTORS[name])
    resistance.set_yscale("log")
    resistance.tick_params(which="both", labelsize=7)
    resistance.legend(fontsize=7, frameon=False)
    axis(resistance, "", "$R_m$ (Ohm)")

    switch = spec.layers[0].switch
    out1.plot(ms, wave.signals["v_out1"][:, 0], color=COLOURS[0], linewidth=1.2)
    out1.axhline(switch["v_th"], color=COLOURS[5], linewidth=0.7, linestyle=":")
    where = out1.get_yaxis_transform()
    out1.text(0.995, switch["v_th"], "$V_{th}$", fontsize=7, ha="right", va="bottom", transform=where)
    axis(out1, "", "$V_{OUT1}$ (V)")

    milli = 1e3 * wave.signals["v_out2"][:, 0]
    out2.plot(ms, milli, color=COLOURS[1], linewidth=0.9)
    pulses = np.array([event.time_s for event in layer.events[0] if event.kind == "on"])
    out2.plot(1e3 * pulses, np.full(pulses.size, 1.08 * milli.max()), "v", color=COLOURS[3], markersize=3)
    axis(out2, "time (ms)", "$V_{OUT2}$ (mV)")
    return figure
