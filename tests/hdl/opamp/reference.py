"""Op-amp neurons in plain Python, after docs/opamp-arithmetic.md, and coefficients of a trial card for them."""

import math

from tests.hdl.helpers import unused

KINDS = {4: "conductance", 8: "current", 9: "circuit", 10: "state", 11: "memristor", 12: "phase"}
FIELDS = {
    "conductance": (16, 16),
    "current": (18,),
    "circuit": (18, 18, 1, 1),
    "state": (27, -17),
    "memristor": (27,),
    "phase": (1, 1),
}


def parse(word):
    """Take a trace word apart (section 9): kind, index, fields."""
    kind = KINDS[word & 15]
    entry = [kind, word >> 4 & 0xFFFF]
    value = word >> 20
    for bits in FIELDS[kind]:
        width = abs(bits)
        field = value & (1 << width) - 1
        if bits < 0 and field >> width - 1:
            field -= 1 << width
        entry.append(field)
        value >>= width
    assert value == 0
    return tuple(entry)


def latency(component, *arguments):
    """Latency of a component with these arguments, which is not used further."""
    with unused():
        return component(*arguments).latency


# Section 2.


def round_shift(value, shift):
    return value + (1 << shift - 1) >> shift


def sat(value, bits):
    return min(max(value, 0), (1 << bits) - 1)


def log2(n):
    if n == 0:
        return 0
    p = n.bit_length() - 1
    fraction = ((n << 15) >> p) - (1 << 15)
    i, lo = fraction >> 9, fraction & 511
    base = [round(2**13 * math.log2(1 + k / 64)) for k in range(65)]
    return (p << 13) + base[i] + ((base[i + 1] - base[i]) * lo + 256 >> 9)


def exp2(a):
    k, i, lo = a >> 13, a >> 7 & 63, a & 127
    base = [round(2**15 * 2 ** (n / 64)) for n in range(65)]
    return (base[i] + ((base[i + 1] - base[i]) * lo + 64 >> 7) << k) >> 15


def more(d):
    """F of section 2."""
    if d >= 16 << 13:
        return 0
    i, lo = d >> 9, d & 511
    base = [round(2**13 * math.log2(1 + 2 ** (-k / 16))) for k in range(257)]
    return base[i] - ((base[i] - base[i + 1]) * lo + 256 >> 9)


def add(a, b):
    return sat(max(a, b) + more(abs(a - b)), 18)


def par(a, b):
    return sat(min(a, b) - more(abs(a - b)), 18)


