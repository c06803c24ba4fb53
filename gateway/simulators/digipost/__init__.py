"""Digipost as one honest server: signed answers, people of every kind, letters, events, and switches for what goes wrong."""
