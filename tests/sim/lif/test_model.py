"""The integer model of LIF networks against a scalar version of docs/lif-arithmetic.md, word by word."""

import dataclasses
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memtwin.sim.backends import Job
from memtwin.sim.errors import InputError
from memtwin.sim.lif import encoder, model
from memtwin.sim.lif.quantize import image_words, power_up_words
from memtwin.sim.lif.shown import DECODERS, MODES, Images
from memtwin.sim.lif.spec import RESETS, ConductancePair, LifLayerSpec, LifSpec

# The page in plain Python, one neuron and one entry at a time, from the words that the gateware loads.


def shift(value, by):
    return (value + (1 << by - 1)) >> by if by else value


def clamp(value, bits):
    return max(-(2 ** (bits - 1)), min(2 ** (bits - 1) - 1, value))


def signed(word):
    return word - 65536 if word >= 32768 else word


class ScalarLayer:
    def __init__(self, words, structure):
        self.words, self.neurons, self.rows = words, structure["neurons"], structure["rows"]
        self.begin()

    def begin(self):
        self.v, self.hold, self.fired = ([0] * self.neurons for _ in range(3))

    def step(self, events):
        get = self.words
        subtract, refractory = get["options"][0] & 1, get["refractory"][0]
        spikes, self.u = [], [0] * self.neurons
        for n in range(self.neurons):
            acc = clamp(sum(signed(get["weight"][row * self.neurons + n]) for row in events), 16)
            drive = shift(acc * get["gain"][n], get["gain_shift"][0])
            if self.hold[n] > 0:
                self.hold[n] -= 1
                continue
            v, threshold = self.v[n], get["threshold"][n] << 4
            bias = signed(get["bias"][self.fired[n] * self.neurons + n])
            u = clamp(v - shift((v >> 4) * get["leak"][n], 12) + drive + bias, 20)
            self.u[n] = u
            if u > threshold:
                spikes.append(n)
                self.v[n] = u - threshold if subtract else signed(get["v_reset"][0]) << 4
                self.hold[n] = refractory
            else:
                self.v[n] = u
        self.fired = [n in spikes for n in range(self.neurons)]
        return spikes


class ScalarEncoder:
    def __init__(self, words):
        self.state = words["encoder.seed_low"][0] | words["encoder.seed_high"][0] << 16
        self.latency = words["encoder.mode"][0]

    def show(self, words):
        self.entries = list(zip(words["encoder.entry_row"], words["encoder.entry_value"], strict=True))
        assert len(self.entries) == words["encoder.entries"][0]

    def events(self, step):
        out = []
        for first in range(0, len(self.entries), 2):
            if not self.latency:
                s = self.state
                s ^= s << 13 & 0xFFFFFFFF
                s ^= s >> 17
                s ^= s << 5 & 0xFFFFFFFF
                self.state = s
            for place, (row, value) in enumerate(self.entries[first : first + 2]):
                if step == value - 1 if self.latency else (self.state >> 16 * place & 255) < value:
                    out.append(row)
        return out


def play(job, trial):
    """Words of every layer, and of every image its answer and its steps."""
    images, sample, coefficients = job.shown, job.sample(), job.coefficients()
    start = power_up_words(sample, images, trial)
    source = ScalarEncoder(start)
    layers = [ScalarLayer(own.words_of(trial, ""), own.structure) for own in coefficients]
    words, answers, lengths = [[] for _ in layers], [], []
    for presentation in range(images.presentations):
        source.show(image_words(images, trial, presentation))
        for layer in layers:
            layer.begin()
        last = layers[-1]
        counts = [0] * last.neurons
        answer = None
        for step in range(images.steps[trial, presentation]):
            events = source.events(step)
            words[0].append(15 | len(events) << 20)
            for number, layer in enumerate(layers):
                events = layer.step(events)
                for n in range(layer.neurons):
                    value = layer.v[n] % 2**20 | (n in events) << 20 | layer.hold[n] << 21
                    words[number].append(13 | n << 4 | value << 20)
            for n in events:
                counts[n] += 1
            if start["decoder"][0] and events:
                answer = max(events, key=lambda n: (last.u[n], -n))
                break
        lengths.append(step + 1)
        if answer is None:
            keys = [(0 if start["decoder"][0] else counts[n], last.v[n], -n) for n in range(last.neurons)]
            answer = keys.index(max(keys))
        answers.append(answer)
        words[-1].append(14 | (answer | counts[answer] << 16) << 20)
    return words, answers, lengths


