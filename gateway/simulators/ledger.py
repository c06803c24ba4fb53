"""Append-only ledgers of the simulators, and the judgement over a run made from two of them.

A line is promised once ``append`` has returned. The judge reads files only: it knows nothing of the gateway's store, so
that it can contradict it.
"""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from gateway.errors import StoreError

ACCEPTED: Final = "accepted"  # sender: 201 with a uuid
HISTORY: Final = "history"  # sender: the statuses of a uuid as last asked for
SENDING: Final = "sending"  # sender: bytes are about to leave
STORED: Final = "stored"  # sink: every document is on the sink's own disk
LEVERT: Final = "LEVERT"


class Ledger:
    """One JSON object a line, on disk before ``append`` returns. One process writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        os.ftruncate(self._file, _whole(path.read_bytes()))  # a torn last line was never promised
        _sync_folder(path.parent)

    def append(self, event: str, **fields: Any) -> None:
        """Write a line and force it to disk. Raises StoreError."""
        line = json.dumps({"event": event, "at": datetime.now(UTC).isoformat(), **fields}) + "\n"
        try:
            os.write(self._file, line.encode())
            os.fsync(self._file)
        except OSError as fault:
            message = f"the ledger {self.path.name} cannot be written"
            raise StoreError(message) from fault

    def close(self) -> None:
        """Let go of the file."""
        os.close(self._file)

    def rows(self) -> Iterator[dict[str, Any]]:
        """Every line so far, oldest first."""
        return read_ledger(self.path)


def read_ledger(path: Path) -> Iterator[dict[str, Any]]:
    """The lines of a ledger; a torn last one is left out. Empty when there is no file."""
    content = path.read_bytes() if path.exists() else b""
    for line in content[: _whole(content)].splitlines():
        yield json.loads(line)


def write_durably(path: Path, content: bytes) -> None:
    """A file that is either whole under its name or absent, whenever the machine stops. Raises StoreError."""
    partial = path.with_name(path.name + ".part")
    partial.write_bytes(content)
    settle(partial, path)


def settle(partial: Path, path: Path) -> None:
    """Give a written file its name once its bytes are on disk. Raises StoreError."""
    try:
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.rename(path)
        _sync_folder(path.parent)
    except OSError as fault:
        message = f"{path.name} cannot be written"
        raise StoreError(message) from fault


def _whole(content: bytes) -> int:
    return content.rfind(b"\n") + 1


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of the reports of a run; each field holds uuids."""

    accepted: frozenset[str]
    lost: frozenset[str]  # accepted, and not in the sink
    doubled: frozenset[str]  # in the sink more than once
    differing: frozenset[str]  # in the sink with other bytes than were sent
    undelivered: frozenset[str]  # the sender was never told LEVERT
    delivered_twice: frozenset[str]  # the sender was told LEVERT more than once
    unexpected: frozenset[str]  # in the sink, and nobody was answered for it nor left without answer

    @property
    def holds(self) -> bool:
        """Whether each accepted report came once, whole, and its sender knows."""
        return not (
            self.lost | self.doubled | self.differing | self.undelivered | self.delivered_twice | self.unexpected
        )


def judge(sender: Path, sink: Path, *, excused: Collection[str] = ()) -> Verdict:
    """Hold a sender's ledger against a sink's. ``excused``: uuids that are not to reach the sink, such as duplicates."""
    sent: dict[str, dict[str, str]] = {}
    told: dict[str, list[str]] = {}
    answers: dict[str, str] = {}
    for row in read_ledger(sender):
        match row["event"]:
            case "sending":
                sent[row["klientId"]] = row["documents"]
            case "accepted":
                answers[row["uuid"]] = row["klientId"]
            case "history":
                told[row["uuid"]] = row["tilstander"]
            case _:  # refusals and the like: no promise in them
                pass
    stored: defaultdict[str, list[dict[str, str]]] = defaultdict(list)
    for row in read_ledger(sink):
        if row["event"] == STORED:
            stored[row["id"]].append(row["documents"])
    accepted = frozenset(answers) - frozenset(excused)
    open_questions = len(sent.keys() - set(answers.values()))  # the answer can be what was lost, not the report
    strangers = frozenset(stored.keys() - answers.keys())
    levert = {uuid: Counter(told.get(uuid, ()))[LEVERT] for uuid in accepted}
    return Verdict(
        accepted=accepted,
        lost=accepted - stored.keys(),
        doubled=frozenset(uuid for uuid, times in stored.items() if len(times) > 1),
        differing=frozenset(
            uuid for uuid in accepted & stored.keys() if not _same(sent[answers[uuid]], stored[uuid][0])
        ),
        undelivered=frozenset(uuid for uuid, times in levert.items() if times == 0),
        delivered_twice=frozenset(uuid for uuid, times in levert.items() if times > 1),
        unexpected=strangers if len(strangers) > open_questions else frozenset(),
    )


def _same(sent: dict[str, str], stored: dict[str, str]) -> bool:
    """Whether every document that was sent came with the same bytes; further ones, such as a print copy, may stand beside."""
    return sent.items() <= stored.items()
