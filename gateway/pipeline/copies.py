"""Reports that may be the same one: a letter shows an id that is known here, or holds a PDF that was here before.

A sender whose report was refused, or whose receipt was lost, sends it once more on paper. What is registered by hand is
therefore held against all that came before, and what comes over a road against what was registered by hand. Nothing is
dropped for it, and nothing that came over a road is held up: both carry a warning that names the other one.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, Row

from gateway.domain.lifecycle import State
from gateway.pipeline.environment import Environment
from gateway.store import dedupe, journal, ledger, messages
from gateway.store.database import rows_by
from gateway.store.dedupe import KeyKind
from gateway.store.tables import message_state

RESERVE: Final = "reserve"
"""The road of what a person registered by hand."""


def shown_ids(*given: str | None) -> tuple[str, ...]:
    """Ids as they stand here: in small letters, whatever a person made of them who read them off a letter."""
    return tuple(dict.fromkeys(one.lower() for one in given if one))


def known_by_id(conn: Connection, tenant: str, ids: Sequence[str], *, by_hand_only: bool = False) -> list[str]:
    """Reports of the office that any of these ids names, the oldest first."""
    named = ledger.named(conn, [tenant], ids).values()
    return sorted({one for found in named for one, road in found if road == RESERVE or not by_hand_only})


def claim_pdf(env: Environment, conn: Connection, tenant: str, digest: bytes, message_id: str) -> str | None:
    """Remember a report's PDF; whose the very same octets were before, if anybody's."""
    key = env.vault.mac(tenant, KeyKind.PDF, digest)
    first = dedupe.claim(conn, tenant, KeyKind.PDF, key, message_id)
    return None if first == message_id else first


def link(conn: Connection, tenant: str, message_id: str, others: Iterable[str], at: int, actor: str) -> None:
    """Warn on both, and tell those who have the older one already."""
    for other in others:
        messages.add_warning(conn, tenant, message_id, ledger.MAY_BE_SAME, other)
        messages.add_warning(conn, tenant, other, ledger.MAY_BE_SAME, message_id)
        refs: dict[str, str | int] = {"other": message_id}
        journal.write(conn, journal.Entry(journal.COPY_SEEN, tenant, at, actor, message_id=other, refs=refs))


def linked(conn: Connection, message_id: str) -> list[str]:
    """The others that a message may be the same as."""
    return [row.detail for row in messages.warnings(conn, message_id) if row.code == ledger.MAY_BE_SAME]


def lives_elsewhere(conn: Connection, others: Iterable[str]) -> bool:
    """Whether one of these is with the case system or on its way there. One that was refused lives on paper alone."""
    states = {row.message_id: row.state for one in others for row in rows_by(conn, message_state, message_id=one)}
    return any(not was_refused(conn, one, state) for one, state in states.items())


def was_refused(conn: Connection, message_id: str, state: str) -> bool:
    """Whether a named person refused the message, which stands in this state now."""
    if state == State.REFUSED:
        return True
    values = {receipt.value for receipt in messages.receipts(conn, message_id) if receipt.kind == "application"}
    return "refused" in values


def warn_of_registered(
    env: Environment, conn: Connection, row: Row[Any], report_id: str | None, pdf: bytes | None, at: int
) -> None:
    """Look whether a report that came over a road was registered by hand before."""
    ids = shown_ids(row.id, row.remote_id, report_id)
    others = [one for one in known_by_id(conn, row.tenant, ids, by_hand_only=True) if one != row.id]
    first = claim_pdf(env, conn, row.tenant, pdf, row.id) if pdf is not None else None
    if first is not None and first not in others and messages.get(conn, first).road == RESERVE:
        others.append(first)
    link(conn, row.tenant, row.id, others, at, "gateway")
