"""A scalar transcription of docs/arithmetic.md."""

import numpy as np

from memtwin.sim.hybrid.quantize import quantize


def shifted(v, s):
    return (v + (1 << (s - 1))) >> s if s else v


def clamp(v, bits=16):
    return min(max(v, 0), 2**bits - 1)


class PlainLayer:
    """One layer in one trial, in Python integers, written line by line after the page."""

    def __init__(self, coefficients, trial):
        self.s = coefficients.structure
        self.c = {name: np.asarray(word[trial]).tolist() for name, word in coefficients.words.items()}
        self.n, self.r = self.s["neurons"], self.s["rows"]
        self.sum_shift = 0
        while 2**self.sum_shift < self.r:
            self.sum_shift += 1
        options = self.c["options"]
        self.refractory, self.depression, self.skip, self.adaptive, self.scaled = (options >> b & 1 for b in range(5))
        self.x, self.on, self.adapt, self.theta = ([0] * self.n for _ in range(4))
        self.l1, self.l2, self.t3, self.v1, self.growth, self.active = ([0] * self.n for _ in range(6))
        self.suppressed, self.previous = set(), [0] * self.n
        self.g = [[self.c["conductance"][row * self.n + column] for row in range(self.r)] for column in range(self.n)]
        self.recip = [0] * self.n
        self.rng = self.c["seed_high"] << 16 | self.c["seed_low"]
        self.words, self.count = [], 0
        for column in range(self.n):
            self.reciprocal(column)
        self.threshold_pass(fired=[0] * self.n, redraw=True, decay=False, learn=False)
        self.lateral_inhibition()

    def put(self, kind, index, value):
        self.words.append(kind | index << 4 | value << 20)

    def random(self):
        s = self.rng
        s = (s ^ s << 13) & 0xFFFFFFFF
        s = s ^ s >> 17
        self.rng = s = (s ^ s << 5) & 0xFFFFFFFF
        return s

    def reciprocal(self, column):
        total_hi = shifted(sum(self.g[column]) + self.c["g_load"], self.sum_shift)
        numerator = (self.c["v_in"] << self.s["recip_shift"]) + (total_hi >> 1)
        self.recip[column] = clamp(numerator // total_hi) if total_hi else 65535
        self.put(5, column, self.recip[column])

    def threshold_pass(self, fired, redraw, decay, learn):
        for n in range(self.n):
            if decay:
                self.adapt[n] -= shifted(self.adapt[n] * self.c["adapt_leak"], 16)
            if fired[n] and self.adaptive and learn:
                self.adapt[n] = clamp(self.adapt[n] + self.c["adapt_step"])
            if redraw:
                noise = sum(self.random().to_bytes(4, "little")) - 510
                theta = self.c["theta_mean"][n] + shifted(self.c["theta_sd"] * noise, 8)
                self.theta[n] = min(max(theta, self.c["theta_off"]), 65535)
            self.put(3, n, self.theta[n] | self.adapt[n] << 16)

    def lateral_inhibition(self):
        v_l = [a | b for a, b in zip(self.l1, self.l2, strict=True)]
        new = [n for n in range(self.n) if v_l[n] and not self.previous[n]]
        self.previous = v_l
        self.suppressed = {n for n in self.suppressed if v_l[n]}
        if len(new) >= 2 and self.s["tie"] != "inhibit":
            pick = new[0]
            if self.s["tie"] == "random":
                start = ((self.random() >> 16) * self.n) >> 16
                pick = next(n for k in range(self.n) if (n := (start + k) % self.n) in new)
            self.suppressed |= set(new) - {pick}
        if not self.s["inhibition"]:
            self.l_g = [1] * self.n
            return
        table = self.c["inhibition"]
        self.l_g = []
        for column in range(self.n):
            current = table[self.n * self.n + column]
            for row in range(self.n):
                if v_l[row] and row not in self.suppressed:
                    current += table[row * self.n + column]
            self.l_g.append(int(current < self.c["reference"][column]))

    def node1(self, events):
        for n in range(self.n):
            current = sum(g for g, event in zip(self.g[n], events, strict=True) if event)
            current_hi = clamp(shifted(current, self.sum_shift))
            v1 = clamp(shifted(current_hi * self.recip[n], self.s["recip_shift"]))
            i, f = v1 >> 9, v1 & 511
            g = clamp(self.c["growth_base"][i] + shifted(self.c["growth_slope"][i] * f, 9))
            self.v1[n], self.growth[n] = v1, clamp(shifted(g * self.c["gain"][n], 15))
            self.active[n] = int(v1 > self.c["v_hold"])
            self.put(1, n, v1 | self.growth[n] << 16 | self.active[n] << 32)

    def edge(self, clk):
        if not clk:
            self.l2 = list(self.l1)
        self.t3 = [0] * self.n

    def half_period(self, clk, events, mask, learn):
        c = self.c
        quiet = not any(events) and not any(self.on)
        skipped = quiet and self.skip
        self.put(6, 0, clk | int(skipped) << 1 | learn << 2 | self.count << 3)
        if any(events):
            self.node1(events)
        fired, lifts = [0] * self.n, [0] * self.n
        for _ in range(1 if skipped else self.s["substeps"]):
            for n in range(self.n):
                t1 = self.l2[n] & self.refractory
                gate = self.l_g[n] & mask[n]
                lifted = self.t3[n] & clk & self.depression
                driven = int(not t1 and (lifted or (clk and gate and any(events) and self.active[n])))
                d = c["lift_growth"][n] if lifted else self.growth[n]
                x, was_on = self.x[n], self.on[n]
                xh = x >> 4
                if skipped:
                    x -= shifted(xh * c["leak_half"], 12)
                elif not was_on:
                    x = min(x - shifted(xh * c["leak"], 16) + (d if driven else 0), 2**20 - 1)
                elif driven:
                    x = min(x + d, c["x_max"] << 4)
                else:
                    x -= shifted(xh * c["relax"], 12)
                if not was_on and driven:
                    self.on[n] = int(x >= clamp(self.theta[n] + self.adapt[n]) << 4)
                elif was_on and not driven:
                    self.on[n] = int(x >= c["theta_off"] << 4)
                self.x[n] = x
                node2 = self.on[n] & driven
                if clk:
                    fired[n] |= node2 & ~self.l1[n]
                    self.l1[n] = node2
                self.t3[n] = self.l1[n] & clk
                lifts[n] += lifted
                flags = (self.on[n], node2, self.l1[n], self.l2[n], t1, lifted, gate, driven)
                self.put(2, n, x | sum(flag << 20 + bit for bit, flag in enumerate(flags)))
            self.lateral_inhibition()
        if clk and learn:
            self.learn(events, mask, fired, lifts)
        self.count += 1
        decay = bool(self.adaptive and learn and self.count % 2 ** c["adapt_interval"] == 0)
        if any(fired) or decay:
            self.threshold_pass(fired, any(fired), decay, learn)
        return fired

    def learn(self, events, mask, fired, lifts):
        c = self.c
        for n in range(self.n):
            gate = self.l_g[n] & mask[n]
            depress = fired[n] & gate & self.depression
            potentiate = any(events) and gate and (self.s["one_cycle"] or self.l2[n])
            if not depress and not potentiate:
                continue
            step = min(clamp(c["depression"] * lifts[n]), 32768) if self.scaled else c["depression"]
            for row in range(self.r):
                g = self.g[n][row]
                if potentiate and events[row]:
                    g += shifted((c["g_max"] - g) * c["potentiation"], 15) if g < c["g_max"] else 0
                elif depress and not events[row]:
                    g -= shifted((g - c["g_min"]) * step, 15) if g > c["g_min"] else 0
                else:
                    continue
                self.g[n][row] = g
                self.put(4, n, g | row << 16)
            self.reciprocal(n)


def plain_run(job):
    """Run every trial of `job` alone; return layers [trial][layer], and (fires, spikes, periods) [trial]."""
    coefficients, program = quantize(job.spec, job.sample()), job.shown
    everything, counts = [], []
    for trial in range(program.trials):
        layers = [PlainLayer(layer, trial) for layer in coefficients]
        fires, spikes, periods = [], [], []
        for p in range(program.presentations):
            count = [[0] * layer.n for layer in layers]
            spike = [[0] * layer.n for layer in layers]

            def period(pixels, p=p, count=count, spike=spike, layers=layers, trial=trial):
                for clk in (1, 0):
                    for layer in layers:
                        layer.edge(clk)
                    events = [int(b) & clk for b in pixels]
                    for k, layer in enumerate(layers):
                        if k:
                            events = [b & clk for b in layers[k - 1].l2]
                        last = layer is layers[-1]
                        mask = [int(b) for b in program.gates[trial, p]] if last else [1] * layer.n
                        fired = layer.half_period(clk, events, mask, int(program.learn[trial, p, k]))
                        for n in range(layer.n):
                            count[k][n] += fired[n]
                            spike[k][n] += layer.l2[n] & clk

            elapsed = 0
            until, wanted = int(program.until[trial, p]), int(program.fires[trial, p])
            while elapsed < program.periods[trial, p]:
                if wanted and sum(count[until]) >= wanted and not any(layers[until].l1 + layers[until].l2):
                    break
                period(program.pixels[trial, p])
                elapsed += 1
            for _ in range(program.rest[trial, p]):
                period([0] * layers[0].r)
            fires.append(count)
            spikes.append(spike)
            periods.append(elapsed)
        everything.append(layers)
        counts.append((fires, spikes, periods))
    return everything, counts
