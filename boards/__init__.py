"""Boards: registry, tops, build, flash and utilisation reports."""