class ReferenceLayer:
    """One layer; `structure` is an `OpampLayerConfig`, whose fields are all that is taken from the gateware."""

    def __init__(self, structure, words, prefix):
        self.structure = structure
        self.words = {name[len(prefix) :]: values for name, values in words.items() if name.startswith(prefix)}
        self.conductance = list(self.words["conductance"])
        self.power_up()

    def power_up(self):
        """Section 3."""
        neurons = self.structure.neurons
        self.u = {"first": [0] * neurons, "second": [0] * neurons}
        self.s = [0] * neurons
        self.on = [0] * neurons
        self.current = [0] * neurons
        self.seen = 0
        self.evaluated = None
        self.stale = False

    def __getattr__(self, name):
        (word,) = self.words[name]
        return word

    def substep(self, events, gate, *, learn=0, first=0, phase=None):
        """Section 4; returns the entries of the trace. `phase` is 1 or 0 where a part of the presentation starts."""
        structure = self.structure
        entries = [] if phase is None else [("phase", 0, phase, learn)]
        self.seen = events if first else self.seen | events
        changed = events != 0 if self.evaluated is None else (events, gate) != self.evaluated
        if changed or self.stale:
            self.evaluated, self.stale = (events, gate), False
            entries += [self._evaluate(column, events, gate >> column & 1) for column in range(structure.neurons)]
        sets = []
        for index in range(structure.neurons):
            before = self.on[index]
            entries += self._neuron(index)
            if self.on[index] and not before and gate >> index & 1:
                sets.append(index)
        if structure.learns and learn:
            for column in sets:
                entries += [self._learn(row, column) for row in range(structure.rows)]
                self.stale = True
        return entries

    def _evaluate(self, column, events, is_open):
        """Section 5."""
        rows, neurons = self.structure.rows, self.structure.neurons
        total = sum(self.conductance[row * neurons + column] for row in range(rows) if events >> row & 1)
        current = sat(log2(total) + (self.current_log << 2), 18) if total and is_open else 0
        self.current[column] = current
        return "current", column, current

    def _neuron(self, index):
        """Section 6."""
        structure, s, on, current = self.structure, self.s[index], self.on[index], self.current[index]
        dynamic = {"first": structure.first == "dynamic", "second": structure.second != "switch"}
        r1 = self.r1_log << 2
        rt = sat((self.r_off_log << 2) - (min(max(s, 0), self.swing) << 1), 18)
        rm = {
            place: sat((self.words[f"r0_{place}_log"][index] << 2) - round_shift(self.u[place][index], 9), 18)
            for place in dynamic
            if dynamic[place]
        }
        resistance = rm["first"] if dynamic["first"] else self.r2_log << 2
        v_out1 = min(sat(current + resistance - (16 << 13), 18), self.v_sat_log << 2) if current else 0
        below, drop = 0, v_out1
        if structure.terminal:
            d = (exp2(v_out1) if v_out1 else 0) - (self.v1 << 6)
            below, drop = int(d < 0), log2(abs(d))
        divider = par(rm["second"], rt) if structure.second == "parallel" else rt
        total = add(add(rm["second"], rt), r1) if structure.second == "series" else add(divider, r1)
        v_t = sat(drop + divider - total, 18)
        v_out2 = sat(drop + r1 - total, 18)
        if not on:
            if s > 0:
                s -= self.fall
            elif v_t > self.words["v_th_log"][index] << 2:
                on, s = 1, self.rise + round_shift(-s * self.rise_per_fall, 8)
            else:
                s = 0
        elif s < self.swing:
            s += self.rise
        elif v_t < self.v_hold_log << 2:
            on, s = 0, self.swing - self.fall - round_shift((s - self.swing) * self.fall_per_rise, 8)
        else:
            s = self.swing
        self.s[index], self.on[index] = s, on
        for place in rm:
            v = v_out1
            if place == "second":
                v = sat(drop + rm["second"] - total, 18) if structure.second == "series" else v_t
            self.u[place][index] = self._memristor(place, self.u[place][index], v)
        state = [self.u[place][index] for place in rm] or [0]
        entries = [("circuit", index, v_out1, v_out2, on, below), ("state", index, state[0], s)]
        return entries + [("memristor", index, u) for u in state[1:]]

    def _memristor(self, place, u, v):
        exponent, leak, span = (self.words[f"{name}_{place}"][0] for name in ("exponent", "leak", "span"))
        e = v - (self.words[f"v_floor_{place}_log"][0] << 2)
        q = round_shift(min(abs(e), 65535) * exponent, 12)
        a = (self.words[f"growth_{place}_log"][0] << 2) + (q if e >= 0 else -q)
        g = 0
        if a >= 23 << 13 and e > -65536:
            g = 2**23 - 1
        elif a >= 0 and e > -65536:
            g = exp2(a)
        return min(u - round_shift((u >> 11) * leak, 9) + g, span << 11)

    def _learn(self, row, column):
        """Section 8."""
        index = row * self.structure.neurons + column
        c = self.conductance[index]
        if self.seen >> row & 1:
            c = min(c + sat(self.step_up - round_shift((c - self.g_off) * self.bend_up, 16), 16), self.g_on)
        else:
            c = max(c - sat(self.step_down - round_shift((self.g_on - c) * self.bend_down, 16), 16), self.g_off)
        self.conductance[index] = c
        return "conductance", column, c, row


