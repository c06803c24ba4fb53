"""Figures of this machine, beside its own bound: ``make bench``."""
