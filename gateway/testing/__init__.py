"""Shipped on purpose: what an adapter's author and our own tests use to try things for real."""
