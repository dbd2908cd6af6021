"""What there is to choose: experiments and their options, options of networks of one's own; and options as a dict."""

from dataclasses import MISSING
from types import ModuleType
from typing import Any

from memtwin.api import EXPERIMENTS, experiment
from memtwin.sim.errors import InputError
from memtwin.sim.own.layer import OwnLayer
from memtwin.sim.own.options import Options, rules

__all__ = ["experiments", "options"]


def experiments() -> dict[str, str]:
    """Titles of the experiments, by name."""
    return {name: chosen.title for name, chosen in EXPERIMENTS.items()}


def options(what: str | ModuleType | type[OwnLayer]) -> dict[str, dict[str, Any]]:
    """Options of an experiment, by name, or of a kind of layer: ``mt.options("digits")``, ``mt.options(mt.hybrid)``.

    Returns
    -------
    dict
        Of an experiment, for each option, ``default``, ``unit``, ``meaning`` and ``range``. Of a kind of layer the
        options of a ``layer`` and those of a ``network``, each with ``default`` and ``meaning``; what must be given has
        the default None.

    Raises
    ------
    InputError
        If there is no such experiment, or kind of layer.
    """
    if isinstance(what, str):
        return {
            name: {"default": rule.default, "unit": rule.unit, "meaning": rule.meaning, "range": rule.range}
            for name, rule in experiment(what).all_options.items()
        }
    layer = getattr(what, "Layer", what)
    if not (isinstance(layer, type) and issubclass(layer, OwnLayer)):
        raise InputError(f"options: expected the name of an experiment, or a kind such as mt.hybrid, not {what!r}")
    return {"layer": _own(layer), "network": _own(layer.circuit)}


def _own(declared: type[Options]) -> dict[str, Any]:
    return {
        name: {"default": None if default is MISSING else default, "meaning": f"{rule.meaning}; {rule.expected}"}
        for name, rule, default in rules(declared)
    }
