"""Budstikke: a message exchange gateway for Norwegian municipal child welfare that loses nothing and proves it."""
