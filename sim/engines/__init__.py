"""Programs that run something: Verilator, ngspice, the virtual board."""
