"""One attempt to send: the effect SEND.

Safe to repeat: every attempt carries the same bytes under the same key, its beginning was committed before this handler
ran, and an attempt whose end nobody knows is repeated only over a road that declares it harmless; any other is asked.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, assert_never

from sqlalchemy import Connection, select

from gateway.crashpoints import Point
from gateway.domain.guards import Allowed, Stopped
from gateway.domain.lifecycle import Event, State
from gateway.domain.message_type import Lane
from gateway.domain.routing import next_road
from gateway.errors import PolicyError, StoreError
from gateway.pipeline import flow, letter_clocks
from gateway.pipeline.backoff import backoff_s
from gateway.pipeline.call import call
from gateway.pipeline.environment import Environment
from gateway.pipeline.judge import judge
from gateway.pipeline.letter_clocks import Way
from gateway.pipeline.outgoing import Outgoing, load, overtaken, still_owed
from gateway.pipeline.partner_words import keep_words
from gateway.pipeline.roads import OpenRoad
from gateway.pipeline.seal import sealed_parcel
from gateway.spi import CODE, REFERENCE, Outcome, Parcel, Refused, Taken, TryLater, Uncertain
from gateway.store import alarms, journal, messages, outbox, parcels, unit_of_work
from gateway.store.alarms import AlarmCode
from gateway.store.outbox import Item
from gateway.store.parcels import StoredParcel
from gateway.store.tables import message_state
from gateway.store.unit_of_work import Happening

_BELIEVED_SENT: Final = frozenset({State.ACCEPTED, State.HELD, State.WITHDRAWN})
"""States in which nobody expects that the partner has it."""
_NO_REFS: Final[Mapping[str, str | int]] = MappingProxyType({})


async def send(env: Environment, item: Item) -> str:
    """Perform SEND. Returns the outcome's first word."""
    turn = env.roads.turn_of(item.partner)
    async with turn:
        outgoing = await load(env, item.message_id)
        if (outgoing.state, outgoing.generation) != (State.CLEARED, item.generation):
            return await _overtaken(env, item)
        ready = await _ready(env, item, outgoing)
    if isinstance(ready, str):
        return ready
    if item.suspect:  # sealed alone, as what may have killed a process must be; the call is the road's own worker's
        return await later(env, item, "not-called:suspect", delay_s=0)
    road, parcel, allowed = ready
    outcome = parcel if isinstance(parcel, Refused | TryLater) else await call(env, road, item, parcel, allowed)
    async with turn:
        return await env.store.write(
            lambda conn: _settle(env, conn, item, outgoing, outcome), Point.SENT, Lane(item.lane)
        )


async def _ready(
    env: Environment, item: Item, outgoing: Outgoing
) -> tuple[OpenRoad, Parcel | Refused | TryLater, Allowed] | str:
    """The open road, the sealed parcel or why there is none, and the rules' word for it; or how an attempt that is not to be made was settled."""
    chosen = outgoing.parcels[-1]
    verdict = await judge(env, outgoing, chosen)
    if isinstance(verdict.decision, Stopped):
        return await _hold(env, item, verdict.decision.code, "guards-stopped", verdict.refs)
    road = env.roads.find(chosen.adapter)
    if road is None:
        return await later(env, item, "not-called:road-not-open")
    if not road.outbound.idempotent and await _in_doubt(env, item):
        return await _doubt(env, item)
    try:
        parcel = await sealed_parcel(env, item, outgoing, road, chosen, verdict.key)
    except PolicyError as error:
        return await _hold(env, item, str(error), "not-sealed")
    except StoreError:
        raise
    except Exception as error:  # a directory is an adapter's: whatever it raises, nothing was sent
        env.log.warning("directory.failed", message_id=item.message_id, partner=chosen.adapter, exc_info=error)
        return await later(env, item, "not-called:directory-failed")
    return (road, parcel, verdict.decision) if parcel is not None else await _overtaken(env, item)


async def _overtaken(env: Environment, item: Item) -> str:
    return await env.store.write(lambda conn: overtaken(env, conn, item), Point.SENT, Lane(item.lane))


async def _in_doubt(env: Environment, item: Item) -> bool:
    this = (item.generation, item.attempt)
    return await env.store.read(lambda conn: parcels.may_have_left(conn, item.message_id, but=this, trust_person=True))


async def _hold(env: Environment, item: Item, cause: str, word: str, refs: Mapping[str, str | int] = _NO_REFS) -> str:
    """A rule, or the lack of a key, stops it before anything left."""

    def work(conn: Connection) -> str:
        if not still_owed(conn, item, State.CLEARED) or not outbox.held(conn, item):
            return overtaken(env, conn, item)
        happening = Happening(Event.GUARDS_STOPPED, "gateway", env.now(), cause=cause, refs=refs)
        unit_of_work.move(conn, item.message_id, happening)
        outbox.finish(conn, item, f"{word}:{cause}", env.now())
        return word

    return await env.store.write(work, Point.SENT, Lane(item.lane))


async def later(env: Environment, item: Item, code: str, delay_s: float | None = None) -> str:
    """Nobody was called; try again after a while."""

    def work(conn: Connection) -> str:
        if outbox.held(conn, item):
            wait_s = backoff_s(env, item.attempt) if delay_s is None else delay_s
            outbox.retry(conn, item, code, env.now(), wait_s)
        return "not-called"

    return await env.store.write(work, Point.SENT, Lane(item.lane))


