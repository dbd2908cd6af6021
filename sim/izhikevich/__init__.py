"""Izhikevich neurons: a quadratic membrane with a recovery variable (docs/izhikevich.md)."""
