"""A seed draws the devices that it always drew: what was published with a seed can be run again."""

import numpy as np
import pytest

import memtwin as mt

DRAWN = {
    "hybrid": {
        "theta": [[0.9735128200874371, 0.995032767558095]],
        "gain": [[1.0084089047613105, 1.0227209306497929]],
        "conductance": [
            [[0.00040219412798643615, 0.0003889470535892753], [0.0003843043928931144, 0.0004149749154146918]]
        ],
        "seed": [2881021352],
    },
    "opamp": {
        "r_first": [[1.0, 1.0]],
        "r_second": [[0.9875819188952376, 1.021022261903276]],
        "v_th": [[1.0227209306497929, 1.0021941279864361]],
        "conductance": [
            [[1.9447352679463767e-06, 1.921521964465572e-06], [2.074874577073459e-06, 2.163478304295858e-06]]
        ],
    },
}


@pytest.mark.parametrize("kind", DRAWN)
def test_devices_of_a_seed(kind):
    net = mt.Network([getattr(mt, kind).Layer(inputs=2, neurons=2)], d2d=True)
    (sample,) = net.job(np.ones((1, 2)), seed=5).sample()
    for name, values in DRAWN[kind].items():
        assert getattr(sample, name) == pytest.approx(np.array(values), rel=1e-12), name
