"""The page of networks of one's own: its script runs as it is printed, and has at most 12 lines."""

import os
import re
import subprocess
import sys
from pathlib import Path

import memtwin as mt

PAGE = Path(__file__).parents[3] / "docs" / "howto-own-network.md"


def test_the_script_of_the_page_runs(tmp_path):
    (script,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert len(script.splitlines()) <= 12
    command = [sys.executable, "-c", script]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False, env=os.environ | {"MPLBACKEND": "agg"}
    )
    assert done.returncode == 0, done.stderr
    spikes, large = done.stdout.rsplit("]", 1)
    assert all(float(number) > 1 for number in [*spikes.strip("[\n ").split(), large])
    assert {path.name for path in tmp_path.iterdir()} == {"filaments.png", "net.v"}


def test_every_name_of_the_page_is_there():
    text = PAGE.read_text(encoding="utf-8")
    names = set(re.findall(r"\bmt\.(\w+)", text))
    assert len(names) > 12
    assert all(hasattr(mt, name) for name in names)
    signals = {"x": mt.hybrid, "v": mt.lif, "v_out1": mt.opamp, "u": mt.stdp, "spike": mt.izhikevich}
    for signal, kind in signals.items():
        net = mt.Network([kind.Layer(inputs=2, neurons=1)])
        assert mt.simulate(net, [(0.0, 0), (0.01, 1)]).trace(signal).shape[2] == 1
