"""Facts for the rules, gathered anew before every attempt: what is stated, what was sent before, what registers say.

Nothing that no listed rule needs on this road is asked. What could not be learned is ``None``, and a rule that needs it stops.
"""

import asyncio
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Final

from sqlalchemy import Connection

from gateway.domain.deadlines import OSLO
from gateway.domain.guards import PAPER_CODES, Facts
from gateway.domain.guards.causes import causes
from gateway.domain.guards.facts import Feedback, HistoryFacts, KeyFacts, RoadFacts
from gateway.domain.message_type import Audience, MessageType
from gateway.domain.persons import Contact
from gateway.domain.routing import Road
from gateway.letters import window
from gateway.letters.inspection import Inspected
from gateway.pipeline import registers, stated
from gateway.pipeline.envelope import Aktor, Melding
from gateway.pipeline.envelope_letter import Person
from gateway.pipeline.environment import Environment
from gateway.pipeline.look import in_turn, look
from gateway.pipeline.outgoing import Outgoing, road_of
from gateway.pipeline.recipient_keys import JudgedKey, key_to_judge
from gateway.pipeline.validate import read_json
from gateway.pipeline.vault import MessageKey
from gateway.store import approvals, messages, payloads, sent_before
from gateway.store.parcels import StoredParcel

_OF_POPULATION: Final = frozenset({"R05", "R06", "R08", "R23"})
_OF_CONTACTS: Final = frozenset({"R14"})
_OF_HISTORY: Final = frozenset({"R09", "R12", "R18", "R24", "R25"})
_OF_KEYS: Final = frozenset({"R18"})
_OF_TEXTS: Final = frozenset({"R02", "R04", "R07", "R20", "R21"})
"""The rules that ask for what costs something to learn."""
_ABOUT_CHARS: Final = 32  # 128 bits; an approval's code has 64 characters
_NOTHING_KNOWN: Final = HistoryFacts(None, None, None, None, None)


@dataclass(frozen=True, slots=True)
class Gathered:
    """The facts; which ``registers`` were asked for them; and what was seen of the documents, where anything was.

    ``key``: the one that alone may be sealed for; None where any may.
    """

    facts: Facts
    registers: tuple[str, ...] = ()
    seen: tuple[Inspected, ...] = ()
    key: JudgedKey | None = None


async def gather(env: Environment, outgoing: Outgoing, chosen: StoredParcel, guards: Sequence[str]) -> Gathered:
    """Everything that these rules may ask of an attempt to send this parcel.

    Raises ReaderUnavailableError where no PDF can be read now, StoreError, DecryptionError.
    """
    melding, road = outgoing.melding, road_of(chosen)
    kind, listed = env.types.type(outgoing.row.type), frozenset(guards)
    now = env.clock.now()
    day = now.astimezone(OSLO).date()
    about_people = road.letter or kind.audience is Audience.PARTY
    asks_residents = about_people and bool(listed & _OF_POPULATION)
    residents = await _residents(env, melding) if asks_residents else {}
    asks_contact = road.letter and not road.on_paper and bool(listed & _OF_CONTACTS)
    seen = await look(env, outgoing, residents) if road.letter or listed & _OF_TEXTS else ()
    key = await key_to_judge(env, outgoing, chosen) if listed & _OF_KEYS else None
    facts = Facts(
        now=now,
        day=day,
        parcel=chosen.key,
        road=await _road_facts(env, melding, road),
        recipient=stated.recipient_facts(
            melding, day, residents, approved_unit=_approved_unit(env, melding, road, day)
        ),
        history=_NOTHING_KNOWN,
        discloses=melding.discloses,
        purpose_given=bool((melding.formal or "").strip()),
        given=melding.given_bases(),
        bases=env.roads.bases_of(kind),
        audience=kind.audience,
        secrecy=stated.secrecy_of(melding),
        necessity_given=bool((melding.nodvendighet or "").strip()),
        case_number_given=not road.letter and bool(stated.case_numbers(melding)),
        feedback=await _feedback(env, outgoing, kind),
        family=melding.foreldresituasjon,
        reporter=stated.reporter_facts(melding),
        parties=stated.party_facts(melding, residents),
        contact=await _contact(env, melding) if asks_contact else None,
        relation=melding.meldingsforbindelse,
        breach_report_given=melding.avviksreferanse is not None,
        confidential_digitally=env.brev.fortrolig_digitalt,
        approved_in_case=_approved_in_case(env, melding),
    )
    facts = await env.store.read(
        lambda conn: _with_stored(conn, facts, outgoing, chosen, seen, key, asks_history=bool(listed & _OF_HISTORY))
    )
    asked = [name for name, was in (("folkeregisteret", asks_residents), ("krr", asks_contact)) if was]
    facts = replace(facts, about={code: _digest(outgoing.key, code, told) for code, told in causes(facts).items()})
    return Gathered(facts, tuple(asked), seen, key)


