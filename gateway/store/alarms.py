"""Alarms: a row that stays open until somebody closes it, opened once per tenant, code and subject.

An alarm's code is the file name of its runbook in ``docs/operations``; its subject is an id of ours.
"""

from enum import StrEnum, unique
from functools import cache
from typing import Any, Final

from sqlalchemy import Connection, Row, Select, bindparam, func, literal, select

from gateway.observability import logging
from gateway.store import journal
from gateway.store.database import add_row
from gateway.store.tables import alarm, message


@unique
class AlarmCode(StrEnum):
    """Every alarm there is; each has a runbook and a test that makes it ring."""

    RESTS_TOO_LONG = "rests-too-long"
    QUARANTINED = "quarantined"
    CONTENT_DIFFERS = "content-differs"
    KILLED_WORKER = "killed-worker"
    SEEN_REFUSED = "seen-refused"
    COPY_POSSIBLE = "copy-possible"
    REJECTED = "rejected"
    READBACK_MISMATCH = "readback-mismatch"
    CONFIRM_CONFLICT = "confirm-conflict"
    LATE_EVENT = "late-event"
    CLOCK_RINGS = "clock-rings"
    EFFECT_PARKED = "effect-parked"
    OUTBOUND_HELD = "outbound-held"
    PARTNER_DOWN = "partner-down"
    RECEIPT_MISMATCH = "receipt-mismatch"
    RECEIPT_LOST = "receipt-lost"
    LETTER_UNOPENED = "letter-unopened"
    LETTER_RETURNED = "letter-returned"
    FEEDBACK_UNLINKED = "feedback-unlinked"
    WEBHOOK_FAILING = "webhook-failing"
    CLOCK_JUMP = "clock-jump"
    DISK_FLOOR = "disk-floor"
    KEY_EXPIRES = "key-expires"
    KEY_UNAVAILABLE = "key-unavailable"
    ISSUER_UNREACHABLE = "issuer-unreachable"
    STATE_REPAIRED = "state-repaired"
    HOST_UNSAFE = "host-unsafe"
    CLIENT_OVER_QUOTA = "client-over-quota"
    LOG_CONTRADICTS = "log-contradicts"
    BALANCE_DIFFERS = "balance-differs"
    PORTAL_LIST_DIFFERS = "portal-list-differs"
    TIME_STAMP_MISSING = "time-stamp-missing"
    RESTORED = "restored"
    WITNESS_SILENT = "witness-silent"
    ROAD_NOT_CONSUMING = "road-not-consuming"
    ROAD_BACKLOG = "road-backlog"
    ROAD_ACCESS_REFUSED = "road-access-refused"
    ROAD_UNREACHABLE = "road-unreachable"
    ROAD_KEY_DIFFERS = "road-key-differs"
    ROAD_SILENT = "road-silent"


_CLOSE: Final = (
    alarm.update()
    .where(
        alarm.c.tenant == bindparam("of_tenant"),
        alarm.c.code == bindparam("of_code"),
        alarm.c.subject == bindparam("of_subject"),
        alarm.c.closed_at.is_(None),
    )
    .returning(alarm.c.id)
)


def ring(conn: Connection, *, tenant: str, code: AlarmCode, subject: str, at: int, level: int = 1) -> bool:
    """Open an alarm, or raise the level of the open one. Returns whether anything changed.

    The log's line is a hint: a unit that is undone has written it for nothing. What counts is the row and its entry.
    """
    open_row = conn.execute(
        select(alarm.c.id, alarm.c.level).where(
            alarm.c.tenant == tenant, alarm.c.code == code, alarm.c.subject == subject, alarm.c.closed_at.is_(None)
        )
    ).one_or_none()
    if open_row is not None and open_row.level >= level:
        return False
    if open_row is None:
        add_row(conn, alarm, tenant=tenant, code=code.value, subject=subject, level=level, opened_at=at)
    else:
        conn.execute(alarm.update().where(alarm.c.id == open_row.id).values(level=level, seen_by=None))
    message_id = subject if _is_message(conn, subject) else None
    refs: dict[str, str | int] = {"subject": subject, "level": level}
    journal.write(
        conn,
        journal.Entry(journal.ALARM_OPENED, tenant, at, "gateway", message_id=message_id, code=code.value, refs=refs),
    )
    logging.get().warning("alarm.opened", alarm=code.value, tenant=tenant, subject=subject, alarm_level=level)
    return True


