"""Gateware of Izhikevich neurons (docs/izhikevich.md)."""
