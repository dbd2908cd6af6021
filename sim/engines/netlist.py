"""Backend ``netlist``: the gateware after synthesis for iCE40, bit for bit.

The netlist is compiled by Verilator together with Yosys' models of the cells, behind the same bus and with the same
harness as the gateware before synthesis; so a recording of it has every word of the trace, and the same clocks.
"""

from memtwin.sim.backends import Job, Progress
from memtwin.sim.engines import gateware
from memtwin.sim.recording import Recording

__all__ = ["run"]


def run(job: Job, progress: Progress | None = None) -> Recording:
    """Run one job as `memtwin.sim.engines.gateware.run` does, on the netlist.

    Synthesis and compilation are done once for each structure of a network: half a minute for one neuron, minutes for
    a network of a hundred.
    """
    return gateware.run(job, progress, synthesised=True)
