import os
import shutil
import sys
from pathlib import Path

import pytest

# The tools that come as wheels lie beside this Python, which need not be an activated environment.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.fixture(scope="session")
def icarus():
    """Icarus Verilog is not a wheel: a test may be skipped without it, but never in CI."""
    missing = [tool for tool in ("iverilog", "vvp") if shutil.which(tool) is None]
    if missing:
        message = f"{', '.join(missing)} not installed"
        if os.environ.get("CI", "").lower() == "true":
            pytest.fail(message)
        pytest.skip(message)
