"""What went out before from an office, as the rules ask of it: to whom, which documents, what was taken back."""

from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, exists, func, or_, select

from gateway.domain.guards.facts import HistoryFacts
from gateway.domain.lifecycle import State
from gateway.domain.message_type import Direction
from gateway.store.tables import document, message, message_state, parcel

RETRACTIONS: Final = frozenset({"Trukket", "Slettet"})
REPEATED_WITHIN_DAYS: Final = 30  # barnevern.md 9, R24
_DAY_US: Final = 24 * 3600 * 1_000_000


def history_of(conn: Connection, sent: Row[Any], adapter: str, account: str) -> HistoryFacts:
    """What the office sent, or is to send, beside the message ``sent``. ``account``: its recipient as this road names it.

    What was withdrawn went nowhere. Another message of the same thread that goes to the same recipient repeats nothing; a
    document that goes to somebody else counts whatever the thread.
    """
    newest = conn.execute(_delivered(sent).limit(1)).scalar_one_or_none()
    account_before = None if newest is None else _account_before(conn, sent, adapter)
    return HistoryFacts(
        first_to_recipient=newest is None,
        account_changed=account_before is not None and account_before != account,
        same_to_other=_any(conn, _same_documents(sent).where(_of_somebody_else(sent))),
        repeated=_repeated(conn, sent),
        retracted=_retracted(conn, sent),
    )


def _others(sent: Row[Any]) -> ColumnElement[bool]:
    ours = and_(message.c.tenant == sent.tenant, message.c.direction == Direction.OUT.value)
    return and_(ours, message.c.id != sent.id)


def _same_recipient(sent: Row[Any]) -> ColumnElement[bool]:
    name, value = ("person", sent.person) if sent.person is not None else ("recipient", sent.recipient)
    return and_(message.c[name] == value)


def _of_somebody_else(sent: Row[Any]) -> ColumnElement[bool]:
    if sent.person is not None:
        return or_(message.c.person.is_(None), message.c.person != sent.person)
    return or_(message.c.person.is_not(None), message.c.recipient != sent.recipient)


def _delivered(sent: Row[Any]) -> Select[Any]:
    return (
        select(message.c.id)
        .join(message_state, message_state.c.message_id == message.c.id)
        .where(_others(sent), _same_recipient(sent), message_state.c.state == State.DELIVERED.value)
    )


def _account_before(conn: Connection, sent: Row[Any], adapter: str) -> str | None:
    query = (
        select(parcel.c.recipient)
        .join(message, message.c.id == parcel.c.message_id)
        .where(parcel.c.adapter == adapter, parcel.c.message_id.in_(_delivered(sent)))
        .order_by(message.c.arrived_at.desc(), parcel.c.number.desc())
        .limit(1)
    )
    return conn.execute(query).scalar_one_or_none()


def key_before(conn: Connection, sent: Row[Any], adapter: str) -> str | None:
    """The key that the message was sealed for that was delivered last to the same recipient over this adapter.

    As ``StoredParcel.sealed_for`` has it; None: nothing was delivered, or no key of it was kept. Of each message the road in force counts: what a road before it took was proven not to arrive. A message that was sealed
    for no key hides no key before it.
    """
    later = parcel.alias()
    in_force = ~exists().where(later.c.message_id == parcel.c.message_id, later.c.number > parcel.c.number)
    query = (
        select(parcel.c.sealed_for)
        .join(message_state, message_state.c.message_id == parcel.c.message_id)
        .where(parcel.c.adapter == adapter, parcel.c.sealed_for.is_not(None), in_force)
        .where(parcel.c.message_id.in_(_delivered(sent)))
        .order_by(message_state.c.since.desc(), parcel.c.message_id.desc())
        .limit(1)
    )
    return conn.execute(query).scalar_one_or_none()


def _same_documents(sent: Row[Any]) -> Select[Any]:
    own = select(document.c.mac).where(document.c.message_id == sent.id, document.c.tenant == sent.tenant)
    return (
        select(message.c.id)
        .join(document, document.c.message_id == message.c.id)
        .join(message_state, message_state.c.message_id == message.c.id)
        .where(_others(sent), document.c.tenant == sent.tenant, document.c.mac.in_(own))
        .where(message_state.c.state != State.WITHDRAWN.value)
    )


def _repeated(conn: Connection, sent: Row[Any]) -> bool:
    """Whether an earlier message held all of these documents and went to the same recipient not long before."""
    macs = select(func.count(document.c.mac.distinct())).where(document.c.message_id == sent.id)
    query = (
        _same_documents(sent)
        .where(_same_recipient(sent), message.c.id < sent.id)
        .where(message.c.arrived_at >= sent.arrived_at - REPEATED_WITHIN_DAYS * _DAY_US)
        .group_by(message.c.id)
        .having(func.count(document.c.mac.distinct()) >= macs.scalar_subquery())
    )
    if sent.follows is not None:
        query = query.where(message.c.remote_id != sent.follows)
    return _any(conn, query)


def _retracted(conn: Connection, sent: Row[Any]) -> bool:
    query = (
        select(message.c.id)
        .join(message_state, message_state.c.message_id == message.c.id)
        .where(_others(sent), message.c.follows == sent.remote_id, message.c.relation.in_(sorted(RETRACTIONS)))
        .where(message_state.c.state != State.WITHDRAWN.value)
    )
    return _any(conn, query)


def _any(conn: Connection, query: Select[Any]) -> bool:
    return bool(conn.execute(select(exists(query))).scalar_one())
