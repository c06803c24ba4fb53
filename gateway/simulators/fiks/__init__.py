"""Fiks as a platform on one's own machine: RabbitMQ, send API, catalogue, Dokumentlager, the national portal (fiks.md).

Everything that the specification leaves open is decided here in one way and can be switched where that matters.
"""
