"""The schema's history, for alembic: each step written out, from an empty database on."""