async def _doubt(env: Environment, item: Item) -> str:
    """An earlier attempt has no known end and the partner counts twice: it is asked, never sent again blindly."""

    def work(conn: Connection) -> str:
        if not still_owed(conn, item, State.CLEARED) or not outbox.held(conn, item):
            return overtaken(env, conn, item)
        happening = Happening(Event.PARTNER_SILENT, "gateway", env.now(), cause="interrupted")
        unit_of_work.move(conn, item.message_id, happening)
        outbox.finish(conn, item, "not-called:in-doubt", env.now())
        return "not-called"

    return await env.store.write(work, Point.SENT, Lane(item.lane))


def _settle(env: Environment, conn: Connection, item: Item, outgoing: Outgoing, outcome: Outcome) -> str:
    """What the partner answered, in one commit with what follows from it."""
    now = env.now()
    chosen = outgoing.parcels[-1]
    owed = still_owed(conn, item, State.CLEARED)
    held = outbox.held(conn, item)
    flow.note(env, conn, chosen.adapter, outcome)
    keep_reference(conn, chosen, outcome, now)
    if not isinstance(outcome, TryLater):  # of what led to nothing there may be a lot
        keep_words(env, conn, chosen, outcome.evidence)
    if not owed or not held:
        _late(env, conn, item, outcome)
        if held:
            outbox.finish(conn, item, code_of(outcome), now)
        return "late"
    event = event_of(env, conn, outgoing, outcome)
    if event is None:
        wait_s = max(backoff_s(env, item.attempt), _asked_wait(outcome))
        outbox.retry(conn, item, code_of(outcome), now, wait_s)
    else:
        move_on(env, conn, outgoing, event, outcome)
        outbox.finish(conn, item, code_of(outcome), now)
    return code_of(outcome).partition(":")[0]


def event_of(env: Environment, conn: Connection, outgoing: Outgoing, outcome: Outcome) -> Event | None:
    """The life-cycle event of an outcome; None when nothing was taken and it is tried again."""
    match outcome:
        case Taken(final=True):
            return Event.TAKEN_FINAL
        case Taken():
            return Event.PARTNER_TOOK
        case TryLater():
            return None
        case Refused(proof=True) if another_road(env, conn, outgoing.row.id, outgoing.row.type):
            return Event.ROAD_CLOSED
        case Refused():
            return Event.PARTNER_REFUSED
        case Uncertain():
            return Event.PARTNER_SILENT
        case _:
            assert_never(outcome)


def another_road(env: Environment, conn: Connection, message_id: str, message_type: str) -> bool:
    """Whether a road is left that was not tried."""
    tried = [one.road for one in parcels.all_of(conn, message_id)]
    return next_road(env.roads.roads_of(message_type), tried) is not None


def move_on(env: Environment, conn: Connection, outgoing: Outgoing, event: Event, outcome: Outcome | None) -> int:
    """Make the transition and keep the ticks that it proves. Returns the new generation."""
    now = env.now()
    refs: dict[str, str | int] = {"road": outgoing.parcels[-1].road}
    if outcome is not None:
        refs["answer"] = code_of(outcome)
    cause = event.value if event in {Event.PARTNER_REFUSED, Event.CANNOT_ASK} else None
    moved = unit_of_work.move(conn, outgoing.row.id, Happening(event, "gateway", now, cause, refs))
    if isinstance(outcome, Taken):
        tenant, message_id = outgoing.row.tenant, outgoing.row.id
        messages.add_receipt(conn, tenant, message_id, "transport", "taken", now, moved.entry_id)
        if outcome.final:
            messages.add_receipt(conn, tenant, message_id, "application", "delivered", now, moved.entry_id)
            letter_clocks.delivered(env, conn, outgoing.row, now, "gateway", Way.of(outgoing.parcels[-1].road))
    return moved.generation


def keep_reference(conn: Connection, chosen: StoredParcel, outcome: Outcome, now: int) -> None:
    """Remember what the partner calls it; a reference that is no reference is not kept."""
    if isinstance(outcome, Taken) and REFERENCE.fullmatch(outcome.partner_reference):
        parcels.take(conn, chosen, outcome.partner_reference, now)


def code_of(outcome: Outcome) -> str:
    """The attempt's code: our word, then the adapter's where it has one."""
    match outcome:
        case Taken():
            return "taken"
        case TryLater():
            word = "not-taken"
        case Refused():
            word = "refused"
        case Uncertain():
            word = "uncertain"
        case _:
            assert_never(outcome)
    return f"{word}:{outcome.code}" if CODE.fullmatch(outcome.code) else f"{word}:unnamed"


def _asked_wait(outcome: Outcome) -> float:
    return outcome.after_s or 0.0 if isinstance(outcome, TryLater) else 0.0


def _late(env: Environment, conn: Connection, item: Item, outcome: Outcome) -> None:
    """The answer came when the message had moved on; where it now may be somewhere unexpected, a person hears."""
    state = State(
        conn.execute(select(message_state.c.state).where(message_state.c.message_id == item.message_id)).scalar_one()
    )
    refs: dict[str, str | int] = {"event": code_of(outcome), "state": state.value}
    entry = journal.Entry(journal.LATE, item.tenant, env.now(), "gateway", message_id=item.message_id, refs=refs)
    journal.write(conn, entry)
    if state in _BELIEVED_SENT and isinstance(outcome, Taken | Uncertain):
        alarms.ring(conn, tenant=item.tenant, code=AlarmCode.LATE_EVENT, subject=item.message_id, at=env.now())
