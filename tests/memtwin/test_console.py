"""What commands write on a terminal."""

import io

from rich.console import Console

from memtwin import console


def on_a_terminal(monkeypatch):
    """Return what is written to a standard error that is a terminal."""
    written = io.StringIO()
    monkeypatch.setattr(console, "_err", Console(file=written, force_terminal=True, width=80, highlight=False))
    return written


def test_there_is_a_bar_before_anything_is_reported(monkeypatch):
    written = on_a_terminal(monkeypatch)
    with console.progress("lia on icarus"):
        assert "lia on icarus" in written.getvalue()


def test_the_first_bar_makes_way_for_those_of_the_parts(monkeypatch):
    written = on_a_terminal(monkeypatch)
    with console.progress() as report:
        assert "preparing" in written.getvalue()
        report("training", 0.5)
        so_far = len(written.getvalue())
        report("inference", 0.0)
        shown = written.getvalue()[so_far:]
        assert "training" in shown
        assert "inference" in shown
        assert "preparing" not in shown


def test_in_a_pipe_there_is_none(monkeypatch):
    written = io.StringIO()
    monkeypatch.setattr(console, "_err", Console(file=written))
    with console.progress() as report:
        assert report is None
    assert written.getvalue() == ""