def assert_equal(job):
    got = model.run(job)
    spikes = 0
    for trial in range(job.shown.trials):
        words, answers, lengths = play(job, trial)
        assert got.answers[trial].tolist() == answers
        assert got.duration[trial].tolist() == lengths
        for layer, own in zip(got.layers, words, strict=True):
            assert layer.words[trial].tolist() == own
            spikes += sum(word >> 40 & 1 for word in own if word & 15 == 13)
        answered = [got.layers[-1].spikes[trial, p, answer] for p, answer in enumerate(answers)]
        assert answered == [word >> 36 for word in words[-1] if word & 15 == 14]
    assert spikes == sum(layer.spikes.sum() for layer in got.layers)
    return got


def network(random, *, rows=9, hidden=0, neurons=4, scale=1.0, reset="value", refractory=0.0, bits=6, **changes):
    sizes = [rows, *([hidden] if hidden else []), neurons]
    layers = []
    for before, size in itertools.pairwise(sizes):
        parameters = {
            "weight": random.normal(0.3, 1, (size, before)) * scale,
            "tau": random.uniform(2e-3, 40e-3, size),
            "r": random.uniform(0.5, 2, size),
            "v_leak": -0.07,
            "v_threshold": random.uniform(0.1, 0.4, size),
            "v_reset": -0.1,
            "bias": random.normal(0, 0.1, size),
            "refractory": refractory,
            "reset": reset,
        } | changes
        layers.append(LifLayerSpec(**parameters))
    return LifSpec(layers=tuple(layers), dt=1e-3, weight_bits=bits)


def pictures(random, *, mode="rate", decoder="rate", rows=9, images=3, trials=1, steps=12):
    top = 256 if mode == "rate" else steps + 1
    values = random.integers(0, top, (images, rows)) * (random.random((images, rows)) < 0.7)
    return Images.from_values(values, steps=steps, mode=mode, decoder=decoder, trials=trials)


def job(random, *, images=3, trials=1, mode="rate", decoder="rate", steps=12, seed=5, **changes):
    spec = network(random, **changes)
    shown = pictures(
        random, mode=mode, decoder=decoder, rows=spec.layers[0].rows, images=images, trials=trials, steps=steps
    )
    # What clips is a network of its own, too: two bits are few for weights that move a membrane far.
    return Job(spec=spec, shown=shown, seed=seed, record=True, allow_clipping=True)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("reset", RESETS)
@pytest.mark.parametrize("hidden", [0, 5])
def test_every_word_is_that_of_the_page(mode, decoder, reset, hidden):
    random = np.random.default_rng([len(mode), len(decoder), len(reset), hidden])
    got = assert_equal(
        job(
            random, mode=mode, decoder=decoder, reset=reset, hidden=hidden, scale=5, refractory=2e-3, trials=2, images=4
        )
    )
    assert got.layers[-1].spikes.any()


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.sampled_from(MODES),
    st.sampled_from(DECODERS),
    st.sampled_from(RESETS),
    st.integers(2, 16),
    st.sampled_from([0.2, 1.0, 30.0]),
    st.integers(0, 3),
    st.sampled_from([0, 3]),
)
def test_any_network(seed, mode, decoder, reset, bits, scale, hold, hidden):
    random = np.random.default_rng(seed)
    rows = int(random.integers(1, 8))
    assert_equal(
        job(
            random,
            mode=mode,
            decoder=decoder,
            reset=reset,
            bits=bits,
            scale=scale,
            refractory=hold * 1e-3,
            hidden=hidden,
            rows=rows,
        )
    )


def test_every_trial_has_the_weights_of_its_own_devices():
    one = job(np.random.default_rng(9), scale=5, hidden=5, trials=3, images=2)
    pair = ConductancePair(g_on=5e-3, g_off=1e-6, spread_on=0.2, spread_off=0.2)
    got = assert_equal(dataclasses.replace(one, spec=dataclasses.replace(one.spec, synapse=pair)))
    assert got.layers[-1].spikes.any()
    assert not np.array_equal(got.layers[0].conductance[0], got.layers[0].conductance[1])


