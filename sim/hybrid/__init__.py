"""Hybrid memristor-CMOS neurons (zhang2021): spec, quantiser, physics, model, gateware, netlist, errors."""
