"""Facts near passing: the kit's, with up to four of them changed, and some stops released."""

from dataclasses import replace
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from hypothesis import strategies as st

from gateway.domain.actors import reader_of
from gateway.domain.guards import PERSONS, Facts
from gateway.domain.guards.facts import Content, Family, Feedback, KeyFacts, ReporterFacts, Secrecy
from gateway.domain.guards.recipients import approval_of_key
from gateway.domain.message_type import Audience
from gateway.domain.persons import Grading, Standing
from tests.unit.guards.kit import (
    FIKS,
    MAILBOX,
    NOW,
    PAPER,
    TODAY,
    contact,
    in_service,
    recipient,
    resident,
    to_mother,
    to_reporter,
    to_school,
)

EVERYBODY = MappingProxyType(dict.fromkeys([*PERSONS, approval_of_key("b")], frozenset({"kari", "ola"})))
"""Everything that persons may release, released."""

_SAID = [None, True, False]
_COUNT = [0, 1]
_RESIDENTS = [
    None,
    *(resident(grading=grading) for grading in Grading),
    *(resident(standing=standing) for standing in Standing),
    resident(asked_at=NOW - timedelta(days=2)),
]
_CODES = ["A01", "A02", "A05", "A09", "A13", "A14", "A16", "A18", "A25", "A27", "A31", "A99", "S02"]

CHANGES: dict[str, list[Any]] = {
    "audience": list(Audience),
    "secrecy": list(Secrecy),
    "discloses": [True, False],
    "given": [()],
    "purpose_given": [True, False],
    "necessity_given": [True, False],
    "case_number_given": [True, False],
    "confidential_digitally": [True, False],
    "breach_report_given": [True, False],
    "relation": [None, "Slettet", "Trukket"],
    "family": [None, *Family],
    "feedback": [None, *Feedback],
    "reporter": [None, *(ReporterFacts(kind, False) for kind in ("PRIVAT", "OFFENTLIG", "BARNET_SELV", "INGEN"))],
    "road": [FIKS, MAILBOX, PAPER, replace(PAPER, registered=True)],
    "road.neutral_sender": _SAID,
    "road.neutral_notice": _SAID,
    "contact": [None, contact(reserved=True), contact(mailbox=False), contact(registered=False)],
    "recipient.aktortype": _CODES,
    "recipient.person": [True, False],
    "recipient.role": [None, "MOR", "FAR", "HOVEDPERSON", "VERGE"],
    "recipient.age": [None, 14, 15, 40],
    "recipient.party_rights": _SAID,
    "recipient.authority_until": [None, TODAY, TODAY - timedelta(days=1)],
    "recipient.decided_for_child": _SAID,
    "recipient.approved_unit": _SAID,
    "recipient.resident": _RESIDENTS,
    "recipient.name_differs": [True, False],
    "parties.0.grading": [None, *Grading],
    "parties.0.hidden_from": [None, frozenset(), frozenset({"MOR"})],
    "parties.0.address_given": [True, False],
    "parties.0.is_recipient": [True, False],
    "parties.0.resident": _RESIDENTS,
    "parties.0.name_differs": [True, False],
    "documents.0.redacted": [True, False],
    "documents.0.redaction_confirmed_by": [None, "kari"],
    "documents.0.contains": [None, *(frozenset({held}) for held in Content)],
    "documents.0.released_by": [None, "kari"],
    "documents.0.screened": [True, False],
    "documents.0.foreign_numbers": _COUNT,
    "documents.0.parents_numbers": _COUNT,
    "documents.0.protected_addresses": _COUNT,
    "documents.0.reporters_names": _COUNT,
    "history.first_to_recipient": _SAID,
    "history.account_changed": _SAID,
    "history.same_to_other": _SAID,
    "history.repeated": _SAID,
    "history.retracted": _SAID,
    "key": [KeyFacts("a", "a"), KeyFacts("b", "a")],
}
"""Facts that may be changed, and to what."""

NEEDED = sorted(path for path, values in CHANGES.items() if None in values and path != "relation")
"""Facts that a rule may need and nobody have given. A message that follows no other has no relation: that is none of them."""


def changed(facts: Any, path: str, value: Any) -> Any:
    """The facts with one of them, ``parties.0.grading``, changed. A party or document that is not there stays away."""
    name, _, rest = path.partition(".")
    if isinstance(facts, tuple):
        place = int(name)
        return tuple(changed(each, rest, value) if at == place else each for at, each in enumerate(facts))
    return replace(facts, **{name: changed(getattr(facts, name), rest, value) if rest else value})


def without(facts: Facts, path: str) -> Facts:
    """The facts, as if nobody had given that one."""
    return changed(facts, path, None)


_STARTS = [
    to_mother(),
    to_mother(road=PAPER),
    to_mother(family=Family.APART),
    to_mother(reporter=ReporterFacts("PRIVAT", False)),
    to_mother(recipient=recipient("A01", "HOVEDPERSON", age=14, decided_for_child=True)),
    to_mother(recipient=recipient("A16", "FULLMEKTIG", authority_until=TODAY)),
    to_school(),
    to_school(audience=Audience.REPORTER, feedback=Feedback.RECEIVED),
    to_reporter(),
    in_service(),
]


@st.composite
def facts_near_passing(draw: st.DrawFn) -> Facts:
    """Few changes from what passes, so that now this and now that rule alone decides."""
    facts = draw(st.sampled_from(_STARTS))
    for path in draw(st.lists(st.sampled_from(sorted(CHANGES)), max_size=4, unique=True)):
        facts = changed(facts, path, draw(st.sampled_from(CHANGES[path])))
    facts = changed(facts, "recipient.reader", reader_of(facts.recipient.aktortype))
    codes = draw(st.sets(st.sampled_from(sorted(PERSONS)))) if draw(st.booleans()) else set(PERSONS)
    return replace(facts, approvals={code: EVERYBODY[code] for code in codes})
