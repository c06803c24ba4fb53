"""Every message is accounted for, every day: received = confirmed + refused + linked duplicates + waiting.

The daily certificate says so, per office and road, signed with the log's key under a name of its own.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from sqlalchemy import Connection

from gateway.crashpoints import Point
from gateway.domain.deadlines import OSLO
from gateway.pipeline.environment import Environment
from gateway.store import accounts, alarms
from gateway.store.alarms import AlarmCode
from gateway.store.messages import micros

_TITLE = "budstikke/daily-certificate@v1"
_COUNTED = (accounts.CONFIRMED, accounts.REFUSED, accounts.DUPLICATE, accounts.WAITING)


@dataclass(frozen=True, slots=True)
class Line:
    """One office's messages of one day on one road. ``waiting``: by state and cause."""

    tenant: str
    road: str
    received: int
    fates: Counter[str]
    waiting: Counter[str] = field(default_factory=Counter)

    @property
    def difference(self) -> int:
        """Messages that are not accounted for, in either direction; 0 is the promise."""
        return self.fates[accounts.UNEXPLAINED] + self.fates[accounts.UNJOURNALLED]

    def text(self) -> str:
        """As the certificate has it."""
        counts = " ".join(f"{name} {self.fates[name]}" for name in _COUNTED)
        why = "".join(f"\n  waiting {reason} {count}" for reason, count in sorted(self.waiting.items()))
        return f"{self.tenant} {self.road} received {self.received} {counts} difference {self.difference}{why}"


def span(day: date) -> tuple[int, int]:
    """A Norwegian calendar day, from its first microsecond until before the next day's."""
    first, then = (micros(datetime.combine(one, time(), OSLO)) for one in (day, day + timedelta(days=1)))
    return first, then


def lines(conn: Connection, day: date) -> list[Line]:
    """The balance of what arrived on a day, as it stands now."""
    return list(_lines(accounts.fates(conn, *span(day))))


def _lines(fates: Iterable[accounts.Fate]) -> Iterable[Line]:
    groups: dict[tuple[str, str], list[accounts.Fate]] = defaultdict(list)
    for one in fates:
        groups[one.tenant, one.road].append(one)
    for (tenant, road), group in sorted(groups.items()):
        counted = Counter(one.fate for one in group)
        waits = (one for one in group if one.fate == accounts.WAITING)
        waiting = Counter(f"{one.state} {one.cause}" if one.cause else f"{one.state}" for one in waits)
        yield Line(tenant, road, len(group) - counted[accounts.UNJOURNALLED], counted, waiting)


def certificate(log: str, day: date, made: datetime, found: list[Line]) -> str:
    """The text of a day's certificate: no names, no content, only counts and codes."""
    head = [_TITLE, log, f"day {day.isoformat()}", f"made {made.isoformat(timespec='seconds')}"]
    total = sum(line.received for line in found)
    difference = sum(line.difference for line in found)
    return "\n".join([*head, *(line.text() for line in found), f"total {total} difference {difference}"]) + "\n"


async def judge(env: Environment, day: date) -> list[Line]:
    """A day's balance, with an alarm where something is not accounted for; it closes when it is again."""
    found = await env.store.read(lambda conn: lines(conn, day))
    off = any(line.difference for line in found)
    at, subject = env.now(), day.isoformat()
    rung = await env.store.read(lambda conn: alarms.open_subjects(conn, AlarmCode.BALANCE_DIFFERS))
    if off and subject not in rung:
        await env.store.write(
            lambda conn: alarms.ring(conn, tenant="*", code=AlarmCode.BALANCE_DIFFERS, subject=subject, at=at),
            Point.SWEEP,
        )
    elif rung and not off and subject in rung:
        await env.store.write(
            lambda conn: alarms.close(
                conn, tenant="*", code=AlarmCode.BALANCE_DIFFERS, subject=subject, at=at, actor="gateway"
            ),
            Point.SWEEP,
        )
    return found
