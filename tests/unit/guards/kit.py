"""Facts that every rule lets pass, to be changed one at a time, and the rows of a decision table."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from gateway.domain.actors import Reader, reader_of
from gateway.domain.guards import GUARDS, Facts, GivenBasis, LegalBasis
from gateway.domain.guards.facts import (
    Content,
    DocumentFacts,
    Family,
    Feedback,
    HistoryFacts,
    PartyFacts,
    RecipientFacts,
    ReporterFacts,
    RoadFacts,
    Secrecy,
)
from gateway.domain.message_type import Audience
from gateway.domain.persons import Contact, Grading, Resident, Standing

NOW = datetime(2026, 3, 2, 12, tzinfo=UTC)
TODAY = date(2026, 3, 2)
STRICT, CONFIDENTIAL, UNGRADED = Grading.STRICTLY_CONFIDENTIAL, Grading.CONFIDENTIAL, Grading.UNGRADED
MAILBOX = RoadFacts("digipost", letter=True, neutral_sender=True, neutral_notice=True)
PAPER = replace(MAILBOX, on_paper=True)
FIKS = RoadFacts("fiks")
NOTHING_BEFORE = HistoryFacts(False, False, False, False, False)
PLAIN = DocumentFacts(False, None, frozenset({Content.NONE_OF_THESE}), None, screened=True)
MASKED = replace(PLAIN, redacted=True, redaction_confirmed_by="kari")


def resident(**changes) -> Resident:
    return replace(Resident(Standing.RESIDENT, UNGRADED, NOW - timedelta(hours=1)), **changes)


def contact(**changes) -> Contact:
    return replace(Contact(False, True, True, True, NOW), **changes)


def party(role: str, **changes) -> PartyFacts:
    return replace(PartyFacts(role, UNGRADED, frozenset(), True, resident()), **changes)


def recipient(aktortype: str = "A05", role: str | None = "MOR", **changes) -> RecipientFacts:
    """A person with a party's rights; the reader follows from the actor code."""
    person = RecipientFacts(reader_of(aktortype), True, aktortype, role, age=40, party_rights=True, resident=resident())
    return replace(person, **changes)


def body(aktortype: str = "A31", **changes) -> RecipientFacts:
    """An approved unit of an organisation."""
    return replace(RecipientFacts(reader_of(aktortype), False, aktortype, approved_unit=True), **changes)


def to_mother(**changes) -> Facts:
    """A decision to the mother's mailbox; everybody lives together and a public body reported."""
    facts = Facts(
        now=NOW,
        day=TODAY,
        discloses=True,
        purpose_given=True,
        given=(GivenBasis("BVL2021", "12-5"),),
        bases=(LegalBasis("BVL2021", "12-5"),),
        road=MAILBOX,
        recipient=recipient(),
        history=NOTHING_BEFORE,
        audience=Audience.PARTY,
        secrecy=Secrecy.SECRET,
        family=Family.TOGETHER,
        reporter=ReporterFacts("OFFENTLIG", False),
        parties=(party("HOVEDPERSON"), party("MOR", is_recipient=True), party("FAR")),
        documents=(PLAIN,),
        contact=contact(),
    )
    return replace(facts, **changes)


def to_school(**changes) -> Facts:
    """Information to a school, over a road between organisations."""
    facts = to_mother(
        audience=Audience.BODY, recipient=body(), road=FIKS, parties=(party("HOVEDPERSON"), party("MOR")), contact=None
    )
    return replace(facts, **changes)


def to_reporter(**changes) -> Facts:
    """The confirmation of receipt to somebody private who reported."""
    facts = to_mother(
        audience=Audience.REPORTER,
        recipient=recipient("A13", None, party_rights=None),
        parties=(party("HOVEDPERSON"),),
        feedback=Feedback.RECEIVED,
    )
    return replace(facts, **changes)


def in_service(**changes) -> Facts:
    """To the very office itself."""
    facts = to_school(recipient=body("A27", approved_unit=None), discloses=False, given=(), purpose_given=False)
    assert facts.recipient.reader is Reader.OWN_SERVICE
    return replace(facts, **changes)


def history(**changes) -> HistoryFacts:
    return replace(NOTHING_BEFORE, **changes)


def document(*contains: Content, **changes) -> DocumentFacts:
    """One whose contents are stated as these."""
    stated = {"contains": frozenset(contains)} if contains else {}
    return replace(PLAIN, **stated, **changes)


def stops(rule: str, facts: Facts) -> tuple[str, ...]:
    """Every stop of the rule, as the rows of its table name them."""
    return tuple(GUARDS[rule](facts))
