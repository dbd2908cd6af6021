"""Constants of the smooth switching law of the op-amp neurons."""

from dataclasses import dataclass

__all__ = ["LAW", "SmoothLaw"]


@dataclass(frozen=True)
class SmoothLaw:
    """Constants of the smooth law, read by the physics (`OpampSpec.smooth`) and by the netlist of ngspice.

    The sharp law (docs/opamp-neurons.md) switches at thresholds and stops at bounds; here every threshold and bound is
    a ``sigma(z) = 1 / (1 + exp(-z))`` of a small width, and the switch's state `h` a bistable that takes a little time.
    With `w` the state of a dynamic memristor under the voltage `V`, and `y`, `h` those of the threshold-switching
    memristor under `V_t` (`n`, `v_floor`, `tau`, `v_th`, `v_hold`, `tau_on`, `tau_off` of the cards, `v_th` with the
    factor of the device)::

        dw/dt = ((|V| / v_floor)**n * sigma((1 - w) / w_s) - w) / tau
        full  = sigma((y - 1 + y_s) / (y_s / 4))          empty = sigma((y_s - y) / (y_s / 4))
        set   = sigma((|V_t| - v_th) / (v_s * v_th)) * empty
        reset = sigma((v_hold - |V_t|) / (v_s * v_th)) * full
        dh/dt = (sigma(hold * (h - 1/2) + push * set - push * reset) - h) / (tau_h * min(tau_on, tau_off))
        dy/dt = h / tau_on * sigma((1 - y) / y_s) - (1 - h) / tau_off * sigma(y / y_s)

    All states are 0 at power-up. R_t and R_m use `y` and `w` clipped to 0..1. "on" is when `h` rises through 1/2, "off"
    when it falls through it.

    Parameters
    ----------
    w_s, y_s : float
        Widths of the bounds of `w` and of `y`, as parts of their range.
    v_s : float
        Width of both voltage thresholds, as a part of `v_th`.
    tau_h : float
        Time constant of `h`, as a part of the shorter of `tau_on` and `tau_off`. In that time `y` moves by `y_s` at
        most; if it moved further, `set` would be over before `h` is through 1/2, and `h` would hang in between.
    hold : float
        Gain of `h` onto itself. A state of `h` near 0 or 1 is stable as far as about ``1 / hold`` from there; so `hold`
        is more than the ratio of `tau_on` and `tau_off`, either way, or `y` would stop before it is at its end.
    push : float
        Gain with which `set` and `reset` drive `h` from one state to the other. With ``hold - 2 - 2 ln(hold)`` that
        happens where they are 1/2: just at the threshold voltages of the sharp law.
    """

    w_s: float = 5e-4
    y_s: float = 1e-3
    v_s: float = 1e-3
    tau_h: float = 1e-3
    hold: float = 64.0
    push: float = 54.0


LAW = SmoothLaw()
