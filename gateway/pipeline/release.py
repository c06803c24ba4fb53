"""A named person lets a held message go: each approval stands under the code of the stop that it releases.

Some stops need several people, and some nobody can release: then only other facts let the message pass. A person may choose the
road, too; paper is only ever taken so, or by releasing the very stop that says so (rule R15).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row

from gateway.domain.guards import PAPER_CODES, PERSONS
from gateway.domain.guards.recipients import different
from gateway.domain.lifecycle import Event
from gateway.domain.message_type import Direction
from gateway.domain.routing import Road
from gateway.errors import ConflictError
from gateway.pipeline.environment import Environment
from gateway.pipeline.hold_places import Places, from_ref
from gateway.pipeline.notes import Note, keep
from gateway.pipeline.texts import told
from gateway.store import approvals, journal, parcels, payloads


@dataclass(frozen=True, slots=True)
class Hold:
    """Why a message is held. ``needed``: how many people must release it, 0 where nobody can; ``persons``: how many have.

    ``rule``: the rule's name, None where it was none. ``places``: in which documents it is, without their names, so ``text``
    names none.
    """

    cause: str
    text: str
    rule: str | None
    needed: int
    persons: int
    places: Places

    @property
    def missing(self) -> int:
        """How many more people must release it."""
        return max(0, self.needed - self.persons)


def hold_of(conn: Connection, message_id: str, cause: str) -> Hold:
    """What a person must know of a hold. One that no rule made is released by one person."""
    rule = _rule_of(cause)
    needed = PERSONS.get(cause, 0 if rule is not None or cause.startswith("pdf-") else 1)
    persons = different(approvals.of(conn, message_id).get(approvals.code_of(conn, message_id, cause), ()))
    places = _places(conn, message_id, cause)
    return Hold(cause, told(cause, places), rule, needed, persons, places)


def _places(conn: Connection, message_id: str, cause: str) -> Places:
    """As the gate found them when it stopped the message last; none for another cause, or once the content is shredded."""
    entry = journal.newest(conn, message_id, Event.GUARDS_STOPPED.value)
    if entry is None or entry["code"] != cause or payloads.find_key(conn, message_id) is None:
        return Places()
    kept = entry["refs"].get("places")
    return Places() if kept is None else from_ref(kept)


def _rule_of(cause: str) -> str | None:
    name = cause.partition("-")[0]
    return name.upper() if name[:1] == "r" and name[1:].isdigit() else None


def approve(
    env: Environment, conn: Connection, state: Row[Any], person: str, reason: str, road: str | None
) -> dict[str, str | int] | None:
    """Keep what this person approves by a release. Returns what the journal tells of it; None where more people are needed.

    What came in is approved by nothing but the release itself. Raises ConflictError for a road that cannot be taken. The caller
    holds the state's lock and moves the message on.
    """
    if state.direction != Direction.OUT:
        if road is not None:
            detail = "only what goes out takes a road"
            raise ConflictError(detail)
        return {}
    now, cause = env.now(), str(state.cause or "")
    codes = {approvals.code_of(conn, state.message_id, cause)} if cause in PERSONS else set()
    refs: dict[str, str | int] = {}
    if road is not None:
        paper = _require_road(env, conn, state, road).on_paper
        codes = codes - set(PAPER_CODES) | {approvals.road_code(road), *(PAPER_CODES if paper else ())}
        refs["road"] = road
    elif codes & set(PAPER_CODES):
        codes |= set(PAPER_CODES)
        refs |= _road_in_question(env, conn, state)
    for code in sorted(codes):
        approvals.add(conn, state.tenant, state.message_id, code, person, now)
    hold = hold_of(conn, state.message_id, cause)
    if cause not in PERSONS or road is not None or not hold.missing:
        return refs
    refs |= {"persons": hold.persons, "needed": hold.needed}
    _note_approval(env, conn, state, person, reason, hold.cause, refs)
    return None


def _road_in_question(env: Environment, conn: Connection, state: Row[Any]) -> dict[str, str]:
    """The paper road that a stop of paper is about: in force, chosen and not begun yet, or the type's own; as refs."""
    chosen = parcels.in_force(conn, state.message_id)
    texts = (chosen.road if chosen is not None else "", approvals.chosen_road(conn, state.message_id) or "")
    known = [road for text in texts if (road := Road.parse(text)) is not None]
    paper = [str(road) for road in (*known, *env.roads.roads_of(state.type)) if road.on_paper]
    return {"road": paper[0]} if paper else {}


def _note_approval(
    env: Environment,
    conn: Connection,
    state: Row[Any],
    person: str,
    reason: str,
    cause: str,
    refs: Mapping[str, str | int],
) -> None:
    """It stays held, and the journal says who has released it so far."""
    now = env.now()
    key = env.vault.unlock(state.tenant, state.message_id, payloads.find_key(conn, state.message_id))
    commit = keep(conn, key, Note(now, person, journal.APPROVED, reason))
    entry = journal.Entry(
        journal.APPROVED, state.tenant, now, person, state.message_id, code=cause, refs=refs, commit=commit
    )
    journal.write(conn, entry)


def _require_road(env: Environment, conn: Connection, state: Row[Any], text: str) -> Road:
    """A road of the type's routes that nothing stands in the way of. Raises ConflictError."""
    road = Road.parse(text)
    if road is None or road not in env.roads.roads_of(state.type):
        detail = "no such road is configured for this type"
        raise ConflictError(detail, code="no-road")
    begun = [one.road for one in parcels.all_of(conn, state.message_id)]
    if text in begun[-1:]:
        return road
    if text in begun:
        detail = "this road was taken before and another one after it; withdraw the message and send it anew"
        raise ConflictError(detail, code="road-tried")
    if parcels.may_have_left(conn, state.message_id):
        detail = "it has left over another road, or may have; ask the recipient"
        raise ConflictError(detail, code="already-left")
    return road
