"""What named persons decided of one message: the stop of a rule that they release, or the road that it is to take."""

import json
from collections import defaultdict
from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection, select

from gateway.domain.guards.recipients import KEY_CHANGED, approval_of_key
from gateway.domain.guards.release import approved_as
from gateway.domain.lifecycle import Event
from gateway.store.database import insert_new, rows_by
from gateway.store.journal import APPROVED, newest
from gateway.store.tables import approval, journal

_ROAD: Final = "road:"


def add(conn: Connection, tenant: str, message_id: str, code: str, person: str, at: int) -> bool:
    """Keep a person's approval under the code of what is approved; whether it is new. The same person counts once."""
    values = {"tenant": tenant, "message_id": message_id, "code": code, "person": person, "at": at}
    return insert_new(conn, approval, values, ["message_id", "tenant", "code", "person"])


def of(conn: Connection, message_id: str) -> Mapping[str, frozenset[str]]:
    """The persons by what each has approved."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows_by(conn, approval, message_id=message_id):
        found[row.code].add(row.person)
    return {code: frozenset(persons) for code, persons in found.items()}


def code_of(conn: Connection, message_id: str, cause: str) -> str:
    """The code under which a release of what the message is held by is kept: of the very key, or of what the stop was about."""
    stop = newest(conn, message_id, Event.GUARDS_STOPPED.value)
    if stop is None or stop["code"] != cause:
        return cause
    refs = stop["refs"]
    return approval_of_key(str(refs.get("key", ""))) if cause == KEY_CHANGED else approved_as(cause, refs.get("about"))


def road_code(road: str) -> str:
    """The code under which the choice of a road is approved."""
    return _ROAD + road


def chosen_road(conn: Connection, message_id: str) -> str | None:
    """The road that a person chose last, as ``config/routes.toml`` writes it: by the journal, because rows tell no order."""
    query = (
        select(journal.c.entry)
        .where(journal.c.message_id == message_id, journal.c.event.in_([Event.PERSON_RELEASED.value, APPROVED]))
        .order_by(journal.c.id.desc())
    )
    roads = (json.loads(entry)["refs"].get("road") for entry in conn.execute(query).scalars())
    return next((str(road) for road in roads if road is not None), None)