def _digest(key: MessageKey, code: str, told: str) -> str:
    """Of what a stop is about, under the message's salt: it goes with the content."""
    return hmac.digest(key.salt, f"{code}\n{told}".encode(), "sha256").hex()[:_ABOUT_CHARS]


def _with_stored(
    conn: Connection,
    facts: Facts,
    outgoing: Outgoing,
    chosen: StoredParcel,
    seen: Sequence[Inspected],
    key: JudgedKey | None,
    *,
    asks_history: bool,
) -> Facts:
    """With what the store knows, read at one time."""
    row = outgoing.row
    names = [document.name for document in messages.documents(conn, row.id)]
    history = sent_before.history_of(conn, row, chosen.adapter, chosen.recipient) if asks_history else facts.history
    return replace(
        facts,
        documents=stated.document_facts(outgoing.melding, names, seen),
        history=history,
        key=None if key is None else KeyFacts(key.kept, sent_before.key_before(conn, row, chosen.adapter)),
        approvals=_approvals(conn, row.id),
    )


def _approvals(conn: Connection, message_id: str) -> Mapping[str, frozenset[str]]:
    """Who released what. Who let it be printed did so for nothing once another road was chosen (R15)."""
    found = approvals.of(conn, message_id)
    road = Road.parse(approvals.chosen_road(conn, message_id) or "")
    if road is None or road.on_paper:
        return found
    return {code: persons for code, persons in found.items() if code not in PAPER_CODES}


async def _residents(env: Environment, melding: Melding) -> stated.Residents:
    return {number: await registers.resident(env, melding.tenant, number) for number in stated.numbers_to_ask(melding)}


async def _contact(env: Environment, melding: Melding) -> Contact | None:
    """What KRR says, but for the address: no rule asks for it."""
    to = melding.mottaker
    found = await registers.contact(env, melding.tenant, to.fodselsnummer) if isinstance(to, Person) else None
    return None if found is None else replace(found, email=None)


async def _road_facts(env: Environment, melding: Melding, road: Road) -> RoadFacts:
    """The road, and what shows outside of a letter that takes it."""
    if not road.letter:
        return RoadFacts(road.adapter)
    opened = env.roads.find(road.adapter)
    words = env.brev.ord_som_roper
    return RoadFacts(
        road.adapter,
        letter=True,
        on_paper=road.on_paper,
        neutral_sender=await _neutral_sender(env, melding) if road.on_paper else None,
        neutral_notice=None if opened is None else all(window.neutral(text, words) for text in opened.notices),
        registered=melding.brev is not None and melding.brev.rekommandert,
    )


async def _neutral_sender(env: Environment, melding: Melding) -> bool | None:
    """What shows in the envelope's window, as it would be printed; None without an address to print."""
    to = melding.mottaker
    if not isinstance(to, Person) or to.postadresse is None:
        return None
    place = f"{to.postadresse.postnummer or ''} {to.postadresse.poststed or ''}".strip()
    lines = (to.navn, *to.postadresse.adresselinjer, *((place,) if place else ()))
    own = env.offices.of(melding.tenant)
    shown_names = {melding.avsender.navn, own.bydelsnavn} - {env.brev.avsender_navn}
    return await in_turn(window.neutral_sender, env.pdfs, lines, env.brev, tuple(sorted(shown_names)))


def _approved_unit(env: Environment, melding: Melding, road: Road, day: date) -> bool | None:
    """Whether the list has the unit that this road leads to, as a whole or under this very account; None for a person."""
    to = melding.mottaker
    if not isinstance(to, Aktor):
        return None
    names = (to.orgnr, f"{to.orgnr}/{road.recipient(to.addresses())}")
    return any(name in env.mottakere and env.mottakere[name].godkjent <= day for name in names)


def _approved_in_case(env: Environment, melding: Melding) -> frozenset[str]:
    if not env.brev.godkjenning_fra_fagsystem:
        return frozenset()
    return frozenset(one.person for one in melding.godkjenninger)


async def _feedback(env: Environment, outgoing: Outgoing, kind: MessageType) -> Feedback | None:
    """What a reporter is told, from the document that follows the type's schema; None where it says nothing that we know."""
    name = kind.schema_document
    if kind.audience is not Audience.REPORTER or name is None:
        return None
    purpose = f"document:{name}"
    stored = await env.store.read(lambda conn: payloads.find(conn, outgoing.row.id, purpose))
    if stored is None:
        return None
    raw = await asyncio.to_thread(lambda: b"".join(env.vault.pieces(outgoing.key, purpose, stored)))
    document = read_json(raw).document
    told = document.get("innhold") if isinstance(document, dict) else None
    return Feedback(told) if isinstance(told, str) and told in set(Feedback) else None
