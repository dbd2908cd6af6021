"""Threshold switch in continuous time: closed forms between events (docs/threshold-switch.md)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from memtwin.sim.cards import Card

__all__ = ["ThresholdSwitch"]


@dataclass(frozen=True, kw_only=True)
class ThresholdSwitch:
    """Filament of a volatile threshold switch (zhang2021, Fig. 2).

    The device is off or on, and driven (its voltage is above `v_hold`) or not. With the growth rate
    ``g = g0 exp(V / v0)`` of a driven device, and ``g = 0`` of an undriven one, its filament `x` follows

    ==================  ==========================  ================================
    state               equation                    ends when
    ==================  ==========================  ================================
    off                 ``dx/dt = g - x/tau_leak``  driven and ``x >= theta``: on
    on and driven       ``dx/dt = g, x <= x_max``
    on and not driven   ``dx/dt = -x/tau_relax``    ``x <= theta_off``: off (rupture)
    ==================  ==========================  ================================

    While the voltage is constant each has a closed form, and so has the time at which it ends. Arrays may have any
    shapes that broadcast together. `rate` is the growth rate, zero where the device is not driven.
    """

    g0: float
    v0: float
    tau_leak: float
    tau_relax: float
    theta_off: float
    x_max: float
    v_hold: float

    @classmethod
    def from_card(cls, card: Card) -> "ThresholdSwitch":
        """Take the constants from a threshold switch card."""
        return cls(**{name: card[name] for name in cls.__dataclass_fields__})

    def rate(self, volts: ArrayLike) -> NDArray[np.float64]:
        """Growth rate, 1/s, of a device at `volts`: zero at or below the hold voltage."""
        volts = np.asarray(volts, dtype=float)
        return np.where(volts > self.v_hold, self.g0 * np.exp(volts / self.v0), 0.0)

    def after(self, seconds: ArrayLike, x: NDArray, on: NDArray, rate: NDArray) -> NDArray[np.float64]:
        """Filament `seconds` later, if nothing switches in between."""
        ceiling = rate * self.tau_leak
        off = ceiling + (x - ceiling) * np.exp(-np.asarray(seconds) / self.tau_leak)
        if not on.any():
            return off
        driven = np.minimum(x + rate * seconds, self.x_max)
        relaxing = x * np.exp(-np.asarray(seconds) / self.tau_relax)
        return np.where(on, np.where(rate > 0, driven, relaxing), off)

    def time_to_switch(
        self,
        x: NDArray,
        on: NDArray,
        rate: NDArray,
        theta: NDArray,
        adapt: NDArray | None = None,
        adapt_rate: ArrayLike = 0.0,
    ) -> NDArray[np.float64]:
        """Time to the next switching event, s; infinite where there is none.

        The threshold is ``theta + adapt * exp(-adapt_rate * t)``; without `adapt` it is constant.
        """
        threshold = theta if adapt is None else theta + adapt
        ceiling = rate * self.tau_leak
        with np.errstate(divide="ignore", invalid="ignore"):
            # Crossing of ceiling + (x - ceiling) exp(-t / tau_leak); the logarithm is nan where it never comes.
            rise = -self.tau_leak * np.log1p((x - threshold) / (ceiling - x))
            wait = np.where(ceiling > threshold, rise, np.inf)
        if adapt is not None:
            wait = self._falling_threshold(x, ceiling, theta, adapt, np.asarray(adapt_rate), wait)
        wait = np.where(x >= threshold, 0.0, wait)
        wait = np.where((rate > 0) & ~on, wait, np.inf)
        relaxing = on & (rate == 0)
        if relaxing.any():
            fall = self.tau_relax * np.log(np.maximum(x, self.theta_off) / self.theta_off)
            wait = np.where(relaxing, fall, wait)
        return wait

    def _falling_threshold(
        self, x: NDArray, ceiling: NDArray, theta: NDArray, adapt: NDArray, adapt_rate: NDArray, wait: NDArray
    ) -> NDArray[np.float64]:
        """Crossing of a threshold that falls exponentially: Newton's iteration from ``t = 0``.

        ``x(t) - threshold(t)`` is concave, so that the iteration approaches the root from below, quadratically; where
        its slope is not positive there is no root.
        """
        moving = (adapt > 0) & (adapt_rate > 0)
        if not moving.any():
            return wait
        t = np.zeros_like(wait)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            for _ in range(50):
                decay, fall = np.exp(-t / self.tau_leak), adapt * np.exp(-adapt_rate * t)
                missing = theta + fall - ceiling - (x - ceiling) * decay
                slope = (ceiling - x) * decay / self.tau_leak + fall * adapt_rate
                step = np.where(slope > 0, missing / slope, np.inf)
                t = t + np.maximum(np.nan_to_num(step, nan=np.inf), 0.0)
                if not (moving & np.isfinite(t) & (step > 1e-15 * (t + self.tau_leak))).any():
                    break
        return np.where(moving, t, wait)
