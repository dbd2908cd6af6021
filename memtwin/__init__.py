"""A digital twin of memristive spiking neurons on FPGAs.

>>> import memtwin as mt
>>> card = mt.load_card("ag-sio2")
>>> card["tau_leak"]
0.004
>>> outcome = mt.run("hybrid-neuron", backend="model")
>>> outcome.results["fire_pulse_numbers"]
[5, 5]
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from memtwin.api import Outcome, compare, run
    from memtwin.sim.cards import Card, card_names, load_card
    from memtwin.sim.errors import InputError
    from memtwin.sim.hybrid.shown import Program
    from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec
    from memtwin.sim.recording import Recording

__version__ = "0.1.0"

__all__ = [
    "Card",
    "InputError",
    "LayerSpec",
    "NetworkSpec",
    "Outcome",
    "Program",
    "Recording",
    "__version__",
    "card_names",
    "compare",
    "load_card",
    "run",
]

# Imported when they are first asked for: the command line starts in here, and must be able to answer Ctrl-C by then.
_MODULES = {
    "Card": "sim.cards",
    "InputError": "sim.errors",
    "LayerSpec": "sim.hybrid.spec",
    "NetworkSpec": "sim.hybrid.spec",
    "Outcome": "api",
    "Program": "sim.hybrid.shown",
    "Recording": "sim.recording",
    "card_names": "sim.cards",
    "compare": "api",
    "load_card": "sim.cards",
    "run": "api",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
