"""Networks of one's own: built in Python, or read from a TOML or NIR file; run, compared, and written as Verilog."""

from typing import Any

__all__ = ["compare"]


def compare(what: Any, *arguments: Any, **options: Any) -> dict[str, Any]:
    """Compare two backends on an experiment, by its name, or on a network of one's own.

    ``compare("digits", "model", "rtl")`` is `memtwin.api.compare`, ``compare(net, spikes, "model", "rtl")``
    `memtwin.own.run.compare_network`; both say what the parameters and results are.
    """
    if isinstance(what, str):
        from memtwin.api import compare as compare_experiment

        return compare_experiment(what, *arguments, **options)
    from memtwin.own.run import compare_network

    return compare_network(what, *arguments, **options)
