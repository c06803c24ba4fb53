"""What the rules may know of a message: facts, no text of it and nobody's name or number.

Wherever a fact may be ``None``, nobody has given it: a rule that needs it stops the message and says which one is missing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType

from gateway.domain.actors import Reader
from gateway.domain.message_type import Audience
from gateway.domain.persons import Contact, Grading, Resident


@dataclass(frozen=True, slots=True)
class LegalBasis:
    """One paragraph of one law and the days on which it applies. ``law`` is the register's code, e.g. ``BVL2021``."""

    law: str
    paragraph: str
    valid_from: date = date.min
    valid_to: date = date.max

    def covers(self, given: "GivenBasis", day: date) -> bool:
        """Whether a stated basis is this one, on a day when it applies."""
        return (given.law, given.paragraph) == (self.law, self.paragraph) and self.valid_from <= day <= self.valid_to


@dataclass(frozen=True, slots=True)
class GivenBasis:
    """The law and paragraph that the sender states."""

    law: str
    paragraph: str


class Secrecy(StrEnum):
    """The class of a message's content (``barnevern.md`` 4)."""

    SECRET = "T"  # noqa: S105  a class, no password
    SPECIAL = "S"  # health, crime, a child's own words
    GRADED = "G"  # can carry a graded address


class Feedback(StrEnum):
    """What a reporter is told (``tilbakemelding.melder``)."""

    RECEIVED = "MOTTATT"
    INVESTIGATION = "UNDERSOKELSE_APNET"
    NO_INVESTIGATION = "IKKE_UNDERSOKELSE"
    DROPPED = "HENLAGT"
    FOLLOWED_UP = "FOLGES_OPP"
    MEASURES = "TILTAK_OPPLYST"


class Content(StrEnum):
    """What a document holds, as the case system states it."""

    CHILDS_WORDS = "BARNETS_UTSAGN"
    ADDRESS = "ADRESSE"
    REPORTER = "MELDER"
    HEALTH = "HELSE"
    CRIME = "STRAFF"
    OTHERS = "TREDJEPERSON"
    NONE_OF_THESE = "INGEN"


class Family(StrEnum):
    """How the parents live, as far as what one may read of the other depends on it."""

    TOGETHER = "SAMMEN"
    APART = "ADSKILT"
    CONFLICT = "KONFLIKT"
    NOT_RELEVANT = "IKKE_AKTUELT"


@dataclass(frozen=True, slots=True)
class RecipientFacts:
    """Whom it is for. ``role``: the party's, where it is one. ``age``: whole years, where a number tells it.

    ``authority_until``: the last day of a representative's authority. ``decided_for_child``: a child under 15 gets it by
    decision. ``approved_unit``: an organisation is on the list of units that may be sent to. ``party_rights``: as the
    case system states for this case, never inferred. ``resident`` and ``name_differs``: of a person, party or not, as for
    ``PartyFacts``.
    """

    reader: Reader
    person: bool
    aktortype: str
    role: str | None = None
    age: int | None = None
    party_rights: bool | None = None
    authority_until: date | None = None
    decided_for_child: bool | None = None
    approved_unit: bool | None = None
    resident: Resident | None = None
    name_differs: bool = False


@dataclass(frozen=True, slots=True)
class PartyFacts:
    """A party of the case. ``grading``: the envelope's, or None where it is no word that we know.

    ``hidden_from``: roles that may not learn the address (decided by the nemnd); None: not stated. ``resident``: what
    Folkeregisteret says; None: it was not asked, could not be, or knows no such person. ``name_differs``: from the
    envelope's. ``has_number``: there is a number to look up. ``address_given``: documents could be searched for its address.
    """

    role: str
    grading: Grading | None
    hidden_from: frozenset[str] | None
    has_number: bool
    resident: Resident | None = None
    name_differs: bool = False
    is_recipient: bool = False
    address_given: bool = False


@dataclass(frozen=True, slots=True)
class ReporterFacts:
    """Who reported, as stated: ``PRIVAT``, ``OFFENTLIG``, ``ANONYM``, ``BARNET_SELV`` or ``INGEN``."""

    kind: str
    wants_anonymity: bool

    @property
    def protected(self) -> bool:
        """Whether no party may learn who it was (R04). A child that reported on its own home is as private as anybody."""
        return self.wants_anonymity or self.kind in {"PRIVAT", "ANONYM", "BARNET_SELV"}


