"""What a letter's way tells clocks: its own, and those of the report that it answers.

That a carrier took a letter moves nothing. Only its delivery and its opening do, at the time that the carrier says; a letter
that came back was not delivered, and what it stopped runs again.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from sqlalchemy import Connection, Row

from gateway.domain.deadlines import DELIVERED, FEEDBACK_DELIVERED, FEEDBACK_RETURNED, RETURNED, ClockFacts
from gateway.domain.message_type import Audience, MessageType
from gateway.domain.routing import Road
from gateway.errors import UnknownMessageTypeError
from gateway.pipeline.case_events import move_clocks, reread_clocks
from gateway.pipeline.envelope import Melding
from gateway.pipeline.environment import Environment
from gateway.store import alarms, journal, letters, messages
from gateway.store.alarms import AlarmCode
from gateway.store.database import locked_state

OPENED: Final = "apnet"
OPENING_ASKED: Final = "apning_bedt"
"""A receipt of opening was asked for: without it nobody knows whether a letter was opened."""
_FEEDBACK: Final = "tilbakemelding"
"""On feedback itself: what it says, as the outcome."""


class Way(StrEnum):
    """How a letter reached its reader: the outcome of ``levert``."""

    DIGITAL = "digitalt"
    PAPER = "papir"

    @classmethod
    def of(cls, road: str) -> "Way":
        """Of a road as ``config/routes.toml`` writes it."""
        parsed = Road.parse(road)
        return cls.PAPER if parsed is not None and parsed.on_paper else cls.DIGITAL


def says(kind: MessageType, document: object) -> str | None:
    """What feedback to a reporter says, by its document's ``innhold`` (``barnevern.md`` 7); other types say nothing so."""
    told = document.get("innhold") if isinstance(document, Mapping) else None
    return told.lower() if kind.audience is Audience.REPORTER and isinstance(told, str) else None


def begin(
    env: Environment, conn: Connection, message_id: str, kind: MessageType, melding: Melding, says: str | None
) -> None:
    """The clocks of a message that was just handed in; the caller writes an entry of it."""
    if not _moves(kind):
        return
    row = messages.get(conn, message_id)
    arrived = messages.moment(row.arrived_at)
    facts = ClockFacts(arrived, None, reporter_public=False, reporter_known=False, events={})
    messages.add_facts(conn, row.tenant, row.id, facts)
    if melding.brev is not None and melding.brev.apningskvittering:
        messages.add_case_event(conn, row.tenant, row.id, OPENING_ASKED, row.arrived_at, row.sender, None)
    if says is not None:
        messages.add_case_event(conn, row.tenant, row.id, _FEEDBACK, row.arrived_at, row.sender, says)
    reread_clocks(env, conn, row)


def delivered(env: Environment, conn: Connection, row: Row[Any], at: int, actor: str, way: Way) -> bool:
    """It is in the mailbox, or with the post (``at``, microseconds). The earliest time that was told counts.

    The caller holds the message's lock and writes an entry of it. Returns whether a clock could move.
    """
    kind = _kind(env, row)
    if kind is None or not _moves(kind):
        return False
    told, undone = _times(conn, row, DELIVERED), _times(conn, row, RETURNED)
    if at in undone or any(one <= at for one in told - undone):
        return False
    move_clocks(env, conn, row, DELIVERED, at, actor, way.value)
    if kind.audience is Audience.REPORTER:
        _tell_report(env, conn, row, FEEDBACK_DELIVERED, at, actor)
    return True


def opened(env: Environment, conn: Connection, row: Row[Any], at: int, actor: str) -> None:
    """Its reader opened it."""
    move_clocks(env, conn, row, OPENED, at, actor)
    code = AlarmCode.LETTER_UNOPENED
    alarms.close(conn, tenant=row.tenant, code=code, subject=row.id, at=env.now(), actor=actor)


def returned(env: Environment, conn: Connection, row: Row[Any], actor: str) -> None:
    """It came back: what its delivery stopped runs again, unless another letter's did too."""
    kind = _kind(env, row)
    for at in sorted(_times(conn, row, DELIVERED) - _times(conn, row, RETURNED)):
        move_clocks(env, conn, row, RETURNED, at, actor)
        if kind is not None and kind.audience is Audience.REPORTER:
            _tell_report(env, conn, row, FEEDBACK_RETURNED, at, actor)


def _tell_report(env: Environment, conn: Connection, row: Row[Any], event: str, at: int, actor: str) -> None:
    """The clocks of the report that feedback answers. Locks run from letters to reports, never back."""
    report_id = letters.report_answered(conn, row)
    if report_id is None:
        alarms.ring(conn, tenant=row.tenant, code=AlarmCode.FEEDBACK_UNLINKED, subject=row.id, at=env.now())
        return
    locked_state(conn, report_id)
    report = messages.get(conn, report_id)
    says = next((one.outcome for one in messages.case_events(conn, row.id, _FEEDBACK)), None)
    refs: dict[str, str | int] = {"type": event, "outcome": says or "", "at": journal.rfc3339(at), "other": row.id}
    entry = journal.Entry(journal.CASE_EVENT, row.tenant, env.now(), actor, message_id=report.id, refs=refs)
    journal.write(conn, entry)
    move_clocks(env, conn, report, event, at, actor, says)


def _times(conn: Connection, row: Row[Any], event: str) -> set[int]:
    return {one.at for one in messages.case_events(conn, row.id, event)}


def _kind(env: Environment, row: Row[Any]) -> MessageType | None:
    """Its type, unless the configuration has lost it since."""
    try:
        return env.types.type(row.type)
    except UnknownMessageTypeError:
        return None


def _moves(kind: MessageType) -> bool:
    return bool(kind.frister) or kind.audience is Audience.REPORTER
