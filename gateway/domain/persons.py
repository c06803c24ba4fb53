"""What the public registers tell of a person: only what decides whether and how a letter may be sent.

No telephone number: what is not needed is not fetched into a type of ours. Addresses are kept in no store of ours.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Grading(StrEnum):
    """How an address is protected; the words are those of the envelope and of Folkeregisteret (``barnevern.md`` 9)."""

    UNGRADED = "UGRADERT"
    CONFIDENTIAL = "FORTROLIG"  # once code 7
    STRICTLY_CONFIDENTIAL = "STRENGT_FORTROLIG"  # once code 6; abroad too


class Standing(StrEnum):
    """A person's standing in Folkeregisteret, as far as a letter depends on it."""

    RESIDENT = "BOSATT"
    EMIGRATED = "UTFLYTTET"
    DEAD = "DOED"
    OTHER = "ANNEN"  # whatever else there is, and what nobody knows: a person looks


@dataclass(frozen=True, slots=True)
class Contact:
    """A person in the contact and reservation register (KRR; ``digipost.md`` 10.2), at ``asked_at``.

    ``registered``: there is an active entry. ``notifiable``: the register's own word, never computed anew.
    ``mailbox``: the person has chosen a digital mailbox. ``email``: where somebody who can be notified is.
    """

    reserved: bool
    registered: bool
    notifiable: bool
    mailbox: bool
    asked_at: datetime
    language: str | None = None
    email: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Residence:
    """Where somebody lives, to be looked for in what may not tell it. ``lines``: above postcode and place."""

    lines: tuple[str, ...] = field(repr=False)
    postnummer: str = field(default="", repr=False)
    poststed: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Resident:
    """A person in Folkeregisteret at ``asked_at``. ``name``: as it is now, to be held against the envelope's.

    ``residence``: None where it was not asked for, or nobody here can read it.
    """

    standing: Standing
    grading: Grading
    asked_at: datetime
    name: str = field(default="", repr=False)
    residence: Residence | None = field(default=None, repr=False)
