"""The experiments of the source documents, one module each."""

from memtwin.sim.experiments.apparatus import Apparatus
from memtwin.sim.experiments.base import Experiment
from memtwin.sim.experiments.coincidence import Coincidence
from memtwin.sim.experiments.digits import Digits
from memtwin.sim.experiments.dynamic_memristor import DynamicMemristor
from memtwin.sim.experiments.hybrid_neuron import HybridNeuron
from memtwin.sim.experiments.izhikevich import Izhikevich
from memtwin.sim.experiments.lia import Lia
from memtwin.sim.experiments.lif import Lif
from memtwin.sim.experiments.opamp import Opamp5a, Opamp6a, Opamp7a, Opamp7b
from memtwin.sim.experiments.stdp_window import StdpWindow
from memtwin.sim.experiments.ts_pulses import TsPulses

__all__ = ["EXPERIMENTS"]

EXPERIMENTS: dict[str, Experiment] = {
    experiment.name: experiment
    for experiment in (
        TsPulses(),
        HybridNeuron(),
        Lia(),
        Digits(),
        DynamicMemristor(),
        Opamp5a(),
        Opamp6a(),
        Opamp7a(),
        Opamp7b(),
        Apparatus(),
        Lif(),
        StdpWindow(),
        Coincidence(),
        Izhikevich(),
    )
}
"""Every experiment by name, in the order in which they are listed."""
