"""What a network of hybrid neurons refuses."""

import pytest

from memtwin.sim.errors import InputError
from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec


def layer(rows=2, neurons=3, **options):
    return LayerSpec(rows=rows, neurons=neurons, v_in=1.2, g_initial=80e-6, **options)


@pytest.mark.parametrize("substeps", [-4, 0, 3, 12, 1025, 2048])
def test_substeps_are_a_power_of_two_within_bounds(substeps):
    message = rf"^option substeps: expected a power of two from 1 to 1024, not {substeps}$"
    with pytest.raises(InputError, match=message):
        NetworkSpec(layers=(layer(),), substeps=substeps)


@pytest.mark.parametrize("substeps", [1, 2, 1024])
def test_substeps_that_are_taken(substeps):
    spec = NetworkSpec(layers=(layer(),), substeps=substeps)
    assert spec.step == spec.half_period / substeps


def test_layers_fit_together():
    with pytest.raises(InputError, match="a layer of 3 neurons must be followed by one of as many rows, not 2"):
        NetworkSpec(layers=(layer(), layer()))
    assert NetworkSpec(layers=(layer(), layer(rows=3))).substeps == 16


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tie": "draw"}, "option tie: expected one of inhibit, lowest, random, not 'draw'"),
        ({"lanes": 0}, r"lanes: expected a power of two from 1 to 3 \(neurons\), not 0"),
        ({"lanes": 3}, "lanes: expected a power of two"),
        ({"lanes": 4}, "lanes: expected a power of two"),
    ],
)
def test_options_of_a_layer(options, message):
    with pytest.raises(InputError, match=message):
        layer(**options)
    assert layer(lanes=2).lanes == 2
