"""The integer model against a scalar transcription of docs/arithmetic.md, word by word, and cases worked by hand."""

import numpy as np
import pytest

from memtwin.sim.backends import Job
from memtwin.sim.cards import load_card
from memtwin.sim.hybrid.model import run, run_together
from memtwin.sim.hybrid.model_layer import Layer
from memtwin.sim.hybrid.quantize import quantize
from memtwin.sim.hybrid.shown import Program
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec
from memtwin.sim.model_parts import Random, Saturations
from tests.sim.hybrid.scalar import plain_run


def two_layers(**options):
    """Two layers of unequal size with strong spreads."""
    layer = {"tie": options.pop("tie", "inhibit"), "scaled": options.pop("scaled", False)}
    layer |= {name: options.pop(name) for name in ("skip", "refractory", "depression", "adaptive") if name in options}
    rows, neurons = options.pop("shape", (6, 4))
    return NetworkSpec(
        layers=(
            LayerSpec(rows=rows, neurons=neurons, v_in=1.6, g_initial=400e-6, inhibition=True, **layer),
            LayerSpec(rows=neurons, neurons=3, v_in=2.0, g_initial=200e-6, one_cycle=True, **layer),
        ),
        device=load_card("ag-sio2").replace(theta_c2c="0.3", theta_d2d="0.1", gain_d2d="0.1"),
        neuron=load_card("hybrid-neuron").replace(tau_adapt="20ms", adapt_step="0.4"),
        **{"c2c": True, "d2d": True, **options},
    )


def show(spec, trials=3, presentations=6, seed=0):
    """Presentations of different lengths in every trial, some until a fire, one of them with learning off."""
    rng = np.random.default_rng(seed)
    rows, outputs = spec.layers[0].rows, spec.layers[-1].neurons
    return Program.build(
        (rng.random((trials, presentations, rows)) < 0.7).astype(np.uint8),
        gates=(rng.random((trials, presentations, outputs)) < 0.7).astype(np.uint8),
        learn=(rng.random((trials, presentations, 2)) < 0.8).astype(np.uint8),
        until=rng.integers(0, 2, (trials, presentations)),
        fires=rng.integers(0, 3, (trials, presentations)),
        periods=rng.integers(1, 14, (trials, presentations)),
        rest=rng.integers(0, 5, (trials, presentations)),
    )


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"tie": "lowest", "c2c": False, "d2d": False},
        {"tie": "random", "c2c": False, "d2d": False},
        {"adaptive": True, "tie": "random", "substeps": 4},
        {"scaled": True, "skip": False},
        {"refractory": False, "substeps": 32},
        {"depression": False, "adaptive": True},
        {"refractory": False, "depression": False, "substeps": 1},
        {"shape": (1, 2)},
        {"shape": (17, 9), "tie": "random", "d2d": False},
    ],
    ids=lambda options: "-".join(f"{name}={value}" for name, value in options.items()) or "default",
)
def test_every_word_is_that_of_the_scalar_transcription(options):
    spec = two_layers(**options)
    # With few substeps growth is clipped: on both sides alike.
    job = Job(spec=spec, shown=show(spec), seed=5, record=True, allow_clipping=True)
    recording = run(job)
    plain, counts = plain_run(job)
    fires = sum(int(layer.fires.sum()) for layer in recording.layers)
    assert fires > 3  # else the comparison would be empty
    for trial, layers in enumerate(plain):
        for number, layer in enumerate(layers):
            got = recording.layers[number]
            assert got.words[trial].tolist() == layer.words, f"trial {trial}, layer {number + 1}"
            assert got.fires[trial].tolist() == [one[number] for one in counts[trial][0]]
            assert got.spikes[trial].tolist() == [one[number] for one in counts[trial][1]]
        assert recording.duration[trial].tolist() == counts[trial][2]


def test_recording_changes_nothing_and_conductances_are_the_last_words():
    spec = two_layers()
    program = show(spec, trials=4)
    quiet, recorded = (run(Job(spec=spec, shown=program, seed=2, record=record)) for record in (False, True))
    plain, _ = plain_run(Job(spec=spec, shown=program, seed=2))
    coefficients = quantize(spec, Job(spec=spec, shown=program, seed=2).sample())
    for number in range(2):
        a, b = quiet.layers[number], recorded.layers[number]
        assert (a.fires == b.fires).all()
        assert (a.conductance == b.conductance).all()
        assert a.words == []
        words = a.conductance / coefficients[number].weight_unit
        assert words.tolist() == [layers[number].g for layers in plain]