class Reference:
    """A network; `traces` has the entries of each layer, `pulses` the `on` bits of every layer after each substep."""

    def __init__(self, structures, words):
        self.layers = [ReferenceLayer(s, words, f"layer{number}.") for number, s in enumerate(structures, 1)]
        self.traces = [[] for _ in structures]
        self.pulses = []

    def present(self, *, pixels=0, gates=-1, learn=0, on=0, off=0, init=0):
        """Section 7."""
        if init:
            for layer in self.layers:
                layer.power_up()
        for step in range(on + off):
            driven = step < on
            phase = int(driven) if step in (0, on) else None
            self._substep(pixels if driven else 0, gates, learn, step == 0, phase)

    def _substep(self, events, gates, learn, first, phase):
        pulses = []
        for index, layer in enumerate(self.layers):
            full = (1 << layer.structure.neurons) - 1
            gate = gates & full if index == len(self.layers) - 1 else full
            self.traces[index] += layer.substep(events, gate, learn=learn >> index & 1, first=first, phase=phase)
            events = sum(bit << neuron for neuron, bit in enumerate(layer.on))
            pulses.append(events)
        self.pulses.append(tuple(pulses))


# Coefficients of a trial card, by the units of section 1.


def _log(value, unit):
    return round(2**11 * math.log2(value / unit))


def image_of(structure, prefix="layer1.", *, conductance=1e-6, v_th=0.8, v1=0.3):
    """Words of a layer by name; `conductance` in S is one value or one per synapse, `v_th` in V likewise.

    One active row of 1 uS gives 0.5 uA, and 1 V at 2 MOhm; the switch needs four substeps to switch on, six to
    switch off. Neighbouring neurons differ a little.
    """
    g_lsb, substep = 2.0**-34, 1e-3
    rows, neurons = structure.rows, structure.neurons
    spread = [1 + 0.07 * (column % 5) for column in range(neurons)]
    if not hasattr(conductance, "__len__"):
        conductance = [conductance] * (rows * neurons)
    swing = math.log2(256e6 / 100e3)
    rise, fall = swing / 4.3, swing / 6.4
    words = {
        "conductance": [round(value / g_lsb) for value in conductance],
        "current_log": [_log(0.5 * g_lsb, 2**-44)],
        "v_sat_log": [_log(5, 2**-20)],
        "r1_log": [_log(1e6, 2**8)],
        "r_off_log": [_log(256e6, 2**8)],
        "v_hold_log": [_log(0.25, 2**-20)],
        "v_th_log": [_log(v_th * factor, 2**-20) for factor in spread],
        "swing": [round(swing * 2**12)],
        "rise": [round(rise * 2**12)],
        "fall": [round(fall * 2**12)],
        "rise_per_fall": [round(rise / fall * 2**8)],
        "fall_per_rise": [round(fall / rise * 2**8)],
    }
    if structure.first == "resistor":
        words["r2_log"] = [_log(2e6, 2**8)]
    if structure.terminal:
        words["v1"] = [round(v1 * 2**14)]
    places = [("first", 4e6, 1e6, 20e-3)] if structure.first == "dynamic" else []
    if structure.second != "switch":
        places.append(("second", 50e6 if structure.second == "parallel" else 3e6, 0.5e6, 60e-3))
    for place, initial, floor, tau in places:
        leak, span = 1 - math.exp(-substep / tau), math.log2(initial / floor)
        words |= {
            f"r0_{place}_log": [_log(initial * factor, 2**8) for factor in spread],
            f"exponent_{place}": [round(1.7 * 2**12)],
            f"v_floor_{place}_log": [_log(1.5, 2**-20)],
            f"growth_{place}_log": [_log(span * leak, 2**-22)],
            f"leak_{place}": [round(leak * 2**20)],
            f"span_{place}": [round(span * 2**11)],
        }
    if structure.learns:
        g_off, g_on = round(0.2e-6 / g_lsb), round(3e-6 / g_lsb)
        words |= {
            "g_off": [g_off],
            "g_on": [g_on],
            "step_up": [(g_on - g_off) // 9],
            "step_down": [(g_on - g_off) // 17],
            "bend_up": [round(0.8 / 9 * 2**16)],
            "bend_down": [round(0.5 / 17 * 2**16)],
        }
    return {prefix + name: value for name, value in words.items()}
