"""The threshold switch against the times of its source and closed forms."""

import math

import numpy as np
import pytest

from tests.sim.hybrid.circuits import DEVICE, arrays


@pytest.mark.parametrize(
    ("volts", "integration_us", "relaxation_us"),
    [(1.0, 933, 461), (1.1, 762, 494), (1.2, 625, 524), (1.3, 514, 554), (1.4, 424, 583)],
)
def test_device_meets_the_times_of_fig_2d(volts, integration_us, relaxation_us):
    x, on, rate = arrays(0.0, False, float(DEVICE.rate(volts)))
    wait = DEVICE.time_to_switch(x, on, rate, np.array([[1.0]]))
    assert wait.item() == pytest.approx(integration_us * 1e-6, abs=0.5e-6)
    # The closed form, written down once more.
    g = 195 * math.exp(volts / 0.55)
    assert wait.item() == pytest.approx(-4e-3 * math.log(1 - 1 / (g * 4e-3)), rel=1e-12)
    peak = DEVICE.after(1e-3 - wait, np.array([[1.0]]), ~on, rate)
    relax = DEVICE.time_to_switch(peak, ~on, 0 * rate, np.array([[1.0]]))
    assert relax.item() == pytest.approx(relaxation_us * 1e-6, abs=0.5e-6)
    assert relax.item() == pytest.approx(150e-6 * math.log((1 + g * (1e-3 - wait.item())) / 0.05), rel=1e-12)


def test_device_state_does_not_depend_on_where_time_is_cut():
    x = np.array([[0.3, 1.2, 0.9]])
    on = np.array([[False, True, True]])
    rate = np.array([[800.0, 900.0, 0.0]])
    whole = DEVICE.after(200e-6, x, on, rate)
    halved = DEVICE.after(77e-6, DEVICE.after(123e-6, x, on, rate), on, rate)
    assert halved == pytest.approx(whole, rel=1e-14)


def test_device_is_clamped_at_its_ceiling_and_undriven_at_hold():
    assert DEVICE.after(1.0, *arrays(1.0, True, 500.0)).item() == 4.0
    assert DEVICE.rate([0.05, 0.2, 0.21]).tolist() == [0.0, 0.0, pytest.approx(195 * math.exp(0.21 / 0.55))]


@pytest.mark.parametrize(
    ("x", "on", "rate", "wait"),
    [
        (0.5, False, 0.0, math.inf),  # off and undriven: it only leaks
        (0.5, False, 249.0, math.inf),  # the leak wins: ceiling 0.996
        (1.0, False, 400.0, 0.0),  # at the threshold already
        (2.0, True, 400.0, math.inf),  # on and driven: it stays
        (0.05, True, 0.0, 0.0),  # at the rupture level
    ],
)
def test_device_switches_when_it_should(x, on, rate, wait):
    assert DEVICE.time_to_switch(*arrays(x, on, rate, 1.0)).item() == wait


def bisect(f, low, high):
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if f(middle) < 0 else (low, middle)
    return high


@pytest.mark.parametrize("tau_adapt", [1e-3, 30e-3, 1.0])
@pytest.mark.parametrize(("x", "adapt", "g"), [(0.0, 0.3, 900.0), (0.9, 0.4, 600.0), (0.2, 1.5, 500.0)])
def test_crossing_of_a_falling_threshold(x, adapt, g, tau_adapt):
    def distance(t):
        return 4e-3 * g + (x - 4e-3 * g) * math.exp(-t / 4e-3) - 1.0 - adapt * math.exp(-t / tau_adapt)

    wait = DEVICE.time_to_switch(*arrays(x, False, g, 1.0, adapt), adapt_rate=1 / tau_adapt).item()
    if math.isfinite(wait):
        assert wait == pytest.approx(bisect(distance, 0.0, 10 * tau_adapt + 0.1), rel=1e-9)
    else:
        assert max(distance(t) for t in np.linspace(0, 20e-3, 2000)) < 0


def test_falling_threshold_that_is_never_reached():
    wait = DEVICE.time_to_switch(*arrays(0.9, False, 200.0, 1.0, 0.3), adapt_rate=1.0)
    assert wait.item() == math.inf
