"""Puts single faults into the source and counts how many the tests catch: ``make mutants``.

First every test is run once, to learn which lines each one reaches and how long it takes (`coverage`, kept in the
output directory). Then faults are drawn from the syntax trees of each folder by a seed; each goes into a copy of the
checkout, against the tests that reach its line, the nearest first, until one fails.
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from queue import Queue
from xml.etree import ElementTree

import coverage

sys.path.insert(0, str(Path(__file__).parent))

from sites import Mutant, mutants

ROOT = Path(__file__).parents[2]
FOLDERS = ("hdl", "sim", "boards", "memtwin")
_KEPT = ("pyproject.toml", "README.md", "Makefile", "LICENSE", "tests", "docs", *FOLDERS)
_HANGS = 120  # seconds that a test may take with a fault in it


@dataclass(frozen=True)
class Drawn:
    """A fault and the tests that reach it."""

    path: str
    mutant: Mutant
    tests: list[str]

    @property
    def name(self) -> str:
        """Where it is and what it does."""
        return f"{self.path}:{self.mutant.line}: {self.mutant.what}"


class Reach:
    """Which tests reach which lines, and how long they take."""

    def __init__(self, directory: Path) -> None:
        self._data = coverage.CoverageData(str(directory / "coverage"))
        self._data.read()
        self._seconds = dict(_durations(directory / "times.xml"))
        self._lines = {
            str(Path(file).relative_to(ROOT)): self._data.contexts_by_lineno(file)
            for file in self._data.measured_files()
        }

    def tests(self, path: str, mutant: Mutant) -> list[str]:
        """Tests that reach a fault: those of its module first, then those of its folder; the quickest first of each.

        A line that runs at import is reached by all tests of its file, and a file that runs in a process of its own (a
        bench inside a simulator) by all tests of its folder.
        """
        table = self._lines.get(path, {})
        lines = range(mutant.line, mutant.last_line + 1)
        found = {context for line in lines for context in table.get(line, ()) if context}
        found = found or {context for contexts in table.values() for context in contexts if context}
        names = {context.split("|")[0] for context in found}
        if not names:
            near = (f"tests/{Path(path).parts[0]}/", "tests/cocotb/")
            names = {name for name in self._seconds if name.startswith(near)}
        folder, module = f"tests/{Path(path).parent}/", f"test_{Path(path).stem}.py"

        def distance(name: str) -> tuple[bool, bool, float, str]:
            is_near = name.startswith(folder)
            return not (is_near and f"{module}::" in name), not is_near, self._seconds.get(name, 0.0), name

        return sorted(names, key=distance)

    def within(self, names: list[str], seconds: float) -> list[str]:
        """As many of the tests as take no more than `seconds` in all."""
        out = []
        for name in names:
            seconds -= self._seconds.get(name, 0.0)
            if seconds < 0:
                break
            out.append(name)
        return out


def _durations(file: Path) -> Iterator[tuple[str, float]]:
    for case in ElementTree.parse(file).iter("testcase"):
        module, name = case.get("classname", "").replace(".", "/"), case.get("name")
        yield f"{module}.py::{name}", float(case.get("time", 0))


def learn(directory: Path) -> None:
    """Run every test once and keep what it reaches."""
    settings = directory / "settings.ini"  # not coverage.*, which are data files
    settings.write_text(f"[run]\nsource_pkgs = memtwin\nparallel = true\ndata_file = {directory / 'coverage'}\n")
    command = [sys.executable, "-m", "pytest", "-n", "2", "-m", "not slow", f"--junitxml={directory / 'times.xml'}"]
    command += ["--cov", f"--cov-config={settings}", "--cov-context=test", "--cov-report="]
    subprocess.run(command, cwd=ROOT, check=True)


def draw(folder: str, count: int, seed: int, reach: Reach) -> list[Drawn]:
    """Draw `count` faults of a folder, every one of its faults as likely as another."""
    found = [
        (str(path.relative_to(ROOT)), mutant)
        for path in sorted((ROOT / folder).rglob("*.py"))
        for mutant in mutants(path.read_text(encoding="utf-8"))
    ]
    chosen = random.Random(f"{seed} {folder}").sample(found, min(count, len(found)))
    return [Drawn(path, mutant, reach.tests(path, mutant)) for path, mutant in chosen]


def copy(directory: Path) -> Path:
    """Copy the checkout, and lay its folders out as one package."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for name in _KEPT:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, directory / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, directory / name)
    package = directory / "package" / "memtwin"
    package.mkdir(parents=True)
    for part in [*(directory / "memtwin").iterdir(), *(directory / name for name in ("hdl", "sim", "boards"))]:
        (package / part.name).symlink_to(part)
    return directory


def is_caught(drawn: Drawn, tests: list[str], tree: Path) -> str | None:
    """Put a fault into a copy; return the first test that fails, or None."""
    if not tests:
        return None
    file = tree / drawn.path
    right = file.read_text(encoding="utf-8")
    file.write_text(drawn.mutant.source, encoding="utf-8")
    # The package of the copy comes before the folder `memtwin` in it, which `-m` would put first.
    path = os.pathsep.join([str(tree / "package"), str(tree)])
    env = os.environ | {"PYTHONPATH": path, "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-x", "-q", "--no-header", "--tb=no", "-p", "no:cacheprovider"]
    command += [f"--timeout={_HANGS}", *tests]
    try:
        done = subprocess.run(command, cwd=tree, env=env, text=True, capture_output=True)
    finally:
        file.write_text(right, encoding="utf-8")
    if "ERROR: not found" in done.stderr:  # would pass for a test that fails
        raise RuntimeError(done.stderr)
    if done.returncode == 0:
        return None
    failed = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    return failed[0] if failed else f"exit status {done.returncode}"


def main() -> None:
    """Draw, try, and print what lives."""
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__)
    parser.add_argument("--folders", nargs="+", default=list(FOLDERS), choices=FOLDERS)
    parser.add_argument("--count", type=int, default=30, help="faults of each folder")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=300.0, help="of tests for each fault")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("-o", "--out", type=Path, default=ROOT / "out" / "mutants")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    if not (options.out / "coverage").exists():
        learn(options.out)
    reach = Reach(options.out)
    drawn = [one for folder in options.folders for one in draw(folder, options.count, options.seed, reach)]
    trees: Queue[Path] = Queue()
    for number in range(options.workers):
        trees.put(copy(options.out / f"tree{number}"))

    def try_one(one: Drawn) -> dict[str, object]:
        tree = trees.get()
        tests = reach.within(one.tests, options.seconds)
        caught = is_caught(one, tests, tree)
        trees.put(tree)
        print(f"{'caught' if caught else 'LIVES '} {one.name}  ({len(tests)} of {len(one.tests)} tests)", flush=True)
        return {"fault": one.name, "caught_by": caught, "tried": len(tests), "reach_it": len(one.tests)}

    with ThreadPoolExecutor(options.workers) as pool:
        results = list(pool.map(try_one, drawn))
    (options.out / f"seed{options.seed}.json").write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    for folder in options.folders:
        own = [result for result in results if str(result["fault"]).startswith(f"{folder}/")]
        print(f"{folder}: {sum(result['caught_by'] is not None for result in own)} of {len(own)} caught")


if __name__ == "__main__":
    main()
