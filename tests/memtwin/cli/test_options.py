"""Options of the command line at their borders: one line that names the option; none is ignored in silence."""

import inspect
import json
import os
import sys

import pytest

from memtwin.api import EXPERIMENTS
from memtwin.cli import main as cli
from memtwin.nir.nir_io import load_network
from memtwin.sim.cards import load_card
from memtwin.sim.errors import InputError
from memtwin.sim.experiments.patterns import load_patterns

HUGE = "9" * 40
NUMBERS = {
    "--seed": (["run", "lif"], "-1", HUGE),
    "--trials": (["run", "coincidence"], "0", HUGE),
    "--images": (["run", "mnist"], "-3", HUGE),
    "--baud": (["run", "lif", "--backend", "board", "--port", "socket://127.0.0.1:1"], "0", HUGE),
    "--epochs": (["train", "mnist"], "0", HUGE),
    "--bits": (["import", "mnist-784x10"], "1", HUGE),
    "--headroom": (["import", "mnist-784x10"], "0", HUGE),
    "--port": (["serve", "lif"], "-1", "65536"),
}


@pytest.fixture
def command(monkeypatch, capsys):
    """Function that runs a command in this process: exit status, standard output, standard error."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["memtwin", *map(str, arguments)])
        with pytest.raises(SystemExit) as done:
            cli.main()
        return (done.value.code, *capsys.readouterr())

    return run


@pytest.mark.parametrize("option", NUMBERS)
@pytest.mark.parametrize("value", ["least", "most", "nan", "inf", "1.5", "1e3", "", "9" * 5000])
def test_a_number_out_of_its_range_is_one_line_that_names_the_option(command, option, value):
    arguments, below, above = NUMBERS[option]
    status, out, err = command(*arguments, option, {"least": below, "most": above}.get(value, value))
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert option.lstrip("-") in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "mnist", "--images", "-3"), "option images: expected at least 1, not -3"),
        (("run", "coincidence", "--trials", "0"), "option --trials: expected at least 1, not 0"),
        (("run", "lif", "--seed", 1, "--seed", 2), "option --seed: expected once"),
        (("run", "lif", "--json", "--json"), "option --json: expected once"),
        (("run", "lif", "-o", "a", "-o", "b"), "option -o: expected once"),
        (("run", "lif", "--seed=1", "--seed", 1), "option --seed: expected once"),
        (("build", "lia", "--board", "icebreaker", "--link", "--alone"), "option --alone: expected once"),
        (("run", "lif", "--set", "dt=1ms", "--set", "dt=2ms"), "option --set: dt is given twice"),
        (
            ("run", "lif", "--set", "tau=1ms", "--set", "ag-tio2.tau=2ms"),
            "option --set: tau of the card ag-tio2 is given",
        ),
        (("run", "digits", "--order", "blocked", "--set", "order=shuffled"), "option --set: order is given twice"),
        (
            ("run", "lif", "--card", "ag-tio2", "--card", "ag-tio2"),
            "option --card: expected one volatile and non-volatile",
        ),
        (("run", "lif", "--card", "lia"), "option --card: lif takes cards of kind"),
        (("run", "lif", "--order", "blocked"), "option --set: unknown name order"),
        (("run", "lif", "--images", "3"), "option --set: unknown name images"),
        (("run", "lif", "--trials", "2"), "option --trials: lif is on nominal devices"),
        (("run", "lif", "--spread"), "option --spread: lif is on nominal devices"),
        (("run", "hybrid-neuron", "--trials", "5"), "option --trials: without --spread every trial of hybrid-neuron"),
        (
            ("compare", "hybrid-neuron", "--backends", "physics,model", "--trials", "5"),
            "option --trials: without --spread",
        ),
        (("run", "lif", "--port", "x"), "option --port: expected with the backend board"),
    ],
)
def test_what_cannot_be_followed_is_refused(command, arguments, message):
    status, out, err = command(*arguments)
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "lif", "--set", "tau1=50ms"), "option --set: nothing in lif depends on ag-tio2.tau1"),
        (
            ("run", "ts-pulses", "--card", "lia"),
            "option --card: nothing in ts-pulses depends on the inhibition array lia",
        ),
        (("run", "ts-pulses", "--set", "theta_d2d=0.1"), "because ts-pulses applies spreads with --spread only"),
        (
            ("run", "lia", "--set", "theta_c2c=0.1"),
            "nothing depends on ag-sio2.theta_c2c here, because lia has no spread",
        ),
        (("report", "lif", "--set", "tau1=50ms"), "option --set: nothing in lif depends on ag-tio2.tau1"),
        (
            ("verilog", "lia", "--set", "adapt_step=0.3"),
            "option --set: nothing in lia depends on hybrid-neuron.adapt_step",
        ),
    ],
)
def test_what_has_no_influence_is_said(command, arguments, message):
    status, out, err = command(*arguments, *([] if arguments[0] == "report" else ["--json"]))
    assert status == 0
    (line,) = (line for line in err.splitlines() if "depends" in line)
    assert line.startswith("warning: ")
    assert message in line
    if arguments[0] == "run":
        assert line.removeprefix("warning: ") in json.loads(out)["warnings"]


def test_what_has_an_influence_is_not_warned_of(command):
    _, out, _ = command("run", "lif", "--set", "tau=9ms", "--set", "dt=0.05ms", "--card", "ag-tio2", "--json")
    assert not [line for line in json.loads(out)["warnings"] if "depends" in line]


@pytest.mark.parametrize("arguments", [(), ("export",), ("train",)])
def test_a_group_of_commands_alone_shows_its_help(command, arguments):
    status, out, err = command(*arguments)
    assert (status, err) == (0, "")
    assert out.startswith(" ".join(["Usage: memtwin", *arguments]))
    assert out == command(*arguments, "--help")[1]


@pytest.mark.parametrize("load", [load_card, load_patterns, load_network])
def test_what_is_there_and_is_no_file_is_refused_as_such(load, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/zero", tmp_path / "pipe"):
        with pytest.raises(
            InputError, match=f"{path}: cannot be read .expected a regular file, not a device or a pipe"
        ):
            load(str(path))
    with pytest.raises(InputError, match=f"{tmp_path}: cannot be read .Is a directory"):
        load(str(tmp_path))


def test_a_name_that_is_shipped_is_no_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ag-sio2", "digits", "mnist-784x10"):
        (tmp_path / name).mkdir()
    assert load_card("ag-sio2").name == "ag-sio2"
    assert len(load_patterns("digits")) == 10
    assert load_network("mnist-784x10").source == "mnist-784x10"


TAKES_OPTIONS = ["run", "compare", "report", "verilog", "verify", "build", "flash", "serve", "spice", "recording"]


@pytest.mark.parametrize("name", TAKES_OPTIONS)
def test_what_takes_an_experiment_or_a_design_takes_its_options(name):
    commands = {own.name: own for app in (cli.app, cli.export_app) for own in app.registered_commands}
    parameters = inspect.signature(commands[name].callback).parameters
    assert parameters.keys() >= {"card", "assignment", "spread", "order", "patterns", "net", "data", "images", "seed"}


def test_options_of_a_run_are_those_of_its_design(command, tmp_path):
    (tmp_path / "two.txt").write_text("##\n..\n\n..\n##\n")
    patterns = ("--patterns", tmp_path / "two.txt")
    _, text, _ = command("verilog", "digits", *patterns)
    assert "Layer 1: rows 4, neurons 2," in text


def test_an_experiment_is_shown_with_all_its_options(command):
    status, out, err = command("experiments", "digits")
    assert (status, err) == (
        0,
        "A network of two layers learns ten digits in situ\nzhang2021, Fig. 5 and Supp. Fig. 8 to 13\n",
    )
    options, cards = (part.splitlines() for part in out.split("\n\n"))
    chosen = EXPERIMENTS["digits"]
    assert [line.split()[0] for line in options[1:]] == list(chosen.all_options)
    (v_in,) = (line for line in options if line.startswith("v_in"))
    assert v_in.split()[:3] == ["v_in", "1.6V", "V"]
    assert v_in.rstrip().endswith(chosen.options["v_in"].meaning)
    assert [line.split()[0] for line in cards[1:]] == list(chosen.cards.values())
    listed = {entry["name"]: entry for entry in json.loads(command("experiments", "--json")[1])}
    assert json.loads(command("experiments", "digits", "--json")[1]) == listed["digits"]
    assert command("experiments", "digit")[0] == 2


def test_the_overview_of_experiments_fits_100_columns(command):
    _, out, _ = command("experiments")
    assert [line.split()[0] for line in out.splitlines()[1:]] == list(EXPERIMENTS)
    assert max(map(len, out.splitlines())) <= 100


def test_a_board_is_shown_with_what_designs_take(command):
    status, out, err = command("boards", "icebreaker")
    assert (status, err) == (0, "1BitSquared iCEBreaker\n")
    head, table = out.split("\n\n")
    assert "cells  5280 LUT4, 30 BRAM, 8 DSP" in head.splitlines()
    rows = [line.split()[:3] for line in table.splitlines()[1:]]
    assert ["lia", "no", "yes"] in rows
    assert ["digits", "yes", "no"] in rows
    listed = {entry["name"]: entry for entry in json.loads(command("boards", "--json")[1])}
    assert json.loads(command("boards", "icebreaker", "--json")[1]) == listed["icebreaker"]
    assert command("boards", "arty")[0] == 2
