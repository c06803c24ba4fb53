"""THE adapter interface: all that a road to a partner knows of the gateway.

An adapter is given a ``Context`` and gives back an ``Adapter``: inbound (it fetches), outbound (it sends) or facade
(partners call it over HTTP), whichever the partner has. It never sees keys, the database or configuration of others.
Expected answers of a partner are values (``Outcome``); exceptions are for what the adapter did not expect, and count
as ``Uncertain`` once the first byte has left.
"""

from gateway import limits
from gateway.domain.persons import Contact, Grading, Residence, Resident, Standing
from gateway.errors import (
    ConfigError,
    ContentError,
    DocumentError,
    ForbiddenError,
    MalformedRequestError,
    PartnerRefusedError,
    PartnerUnavailableError,
    RequestError,
    UnknownResourceError,
)
from gateway.spi.adapter import Adapter, AdapterSpec, Clock, Context, Tokens
from gateway.spi.enveloping import Envelopes
from gateway.spi.facade import (
    Answer,
    Caller,
    District,
    Facade,
    HistoryRow,
    Intake,
    Municipality,
    Part,
    PublicCertificate,
    ReceiveCertificates,
    Request,
    Route,
)
from gateway.spi.inbound import UNKNOWN_TYPE, Accepted, Address, Blobs, Delivery, Inbound, Receipt, Stage, Stream
from gateway.spi.letter import Appointment, EmailNotice, Letter, LetterDocument, PostalAddress, PrintOrder
from gateway.spi.outbound import (
    Answered,
    Awaited,
    Directory,
    Fate,
    Outbound,
    Parcel,
    PersonKeys,
    PrintPart,
    ReportDirectory,
    ReportKeys,
    ReportOffice,
    Seal,
    attempt,
)
from gateway.spi.outcome import CODE, REFERENCE, Outcome, Refused, Taken, TryLater, Uncertain
from gateway.spi.register_service import Json, RegisterService, read_object
from gateway.spi.registers import ContactRegister, PopulationRegister
from gateway.spi.signing import Believed, SignedAnswer, Signer
from gateway.spi.watch import Figures, Observation, Trouble, Watch
from gateway.spi.xml import read_xml

__all__ = [
    "CODE",
    "REFERENCE",
    "UNKNOWN_TYPE",
    "Accepted",
    "Adapter",
    "AdapterSpec",
    "Address",
    "Answer",
    "Answered",
    "Appointment",
    "Awaited",
    "Believed",
    "Blobs",
    "Caller",
    "Clock",
    "ConfigError",
    "Contact",
    "ContactRegister",
    "ContentError",
    "Context",
    "Delivery",
    "Directory",
    "District",
    "DocumentError",
    "EmailNotice",
    "Envelopes",
    "Facade",
    "Fate",
    "Figures",
    "ForbiddenError",
    "Grading",
    "HistoryRow",
    "Inbound",
    "Intake",
    "Json",
    "Letter",
    "LetterDocument",
    "MalformedRequestError",
    "Municipality",
    "Observation",
    "Outbound",
    "Outcome",
    "Parcel",
    "Part",
    "PartnerRefusedError",
    "PartnerUnavailableError",
    "PersonKeys",
    "PopulationRegister",
    "PostalAddress",
    "PrintOrder",
    "PrintPart",
    "PublicCertificate",
    "Receipt",
    "ReceiveCertificates",
    "Refused",
    "RegisterService",
    "ReportDirectory",
    "ReportKeys",
    "ReportOffice",
    "Request",
    "RequestError",
    "Residence",
    "Resident",
    "Route",
    "Seal",
    "SignedAnswer",
    "Signer",
    "Stage",
    "Standing",
    "Stream",
    "Taken",
    "Tokens",
    "Trouble",
    "TryLater",
    "Uncertain",
    "UnknownResourceError",
    "Watch",
    "attempt",
    "limits",
    "read_object",
    "read_xml",
]
