"""What an envelope states, as the rules want to know it: no text of it, nobody's name or number."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Final

from gateway.domain import identity_number
from gateway.domain.actors import reader_of
from gateway.domain.guards import addresses
from gateway.domain.guards.facts import (
    DocumentFacts,
    PartyFacts,
    RecipientFacts,
    ReporterFacts,
    Secrecy,
)
from gateway.domain.persons import Grading, Residence, Resident
from gateway.letters.inspection import Inspected
from gateway.letters.screening import Findings
from gateway.pipeline.envelope import Barn, Melding, Part, Vedlegg
from gateway.pipeline.envelope_letter import Person, Postadresse

_PARENTS: Final = frozenset({"MOR", "FAR", "MEDMOR", "MEDFAR"})
_CHILD: Final = "BARN"
_NO_ROLE: Final = "UKJENT"  # of a number that is no party's
_GRAVITY: Final = (Secrecy.SECRET, Secrecy.SPECIAL, Secrecy.GRADED)
_NUMBER_DIGITS: Final = 11
_WORDS_MIN: Final = 2
_NOT_READ: Final = Findings(screened=False)

Residents = Mapping[str, Resident | None]
"""What Folkeregisteret said, by identity number. A number that is not here was not asked about."""


def numbers_to_ask(melding: Melding) -> tuple[str, ...]:
    """Whom Folkeregisteret is asked about: every party and child with a national identity number, and the recipient."""
    found = [part.fodselsnummer for part in melding.parter] + [_number_of(child) for child in melding.barn]
    if isinstance(melding.mottaker, Person):
        found.append(melding.mottaker.fodselsnummer)
    return tuple(dict.fromkeys(number for number in found if number and len(number) == _NUMBER_DIGITS))


def recipient_facts(melding: Melding, day: date, residents: Residents, *, approved_unit: bool | None) -> RecipientFacts:
    """Whom it is for: a person with what its party in the case is stated to be, or an organisation."""
    to = melding.mottaker
    if not isinstance(to, Person):
        return RecipientFacts(
            reader_of(to.aktortype), person=False, aktortype=to.aktortype, approved_unit=approved_unit
        )
    part = _party_of(melding, to.fodselsnummer)
    resident = residents.get(to.fodselsnummer)
    return RecipientFacts(
        reader_of(to.aktortype),
        person=True,
        aktortype=to.aktortype,
        role=part.rolle if part is not None else to.rolle,
        age=identity_number.age(to.fodselsnummer, day),
        party_rights=part.partsrett if part is not None else None,
        authority_until=part.fullmakt_til if part is not None else None,
        decided_for_child=part.besluttet_for_barn if part is not None else None,
        resident=resident,
        name_differs=_differs(to.navn, resident),
    )


def party_facts(melding: Melding, residents: Residents) -> tuple[PartyFacts, ...]:
    """The parties, and every child that is none of them: of it only Folkeregisteret knows how its address is graded."""
    to = melding.mottaker
    own = to.fodselsnummer if isinstance(to, Person) else None
    roles = _roles(melding)
    parties = [_party(part, own, roles, residents) for part in melding.parter]
    return (*parties, *(_child(child, residents) for child in _missing(melding)))


def hidden_addresses(melding: Melding, day: date, residents: Residents) -> tuple[Residence, ...]:
    """Where those are of whom the recipient may not learn it: as stated, and as Folkeregisteret has it."""
    to = recipient_facts(melding, day, residents, approved_unit=None)
    everybody: list[Part | Barn] = [*melding.parter, *_missing(melding)]
    facts = party_facts(melding, residents)
    hidden = [one for one, party in zip(everybody, facts, strict=True) if addresses.may_not_learn(to, party)]
    return tuple(place for one in hidden for place in _residences(one, residents))


def _residences(one: Part | Barn, residents: Residents) -> list[Residence]:
    found = [residence_of(one.adresse)] if isinstance(one, Part) and one.adresse is not None else []
    resident = residents.get(one.fodselsnummer or "")
    if resident is not None and resident.residence is not None:
        found.append(resident.residence)
    return found


def residence_of(stated: Postadresse) -> Residence:
    """An address as an envelope states it."""
    return Residence(tuple(stated.adresselinjer), stated.postnummer or "", stated.poststed or "")


def _roles(melding: Melding) -> dict[str, str]:
    """The role of everybody who has a number."""
    to = melding.mottaker
    found = {to.fodselsnummer: to.rolle or _NO_ROLE} if isinstance(to, Person) else {}
    return found | {part.fodselsnummer: part.rolle for part in melding.parter if part.fodselsnummer}


def _hidden_from(part: Part, roles: Mapping[str, str]) -> frozenset[str] | None:
    """Roles: whoever is told of by number is told of by role, since facts have no numbers. Hidden from one is hidden from both."""
    if part.adresse_skjult_for is None:
        return None
    told = (roles.get(one, _NO_ROLE) if one.isdigit() else one for one in part.adresse_skjult_for)
    return frozenset(told)


def _party(part: Part, recipient: str | None, roles: Mapping[str, str], residents: Residents) -> PartyFacts:
    resident = residents.get(part.fodselsnummer or "")
    return PartyFacts(
        role=part.rolle,
        grading=Grading(part.adressegradering) if part.adressegradering in set(Grading) else None,
        hidden_from=_hidden_from(part, roles),
        has_number=part.fodselsnummer is not None and len(part.fodselsnummer) == _NUMBER_DIGITS,
        resident=resident,
        name_differs=_differs(part.navn, resident),
        is_recipient=part.fodselsnummer is not None and part.fodselsnummer == recipient,
        address_given=bool(_residences(part, residents)),
    )


def _child(child: Barn, residents: Residents) -> PartyFacts:
    resident = residents.get(child.fodselsnummer or "")
    return PartyFacts(
        role=_CHILD,
        grading=resident.grading if resident is not None else None,
        hidden_from=None,
        has_number=child.fodselsnummer is not None and len(child.fodselsnummer) == _NUMBER_DIGITS,
        resident=resident,
    )


def _missing(melding: Melding) -> list[Barn]:
    """Children with a number who are none of the parties."""
    listed = {part.fodselsnummer for part in melding.parter}
    return [child for child in melding.barn if (number := _number_of(child)) is not None and number not in listed]


def _number_of(child: Barn) -> str | None:
    return child.fodselsnummer or child.dufnummer


def _party_of(melding: Melding, number: str) -> Part | None:
    """The party that has this number; nobody is found by a name."""
    return next((part for part in melding.parter if part.fodselsnummer == number), None)


def _differs(stated: str, resident: Resident | None) -> bool:
    """Whether the register's name is another one. Order, case and names left out do not count; one name alone is too little."""
    if resident is None:
        return False
    ours, theirs = (frozenset(name.casefold().replace("-", " ").split()) for name in (stated, resident.name))
    small, large = sorted((ours, theirs), key=len)
    return not (small <= large and (len(small) >= _WORDS_MIN or small == large) and small)


