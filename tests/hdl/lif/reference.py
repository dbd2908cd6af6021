"""Networks of LIF neurons in plain Python, written from docs/lif-arithmetic.md."""

import random

# Kinds of trace words, and the widths of their fields.
KINDS = {13: ("MEMBRANE", (20, 1, 8)), 14: ("ANSWER", (16, 16)), 15: ("EVENTS", (16,))}


def signed(word, bits):
    return (word & (1 << bits) - 1) - ((word >> bits - 1 & 1) << bits)


def ssat(value, bits):
    return max(-(1 << bits - 1), min((1 << bits - 1) - 1, value))


def round_shift(value, shift):
    return (value + (1 << shift - 1)) >> shift if shift else value


def xorshift(state):
    state ^= state << 13 & 0xFFFFFFFF
    state ^= state >> 17
    return state ^ (state << 5 & 0xFFFFFFFF)


def parse(word):
    """Take a trace word apart: its kind, its index, its fields."""
    (kind, fields), index, value = KINDS[word & 15], word >> 4 & 0xFFFF, word >> 20
    values = []
    for bits in fields:
        values.append(value & (1 << bits) - 1)
        value >>= bits
    assert value == 0
    if kind == "MEMBRANE":
        values[0] = signed(values[0], 20)
    return kind, index, *values


def update(*, acc, v, hold, leak, gain, bias, threshold, gain_shift, v_reset, refractory, subtract):
    """Step one neuron: `acc`, `v_reset` and the `bias` of this step are signed; returns `v`, `spike`, `hold`, `u`."""
    if hold:
        return v, 0, hold - 1, None
    drive = round_shift(acc * gain, gain_shift)
    u = ssat(v - round_shift((v >> 4) * leak, 12) + drive + bias, 20)
    if u > threshold << 4:
        return (u - (threshold << 4) if subtract else v_reset << 4), 1, refractory, u
    return u, 0, 0, u


class Layer:
    """State of a layer and its coefficients, words as in the image."""

    def __init__(self, structure, words, prefix):
        self.rows, self.neurons, self.bits = structure.rows, structure.neurons, structure.weight_bits
        self.words = {name.removeprefix(prefix): values for name, values in words.items() if name.startswith(prefix)}
        self.rest()

    def rest(self):
        self.v = [0] * self.neurons
        self.hold = [0] * self.neurons
        self.fired = [0] * self.neurons

    def step(self, events):
        """Return the spikes, as a list of neurons, and (v, spike, hold, u) of every neuron."""
        words, out = self.words, []
        for n in range(self.neurons):
            total = sum(signed(words["weight"][row * self.neurons + n], self.bits) for row in events)
            state = update(
                acc=ssat(total, 16),
                v=self.v[n],
                hold=self.hold[n],
                **{name: words[name][n] for name in ("leak", "gain", "threshold")},
                bias=signed(words["bias"][self.fired[n] * self.neurons + n], 16),
                gain_shift=words["gain_shift"][0],
                v_reset=signed(words["v_reset"][0], 16),
                refractory=words["refractory"][0],
                subtract=words["options"][0] & 1,
            )
            self.v[n], self.fired[n], self.hold[n], _ = state
            out.append(state)
        return [n for n, state in enumerate(out) if state[1]], out


class Reference:
    """A network, and what its trace ports say."""

    def __init__(self, structures, words):
        self.words = dict(words)
        self.layers = [Layer(structure, words, f"layer{k}.") for k, structure in enumerate(structures, 1)]
        self.traces = [[] for _ in structures]
        self.spikes = []  # spikes of every layer, of every step: bits
        self.events = []  # events of the encoder, of every step
        self.answers = []
        self.seed()

    def seed(self):
        self.random = self.words["encoder.seed_low"][0] | self.words["encoder.seed_high"][0] << 16

    def encode(self, step):
        word = {name: self.words["encoder." + name] for name in ("entry_row", "entry_value", "entries", "mode")}
        count, out = word["entries"][0], []
        for first in range(0, count, 2):
            if not word["mode"][0]:
                self.random = xorshift(self.random)
            for place in range(first, min(first + 2, count)):
                value = word["entry_value"][place]
                chance = self.random >> 16 * (place - first) & 255
                spikes = step == value - 1 if word["mode"][0] else chance < value
                if spikes:
                    out.append(word["entry_row"][place])
        return out

    def present(self, steps, init=0):
        if init:
            self.seed()
        for layer in self.layers:
            layer.rest()
        counts = [0] * self.layers[-1].neurons
        answer = None
        for step in range(steps):
            events = self.encode(step)
            self.events.append(len(events))
            self.traces[0].append(("EVENTS", 0, len(events)))
            bits = []
            for layer, trace in zip(self.layers, self.traces, strict=True):
                events, states = layer.step(events)
                trace += [("MEMBRANE", n, v, spike, hold) for n, (v, spike, hold, _) in enumerate(states)]
                bits.append(sum(1 << n for n in events))
            self.spikes.append(tuple(bits))
            for n in events:
                counts[n] += 1
            if self.words["decoder"][0] and events:
                answer = max(events, key=lambda n: (states[n][3], -n))
                break
        if answer is None:
            v = self.layers[-1].v
            answer = max(range(len(v)), key=lambda n: (0 if self.words["decoder"][0] else counts[n], v[n], -n))
        self.traces[-1].append(("ANSWER", 0, answer, counts[answer]))
        self.answers.append((answer, counts[answer]))


def image_of(structures, capacity, *, seed=1, entries=None, mode=0, decoder=0, **fixed):
    """Random coefficients of a network that spikes; `fixed` are words of all layers, one number each."""
    dice = random.Random(seed)
    count = capacity if entries is None else entries
    rows = structures[0].rows
    places = sorted(dice.sample(range(rows), min(rows, count)))
    values = [dice.randint(1, 12 if mode else 255) for _ in places]
    words = {
        "encoder.entry_row": places + [0] * (capacity - len(places)),
        "encoder.entry_value": values + [255] * (capacity - len(places)),  # what is not valid must not spike
        "encoder.entries": [len(places)],
        "encoder.seed_low": [dice.randint(1, 0xFFFF)],
        "encoder.seed_high": [dice.randint(0, 0xFFFF)],
        "encoder.mode": [mode],
        "decoder": [decoder],
    }
    for number, structure in enumerate(structures, 1):
        neurons, most = structure.neurons, (1 << structure.weight_bits - 1) - 1
        drawn = {
            "leak": (0, 20000),
            "gain": (15000, 40000),
            "bias": (-300, 300),
            "threshold": (40, 120) if mode else (200, 900),  # in mode latency events are few
        }
        weights = [dice.randint(-most - 1 + most // 2, most) for _ in range(structure.rows * neurons)]
        scalars = {"gain_shift": 9, "v_reset": -100, "refractory": 0, "options": 0} | {
            name: word for name, word in fixed.items() if name not in drawn
        }
        words |= {
            f"layer{number}.weight": [word & 0xFFFF for word in weights],
            **{
                f"layer{number}.{name}": [
                    fixed[name] & 0xFFFF if name in fixed else dice.randint(*limits) & 0xFFFF
                    for _ in range(neurons * (1 + (name == "bias")))
                ]
                for name, limits in drawn.items()
            },
            **{f"layer{number}.{name}": [word & 0xFFFF] for name, word in scalars.items()},
        }
    return words
