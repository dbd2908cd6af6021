"""Programs that others start in turn: none of them outlives what it was started for."""

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["run"]


def run(
    command: Sequence[str], folder: Path, env: Mapping[str, str] | None = None, timeout: float | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a program in `folder` to its end, without input, and take what it writes.

    It has a process group of its own, which is killed as a whole if anything ends the wait: Ctrl-C, SIGTERM on the
    command line, or the `timeout`, s.

    Raises
    ------
    subprocess.TimeoutExpired
        If it takes longer.
    """
    with subprocess.Popen(
        command,
        cwd=folder,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        process_group=0,
    ) as process:
        try:
            out, errors = process.communicate(timeout=timeout)
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    return subprocess.CompletedProcess(command, process.returncode, out, errors)