def close(conn: Connection, *, tenant: str, code: AlarmCode, subject: str, at: int, actor: str) -> bool:
    """Close the tenant's open alarm of this code and subject, if there is one."""
    of = {"of_tenant": tenant, "of_code": code.value, "of_subject": subject}
    row = conn.execute(_CLOSE, {**of, "closed_at": at, "closed_by": actor}).one_or_none()
    if row is None:
        return False
    entry = journal.Entry(journal.ALARM_CLOSED, tenant, at, actor, code=code.value, refs={"alarm": row.id})
    journal.write(conn, entry)
    return True


@cache
def _open_of(codes: tuple[AlarmCode, ...]) -> Select[Any]:
    return select(alarm.c.code).where(
        alarm.c.tenant == bindparam("tenant"),
        alarm.c.code.in_([literal(code.value) for code in codes]),
        alarm.c.subject == bindparam("subject"),
        alarm.c.closed_at.is_(None),
    )


def close_all(
    conn: Connection, codes: tuple[AlarmCode, ...], *, tenant: str, subject: str, at: int, actor: str
) -> None:
    """Close those of these codes that are open for a subject. One look when none is, as is the rule."""
    for code in conn.execute(_open_of(codes), {"tenant": tenant, "subject": subject}).scalars().all():
        close(conn, tenant=tenant, code=AlarmCode(code), subject=subject, at=at, actor=actor)


def see(conn: Connection, alarm_id: int, *, at: int, actor: str) -> bool:
    """Note that a named person has seen it."""
    row = conn.execute(
        alarm.update()
        .where(alarm.c.id == alarm_id, alarm.c.closed_at.is_(None))
        .values(seen_by=actor)
        .returning(alarm.c.tenant, alarm.c.code)
    ).one_or_none()
    if row is None:
        return False
    journal.write(
        conn, journal.Entry(journal.ALARM_SEEN, row.tenant, at, actor, code=row.code, refs={"alarm": alarm_id})
    )
    return True


def close_id(conn: Connection, alarm_id: int, *, at: int, actor: str) -> bool:
    """Close one alarm by its number."""
    row = conn.execute(select(alarm).where(alarm.c.id == alarm_id)).one_or_none()
    return row is not None and close(
        conn, tenant=row.tenant, code=AlarmCode(row.code), subject=row.subject, at=at, actor=actor
    )


def open_alarms(conn: Connection) -> list[Row[Any]]:
    """Every open alarm, the highest level first."""
    query = select(alarm).where(alarm.c.closed_at.is_(None)).order_by(alarm.c.level.desc(), alarm.c.id)
    return list(conn.execute(query))


def open_subjects(conn: Connection, code: AlarmCode) -> set[str]:
    """What alarms of one code are open for. Few: not for codes that have a message as subject."""
    return set(conn.execute(select(alarm.c.subject).where(alarm.c.code == code, alarm.c.closed_at.is_(None))).scalars())


def count_open(conn: Connection) -> dict[str, int]:
    """Open alarms by code."""
    query = select(alarm.c.code, func.count()).where(alarm.c.closed_at.is_(None)).group_by(alarm.c.code)
    return {code: count for code, count in conn.execute(query).all()}  # noqa: C416  rows unpack, dict() will not


def _is_message(conn: Connection, subject: str) -> bool:
    return conn.execute(select(message.c.id).where(message.c.id == subject)).one_or_none() is not None