def test_integrate_and_fire_keeps_what_it_has():
    random = np.random.default_rng(1)
    one = job(random, tau=np.inf, scale=20, bias=0.0)
    assert not one.coefficients()[0].words["leak"].any()
    got = assert_equal(one)
    assert got.layers[0].spikes.any()


def test_membranes_and_sums_saturate_and_are_counted():
    weight = np.full((2, 4), 32767.0)
    weight[1] = -32767
    weight[:, 3] = 1  # not shown; levels must be as fine
    spec = LifSpec(
        layers=(LifLayerSpec(weight=weight, tau=1e-3, r=[1e-4, 1e-3], v_threshold=1.0, refractory=1e-3),),
        dt=1e-3,
        weight_bits=16,
    )
    shown = Images.from_values([[1, 1, 1, 0]], steps=3, mode="latency")
    one = Job(spec=spec, shown=shown, record=True)
    got = assert_equal(one)
    # Only in step 0 are there events; 3 * 32767 is beyond acc in both neurons, and the second goes below v's word.
    assert got.saturated == {"acc": 2, "u": 1}
    assert got.layers[0].waveform[0].signals["v"][0, 1] == -8.0


def test_what_a_neuron_in_its_refractory_period_would_have_done_is_not_counted():
    spec = LifSpec(
        layers=(LifLayerSpec(weight=np.full((1, 2), 32767.0), tau=1e-3, refractory=5e-3),), dt=1e-3, weight_bits=16
    )
    shown = Images.from_values([[255, 255]], steps=6, mode="rate")
    got = assert_equal(Job(spec=spec, shown=shown, record=True))
    assert got.layers[0].spikes.item() == 1
    assert got.saturated == {"acc": 1, "u": 1}


def test_images_may_differ_in_length_and_in_entries():
    random = np.random.default_rng(3)
    values = random.integers(1, 256, (5, 9))
    values[1] = 0  # nothing to see, the generator stays
    values[2, 1:] = 0
    shown = Images.from_values(values, steps=np.array([3, 7, 1, 12, 5]), mode="rate", trials=2)
    assert shown.entries[0].tolist() == [9, 0, 1, 9, 9]
    got = assert_equal(Job(spec=network(random, hidden=3), shown=shown, record=True))
    assert got.time_s == pytest.approx([28e-3, 28e-3])


def test_an_image_without_entries_at_all():
    shown = Images.from_values(np.zeros((2, 9)), steps=4, mode="rate")
    got = assert_equal(Job(spec=network(np.random.default_rng(3), bias=0.0), shown=shown, record=True))
    assert got.answers.tolist() == [[0, 0]]  # all membranes at rest: the lowest


def test_a_tie_goes_to_the_larger_membrane_and_then_to_the_lower_neuron():
    # One spike each, in step 0; then neurons 1 and 2 are charged alike, neuron 0 less.
    weight = np.array([[40.0, 1], [40, 2], [40, 2]])
    spec = LifSpec(layers=(LifLayerSpec(weight=weight, tau=10e-3),), dt=1e-3)
    shown = Images.from_values([[1, 2]], steps=4, mode="latency")
    got = assert_equal(Job(spec=spec, shown=shown, record=True))
    assert got.layers[0].spikes.tolist() == [[[1, 1, 1]]]
    assert got.answers.item() == 1


def test_the_first_spike_ends_an_image():
    weight = np.array([[11.0, 40], [0, 60], [0, 60]])
    spec = LifSpec(layers=(LifLayerSpec(weight=weight, tau=10e-3),), dt=1e-3)
    shown = Images.from_values([[1, 3], [3, 1]], steps=9, mode="latency", decoder="first spike")
    got = assert_equal(Job(spec=spec, shown=shown, record=True))
    assert got.answers.tolist() == [[0, 1]]
    assert got.duration.tolist() == [[1, 1]]
    assert got.layers[0].spikes[0].tolist() == [[1, 0, 0], [1, 1, 1]]


