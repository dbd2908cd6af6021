"""STDP synapses and their LIF neurons (yu-tio2)."""