@dataclass(frozen=True, slots=True)
class DocumentFacts:
    """One document. ``contains``: what it holds, None: not stated. ``screened``: its text was read and looked through.

    Counts are of findings in its text: identity numbers of nobody in the envelope, such numbers of parents, case numbers
    that are not this case's, names of municipalities that do not send, words of a protected address, and the reporter's
    name.
    """

    redacted: bool
    redaction_confirmed_by: str | None
    contains: frozenset[Content] | None
    released_by: str | None
    screened: bool
    foreign_numbers: int = 0
    parents_numbers: int = 0
    other_case_numbers: int = 0
    other_municipalities: int = 0
    protected_addresses: int = 0
    reporters_names: int = 0

    @property
    def told(self) -> frozenset[Content] | None:
        """What it holds; None where nothing was stated, and an empty list states nothing."""
        return self.contains or None

    @property
    def masked(self) -> bool:
        """Whether it was redacted and somebody looked through it afterwards."""
        return self.redacted and bool((self.redaction_confirmed_by or "").strip())


@dataclass(frozen=True, slots=True)
class HistoryFacts:
    """What went out before from this office. ``None``: nobody looked.

    ``first_to_recipient``: nothing was ever delivered to this recipient. ``account_changed``: the recipient's account
    is another than last time. ``same_to_other``: a document of this message went, or is to go, to somebody else.
    ``repeated``: the same documents went, or are to go, to this recipient within 30 days. ``retracted``: a later message
    takes this one back.
    """

    first_to_recipient: bool | None
    account_changed: bool | None
    same_to_other: bool | None
    repeated: bool | None
    retracted: bool | None


@dataclass(frozen=True, slots=True)
class KeyFacts:
    """Keys of the recipient's own, by fingerprint. None: not known.

    ``now``: what an attempt would seal for; nothing is sealed for another one. ``before``: what was sealed for by the message
    that was delivered last to the same recipient over the same adapter.
    """

    now: str | None
    before: str | None

    @property
    def changed(self) -> bool:
        """Whether it is known to be another one. A certificate that is renewed with its key changes nothing."""
        return None not in {self.now, self.before} and self.now != self.before


@dataclass(frozen=True, slots=True)
class RoadFacts:
    """The road that is about to be taken. ``letter``: it goes to a person. ``on_paper``: it is printed.

    ``neutral_sender``: what shows in the envelope's window and as return address was read, and tells nothing;
    ``neutral_notice``: so is every word of a notice. ``registered``: it is sent as a registered letter.
    """

    adapter: str
    letter: bool = False
    on_paper: bool = False
    neutral_sender: bool | None = None
    neutral_notice: bool | None = None
    registered: bool = False


@dataclass(frozen=True, slots=True)
class Facts:
    """All that the rules are asked about, for one attempt on one road.

    ``contact``: what KRR says of the person who gets it; None: it was not asked or could not be. ``approvals``: persons by
    the code of the stop that each has released. ``about``: keyed digests of what stops of
    these codes are about (``causes``). ``approved_in_case``: persons who approved it in the case system, where the
    installation counts them. ``confidential_digitally``: the office lets letters go to a mailbox, never on paper, for
    somebody whose own address is ``FORTROLIG``. ``relation``: how it follows another message, ``Trukket`` or ``Slettet``.
    ``parcel``: the key of what is about to leave; the answer is good for that parcel alone. ``key``: None where nothing is
    sealed for a key of the recipient's own, or nobody looked.
    """

    now: datetime
    day: date
    discloses: bool
    purpose_given: bool
    given: tuple[GivenBasis, ...]
    bases: tuple[LegalBasis, ...]
    road: RoadFacts
    recipient: RecipientFacts
    history: HistoryFacts
    audience: Audience = Audience.BODY
    secrecy: Secrecy = Secrecy.SPECIAL
    necessity_given: bool = False
    case_number_given: bool = False
    feedback: Feedback | None = None
    family: Family | None = None
    reporter: ReporterFacts | None = None
    parties: tuple[PartyFacts, ...] = ()
    documents: tuple[DocumentFacts, ...] = ()
    contact: Contact | None = None
    relation: str | None = None
    parcel: str = ""
    key: KeyFacts | None = None
    breach_report_given: bool = False
    confidential_digitally: bool = False
    approved_in_case: frozenset[str] = frozenset()
    about: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    approvals: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def in_service(self) -> bool:
        """Whether it stays in the very office: then it reaches nobody whom the rules protect somebody from."""
        own = self.recipient.reader is Reader.OWN_SERVICE and not self.recipient.person
        return own and not self.discloses and not self.road.letter and not self.road.on_paper
