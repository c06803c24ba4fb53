"""A PostgreSQL for a measurement: a server of its own, durable as in production, and one fresh database on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.postgres import PostgresServer, server, settings_for


@dataclass(frozen=True, slots=True)
class Database:
    """``environment`` is laid over a gateway's configuration."""

    server: PostgresServer
    name: str
    environment: Mapping[str, str]

    @classmethod
    def fresh(cls, folder: Path) -> "Database":
        """One with our schema; its gateway's data go to a folder beside."""
        on = server()
        environment = settings_for("postgresql", folder, on)
        name = environment["BUDSTIKKE__STORE__URL"].partition("?")[0].rpartition("/")[2]
        return cls(on, name, environment)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What the database says, as text."""
        return [tuple(line.split("|")) for line in self.server.sql(query, self.name).splitlines()]
