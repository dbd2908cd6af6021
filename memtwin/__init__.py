"""A digital twin of memristive spiking neurons on FPGAs.

>>> import memtwin as mt
>>> card = mt.load_card("ag-sio2")
>>> card["tau_leak"]
0.004
>>> outcome = mt.run("hybrid-neuron", backend="model")
>>> outcome.results["fire_pulse_numbers"]
[5, 5]
"""

from memtwin.api import Outcome, compare, run
from memtwin.sim.cards import Card, card_names, load_card
from memtwin.sim.errors import InputError
from memtwin.sim.network import LayerSpec, NetworkSpec
from memtwin.sim.program import Program
from memtwin.sim.recording import Recording

__all__ = [
    "Card",
    "InputError",
    "LayerSpec",
    "NetworkSpec",
    "Outcome",
    "Program",
    "Recording",
    "card_names",
    "compare",
    "load_card",
    "run",
]
