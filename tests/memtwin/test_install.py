"""What the bare package can do, what an extra is asked for, and what is in the wheel."""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import memtwin
from memtwin.cli.main import app
from memtwin.sim.extras import EXTRAS, extra_for

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
FOLDERS = ("memtwin", "hdl", "sim", "boards")

# Runs command lines in one process that has no optional package; prints status and output of each.
BARE = f"""
import contextlib, io, json, sys
sys.modules |= dict.fromkeys({[*EXTRAS]})
from memtwin.__main__ import main
found = []
for line in json.loads(sys.argv[1]):
    sys.argv, out, err = ["memtwin", *line], io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main()
        except SystemExit as end:
            found.append((end.code, out.getvalue(), err.getvalue()))
json.dump(found, sys.stdout)
"""


def bare(*lines):
    command = [sys.executable, "-c", BARE, json.dumps(lines)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def test_cards_physics_model_and_figures_need_the_bare_package_only(tmp_path):
    found = bare(
        ["devices", "--json"],
        ["experiments", "--json"],
        ["boards", "--json"],
        ["run", "digits", "--backend", "model", "--set", "phase=inference", "--json"],
        ["run", "opamp-6a", "--backend", "physics", "-o", str(tmp_path / "out")],
        ["compare", "ts-pulses", "--backends", "physics,model"],
        ["report", "lif"],
        ["export", "spice", "opamp-6a"],
        ["new", "lif", "-o", str(tmp_path / "net.toml")],
        ["report", str(tmp_path / "net.toml")],
        ["run", str(tmp_path / "net.toml")],
    )
    assert [(status, err) for status, _, err in found if status] == []
    assert {path.suffix for path in (tmp_path / "out").iterdir()} == {".png", ".vcd", ".gtkw"}


def test_a_command_that_needs_an_extra_names_it_in_one_line(tmp_path):
    bare(["new", "hybrid", "-o", str(tmp_path / "net.toml")])
    needs = {
        ("run", "digits", "--backend", "rtl"): "rtl",
        ("compare", "lia", "--backends", "model,rtl"): "rtl",
        ("verilog", "lia", "-o", str(tmp_path / "lia.v")): "rtl",
        ("verify", "lia", "-o", str(tmp_path / "out")): "rtl",
        ("serve", "digits"): "rtl",
        ("build", "lia", "--board", "icebreaker", "-o", str(tmp_path / "out")): "boards",
        ("verilog", str(tmp_path / "net.toml")): "rtl",
        ("build", str(tmp_path / "net.toml"), "--board", "icebreaker"): "boards",
        ("flash", "lia", "--board", "icebreaker", "-o", str(tmp_path / "out")): "boards",
        ("run", "mnist"): "nir",
        ("import", "mnist-784x10"): "nir",
        ("export", "npz", "mnist-784x10", "-o", str(tmp_path / "net.npz")): "nir",
        ("train", "mnist", "-o", str(tmp_path / "net.nir")): "nir",
    }
    for extra, (status, out, err) in zip(needs.values(), bare(*needs), strict=True):
        assert (status, out) == (2, "")
        assert re.fullmatch(rf"memtwin: .*: needs the package \w+; run `pip install 'memtwin\[{extra}\]'`\n", err)
    assert [path.name for path in tmp_path.iterdir()] == ["net.toml"]


def test_a_public_name_that_needs_an_extra_names_it():
    lines = ["import sys", f"sys.modules |= dict.fromkeys({[*EXTRAS]})", "import memtwin"]
    lines += ["network = memtwin.Network([memtwin.lif.Layer(inputs=1, neurons=1)])"]
    for call, extra in {"verilog(network)": "rtl", "build(network, 'icebreaker')": "boards"}.items():
        program = "\n".join([*lines, f"memtwin.{call}"])
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
        assert re.search(
            rf"InputError: .*: needs the package \w+; run `pip install 'memtwin\[{extra}\]'`$", done.stderr
        )


def test_no_module_hides_a_public_name():
    # When a module of a package is imported it becomes an attribute of the package.
    modules = {path.stem if path.suffix else path.name for path in (ROOT / "memtwin").iterdir()}
    assert modules & set(memtwin.__all__) == {"build"}  # a package that can be called


def test_an_unknown_package_that_is_missing_is_a_fault_of_ours():
    with pytest.raises(ModuleNotFoundError), extra_for("this"):
        import no_such_package  # noqa: F401


def test_every_optional_package_is_in_its_extra():
    extras = PROJECT["project"]["optional-dependencies"]
    asked = {extra: {re.split(r"[<>=\[ ]", line)[0] for line in lines} for extra, lines in extras.items()}
    for package, extra in EXTRAS.items():
        (distribution,) = set(packages_distributions()[package])
        assert re.sub("[-_.]+", "-", distribution).lower() in asked[extra]


def module(folder):
    """Name that a folder of the checkout has where it is installed."""
    parts = folder.relative_to(ROOT).parts
    return ".".join(parts if parts[0] == "memtwin" else ("memtwin", *parts))


def test_every_package_is_listed():
    packages = {module(path.parent) for folder in FOLDERS for path in (ROOT / folder).rglob("__init__.py")}
    assert packages == set(PROJECT["tool"]["setuptools"]["packages"])


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """A copy of what is under version control, and its names."""
    command = ["git", "ls-files", "-z", *FOLDERS, "README.md", "LICENSE", "pyproject.toml"]
    asked = subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    copy = tmp_path_factory.mktemp("clean")
    names = [name for name in asked.stdout.decode().split("\0") if name and (ROOT / name).is_file()]
    for name in names:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, copy / name)
    return copy, names