def reporter_facts(melding: Melding) -> ReporterFacts | None:
    """Who reported, as stated."""
    return None if melding.melder is None else ReporterFacts(melding.melder.type, melding.melder.onsker_anonymitet)


def secrecy_of(melding: Melding) -> Secrecy:
    """The gravest class of the message and its documents."""
    classes = [melding.konfidensialitet, *(document.taushetsniva for document in melding.vedlegg)]
    return max(classes, key=_GRAVITY.index)


def document_facts(melding: Melding, names: Sequence[str], seen: Sequence[Inspected]) -> tuple[DocumentFacts, ...]:
    """Every document that is stored: as the envelope states it, with what was found in its text.

    A document that the envelope does not name was written here from one that it does: what is stated of that one holds.
    """
    stated = {document.filnavn: document for document in melding.vedlegg}
    found = {one.name: one.findings for one in seen}
    return tuple(_document(stated.get(name, melding.vedlegg[0]), found.get(name, _NOT_READ)) for name in names)


def _document(document: Vedlegg, found: Findings) -> DocumentFacts:
    return DocumentFacts(
        redacted=document.sladdet,
        redaction_confirmed_by=document.sladding_bekreftet_av,
        contains=None if document.inneholder is None else frozenset(document.inneholder),
        released_by=document.frigitt_av,
        screened=found.screened,
        foreign_numbers=found.foreign_numbers,
        parents_numbers=found.parents_numbers,
        other_case_numbers=found.other_case_numbers,
        other_municipalities=found.other_municipalities,
        protected_addresses=found.protected_addresses,
        reporters_names=found.reporters_names,
    )


def parents_numbers(melding: Melding) -> frozenset[str]:
    """The identity numbers of parties that are parents."""
    return frozenset(part.fodselsnummer for part in melding.parter if part.rolle in _PARENTS and part.fodselsnummer)


def numbers(melding: Melding) -> frozenset[str]:
    """Every identity number of the envelope: they may stand in its documents."""
    found = {part.fodselsnummer for part in melding.parter} | {_number_of(child) for child in melding.barn}
    if isinstance(melding.mottaker, Person):
        found.add(melding.mottaker.fodselsnummer)
    return frozenset(number for number in found if number)


def names(melding: Melding) -> tuple[str, ...]:
    """The names of every person in the envelope."""
    found = [part.navn for part in melding.parter]
    found += [melding.mottaker.navn] if isinstance(melding.mottaker, Person) else []
    found += [melding.melder.navn] if melding.melder is not None and melding.melder.navn else []
    return tuple(dict.fromkeys(found))


def case_numbers(melding: Melding) -> frozenset[str]:
    """The case's own references, as far as the envelope tells them."""
    found = {melding.avsenders_ref, melding.mottakers_ref} | {child.kommunal_saks_id for child in melding.barn}
    return frozenset(number for number in found if number)
