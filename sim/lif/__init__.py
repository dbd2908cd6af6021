"""Networks of LIF neurons with memristive synapses (yu-tio2; docs/lif-arithmetic.md)."""
