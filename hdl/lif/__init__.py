"""LIF neurons, with encoder and decoder of images."""
