"""Feedback to a reporter when it is handed in: it answers a report that is here, and says to whom as the envelope does.

What it may say is the schema's matter and, before it leaves, the rules' (R02, R03).
"""

from collections.abc import Mapping
from typing import Final

from sqlalchemy import Connection

from gateway.domain.message_type import Audience, MessageType
from gateway.errors import MalformedRequestError
from gateway.pipeline.envelope import Forbindelse, Melding
from gateway.pipeline.envelope_letter import Person
from gateway.store import letters, messages

_PRIVATE_REPORTER: Final = "A13"


def require_agreement(kind: MessageType, melding: Melding, document: object) -> None:
    """Whether envelope and document name one report and one kind of reporter. Raises MalformedRequestError."""
    if kind.audience is not Audience.REPORTER or not isinstance(document, Mapping):
        return
    if melding.meldingsforbindelse is not Forbindelse.SVAR:
        detail = "melding: feedback answers a report: meldingsforbindelse is Svar, oppfolgingAvMeldingId names it"
        raise MalformedRequestError(detail)
    if document.get("gjelderMeldingId", melding.oppfolging_av_melding_id) != melding.oppfolging_av_melding_id:
        detail = "melding.oppfolgingAvMeldingId: gjelderMeldingId of the document names another report"
        raise MalformedRequestError(detail)
    if document.get("mottakerType", _type_of(melding)) != _type_of(melding):
        detail = "melding.mottaker: a person where mottakerType is PRIVAT, an organisation where it is OFFENTLIG"
        raise MalformedRequestError(detail)
    if isinstance(melding.mottaker, Person) and melding.mottaker.aktortype != _PRIVATE_REPORTER:
        detail = f"melding.mottaker.aktortype: a private reporter is {_PRIVATE_REPORTER}"
        raise MalformedRequestError(detail)


def require_known_report(conn: Connection, kind: MessageType, melding: Melding) -> None:
    """Whether the report is here, so that its clocks hear of the answer, and no organisation hears of a private person's.

    Raises MalformedRequestError ``unknown-report`` or ``private-report``. The caller may see every message of the office, so
    that the answer tells it nothing that it may not know (S75).
    """
    if kind.audience is not Audience.REPORTER:
        return
    named = melding.oppfolging_av_melding_id
    report = None if named is None else letters.report_named(conn, melding.tenant, named)
    if report is None:
        detail = "melding.oppfolgingAvMeldingId: no report here has that id; register one that came otherwise first"
        raise MalformedRequestError(detail, code="unknown-report")
    name, _, _ = str(messages.get(conn, report).type).rpartition(".")
    if name.endswith(".privat") and not isinstance(melding.mottaker, Person):
        detail = "melding.mottaker: that report came from a private person; no organisation is told what became of it"
        raise MalformedRequestError(detail, code="private-report")


def _type_of(melding: Melding) -> str:
    return "PRIVAT" if isinstance(melding.mottaker, Person) else "OFFENTLIG"
