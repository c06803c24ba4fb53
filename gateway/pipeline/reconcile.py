"""The portal's list of a day is held against what arrived: what is on one side alone is told, and rings until it fits.

The list itself is not kept, only counts and its keyed digest, as one entry of the journal; so the day's certificate tells
what the newest list said. Ids tie a line to a report, whenever that arrived: a list's times are the portal's own.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from sqlalchemy import Connection, literal_column, select

from gateway.crashpoints import Point
from gateway.domain.deadlines import OSLO
from gateway.errors import UnknownResourceError
from gateway.pipeline.balance import span
from gateway.pipeline.environment import Environment
from gateway.pipeline.offices import Office
from gateway.pipeline.portal_list import Listed, PortalList
from gateway.pipeline.texts import PAPER_COPY_POSSIBLE
from gateway.store import alarms, journal, ledger, messages
from gateway.store.alarms import AlarmCode
from gateway.store.tables import journal as journal_table

_LEVEL: Final = 2
_PRINTED: Final = frozenset({"AVVIST_FAGSYSTEM", "SENDT_PRINT", "AVVIST_PRINT"})  # fiks.md 8
_PORTAL_LIST: Final = journal_table.c.event == literal_column(f"'{journal.PORTAL_LIST}'")  # for its own index


@dataclass(frozen=True, slots=True)
class Compared:
    """What came of it: how many lines were of the day, those that are not here, and those here that are not listed.

    ``on_paper``: our ids of reports that are here, that nobody refused, and that the portal has had printed all the same.
    """

    subject: str
    listed: int
    missing: tuple[Listed, ...]
    unlisted: tuple[ledger.Line, ...]
    on_paper: tuple[str, ...] = ()

    @property
    def fits(self) -> bool:
        """Whether both sides say the same."""
        return not self.missing and not self.unlisted


@dataclass(frozen=True, slots=True)
class Reading:
    """A list as the journal remembers it. ``at`` is UTC microseconds, ``digest`` keyed."""

    kommunenummer: str
    listed: int
    missing: int
    unlisted: int
    at: int
    digest: str

    @property
    def fits(self) -> bool:
        """Whether both sides said the same."""
        return not self.missing and not self.unlisted


async def reconcile(env: Environment, day: date, kommunenummer: str, found: PortalList, person: str) -> Compared:
    """Compare, keep that it was done, and ring or close. Raises UnknownResourceError for another's municipality."""
    offices = env.offices.in_municipality(kommunenummer)
    if not offices:
        detail = "no child-welfare office of this municipality is configured here"
        raise UnknownResourceError(detail)
    compared = await env.store.read(lambda conn: _compare(env, conn, day, offices, found.rows))
    digest = env.vault.mac(str(offices[0].tenant), "portal-list", found.digest)[:32]
    await env.store.write(lambda conn: _keep(env, conn, compared, digest, person), Point.PERSON)
    return compared


def _compare(
    env: Environment, conn: Connection, day: date, offices: Sequence[Office], rows: Sequence[Listed]
) -> Compared:
    """Lines of the day, or without a time, must be here; what arrived on the day must stand somewhere in the list."""
    tenants = [str(office.tenant) for office in offices]
    ids = {one for row in rows for one in row.ids}
    here = ledger.named(conn, tenants, sorted(ids))
    judged = [row for row in rows if row.at is None or row.at.astimezone(OSLO).date() == day]
    missing = tuple(row for row in judged if not any(one in here for one in row.ids))
    unlisted = tuple(
        line
        for line in ledger.lines(conn, *span(day))
        if line.tenant in tenants
        and line.road == env.settings.reconcile.road
        and not {line.report_id, line.melding_id} & ids
    )
    subject = f"{day.isoformat()}/{offices[0].tenant.kommunenummer}"
    return Compared(subject, len(judged), missing, unlisted, tuple(_on_paper(env, conn, rows, here)))


def _on_paper(
    env: Environment, conn: Connection, rows: Sequence[Listed], here: Mapping[str, Sequence[tuple[str, str]]]
) -> Iterator[str]:
    """A report can be stored at the platform's last attempt, and given up there: then it comes as a letter as well."""
    printed = {one for row in rows if (row.status or "").upper() in _PRINTED for one in row.ids}
    came = {
        message_id for one in printed for message_id, road in here.get(one, ()) if road == env.settings.reconcile.road
    }
    for message_id in sorted(came):
        if not any(one.value == "refused" for one in messages.receipts(conn, message_id)):
            yield message_id


def _warn_of_letter(conn: Connection, message_id: str, at: int) -> None:
    """Once, as after a receipt that was lost: the letter must not be taken for another report."""
    if any(one.code == PAPER_COPY_POSSIBLE for one in messages.warnings(conn, message_id)):
        return
    row = messages.get(conn, message_id)
    messages.add_warning(conn, row.tenant, message_id, PAPER_COPY_POSSIBLE)
    alarms.ring(conn, tenant=row.tenant, code=AlarmCode.RECEIPT_LOST, subject=message_id, at=at)
    refs: dict[str, str | int] = {"road": row.road, "answer": "printed"}
    journal.write(
        conn, journal.Entry(journal.RECEIPT_LOST, row.tenant, at, "gateway", message_id=message_id, refs=refs)
    )


def _keep(env: Environment, conn: Connection, compared: Compared, digest: str, person: str) -> None:
    at = env.now()
    refs: dict[str, str | int] = {
        "subject": compared.subject,
        "listed": compared.listed,
        "missing": len(compared.missing),
        "unlisted": len(compared.unlisted),
        "list": digest,
    }
    journal.write(conn, journal.Entry(journal.PORTAL_LIST, "*", at, person, refs=refs))
    for message_id in compared.on_paper:
        _warn_of_letter(conn, message_id, at)
    code, subject = AlarmCode.PORTAL_LIST_DIFFERS, compared.subject
    if compared.fits:
        alarms.close(conn, tenant="*", code=code, subject=subject, at=at, actor=person)
    else:
        alarms.ring(conn, tenant="*", code=code, subject=subject, at=at, level=_LEVEL)


def readings(conn: Connection, day: date) -> list[Reading]:
    """The newest list of each municipality that was read for a day."""
    query = select(journal_table.c.at, journal_table.c.entry).where(_PORTAL_LIST, journal_table.c.at >= span(day)[0])
    newest: dict[str, Reading] = {}
    for row in conn.execute(query.order_by(journal_table.c.at, journal_table.c.id)):
        refs: dict[str, Any] = json.loads(row.entry)["refs"]
        of_day, _, kommunenummer = refs["subject"].partition("/")
        if of_day == day.isoformat():
            counts = {name: int(refs[name]) for name in ("listed", "missing", "unlisted")}
            newest[kommunenummer] = Reading(kommunenummer, at=row.at, digest=refs["list"], **counts)
    return [newest[name] for name in sorted(newest)]
