import pytest

from memtwin.sim.errors import InputError
from memtwin.sim.experiments import EXPERIMENTS
from tests.perform import perform


@pytest.mark.parametrize("backend", ["physics", "model", "rtl"])
def test_membrane_follows_the_closed_form(backend):
    *_, results = perform(EXPERIMENTS["lif"], backend)
    assert results["max_error"] < 1e-3
    assert results["interval_s"]["0.8"] is results["interval_exact_s"]["0.8"] is None
    for drive in ("1.2", "1.6", "2.0", "3.0"):
        # A spike is seen at the end of its step.
        late = results["interval_s"][drive] - results["interval_exact_s"][drive]
        assert 0 <= late <= 1.01 * results["dt_s"]


def test_too_short_a_run_is_refused():
    experiment = EXPERIMENTS["lif"]
    with pytest.raises(InputError, match="options time, dt: expected 1 to 65535 steps, not 0"):
        experiment.plan(experiment.settings(assignments=("time=40us",)))
