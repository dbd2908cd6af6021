"""A digital twin of memristive spiking neurons on FPGAs."""
