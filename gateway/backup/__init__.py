"""Backups: made while the gateway runs, sealed for a key that is not on the host, restored into an empty place only.

A restored database is an old copy: whoever was told 201 since is not in it, and what it owes to the world may have been done
already. So what leaves the house stands still until a named person releases it, and a new log begins.
"""
