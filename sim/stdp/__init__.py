"""Synapses with spike-timing-dependent plasticity on leaky integrate-and-fire neurons (yu-tio2; yang2020, Fig. 16)."""
