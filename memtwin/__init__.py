"""A digital twin of memristive spiking neurons on FPGAs.

>>> import memtwin as mt
>>> card = mt.load_card("ag-sio2")
>>> card["tau_leak"]
0.004
>>> outcome = mt.run("hybrid-neuron", backend="model")
>>> outcome.results["fire_pulse_numbers"]
[5, 5]
>>> net = mt.Network([mt.hybrid.Layer(inputs=5, neurons=3, inhibition=True)])
>>> rec = mt.simulate(net, mt.poisson("500Hz", "100ms"), trials=10)
>>> rec.trace("x").shape
(10, 6400, 3)
"""

import importlib
from typing import TYPE_CHECKING, Any

# For type checkers and ``import *``; a kind that is not among them is found in `KINDS`.
if TYPE_CHECKING:
    from memtwin.api import Outcome, run
    from memtwin.choices import experiments, options
    from memtwin.own import compare
    from memtwin.own.files import load_network
    from memtwin.own.hardware import build, verilog
    from memtwin.own.inputs import load_spikes
    from memtwin.own.network import Network
    from memtwin.own.run import simulate
    from memtwin.own.simulation import Simulation
    from memtwin.sim.cards import Card, card_names, load_card
    from memtwin.sim.errors import InputError
    from memtwin.sim.hybrid import layer as hybrid
    from memtwin.sim.hybrid.shown import Program
    from memtwin.sim.hybrid.spec import LayerSpec, NetworkSpec
    from memtwin.sim.izhikevich import layer as izhikevich
    from memtwin.sim.lif import layer as lif
    from memtwin.sim.opamp import layer as opamp
    from memtwin.sim.own.sources import events, poisson, program, regular
    from memtwin.sim.recording import Recording
    from memtwin.sim.stdp import layer as stdp

__version__ = "0.1.0"

__all__ = [
    "Card",
    "InputError",
    "LayerSpec",
    "Network",
    "NetworkSpec",
    "Outcome",
    "Program",
    "Recording",
    "Simulation",
    "__version__",
    "build",
    "card_names",
    "compare",
    "events",
    "experiments",
    "hybrid",
    "izhikevich",
    "lif",
    "load_card",
    "load_network",
    "load_spikes",
    "opamp",
    "options",
    "poisson",
    "program",
    "regular",
    "run",
    "simulate",
    "stdp",
    "verilog",
]

# Imported when they are first asked for: the command line starts in here, and must be able to answer Ctrl-C by then.
_PLACES = {
    "Card": "sim.cards",
    "InputError": "sim.errors",
    "LayerSpec": "sim.hybrid.spec",
    "Network": "own.network",
    "NetworkSpec": "sim.hybrid.spec",
    "Outcome": "api",
    "Program": "sim.hybrid.shown",
    "Recording": "sim.recording",
    "Simulation": "own.simulation",
    "build": "build",  # a package that can be called
    "card_names": "sim.cards",
    "compare": "own",
    "events": "sim.own.sources",
    "experiments": "choices",
    "load_card": "sim.cards",
    "load_network": "own.files",
    "load_spikes": "own.inputs",
    "options": "choices",
    "poisson": "sim.own.sources",
    "program": "sim.own.sources",
    "regular": "sim.own.sources",
    "run": "api",
    "simulate": "own.run",
    "verilog": "own.hardware",
}


def __getattr__(name: str) -> Any:
    if name in _PLACES:
        from memtwin.sim.extras import extra_for

        with extra_for(f"{__name__}.{name}"):
            module = importlib.import_module(f"{__name__}.{_PLACES[name]}")
        return module if _PLACES[name] == name else getattr(module, name)
    if not name.startswith("_"):
        from memtwin.sim.kinds import KINDS

        if name in KINDS:  # its layers: `mt.hybrid.Layer`
            return importlib.import_module(f"{__name__}.sim.{name}.layer")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    from memtwin.sim.kinds import KINDS

    return sorted({*globals(), *__all__, *KINDS})