def test_a_trial_runs_the_same_alone_and_among_others():
    spec = two_layers(tie="random")
    program = show(spec, trials=5)
    together = run(Job(spec=spec, shown=program, seed=10))
    alone = run(Job(spec=spec, shown=Program(**{k: v[3:4] for k, v in vars(program).items()}), seed=13))
    for a, b in zip(together.layers, alone.layers, strict=True):
        assert (a.fires[3] == b.fires[0]).all()
        assert (a.conductance[3] == b.conductance[0]).all()
    assert together.time_s[3] == alone.time_s[0]


def test_jobs_run_together_as_they_run_alone():
    specs = [two_layers(c2c=False), two_layers(adaptive=True), two_layers()]
    jobs = [Job(spec=spec, shown=show(spec, seed=number), seed=1) for number, spec in enumerate(specs)]
    # One of other structure, which cannot share arrays with the others, and one whose words saturate.
    jobs.insert(
        1, Job(spec=two_layers(tie="lowest", substeps=4), shown=show(specs[0]), record=True, allow_clipping=True)
    )
    steep = NetworkSpec(**{**vars(specs[1]), "neuron": specs[1].neuron.replace(adapt_step="2")})
    jobs.append(Job(spec=steep, shown=show(steep, presentations=12)))
    jobs.append(Job(spec=steep, shown=show(steep)))
    for job, together in zip(jobs, run_together(jobs), strict=True):
        alone = run(job)
        assert together.saturated == alone.saturated
        assert (together.duration == alone.duration).all()
        for a, b in zip(together.layers, alone.layers, strict=True):
            assert (a.spikes == b.spikes).all()
            assert (a.conductance == b.conductance).all()


def fixed_resistors(v_in, trials=1):
    """Two resistors of Fig. 3b, 10 and 40 kOhm; depression is disabled."""
    spec = NetworkSpec(
        layers=(LayerSpec(rows=2, neurons=1, v_in=v_in, g_initial=np.array([[100e-6, 25e-6]]), depression=False),)
    )
    program = Program.build(np.tile([1, 0], (trials, 1, 1)), gates=[1], learn=(0,), periods=26)
    return Job(spec=spec, shown=program, record=True)


def test_fifth_pulse_fires_from_rest_and_after_the_refractory_period():
    layer = run(fixed_resistors(1.8)).layers[0]
    fires = [event.time_s for event in layer.events[0] if event.kind == "fire"]
    assert [int(time / 500e-6) for time in fires] == [4, 10, 16, 22]  # pulse numbers from 0; one of six is refractory
    assert layer.spikes.sum() == 4


def test_amplitude_per_trial_raises_the_rate():
    layer = run(fixed_resistors([1.4, 1.6, 1.8, 2.0], trials=4)).layers[0]
    rates = layer.fires[:, 0, 0]
    assert rates[0] > 0
    assert (np.diff(rates) >= 0).all()
    assert rates[-1] > rates[0]


def test_presentation_ends_after_the_spike_that_was_asked_for():
    spec = two_layers(c2c=False)
    program = Program.build(
        np.ones((1, 2, 6)), gates=[1, 1, 1], learn=(0, 0), periods=[[100, 3]], until=0, fires=[[1, 0]], rest=[[7, 2]]
    )
    recording = run(Job(spec=spec, shown=program, record=True))
    layer = recording.layers[0]
    fire = next(event.time_s for event in layer.events[0] if event.kind == "fire")
    # The period of the fire, then that of the output spike; V_L is low again at the end of that one.
    assert recording.duration.tolist() == [[int(fire / 500e-6) + 2, 3]]
    assert layer.spikes[0, 0].tolist() == layer.fires[0, 0].tolist()
    assert layer.fires[0, 0].max() == 1
    assert recording.time_s[0] == pytest.approx((recording.duration.sum() + 9) * 500e-6)


