"""Bitstreams of designs, what fits which board, and programming."""
