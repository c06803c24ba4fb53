"""Every message is accounted for, every day: received = confirmed + refused + linked duplicates + waiting.

It is drawn up per office, road and account; ``gateway.pipeline.certificate`` makes the day's signed certificate of it.
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

_COUNTED = (accounts.CONFIRMED, accounts.REFUSED, accounts.DUPLICATE, accounts.WAITING)


@dataclass(frozen=True, slots=True)
class Line:
    """One office's messages of one day on one account of a road. ``waiting``: by state and cause.

    ``received``, ``stored``, ``offered`` and ``receipted`` say how far they came; ``fates`` what became of each, once.
    """

    tenant: str
    road: str
    account: str
    received: int
    stored: int
    offered: int
    receipted: int
    fates: Counter[str]
    waiting: Counter[str] = field(default_factory=Counter)

    @property
    def difference(self) -> int:
        """Messages that are not accounted for, in either direction; 0 is the promise."""
        return self.fates[accounts.UNEXPLAINED] + self.fates[accounts.UNJOURNALLED]

    @property
    def counts(self) -> dict[str, int]:
        """Every column, in the order of a message's way."""
        way = {"received": self.received, "stored": self.stored, "offered": self.offered}
        fates = {name: self.fates[name] for name in _COUNTED}
        return {**way, **fates, "receipted": self.receipted, "difference": self.difference}

    def text(self) -> str:
        """As the certificate has it."""
        counts = " ".join(f"{name} {count}" for name, count in self.counts.items())
        why = "".join(f"\n  waiting {reason} {count}" for reason, count in sorted(self.waiting.items()))
        return f"{self.tenant} {self.road} {self.account} {counts}{why}"


def span(day: date) -> tuple[int, int]:
    """A Norwegian calendar day, from its first microsecond until before the next day's."""
    first, then = (micros(datetime.combine(one, time(), OSLO)) for one in (day, day + timedelta(days=1)))
    return first, then


def lines(conn: Connection, day: date) -> list[Line]:
    """The balance of what arrived on a day, as it stands now."""
    return list(_lines(accounts.fates(conn, *span(day))))


def _lines(fates: Iterable[accounts.Fate]) -> Iterable[Line]:
    groups: dict[tuple[str, str, str], list[accounts.Fate]] = defaultdict(list)
    for one in fates:
        groups[one.tenant, one.road, one.account].append(one)
    for (tenant, road, account), group in sorted(groups.items()):
        counted = Counter(one.fate for one in group)
        waits = (one for one in group if one.fate == accounts.WAITING)
        yield Line(
            tenant=tenant,
            road=road,
            account=account,
            received=len(group) - counted[accounts.UNJOURNALLED],
            stored=sum(one.stored for one in group),
            offered=sum(one.offered for one in group),
            receipted=sum(one.receipted for one in group),
            fates=counted,
            waiting=Counter(f"{one.state} {one.cause}" if one.cause else f"{one.state}" for one in waits),
        )


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
