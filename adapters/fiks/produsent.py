"""KS's producer API, so that senders of concern reports reach us unchanged (fiks.md 10; decisions 4).

The address in the path decides the office, the path's version and kind decide the message type; nothing in the body
does. Nothing is opened here: both parts are sealed, and only their first bytes are looked at.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from functools import partial
from typing import Final

from adapters.fiks import wire
from adapters.fiks.settings import FiksSettings
from adapters.fiks.wire import Version
from gateway.spi import (
    Address,
    Answer,
    Context,
    District,
    ForbiddenError,
    Intake,
    MalformedRequestError,
    Municipality,
    Part,
    Request,
    Route,
    Stream,
    UnknownResourceError,
)

ROAD: Final = "fiks-produsent"
RIGHT_SEND: Final = "bekymringsmelding.send"
"""The right a client needs to send reports and to follow its own."""

PRINT_PART: Final = "bekymringsmelding"
SEALED_PART: Final = "asice"
_PARTS: Final = frozenset({PRINT_PART, SEALED_PART})
_PEEK_BYTES: Final = 64


class ProdusentFacade:
    """Answers the producer API in both versions."""

    def __init__(self, settings: FiksSettings, context: Context) -> None:
        self._settings = settings
        self._context = context

    def routes(self, intake: Intake) -> Sequence[Route]:
        """The paths of both versions."""
        return [route for version in Version for route in self._version_routes(intake, version)]

    def _version_routes(self, intake: Intake, version: Version) -> list[Route]:
        catalogue = _Catalogue(self._settings, self._context, intake, version)
        mottak = _Mottak(self._context, intake, version)
        base = f"{self._settings.base_path}/{version}"
        kommune = f"{base}/kommuner/{{kommunenummer}}"
        office = "{kommunenummer}/{bydelsnummer}"
        own = f"{base}/mottak/fagsystem/{{fraFiksOrgId}}"
        return [
            Route("GET", f"{base}/kommuner", catalogue.kommuner),
            Route("GET", f"{base}/kommuner/fylker", catalogue.fylker),
            Route("GET", f"{base}/kommuner/fylker/{{fylkenummer}}/kommuner", catalogue.kommuner_of_fylke),
            Route("GET", kommune, catalogue.kommune),
            Route("GET", f"{kommune}/bydeler", catalogue.bydeler),
            Route("GET", f"{kommune}/bydeler/{{bydelsnummer}}", catalogue.bydel),
            Route("GET", f"{base}/mottak/fagsystem/{office}/krypteringsnokler", catalogue.nokler),
            *(
                Route("POST", f"{own}/{office}/{kind}", partial(mottak.receive, kind), right=RIGHT_SEND, upload=True)
                for kind in ("offentlig", "privat")
            ),
            Route("GET", f"{own}/bekymringsmelding/{{uuid}}/status", mottak.status, right=RIGHT_SEND),
        ]


class _Catalogue:
    """Who receives here, and what to seal for."""

    def __init__(self, settings: FiksSettings, context: Context, intake: Intake, version: Version) -> None:
        self._settings = settings
        self._clock = context.clock
        self._intake = intake
        self._version = version

    async def kommuner(self, _: Request) -> Answer:
        return Answer(200, [wire.kommune(municipality) for municipality in self._intake.municipalities()])

    async def fylker(self, _: Request) -> Answer:
        return Answer(200, wire.fylker(self._intake.municipalities(), self._settings.fylker))

    async def kommuner_of_fylke(self, request: Request) -> Answer:
        number = request.path["fylkenummer"]
        here = [row for row in self._intake.municipalities() if row.kommunenummer[:2] == number]
        if not here:
            raise _nobody_here()
        return Answer(200, [wire.kommune(municipality) for municipality in here])

    async def kommune(self, request: Request) -> Answer:
        municipality = self._municipality(request.path["kommunenummer"])
        districts = self._intake.districts(municipality.kommunenummer)
        return Answer(200, wire.kommune_with_districts(municipality, districts, self._version))

    async def bydeler(self, request: Request) -> Answer:
        """An empty list says that the municipality does not receive here; the official client counts on it."""
        districts = self._intake.districts(request.path["kommunenummer"])
        return Answer(200, [wire.bydel(district, self._version) for district in districts])

    async def bydel(self, request: Request) -> Answer:
        return Answer(200, wire.bydel(_district(self._intake, request.path), self._version))

    async def nokler(self, request: Request) -> Answer:
        _district(self._intake, request.path)
        certificates = self._intake.certificates(_address(request.path))
        return Answer(200, wire.nokler(certificates, self._version, self._clock.now()))

    def _municipality(self, kommunenummer: str) -> Municipality:
        for row in self._intake.municipalities():
            if row.kommunenummer == kommunenummer:
                return row
        raise _nobody_here()


class _Mottak:
    """Takes reports and tells their sender what became of them."""

    def __init__(self, context: Context, intake: Intake, version: Version) -> None:
        self._log = context.log
        self._intake = intake
        self._version = version

    async def receive(self, kind: str, request: Request) -> Answer:
        """201 with our id once the report is stored; the same sealed bytes again get the same id."""
        _own(request)
        _district(self._intake, request.path)
        delivery = ReportDelivery(request, self._intake, f"bekymringsmelding.{kind}.{self._version}")
        accepted = await self._intake.accept(delivery)
        if delivery.dropped_parts:
            self._log.info("produsent.parts_dropped", count=delivery.dropped_parts)
        return Answer(201, wire.identifier(accepted.id))

    async def status(self, request: Request) -> Answer:
        _own(request)
        return Answer(200, wire.historikk(await self._intake.history(request.path["uuid"], request.caller)))


class ReportDelivery:
    """A report as it comes in: two sealed parts in any order, each once; further parts are dropped and counted."""

    def __init__(self, request: Request, intake: Intake, message_type: str) -> None:
        self._request = request
        self._intake = intake
        self._message_type = message_type
        self.dropped_parts = 0

    @property
    def road(self) -> str:
        """KS's producer API."""
        return ROAD

    @property
    def address(self) -> Address:
        """From the path."""
        return _address(self._request.path)

    @property
    def message_type(self) -> str:
        """From the path's version and last word."""
        return self._message_type

    @property
    def sender(self) -> str:
        """The verified client's fiksOrgId."""
        return self._request.caller.fiks_org_id or ""

    @property
    def sealed_part(self) -> str:
        """The container; the print part is sealed anew for every try and says nothing about sameness."""
        return SEALED_PART

    @property
    def remote_id(self) -> str | None:
        """This API has none."""
        return None

    @property
    def headers(self) -> Mapping[str, str]:
        """Who sent it, as verified; nothing of the HTTP request is worth keeping."""
        caller = self._request.caller
        return {"client-id": caller.client_id, "organisation-number": caller.organisation_number}

    @property
    def answer_to(self) -> str | None:
        """Senders look at the status history."""
        return None

    @property
    def fault(self) -> str | None:
        """None: what cannot be understood is refused before it is stored."""
        return None

    @property
    def blob(self) -> str | None:
        """None: everything comes in the request."""
        return None

    async def parts(self) -> AsyncIterator[tuple[str, Stream]]:
        """The two parts. Raises MalformedRequestError when one is missing, doubled or no envelope."""
        seen: set[str] = set()
        async for part in self._request.parts():
            if part.name not in _PARTS:
                self.dropped_parts += 1
                continue
            if part.name in seen:
                message = f"The part {part.name} is there twice. Send each part once."
                raise MalformedRequestError(message)
            seen.add(part.name)
            yield part.name, self._enveloped(part)
        missing = sorted(_PARTS - seen)
        if missing:
            message = f"The part {missing[0]} is missing. Send both parts in one request."
            raise MalformedRequestError(message)

    async def _enveloped(self, part: Part) -> Stream:
        """The part's bytes, once the first of them look like CMS."""
        first = b""
        looked = False
        async for chunk in part.stream:
            if looked:
                yield chunk
                continue
            first += chunk
            if len(first) >= _PEEK_BYTES:
                self._look(part.name, first)
                looked = True
                yield first
        if not looked:
            self._look(part.name, first)
            yield first

    def _look(self, name: str, first: bytes) -> None:
        if not self._intake.begins_as_envelope(first[:_PEEK_BYTES]):
            message = f"The part {name} is not a CMS envelope. Seal it with the key from krypteringsnokler."
            raise MalformedRequestError(message)

    async def acknowledge(self) -> None:
        """Nothing: the 201 is given by the handler, after the intake returned."""

    async def give_back(self) -> None:
        """Nothing: the error answer says so."""


def _own(request: Request) -> None:
    """Who sends must be who the path says. Raises ForbiddenError."""
    if request.caller.fiks_org_id is None or request.path["fraFiksOrgId"].lower() != request.caller.fiks_org_id.lower():
        message = "fraFiksOrgId is not the organisation of this integration. Put your own fiksOrgId there."
        raise ForbiddenError(message)


def _address(path: Mapping[str, str]) -> Address:
    return Address(path["kommunenummer"], path["bydelsnummer"])


def _district(intake: Intake, path: Mapping[str, str]) -> District:
    for district in intake.districts(path["kommunenummer"]):
        if district.bydelsnummer == path["bydelsnummer"]:
            return district
    raise _nobody_here()


def _nobody_here() -> UnknownResourceError:
    detail = (
        "No child-welfare office under this number receives reports here. Look it up again, or deliver another way."
    )
    return UnknownResourceError(detail)