# Many images at once.


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("mode", MODES)
def test_waves_have_no_influence(monkeypatch, mode, decoder):
    one = job(np.random.default_rng(8), mode=mode, decoder=decoder, images=7, trials=3, hidden=5)
    whole = model.run(one)
    monkeypatch.setattr(encoder, "_TOGETHER", 4)
    parts = model.run(one)
    assert np.array_equal(whole.answers, parts.answers)
    for ours, theirs in zip(whole.layers, parts.layers, strict=True):
        assert [a.tolist() for a in ours.words] == [b.tolist() for b in theirs.words]


def test_a_trial_can_be_run_alone():
    random = np.random.default_rng(8)
    three = job(random, images=2, trials=3, seed=20)
    got = model.run(three)
    one = dataclasses.replace(
        three,
        shown=Images(**{name: getattr(three.shown, name)[:1] for name in ("row", "value", "steps")}),
        seed=22,
    )
    alone = model.run(one)
    assert alone.layers[0].words[0].tolist() == got.layers[0].words[2].tolist()
    assert got.layers[0].words[0].tolist() != got.layers[0].words[2].tolist()


def test_without_record_there_are_counts_only():
    one = job(np.random.default_rng(4), hidden=5)
    bare = model.run(dataclasses.replace(one, record=False))
    whole = model.run(one)
    assert np.array_equal(bare.answers, whole.answers)
    assert np.array_equal(bare.layers[0].spikes, whole.layers[0].spikes)
    assert bare.layers[0].words == bare.layers[0].waveform == []


@pytest.mark.parametrize("bits", [6, 16])
def test_sums_are_exact_in_the_widest_layer(bits):
    # 1024 weights of 16 bits are beyond float32; the sum, not its saturated word, shows it.
    random = np.random.default_rng(2)
    top = 2 ** (bits - 1) - 1
    weight = random.integers(-top, top + 1, (8, 1024)).astype(float)
    weight[0] = top
    spec = LifSpec(layers=(LifLayerSpec(weight=weight, tau=1e-3),), dt=1e-3, weight_bits=bits)
    layer = model.Layer(spec_coefficients(spec)[0], None)
    events = (random.random((20, 1024)) < 0.9).astype(np.float32)
    layer.begin(np.zeros(20, dtype=np.int64))
    total = layer._synapses.sums(events.astype(layer._kind))
    assert np.array_equal(total.astype(np.int64), events.astype(np.int64) @ weight.astype(np.int64).T)


def spec_coefficients(spec):
    return Job(spec=spec, shown=Images.from_values([[1]], steps=1, mode="rate")).coefficients()


def test_images_are_stepped_side_by_side(monkeypatch):
    random = np.random.default_rng(0)
    pixels = random.integers(0, 256, (5000, 100), dtype=np.uint8) * (random.random((5000, 100)) < 0.2)
    spec = LifSpec(layers=(LifLayerSpec(weight=random.normal(0, 0.8, (10, 100)), tau=9.41e-3),), dt=1e-3)
    steps, step = [], model.Layer.step
    monkeypatch.setattr(model.Layer, "step", lambda *arguments: steps.append(1) or step(*arguments))
    got = model.run(Job(spec=spec, shown=Images.bernoulli(pixels.astype(np.uint8), steps=20)))
    assert len(steps) == 3 * 20  # three waves, whose images take a step together
    assert got.layers[0].spikes.shape == (1, 5000, 10)
    assert got.layers[0].spikes.any(axis=(0, 1)).all()


# Bad input.


def test_an_image_with_too_many_entries_is_refused():
    random = np.random.default_rng(0)
    spec = dataclasses.replace(network(random), capacity=2)
    shown = Images.from_values(np.ones((1, 3)), steps=1, mode="rate")
    with pytest.raises(InputError, match=r"at most 2 entries .* not 3"):
        model.run(Job(spec=spec, shown=shown))


def test_an_image_with_a_row_that_is_not_there_is_refused():
    shown = Images.from_values(np.ones((1, 10)), steps=1, mode="rate")
    with pytest.raises(InputError, match="rows below 9"):
        model.run(Job(spec=dataclasses.replace(network(np.random.default_rng(0)), capacity=12), shown=shown))
