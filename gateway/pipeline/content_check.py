"""Whether the sealed records of messages still open, in rows and files, and hold what the journal commits to.

Needs the keys of the offices. Blocks on the disk and on keys in a token; memory does not grow with a record's size.
"""

import hashlib
from functools import partial
from typing import Any

from sqlalchemy import Connection, Row, select

from gateway.errors import GatewayError
from gateway.pipeline.findings import CHANGED, MISSING, Finding, Outcome, Step, read_entry
from gateway.pipeline.vault import MessageKey, Vault
from gateway.store import journal, payloads
from gateway.store.payloads import StoredRecord
from gateway.store.tables import payload, payload_key


def content_steps(vault: Vault) -> list[Step]:
    """Each message's key, then each record."""
    return [partial(_check_key, vault), partial(_check_record, vault)]


def _check_key(vault: Vault, conn: Connection, outcome: Outcome, place: str | None) -> str | None:
    """The next message's data key opens what is sealed under it."""
    query = select(payload_key.c.message_id, payload_key.c.tenant).order_by(payload_key.c.message_id).limit(1)
    row = conn.execute(query.where(payload_key.c.message_id > (place or ""))).one_or_none()
    if row is None:
        return None
    if _unlocked(vault, conn, row) is None:
        outcome.find(Finding(CHANGED, "payload_key", f"message_id={row.message_id}", "the key does not open"))
    return str(row.message_id)


def _check_record(
    vault: Vault, conn: Connection, outcome: Outcome, place: tuple[int, bool] | None
) -> tuple[int, bool] | None:
    """The next record. One that fails is looked at again at another moment: it may have been shredded meanwhile."""
    after, again = place or (0, False)
    row = conn.execute(select(payload).where(payload.c.id > after).order_by(payload.c.id).limit(1)).one_or_none()
    if row is None:
        return None
    finding = _fault(vault, conn, row)
    if finding is not None and not again:
        return after, True
    outcome.counts["contents"] += 1
    outcome.find(*([finding] if finding is not None else []))
    return row.id, False


def _fault(vault: Vault, conn: Connection, row: Row[Any]) -> Finding | None:
    key = _unlocked(vault, conn, row)
    if key is None:
        return None  # told of the key already
    name, of = f"id={row.id}", f"of message {row.message_id}"
    where = f"file {row.file} {of}" if row.file is not None else of
    digest = hashlib.sha256()
    try:
        if row.file is not None and (vault.folder.root / row.file).stat().st_size != row.size:
            return Finding(CHANGED, "payload", name, f"not as long as it was: {where}")
        for piece in vault.pieces(key, row.purpose, StoredRecord(row.size, row.record, row.file)):
            digest.update(piece)
    except FileNotFoundError:
        return Finding(MISSING, "payload", name, where)
    except (GatewayError, OSError):
        return Finding(CHANGED, "payload", name, f"it does not open: {where}")
    told = _commitments(conn, row)
    if told and journal.commitment(key.salt, digest.digest()) not in told:
        return Finding(CHANGED, "payload", name, f"it is not what the journal commits to: {where}")
    return None


def _unlocked(vault: Vault, conn: Connection, row: Any) -> MessageKey | None:
    wrapped = payloads.find_key(conn, row.message_id)
    try:
        return vault.unlock(row.tenant, row.message_id, wrapped)
    except (GatewayError, ValueError, KeyError):  # of whatever was put in its place
        return None


def _commitments(conn: Connection, row: Row[Any]) -> set[str]:
    """What the journal has for this record: of a part and of the envelope under its name, of others under their kind."""
    kind, _, _ = row.purpose.partition(":")
    wanted = row.purpose if kind == "part" else kind
    bodies = [read_entry(entry.entry) for entry in journal.of_message(conn, row.message_id)]
    return {
        value
        for body in bodies
        if body is not None
        for name, value in body["commit"].items()
        if wanted in {name, name.partition(":")[0]}
    }
