"""What a case system sends us, with strict bounds: unknown fields, wrong types and doubled parameters are refused.

Errors name the field and the rule that was broken, never what was sent.
"""

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Final, Literal, TypeVar

from aiohttp import web
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from gateway import limits
from gateway.errors import MalformedRequestError, UnsupportedMediaError
from gateway.http.body import Body
from gateway.pipeline.validate import has_few_values

_BODY_IDLE_S: Final = 30.0
_NUMBER: Final = re.compile(r"0|[1-9][0-9]{0,17}")
_TIME: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}")
_TIME_RULE: Final = "time_with_offset"
_EPOCH_YEARS: Final = range(1990, 2200)


def _rfc3339(value: object) -> datetime:
    """A time as text with offset, within sane years; numbers are no times."""
    try:
        at = datetime.fromisoformat(value) if isinstance(value, str) and _TIME.match(value) else None
    except ValueError:
        at = None
    if at is None or at.utcoffset() is None or at.year not in _EPOCH_YEARS:
        raise PydanticCustomError(_TIME_RULE, _TIME_RULE)
    return at


Time = Annotated[datetime, BeforeValidator(_rfc3339)]
DocumentName = Annotated[str, Field(min_length=1, max_length=200)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
TypeName = Annotated[str, Field(min_length=1, max_length=100)]
MessageId = Annotated[str, Field(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")]

ShownId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{7,127}$")]


class Wire(BaseModel):
    """camelCase on the wire, strict, nothing unknown."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, alias_generator=to_camel, hide_input_in_errors=True
    )


class ClaimOrder(Wire):
    """POST /messages/claim. ``types`` empty: any."""

    max: int = Field(ge=1, le=limits.CLAIM_MAX)
    lease_seconds: int = Field(ge=limits.LEASE_S_MIN, le=limits.LEASE_S_MAX)
    types: list[TypeName] = Field(default=[], max_length=limits.LIST_MAX)


class StoredDocument(Wire):
    """A document as read back from the case system's own store."""

    name: DocumentName
    sha256: Sha256


class Confirmation(Wire):
    """POST /messages/{id}/confirm."""

    reference: str = Field(min_length=1, max_length=limits.REFERENCE_CHARS_MAX)
    documents: list[StoredDocument] = Field(max_length=limits.ZIP_ENTRIES_MAX)


class BatchItem(Confirmation):
    """One of POST /messages/confirm."""

    id: MessageId


class Batch(Wire):
    """POST /messages/confirm."""

    items: list[BatchItem] = Field(min_length=1, max_length=limits.CLAIM_MAX)


class Rejection(Wire):
    """POST /messages/{id}/reject. ``reason`` is a code, evidence; ``text`` is for the person who will look."""

    reason: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    text: str = Field(default="", max_length=1000)


class CaseEvent(Wire):
    """POST /messages/{id}/events. ``outcome`` goes with a conclusion, ``acknowledged`` with a closed case, and only there."""

    type: str = Field(min_length=1, max_length=40)
    at: Time
    outcome: str | None = Field(default=None, min_length=1, max_length=40)
    reference: str | None = Field(default=None, min_length=1, max_length=200)
    acknowledged: bool = False


class Registration(Wire):
    """POST /registrations: ``registrering``, the first part. ``reason`` where it came more than 30 days ago."""

    office: str = Field(pattern=r"^[0-9]{4}-[0-9]{2}$")
    reporter: Literal["privat", "offentlig"]
    came_by: Literal["brev", "telefon", "personlig"]
    registered_by: str = Field(pattern=r"^[!-~]{1,64}$")
    came_at: Time | None = None
    reporter_known: bool = True
    reference: str | None = Field(default=None, min_length=1, max_length=limits.REFERENCE_CHARS_MAX)
    bekymringsmelding_id: ShownId | None = None
    melding_id: ShownId | None = None
    reason: str | None = Field(default=None, min_length=1, max_length=limits.REASON_CHARS_MAX)


ModelT = TypeVar("ModelT", bound=Wire)


async def read_json(request: web.Request, model: type[ModelT]) -> ModelT:
    """The request's JSON body. Raises UnsupportedMediaError, TooLargeError or MalformedRequestError."""
    if request.content_type != "application/json":
        message = "Send the body as application/json."
        raise UnsupportedMediaError(message)
    return parse(await Body(request, bytes_max=limits.REQUEST_JSON_BYTES_MAX, idle_s=_BODY_IDLE_S).read_all(), model)


def parse(octets: bytes, model: type[ModelT]) -> ModelT:
    """JSON as the model has it. Raises MalformedRequestError with the field and the rule."""
    if not has_few_values(octets):
        message = "The body has more values than any request needs."
        raise MalformedRequestError(message)
    try:
        return model.model_validate_json(octets)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False, include_context=False)
        raise MalformedRequestError(
            "; ".join(_fault(model, fault["loc"], fault["type"]) for fault in faults[:5])
        ) from None


def _fault(model: type[BaseModel], place: Sequence[str | int], rule: str) -> str:
    """Where and which rule. A name that came from outside is not repeated."""
    if rule == "extra_forbidden":
        place = (*place[:-1], "?")
    return f"{'.'.join(str(step) for step in place) or model.__name__}: {rule}"


class Query:
    """The query parameters of one request, each at most once unless it is a list."""

    def __init__(self, request: web.Request, *known: str) -> None:
        unknown = set(request.query) - set(known)
        if unknown:
            message = f"The query parameters here are: {', '.join(known) or 'none'}."
            raise MalformedRequestError(message)
        self._values = request.query

    def text(self, name: str, default: str = "", chars_max: int = 100) -> str:
        """A text of bounded length."""
        values = self._values.getall(name, [default])
        if len(values) != 1 or len(values[0]) > chars_max or not values[0].isprintable():
            raise _wrong(name)
        return values[0]

    def texts(self, name: str, count_max: int, chars_max: int = 100) -> list[str]:
        """A parameter that may be repeated."""
        values = self._values.getall(name, [])
        if len(values) > count_max or any(len(value) > chars_max or not value.isprintable() for value in values):
            raise _wrong(name)
        return list(values)

    def number(self, name: str, default: int, low: int, high: int) -> int:
        """A whole number between bounds."""
        text = self.text(name, str(default))
        if _NUMBER.fullmatch(text) is None or not low <= int(text) <= high:
            raise _wrong(name)
        return int(text)

    def time(self, name: str) -> datetime | None:
        """A time with offset (RFC 3339); a ``+`` must be sent as ``%2B``."""
        if name not in self._values:
            return None
        try:
            return _rfc3339(self.text(name))
        except PydanticCustomError:
            raise _wrong(name) from None


def _wrong(name: str) -> MalformedRequestError:
    return MalformedRequestError(f"The query parameter {name} is doubled, malformed or out of bounds.")