@pytest.fixture(scope="module")
def wheel(clean, tmp_path_factory):
    out = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", out, clean[0]]
    subprocess.run(build, check=True)
    (path,) = out.iterdir()
    return path


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_packages(clean, wheel):
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    sources = {name for name in clean[1] if name.split("/")[0] in FOLDERS}
    assert held == {name if name.startswith("memtwin/") else f"memtwin/{name}" for name in sources}


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The command of the wheel in an environment of its own, which has what this one has but for the checkout."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    library = next((folder / "lib").glob("python*/site-packages"))
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel]
    subprocess.run(pip, check=True)
    # A path that a .pth file adds comes after what is installed, and its own .pth files are not read.
    (library / "others.pth").write_text("".join(f"{path}\n" for path in sys.path if "site-packages" in path))
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    told = subprocess.run(
        [python, "-c", "import memtwin.hdl, memtwin.sim; print(memtwin.hdl.__file__, memtwin.sim.__file__)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=elsewhere,
    )
    assert all(path.startswith(str(library)) for path in told.stdout.split())
    return folder / "bin" / "memtwin", elsewhere


# Every command once, the quickest thing that it does.
COMMANDS = [
    "devices",
    "experiments",
    "boards",
    "run lia --backend rtl -o out",
    "compare lia --backends model,rtl",
    "report lia",
    "new hybrid -o net.toml",
    "verilog lia -o lia.v",
    "verify lia",
    "build lia --board ulx3s-85f",
    "flash lia --board ulx3s-85f",
    "import mnist-784x10",
    "export nir mnist-784x10 -o net.nir",
    "export mem mnist-784x10 -o net.mem",
    "export hex mnist-784x10 -o net.hex",
    "export npz mnist-784x10 -o net.npz",
    "export recording lif -o lif.nir",
    "export spice opamp-6a",
]
APART = {"serve", "connect", "train mnist"}  # need more than a line


@pytest.mark.slow
def test_every_command_works_outside_the_checkout(installed, monkeypatch):
    command, elsewhere = installed
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # tools of other wheels
    monkeypatch.setenv("OPENFPGALOADER", "true")

    def memtwin(*arguments, status=0):
        done = subprocess.run([command, *arguments], capture_output=True, text=True, check=False, cwd=elsewhere)
        assert done.returncode == status, (arguments, done.stderr)
        return done

    for line in COMMANDS:
        memtwin(*line.split())
    assert "nowhere" in memtwin("train", "mnist", "--data", "nowhere", status=2).stderr
    served = subprocess.Popen([command, "serve", "digits"], stdout=subprocess.PIPE, text=True, cwd=elsewhere)
    try:
        memtwin("connect", "--port", served.stdout.readline().strip())
    finally:
        served.terminate()
        served.communicate()


def test_every_command_is_tried():
    def names(app, *before):
        for command in app.registered_commands:
            yield " ".join([*before, command.name])
        for group in app.registered_groups:
            yield from names(group.typer_instance, *before, group.name)

    tried = {name for name in names(app) for line in COMMANDS if f"{line} ".startswith(f"{name} ")}
    assert set(names(app)) == tried | APART