def test_a_scaled_depression_goes_no_farther_than_its_bound():
    """Words that a host loads can ask for twice the way (section 7)."""
    spec = two_layers(scaled=True, shape=(2, 1), d2d=False)
    coefficients = quantize(spec, spec.sample(trials=1, seed=0))[0]
    coefficients.words["depression"] = np.array([4096])  # an eighth of the way in each of 16 substeps
    saturated = Saturations(1)
    layer = Layer(coefficients, saturated)
    yes = np.ones((1, 1), dtype=bool)
    events = np.array([[True, False]])
    layer._learn(np.array([0]), events, np.array([True]), mask=yes, fired=yes, lifts=np.array([[16]]))
    assert layer.conductance[0, 0, 1] == coefficients.words["g_min"][0]
    assert saturated.of(slice(None)) == {"depression": 1}


def test_equal_neurons_inhibit_each_other_unless_a_tie_is_broken():
    winners = {}
    for tie in ("inhibit", "lowest", "random"):
        spec = two_layers(c2c=False, d2d=False, tie=tie)
        program = Program.build(np.ones((8, 1, 6)), gates=[0, 0, 0], learn=(1, 0), periods=20, fires=1)
        layer = run(Job(spec=spec, shown=program)).layers[0]
        learned = (layer.conductance > 410e-6).all(axis=2)
        winners[tie] = learned.sum(axis=1), learned.argmax(axis=1)
    assert winners["inhibit"][0].tolist() == [0] * 8
    assert winners["lowest"][0].tolist() == [1] * 8
    assert winners["lowest"][1].tolist() == [0] * 8
    assert winners["random"][0].tolist() == [1] * 8
    assert len(set(winners["random"][1].tolist())) > 1


def test_xorshift_is_that_of_marsaglia():
    random = Random(np.array([1, 2463534242]))
    assert random.take(np.array([0])).tolist() == [270369]
    assert random.take(np.array([0, 1])).tolist() == [67634689, 723471715]


def test_noise_has_its_stated_spread():
    noise = Random(np.arange(1, 401) * 7919).noise(np.arange(400), 200)
    assert abs(noise.mean()) < 2
    assert noise.std() == pytest.approx(147.80, rel=0.01)
    assert np.abs(noise).max() <= 510


def test_saturations_are_counted_by_name():
    saturations = Saturations(3)
    words = np.array([[-3, 5, 70000], [65535, 0, 65536]])
    assert saturations.clamp(words, np.array([0, 2]), "v1").tolist() == [[0, 5, 65535], [65535, 0, 65535]]
    assert [saturations.of(slice(t, t + 1)) for t in range(3)] == [{"v1": 2}, {}, {"v1": 1}]
    spec = two_layers(adaptive=True)
    steep = NetworkSpec(**{**vars(spec), "neuron": spec.neuron.replace(adapt_step="2")})
    program = Program.build(np.ones((1, 30, 6)), gates=[1, 1, 1], learn=(1, 0), periods=40, fires=1)
    assert run(Job(spec=steep, shown=program)).saturated["threshold"] > 0
    assert run(fixed_resistors(1.8)).saturated == {}


def test_progress_ends_at_one():
    seen = []
    run(fixed_resistors(1.8), seen.append)
    assert seen[-1] == 1.0


def test_a_program_without_presentations_takes_no_time():
    spec = two_layers()
    job = Job(spec=spec, shown=Program.build(np.zeros((2, 0, 6)), gates=[1, 1, 1], learn=(1, 1), periods=1))
    recording = run(job)
    assert recording.time_s.tolist() == [0.0, 0.0]
    assert recording.layers[0].fires.shape == (2, 0, 4)


def test_a_column_without_conductance_has_the_largest_reciprocal():
    synapse = load_card("ta-hfo2").replace(g_max="1000S")  # beside which all others are no step of a word
    layer = LayerSpec(rows=3, neurons=2, v_in=1.6, g_initial=400e-6)
    spec = NetworkSpec(layers=(layer,), synapse=synapse)
    job = Job(spec=spec, shown=Program.build(np.ones((1, 1, 3)), learn=(0,), periods=2, gates=np.ones(2)), record=True)
    (layers,), _ = plain_run(job)
    assert layers[0].recip == [65535, 65535]
    assert run(job).layers[0].words[0].tolist() == layers[0].words
