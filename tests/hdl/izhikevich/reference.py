"""docs/izhikevich.md, sections 2 to 4, in plain Python: one neuron at a time."""

FIELDS = (("v", 20), ("u", 23), ("spike", 1))


def signed(value, bits):
    value &= (1 << bits) - 1
    return value - (1 << bits) if value >> bits - 1 else value


def parse(word):
    """Take a trace word apart; nothing may be left over."""
    assert word & 15 == 1
    entry = {"index": word >> 4 & 0xFFFF}
    value = word >> 20
    for name, bits in FIELDS:
        entry[name] = value & (1 << bits) - 1 if name == "spike" else signed(value, bits)
        value >>= bits
    assert value == 0
    return entry


def shifted(value, shift):
    return value + (1 << shift >> 1) >> shift


def ssat(value, bits):
    return max(-(1 << bits - 1), min(value, (1 << bits - 1) - 1))


def stepped(v, u, k, total, step):
    """State and spike of a neuron after a step; `k` has its coefficients, signed where they are."""
    s = shifted(v * v, 16) + ((k["current"] + total) << 4) - shifted(u, 3)
    e = shifted(v * k["b"], 12) - u
    v1, u1 = v + shifted(s * step, 15), u + shifted(e * k["a"], 19)
    if v1 > k["threshold"] << 4:
        return k["c"] << 4, ssat(u1 + (k["d"] << 4), 23), 1
    return ssat(v1, 20), ssat(u1, 23), 0


class Reference:
    """State of a layer; `words` has the words of the coefficients by name, without prefix."""

    def __init__(self, words, rows, neurons):
        self.rows, self.neurons, self.step_word = rows, neurons, words["step"][0]
        signs = {name: [signed(word, 16) for word in values] for name, values in words.items()}
        self.weight = signs["weight"]
        self.k = [
            {name: (words if name == "a" else signs)[name][n] for name in words if name not in ("weight", "step")}
            for n in range(neurons)
        ]
        self.v, self.u = [0] * neurons, [0] * neurons

    def present(self, *, inputs=0, steps=1, init=0, current=None):
        """Entries of the trace of one presentation; `current` are words, written before it."""
        for n, word in enumerate(current or ()):
            self.k[n]["current"] = signed(word, 16)
        if init and steps:
            self.v, self.u = [k["v_start"] << 4 for k in self.k], [k["u_start"] << 7 for k in self.k]
        return [entry for step in range(steps) for entry in self.step(inputs if step == 0 else 0)]

    def step(self, inputs):
        out = []
        for n, k in enumerate(self.k):
            total = sum(self.weight[row * self.neurons + n] for row in range(self.rows) if inputs >> row & 1)
            self.v[n], self.u[n], spike = stepped(self.v[n], self.u[n], k, total, self.step_word)
            out.append({"index": n, "v": self.v[n], "u": self.u[n], "spike": spike})
        return out
