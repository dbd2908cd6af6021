"""Random networks of one's own are inside their bounds of the physics, or a user is told (docs/structures.md)."""

import pytest

from memtwin.sim.kinds import KINDS
from tests.structures import bounds
from tests.structures.bounds import Verdict, verdict_of

# Found by `make bounds`, each by a fault of its own: gates that chase each other, an array of one neuron, a later layer
# whose substeps are too long, a pulse that waits until the next input, a node
# at the hold voltage, what substeps lose.
FOUND = [
    ("hybrid", 1),
    ("hybrid", 120),
    ("hybrid", 232),
    ("izhikevich", 73),
    ("izhikevich", 221),
    ("opamp", 1072),
    ("opamp", 1092),
]
FEW = [(kind, seed) for kind in KINDS for seed in range(5000, 5002)]
MORE = [(kind, seed) for kind in KINDS for seed in range(5002, 5022)]


@pytest.mark.parametrize(
    ("kind", "seed"), [*FOUND, *FEW, *(pytest.param(*one, marks=pytest.mark.slow) for one in MORE)]
)
def test_a_network_is_inside_its_bounds_or_told(kind, seed):
    verdict, lines = verdict_of(kind, seed)
    assert verdict is not Verdict.NEITHER, lines


@pytest.mark.parametrize(
    ("found", "verdict"),
    [
        ({"within": True, "warnings": ["of a word"], "outside": []}, Verdict.INSIDE),
        ({"within": False, "warnings": ["of a word"], "outside": ["step"]}, Verdict.TOLD),
        ({"within": False, "warnings": [], "outside": ["step"]}, Verdict.NEITHER),
    ],
)
def test_what_is_neither_is_counted_and_named_by_its_seed(monkeypatch, capsys, found, verdict):
    monkeypatch.setattr(bounds.mt, "compare", lambda *args, **options: found)
    counts = bounds.count("lif", range(2, 3))
    assert counts == {verdict: 1}
    assert ("again with: make bounds KIND=lif SEED=2 N=1" in capsys.readouterr().out) == (verdict is Verdict.NEITHER)
