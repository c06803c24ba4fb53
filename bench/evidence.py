"""What the evidence log costs: numbering and signing, and a proof from a log of a million leaves.

Beside each rate stands its bound, measured in the same run: hashing alone, and signing alone.
"""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from sqlalchemy import Connection

from gateway.crypto import notes
from gateway.domain import merkle
from gateway.evidence import formats, verify
from gateway.store import journal, log
from gateway.store.migrate import create_sqlite
from gateway.store.sqlite import sqlite_engine
from gateway.store.tables import leaf, log_state

LEAVES = 1_000_000
ENTRIES = 5_000
_ENTRY = json.dumps({"event": "bench", "message_id": "m", "at": "2026-01-01T00:00:00Z", "actor": "x", "commit": {}})


@dataclass(frozen=True, slots=True)
class Figures:
    """Rates per second of the clock, one thread; times in seconds; sizes in octets."""

    numbered: float
    hashed: float
    heads: float
    signed: float
    prove_s: float
    proof_bytes: int
    verify_s: float


def measure_evidence(folder: Path) -> Figures:
    """Number some entries, then lay down a million leaves, sign heads and make proofs over them."""
    engine = sqlite_engine(create_sqlite(folder, "bench.test/log"), 10)
    signer = notes.NoteSigner("bench.test/log", Ed25519PrivateKey.generate())
    with engine.connect() as conn:
        conn.exec_driver_sql("BEGIN IMMEDIATE")
        for number in range(ENTRIES):
            journal.write(conn, journal.Entry(journal.ARRIVED, "4601-02", number, "bench"))
        journal.settle(conn)
        numbered = ENTRIES / _timed(lambda: _number(conn))
        _lay(conn, log.size(conn), LEAVES)
        tree = log.subtree(conn)
        heads = 200 / _timed(lambda: [_head(signer, tree) for _ in range(200)])
        note = _head(signer, tree)
        proven = formats.Proven(_ENTRY.encode(), 700_001, merkle.inclusion(700_001, LEAVES, tree))
        prove_s = _timed(lambda: [merkle.inclusion(index, LEAVES, tree) for index in range(0, LEAVES, 5000)]) / 200
        text = formats.tlog_proof(proven, note)
        conn.exec_driver_sql("ROLLBACK")
    engine.dispose()
    key = verify.Key(str(signer.public), verify.LOG_KEY)
    verify_s = _timed(lambda: [verify.entry_of(text, key, []) for _ in range(200)]) / 200
    hashed = 200_000 / _timed(lambda: [merkle.node_hash(note[:32].encode(), b"x" * 32) for _ in range(200_000)])
    signed = 2000 / _timed(lambda: [signer.line("x\n") for _ in range(2000)])
    return Figures(numbered, hashed, heads, signed, prove_s, len(text), verify_s)


def _number(conn: Connection) -> None:
    while journal.number_pending(conn):
        pass


def _lay(conn: Connection, size: int, wanted: int) -> None:
    """Leaves without entries: a million entries would prove no more. The one that is proven is the bench's own."""
    for low in range(size, wanted, 10_000):
        high = min(low + 10_000, wanted)
        conn.execute(leaf.insert(), list(_leaves(low, high)))
        log.grow(conn, low, high)
    conn.execute(log_state.update().values(size=wanted))


def _leaves(low: int, high: int) -> Iterator[dict[str, object]]:
    own = merkle.leaf_hash(_ENTRY.encode())
    for index in range(low, high):
        hashed = own if index == 700_001 else merkle.leaf_hash(str(index).encode())
        yield {"index": index, "tenant": "4601-02", "journal_id": index + 1_000_000, "hash": hashed}


def _head(signer: notes.NoteSigner, tree: merkle.Subtree) -> str:
    return notes.sign(formats.head_text("bench.test/log", LEAVES, tree(0, LEAVES)), [signer])


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started
