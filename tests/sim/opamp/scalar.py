"""One substep of one op-amp neuron, a scalar transcription of docs/opamp-arithmetic.md, section 6."""

from memtwin.sim.opamp import log_arithmetic
from tests.sim.opamp.test_log_arithmetic import TOP, array


def sat(value):
    return min(max(value, 0), TOP)


def shift(value, by):
    return (value + (1 << by - 1)) >> by


def scalar(name, *values):
    return int(getattr(log_arithmetic, name)(*array(*values)))


def scalar_memristor(words, place, u, v):
    e = v - (words[f"v_floor_{place}_log"] << 2)
    q = shift(min(abs(e), 65535) * words[f"exponent_{place}"], 12)
    a = (words[f"growth_{place}_log"] << 2) + (q if e >= 0 else -q)
    if a < 0 or e <= -65536:
        g = 0
    elif a >= 23 << 13:
        g = 2**23 - 1
    else:
        g = scalar("exp2", a)
    return min(u - shift((u >> 11) * words[f"leak_{place}"], 9) + g, words[f"span_{place}"] << 11)


def scalar_switch(words, s, on, v_t):
    if not on and s > 0:
        return s - words["fall"], 0
    if not on:
        if v_t > words["v_th_log"] << 2:
            return words["rise"] + shift(-s * words["rise_per_fall"], 8), 1
        return 0, 0
    if s < words["swing"]:
        return s + words["rise"], 1
    if v_t < words["v_hold_log"] << 2:
        return words["swing"] - words["fall"] - shift((s - words["swing"]) * words["fall_per_rise"], 8), 0
    return words["swing"], 1


def scalar_neuron(structure, words, u1, u2, s, on, current):
    """v_out1, v_out2, on, below, u of the first and of the second place, s."""
    rt = sat((words["r_off_log"] << 2) - (min(max(s, 0), words["swing"]) << 1))
    r1 = words["r1_log"] << 2
    if structure["first"] == "dynamic":
        first = sat((words["r0_first_log"] << 2) - shift(u1, 9))
    else:
        first = words["r2_log"] << 2
    v_out1 = 0 if current == 0 else min(sat(current + first - (16 << 13)), words["v_sat_log"] << 2)
    below, drop = 0, v_out1
    if structure["terminal"]:
        d = (scalar("exp2", v_out1) if v_out1 else 0) - (words["v1"] << 6)
        below, drop = int(d < 0), scalar("log2", abs(d))
    second = structure["second"]
    rm = 0 if second == "switch" else sat((words["r0_second_log"] << 2) - shift(u2, 9))
    across = sat(scalar("par", rm, rt)) if second == "parallel" else rt
    total = sat(scalar("add", sat(scalar("add", rm, rt)) if second == "series" else across, r1))
    v_t = sat(drop + across - total)
    new_s, new_on = scalar_switch(words, s, on, v_t)
    if structure["first"] == "dynamic":
        u1 = scalar_memristor(words, "first", u1, v_out1)
    if second != "switch":
        u2 = scalar_memristor(words, "second", u2, sat(drop + rm - total) if second == "series" else v_t)
    return v_out1, sat(drop + r1 - total), new_on, below, u1, u2, new_s
