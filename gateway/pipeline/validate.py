"""What a report's JSON says of itself, read with suspicion. No flaw here ever stops a concern report.

Everything found becomes a warning: a code, and a place in the document made from names that the schema knows.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from gateway import limits
from gateway.domain.deadlines import OSLO, ClockFacts, sent_at_counts
from gateway.domain.identifiers import TenantId
from gateway.domain.message_type import MessageType
from gateway.pipeline.environment import MessageTypes

_OPENING: Final = frozenset(b"[{")
_CLOSING: Final = frozenset(b"]}")
_DIGITS: Final = frozenset(b"0123456789")
_TOKEN: Final = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"?|[][{}]|[0-9]++', re.DOTALL)
"""A text, closed or not; a bracket; a run of digits. Nothing is tried twice, and what lies between does not count."""


@dataclass(slots=True)
class Reading:
    """What was read: the document, or None when it cannot be, and the warnings as (code, detail)."""

    document: object = None
    warnings: list[tuple[str, str]] = field(default_factory=list)


def read_json(raw: bytes) -> Reading:
    """Parse foreign JSON within bounds. NaN and doubled keys are flagged, not lost (S32)."""
    reading = Reading()
    if not _within_bounds(raw):
        reading.warnings.append(("json-out-of-bounds", ""))
        return reading
    doubled = False

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal doubled
        found = dict(items)
        doubled = doubled or len(found) != len(items)
        return found

    def constant(_text: str) -> None:
        if ("json-nan", "") not in reading.warnings:
            reading.warnings.append(("json-nan", ""))

    try:
        reading.document = json.loads(raw.decode("utf-8-sig"), object_pairs_hook=pairs, parse_constant=constant)
    except (ValueError, RecursionError):
        reading.warnings.append(("json-unreadable", ""))
    if doubled:
        reading.warnings.append(("json-duplicate-keys", ""))
    return reading


def has_few_values(raw: bytes) -> bool:
    """Whether a document cannot hold more values than are parsed; what stands inside texts counts too."""
    return sum(map(raw.count, (b",", b"[", b"{"))) <= limits.JSON_VALUES_MAX


def _within_bounds(raw: bytes) -> bool:
    """Depth, length of numbers and count of values, before any parser sees them."""
    if not has_few_values(raw):
        return False
    depth = 0
    for token in _TOKEN.finditer(raw):
        first = token[0][0]
        depth += (first in _OPENING) - (first in _CLOSING)
        number_chars = len(token[0]) if first in _DIGITS else 0
        if depth > limits.JSON_DEPTH_MAX or number_chars > limits.JSON_NUMBER_CHARS_MAX:
            return False
    return True


def validate(raw: bytes, kind: MessageType, types: MessageTypes, tenant: TenantId) -> Reading:
    """Parse, hold against the schema, and compare with the address it came to."""
    reading = read_json(raw)
    if reading.document is None:
        return reading
    reading.warnings.extend(("schema", f"{flaw.path} {flaw.rule}") for flaw in types.flaws(kind.key, reading.document))
    if isinstance(reading.document, Mapping):
        for name, expected in (("kommunenummer", tenant.kommunenummer), ("bydelsnummer", tenant.bydelsnummer)):
            if reading.document.get(name) not in (expected, None):
                reading.warnings.append((f"{name}-differs", ""))
    return reading


def clock_facts(reading: Reading, kind: MessageType, arrived_at: datetime) -> ClockFacts:
    """What the clocks need to know. A report that cannot be read still has its arrival."""
    document = reading.document if isinstance(reading.document, Mapping) else {}
    sent_at = _local_time(document.get("sendingstidspunkt"))
    if sent_at is not None and not sent_at_counts(sent_at, arrived_at):
        reading.warnings.append(("sent-at-implausible", ""))
    public = kind.name.endswith(".offentlig")
    return ClockFacts(
        arrived_at=arrived_at,
        sent_at=sent_at,
        reporter_public=public,
        reporter_known=public or _can_be_answered(document.get("privatMelder")),
        events={},
    )


def _local_time(text: object) -> datetime | None:
    """KS writes Norwegian local time without zone; in the repeated autumn hour the earlier one is meant."""
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=OSLO)


def _can_be_answered(reporter: object) -> bool:
    """An anonymous reporter left nothing to answer to."""
    if not isinstance(reporter, Mapping):
        return False
    return bool(reporter.get("telefonnummer") or reporter.get("adresse"))
