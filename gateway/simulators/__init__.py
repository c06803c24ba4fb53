"""Partners as honest programs with fault switches: what everybody runs who has no account or certificate yet.

They speak with the gateway over its public doors only and judge it from files of their own.
"""
