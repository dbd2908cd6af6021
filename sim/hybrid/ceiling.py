"""What is said of a filament that reached its ceiling, a property of the device and no fault of the arithmetic."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from memtwin.sim.hybrid.spec import NetworkSpec
from memtwin.sim.units import format_si

__all__ = ["ceiling_warnings"]


def ceiling_warnings(spec: NetworkSpec, reached: Sequence[NDArray[np.bool_]]) -> dict[str, list[str]]:
    """Say in which layers and at which amplitudes of the input devices `reached` (trials, neurons) `x_max`."""
    device = spec.device
    places = []
    for number, (layer, devices) in enumerate(zip(spec.layers, reached, strict=True), 1):
        trials = devices.any(axis=1)
        if trials.any():
            volts = np.unique(np.broadcast_to(np.asarray(layer.v_in, dtype=float), trials.shape)[trials])
            amplitudes = ", ".join(format_si(float(volt), "V") for volt in volts)
            places.append(f"layer {number} at {amplitudes}")
    line = (
        f"card {device.name}: the filament reaches its ceiling, x_max = {device.fields['x_max']}; from there it "
        "relaxes in one time, however strong or long the pulse was"
    )
    return {line: places} if places else {}
