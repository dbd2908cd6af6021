import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests import pictures

# A shell starts what runs in the background with Ctrl-C ignored, which every program inherits; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

# The tools that come as wheels lie beside this Python, which need not be an activated environment.
os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """Let no test be skipped in CI, which has every tool: a check that nobody misses is none."""
    report = yield
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("CI", "").lower() == "true":
        report.outcome, report.longrepr = "failed", f"{item.nodeid} is skipped, which in CI it must not: {call.excinfo}"
    return report


@pytest.fixture(scope="session")
def icarus():
    """Icarus Verilog is not a wheel: a test may be skipped without it, but never in CI."""
    _needs("iverilog", "vvp")


@pytest.fixture(scope="session")
def ngspice():
    """No wheel either: as `icarus`."""
    _needs("ngspice")


def _needs(*tools):
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed")


def pytest_terminal_summary(terminalreporter):
    """Say which pictures were shown, as less is asked of a network on drawn ones."""
    ran = (getattr(report, "nodeid", "") for reports in terminalreporter.stats.values() for report in reports)
    if any("test_mnist.py" in nodeid for nodeid in ran):
        terminalreporter.write_line(pictures.summary(), yellow=pictures.mnist() is None)


# WebAssembly tools that compile themselves at their first use, into a cache that they do not lock.
_TOOLS = ("yosys", "nextpnr-ice40", "icepack", "nextpnr-ecp5", "ecppack", "nextpnr-himbaechel-gowin", "boolector")


def pytest_sessionstart(session):
    """Use every tool once before the workers of pytest-xdist use it at the same time."""
    if not session.config.getoption("numprocesses", None):
        return
    for tool in _TOOLS:
        if program := shutil.which(f"yowasp-{tool}"):
            subprocess.run([program, "--version"], stdin=subprocess.DEVNULL, capture_output=True, check=False)
