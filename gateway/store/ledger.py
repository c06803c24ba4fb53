"""The ledger of what came in: one line a report, with ids, times and words, and no personal data (fiks.md 13, G4)."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BindParameter, Connection, Row, and_, bindparam, func, literal_column, select, union_all

from gateway.store import accounts
from gateway.store.tables import (
    confirmation,
    header,
    journal,
    message,
    message_state,
    parcel,
    receipt,
    taking,
    warning,
)

REPORT_ID: Final = "bekymringsmelding-id"
"""The header with the portal's id of a report (fiks.md 9)."""
MAY_BE_SAME: Final = "may-be-same"
"""The warning whose detail is our id of a report that may be the same one."""

_IDS_AT_ONCE: Final = 500  # below what either store takes as parameters of one statement
_ids: Final[BindParameter[str]] = bindparam("ids", expanding=True)
_report: Final = header.alias("report_header")
_account: Final = header.alias("account_header")


@dataclass(frozen=True, slots=True)
class Line:
    """One report. Times are UTC microseconds; ``receipt`` is the partner's id of our receipt, or our evidence's number."""

    message_id: str
    tenant: str
    road: str
    account: str
    report_id: str | None
    melding_id: str | None
    arrived_at: int
    state: str
    has_reference: bool
    receipt: str | None
    receipted_at: int | None
    may_be_same_as: tuple[str, ...]


def lines(conn: Connection, low: int, high: int) -> list[Line]:
    """What the journal has as arrived from ``low`` until before ``high``, in that order."""
    within = and_(accounts.arrived, journal.c.at >= low, journal.c.at < high)
    same: defaultdict[str, list[str]] = defaultdict(list)
    of_day = select(journal.c.message_id).where(within)
    query = select(warning.c.message_id, warning.c.detail).where(
        warning.c.message_id.in_(of_day), warning.c.code == MAY_BE_SAME
    )
    for row in conn.execute(query.order_by(warning.c.id)):
        same[row.message_id].append(row.detail)
    return [_read(row, same[row.id]) for row in conn.execute(_LINES.where(within).order_by(journal.c.at, journal.c.id))]


_ANSWER: Final = (
    select(func.max(taking.c.partner_reference))
    .join(parcel, parcel.c.key == taking.c.parcel_key)
    .where(parcel.c.message_id == message.c.id)
    .scalar_subquery()
)
_LINES: Final = (
    select(
        message,
        message_state.c.state,
        _report.c.value.label("report_id"),
        _account.c.value.label("account"),
        confirmation.c.message_id.is_not(None).label("has_reference"),
        receipt.c.entry_id,
        receipt.c.at.label("receipted_at"),
        _ANSWER.label("answer"),
    )
    .select_from(journal)
    .join(message, message.c.id == journal.c.message_id)
    .join(message_state, message_state.c.message_id == message.c.id)
    .outerjoin(_report, and_(_report.c.message_id == message.c.id, _report.c.name == REPORT_ID))
    .outerjoin(_account, and_(_account.c.message_id == message.c.id, _account.c.name == "account"))
    .outerjoin(confirmation, confirmation.c.message_id == message.c.id)
    .outerjoin(receipt, and_(receipt.c.message_id == message.c.id, receipt.c.kind == "application"))
)


def _read(row: Row[Any], same: Sequence[str]) -> Line:
    evidence = row.entry_id
    return Line(
        message_id=row.id,
        tenant=row.tenant,
        road=row.road,
        account=row.account or accounts.NO_ACCOUNT,
        report_id=row.report_id,
        melding_id=row.remote_id,
        arrived_at=row.arrived_at,
        state=row.state,
        has_reference=bool(row.has_reference),
        receipt=row.answer or evidence,
        receipted_at=row.receipted_at,
        may_be_same_as=tuple(same),
    )


def named(conn: Connection, tenants: Collection[str], ids: Sequence[str]) -> dict[str, list[tuple[str, str]]]:
    """Of these ids, each that names reports of these offices, ours or the platform's or the portal's: id and road of those."""
    found: defaultdict[str, list[tuple[str, str]]] = defaultdict(list)
    for start in range(0, len(ids), _IDS_AT_ONCE):
        some = {"ids": list(ids[start : start + _IDS_AT_ONCE]), "tenants": list(tenants)}
        for row in conn.execute(_NAMED, some):
            found[row.given].append((row.id, row.road))
    return dict(found)


_GIVEN: Final = union_all(
    select(message.c.id.label("given"), message.c.id).where(message.c.id.in_(_ids)),
    select(message.c.remote_id.label("given"), message.c.id).where(message.c.remote_id.in_(_ids)),
    select(header.c.value.label("given"), header.c.message_id).where(
        header.c.name == literal_column(f"'{REPORT_ID}'"), header.c.value.in_(_ids)
    ),
).subquery()
_NAMED: Final = (
    select(_GIVEN.c.given, message.c.id, message.c.road)
    .join(message, message.c.id == _GIVEN.c.id)
    .where(message.c.direction == "inn", message.c.tenant.in_(bindparam("tenants", expanding=True)))
    .order_by(message.c.id)
)
