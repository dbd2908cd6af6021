"""docs/stdp.md, sections 2 to 4, in plain Python: one neuron and one row at a time."""

TOP = 2**20 - 1
KINDS = {1: "row", 2: "neuron", 4: "conductance"}
FIELDS = {
    "row": (("x", 20), ("input", 1)),
    "neuron": (("v", 20), ("y", 20), ("spike", 1), ("forced", 1)),
    "conductance": (("conductance", 16), ("row", 16)),
}


def parse(word):
    """Take a trace word apart; nothing may be left over."""
    kind = KINDS[word & 15]
    entry = {"kind": kind, "index": word >> 4 & 0xFFFF}
    value = word >> 20
    for name, bits in FIELDS[kind]:
        entry[name] = value & (1 << bits) - 1
        value >>= bits
    assert value == 0
    return entry


def shifted(value, shift):
    return value + (1 << shift >> 1) >> shift


def decay(value, leak):
    return value - shifted((value >> 4) * leak, 15)


def depressed(c, y, down, g_off):
    return max(c - shifted((c - g_off) * shifted((y >> 4) * down, 16), 15), g_off)


def potentiated(c, x, up, g_on):
    return min(c + shifted((g_on - c) * shifted((x >> 4) * up, 16), 15), g_on)


class Reference:
    """State of a layer; `words` has the coefficients by name, without prefix."""

    def __init__(self, words, rows, neurons, gain_shift):
        self.words, self.rows, self.neurons, self.gain_shift = words, rows, neurons, gain_shift
        self.conductance = [[words["conductance"][r * neurons + n] for r in range(rows)] for n in range(neurons)]
        self.power_up()

    def power_up(self):
        self.x, self.y, self.v = [0] * self.rows, [0] * self.neurons, [0] * self.neurons

    def present(self, *, inputs=0, forced=0, learn=0, steps=1, init=0):
        """Entries of the trace of one presentation."""
        if init and steps:
            self.power_up()
        out = []
        for step in range(steps):
            out += self.step(inputs if step == 0 else 0, forced if step == 0 else 0, learn)
        return out

    def step(self, inputs, forced, learn):
        k = {name: words[0] for name, words in self.words.items()}
        out = []
        active = [row for row in range(self.rows) if inputs >> row & 1]
        for row in range(self.rows):
            self.x[row] = TOP if row in active else decay(self.x[row], k["leak_row"])
            out.append({"kind": "row", "index": row, "x": self.x[row], "input": int(row in active)})
        for n in range(self.neurons):
            g = self.conductance[n]
            y = decay(self.y[n], k["leak_neuron"])
            total = sum(g[row] for row in active)
            for row in active if learn else ():
                g[row] = depressed(g[row], y, k["down"], k["g_off"])
                out.append({"kind": "conductance", "index": n, "conductance": g[row], "row": row})
            drive = shifted(shifted(total, (self.rows - 1).bit_length()) * k["gain"], self.gain_shift)
            v = min(decay(self.v[n], k["leak"]) + drive, TOP)
            is_forced = forced >> n & 1
            spike = v > k["threshold"] << 4 or is_forced
            self.v[n], self.y[n] = (0, TOP) if spike else (v, y)
            state = {"v": self.v[n], "y": self.y[n], "spike": int(spike), "forced": is_forced}
            out.append({"kind": "neuron", "index": n, **state})
            for row in range(self.rows) if spike and learn else ():
                g[row] = potentiated(g[row], self.x[row], k["up"], k["g_on"])
                out.append({"kind": "conductance", "index": n, "conductance": g[row], "row": row})
        return out
