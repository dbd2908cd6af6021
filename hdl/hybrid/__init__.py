"""Hybrid memristor-CMOS neurons (zhang2021)."""
