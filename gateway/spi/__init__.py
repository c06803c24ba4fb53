"""THE adapter interface: all that a road to a partner knows of the gateway.

An adapter is given a ``Context`` and gives back an ``Adapter``: inbound (it fetches), outbound (it sends) or facade
(partners call it over HTTP), whichever the partner has. It never sees keys, the database or configuration of others.
Expected answers of a partner are values (``Outcome``); exceptions are for what the adapter did not expect, and count
as ``Uncertain`` once the first byte has left.
"""

from gateway import limits
from gateway.errors import (
    ContentError,
    DocumentError,
    ForbiddenError,
    MalformedRequestError,
    RequestError,
    UnknownResourceError,
)
from gateway.spi.adapter import Adapter, AdapterSpec, Clock, Context
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
from gateway.spi.inbound import Accepted, Address, Delivery, Inbound, Receipt, Stream
from gateway.spi.outbound import Directory, Outbound, Parcel, Seal, attempt
from gateway.spi.outcome import CODE, REFERENCE, Outcome, Refused, Taken, TryLater, Uncertain

__all__ = [
    "CODE",
    "REFERENCE",
    "Accepted",
    "Adapter",
    "AdapterSpec",
    "Address",
    "Answer",
    "Caller",
    "Clock",
    "ContentError",
    "Context",
    "Delivery",
    "Directory",
    "District",
    "DocumentError",
    "Facade",
    "ForbiddenError",
    "HistoryRow",
    "Inbound",
    "Intake",
    "MalformedRequestError",
    "Municipality",
    "Outbound",
    "Outcome",
    "Parcel",
    "Part",
    "PublicCertificate",
    "Receipt",
    "ReceiveCertificates",
    "Refused",
    "Request",
    "RequestError",
    "Route",
    "Seal",
    "Stream",
    "Taken",
    "TryLater",
    "Uncertain",
    "UnknownResourceError",
    "attempt",
    "limits",
]
