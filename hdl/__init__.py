"""Gateware: one module per circuit element, and the generator that joins them into networks."""
