"""Coefficients of a trial card of the hybrid neuron, by the formulas of docs/arithmetic.md, section 1."""

import math
from itertools import pairwise

HALF_PERIOD = 250e-6
G0, V0 = 195.0, 0.55
TAU_LEAK, TAU_RELAX, TAU_ADAPT = 4e-3, 150e-6, 50e-3
THETA_OFF, X_MAX, V_HOLD = 0.05, 4 - 2**-14, 0.2
G_LOAD, G_MIN, G_MAX = 62e-6, 40e-6, 1000e-6
V_DEP = 1.2

REFRACTORY, DEPRESSION, SKIP, ADAPTIVE, SCALED = (1 << bit for bit in range(5))


def _unit(seconds, tau):
    return 1 - math.exp(-seconds / tau)


def layer_image(
    prefix="layer1.",
    *,
    rows,
    neurons,
    conductance=100e-6,
    v_in=1.8,
    substeps=16,
    options=REFRACTORY,
    theta_sd=0.0,
    theta=1.0,
    adapt_step=0.2,
    adapt_interval=3,
    potentiation=0.2,
    depression=0.2,
    inhibition=False,
    g_lsb=2.0**-25,
    g_load=G_LOAD,
    seed=0x12345678,
):
    """Words of one layer by name; `conductance` in S is one value or rows of columns, `theta` one or per neuron."""
    substep = HALF_PERIOD / substeps

    def growth(volt):
        return G0 * math.exp(volt / V0) * TAU_LEAK * _unit(substep, TAU_LEAK)

    base = [min(65535, round(growth(4 / 128 * i) * 2**18)) for i in range(129)]
    if not hasattr(conductance, "__len__"):
        conductance = [[conductance] * neurons for _ in range(rows)]
    if not hasattr(theta, "__len__"):
        theta = [theta] * neurons
    words = {
        "growth_base": base[:128],
        "growth_slope": [after - before for before, after in pairwise(base)],
        "lift_growth": [min(65535, round(growth(V_DEP) * 2**18))] * neurons,
        "theta_mean": [round(value * 2**14) for value in theta],
        "gain": [1 << 15] * neurons,
        "conductance": [round(value / g_lsb) for row in conductance for value in row],
        "leak": [round(_unit(substep, TAU_LEAK) * 2**20)],
        "leak_half": [round(_unit(HALF_PERIOD, TAU_LEAK) * 2**16)],
        "relax": [round(_unit(substep, TAU_RELAX) * 2**16)],
        "theta_off": [round(THETA_OFF * 2**14)],
        "x_max": [round(X_MAX * 2**14)],
        "v_hold": [round(V_HOLD * 2**14)],
        "v_in": [round(v_in * 2**14)],
        "theta_sd": [round(theta_sd * 2**14 / 147.80 * 256)],
        "adapt_step": [round(adapt_step * 2**14)],
        "adapt_leak": [round(_unit(HALF_PERIOD * 2**adapt_interval, TAU_ADAPT) * 2**16)],
        "adapt_interval": [adapt_interval],
        "g_load": [round(g_load / g_lsb)],
        "g_min": [round(G_MIN / g_lsb)],
        "g_max": [round(G_MAX / g_lsb)],
        "potentiation": [round(potentiation * 2**15)],
        "depression": [round(depression * 2**15)],
        "seed_low": [seed & 0xFFFF],
        "seed_high": [seed >> 16],
        "options": [options],
    }
    if inhibition:
        # Rows inhibit every other column; the bias row alone stays below the reference.
        words["inhibition"] = [1000 if row != column else 10 for row in range(neurons) for column in range(neurons)]
        words["inhibition"] += [100] * neurons
        words["reference"] = [500] * neurons
    return {prefix + name: values for name, values in words.items()}
