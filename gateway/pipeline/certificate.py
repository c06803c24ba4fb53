"""The day's certificate: the balance, what the platforms say waits there, and what the portal's lists said. Signed.

No names and no content stand in it, only counts and codes. It is signed with the log's key under a name of its own.
"""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

from sqlalchemy import Connection, Row

from gateway.crypto import notes
from gateway.pipeline import balance, reconcile
from gateway.pipeline.environment import Environment
from gateway.store import log, partner_figures
from gateway.store.journal import rfc3339

_TITLE: Final = "budstikke/daily-certificate@v2"
_SECOND: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Certificate:
    """A day's certificate, signed where there is a key. ``sound``: everything is accounted for, and every list fits."""

    text: str
    lines: tuple[balance.Line, ...]
    sound: bool


async def certify(env: Environment, day: date) -> Certificate:
    """Judge the day anew, and make its certificate."""
    lines = await balance.judge(env, day)

    def beside(conn: Connection) -> tuple[str, list[Row[Any]], list[reconcile.Reading]]:
        return log.origin(conn), list(partner_figures.all_of(conn)), reconcile.readings(conn, day)

    origin, figures, lists = await env.store.read(beside)
    made = env.clock.now()
    body = [*(line.text() for line in lines), *_platforms(figures, env.now()), *map(_list_text, lists)]
    total = f"total {sum(line.received for line in lines)} difference {sum(line.difference for line in lines)}"
    text = "\n".join([*_head(origin, day, made), *body, total]) + "\n"
    if env.heads is not None:
        text = notes.sign(text, [env.heads.signer.under(f"{origin}/daily")])
    sound = not any(line.difference for line in lines) and all(one.fits for one in lists)
    return Certificate(text, tuple(lines), sound)


def _head(origin: str, day: date, made: datetime) -> list[str]:
    return [_TITLE, origin, f"day {day.isoformat()}", f"made {made.isoformat(timespec='seconds')}"]


def _platforms(figures: list[Row[Any]], now: int) -> list[str]:
    """As each platform said last, however long ago: the age says what it is worth."""
    return [
        f"platform {row.tenant} {row.adapter} {row.account} waiting {row.waiting} consumers {row.consumers}"
        f" age {max(0, now - row.at) // _SECOND} s"
        for row in figures
    ]


def _list_text(one: reconcile.Reading) -> str:
    counts = f"listed {one.listed} missing {one.missing} unlisted {one.unlisted}"
    return f"portal-list {one.kommunenummer} {counts} read {rfc3339(one.at)} list {one.digest}"
