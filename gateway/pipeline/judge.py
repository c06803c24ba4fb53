"""The policy gate: the rules that apply today, asked about facts of now, and whether a letter's files can take the road.

Nothing leaves without an answer of it, made for that very attempt (``call``). It fails closed: a fact that a rule needs and that
could not be learned stops the message, and what cannot be learned for now is tried again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from gateway.domain.guards import PERSONS, Decision, Stopped, asked, decide
from gateway.domain.guards.recipients import KEY_CHANGED
from gateway.letters.preflight import Fault, faults
from gateway.pipeline import hold_places
from gateway.pipeline.environment import Environment
from gateway.pipeline.facts import Gathered, gather
from gateway.pipeline.outgoing import Outgoing, road_of
from gateway.pipeline.recipient_keys import JudgedKey
from gateway.store.parcels import StoredParcel


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer, and what the journal tells of it: the rules and registers that were asked, what a stop is about and where.

    ``key``: the recipient's own key that alone may be sealed for, where the rules were asked about one.
    """

    decision: Decision
    refs: Mapping[str, str | int] = field(default_factory=dict)
    key: JudgedKey | None = None


async def judge(env: Environment, outgoing: Outgoing, chosen: StoredParcel) -> Verdict:
    """Ask whether this parcel may take its road now. Raises as ``facts.gather``."""
    guards = asked(env.roads.guards, env.roads.periods, env.today())
    found = await gather(env, outgoing, chosen, guards)
    decision = decide(guards, found.facts)
    unfit: Sequence[Fault] = ()
    refs: dict[str, str | int] = {"road": chosen.road, "guards": " ".join(guards)}
    if found.registers:
        refs["registers"] = " ".join(found.registers)
    if not isinstance(decision, Stopped) or decision.code in PERSONS:  # nobody is asked to release what cannot leave
        unfit = _unfit(env, outgoing, found, chosen)
        decision = Stopped(unfit[0].code) if unfit else decision
    if isinstance(decision, Stopped):
        places = hold_places.find(decision.code, unfit, found.seen)
        refs |= {"places": hold_places.to_ref(places)} if places.documents else {}
        refs |= {"about": found.facts.about[decision.code]} if decision.code in found.facts.about else {}
        refs |= {"key": str(found.key.kept)} if decision.code == KEY_CHANGED and found.key is not None else {}
    return Verdict(decision, refs, found.key)


def _unfit(env: Environment, outgoing: Outgoing, found: Gathered, chosen: StoredParcel) -> Sequence[Fault]:
    """The faults, the gravest first, of the files that a letter consists of: all documents but the one that it is written from."""
    road = road_of(chosen)
    if not road.letter:
        return ()
    data = env.types.type(outgoing.row.type).schema_document
    return faults([one for one in found.seen if one.name != data], road, env.brev)
