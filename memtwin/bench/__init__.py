"""Benchmarks (``make bench``): clocks, speed, area, accuracy, beside the peers' figures."""
