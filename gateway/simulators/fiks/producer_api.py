"""KS's producer API as senders call it, version 1 and 2 (fiks.md 10, decisions 4.1): what comes in goes over the portal.

Version 1 holds exactly its own fields, and times are local without an offset: the official client refuses anything else.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, NoReturn

from aiohttp import BodyPartReader, web

from gateway import limits
from gateway.crypto.certificate_facts import CertificateFacts
from gateway.crypto.cms import looks_like_envelope
from gateway.domain.deadlines import OSLO
from gateway.errors import ForbiddenError, MalformedRequestError, TooLargeError, UnknownResourceError
from gateway.simulators.fiks.access import Access
from gateway.simulators.fiks.offices import Bydel, Offices
from gateway.simulators.fiks.portal import Portal
from gateway.simulators.fiks.register import Register
from gateway.simulators.sample import Form
from gateway.testing.pki import certificate_pem

BASE: Final = "/bekymringsmelding/api/{version:v[12]}"
BYTES_MAX: Final = 5_000_000
_PARTS: Final = ("bekymringsmelding", "asice")
_CREATED: Final = 201

Json = dict[str, object]


class ProducerApi:
    """The API. ``print_part`` is whom the PDF for paper is sealed for; who sent what is kept with its uuid."""

    def __init__(
        self, access: Access, register: Register, offices: Offices, portal: Portal, print_part: CertificateFacts
    ) -> None:
        self._access = access
        self._register = register
        self._offices = offices
        self._portal = portal
        self._print_part = print_part
        self._senders: dict[str, str] = {}

    def routes(self) -> list[web.RouteDef]:
        """Every call of the API."""
        fagsystem = BASE + "/mottak/fagsystem"
        office = r"/{kommunenummer:\d{4}}/{bydelsnummer:\d{2}}"
        return [
            web.get(BASE + "/kommuner", self._kommuner),
            web.get(BASE + "/kommuner/fylker", self._fylker),
            web.get(BASE + r"/kommuner/fylker/{fylke:\d{2}}/kommuner", self._kommuner),
            web.get(BASE + r"/kommuner/{kommunenummer:\d{4}}", self._kommune),
            web.get(BASE + r"/kommuner/{kommunenummer:\d{4}}/bydeler", self._bydeler),
            web.get(BASE + r"/kommuner/{kommunenummer:\d{4}}/bydeler/{bydelsnummer:\d{2}}", self._bydel),
            web.get(fagsystem + office + "/krypteringsnokler", self._nokler),
            web.post(fagsystem + "/{fra}" + office + "/{form:offentlig|privat}", self._upload),
            web.get(fagsystem + "/{fra}/bekymringsmelding/{uuid}/status", self._status),
        ]

    async def _kommuner(self, request: web.Request) -> web.Response:
        self._access.caller(request)
        county = request.match_info.get("fylke", "")
        found = {one.kommunenummer: one.kommunenavn for one in self._offices.all()}
        rows = [{"kommunenr": number, "navn": name} for number, name in found.items() if number.startswith(county)]
        return web.json_response(rows)

    async def _fylker(self, request: web.Request) -> web.Response:
        self._access.caller(request)
        numbers = sorted({one.kommunenummer[:2] for one in self._offices.all()})
        return web.json_response([{"fylkenr": number, "navn": number} for number in numbers])

    async def _kommune(self, request: web.Request) -> web.Response:
        rows = self._rows(request)
        if not rows:
            message = "the municipality has not activated the service"
            raise UnknownResourceError(message)
        bydeler = [_bydel(row, request) for row in rows]
        return web.json_response({"kommunenr": rows[0].kommunenummer, "navn": rows[0].kommunenavn, "bydeler": bydeler})

    async def _bydeler(self, request: web.Request) -> web.Response:
        return web.json_response([_bydel(row, request) for row in self._rows(request)])

    async def _bydel(self, request: web.Request) -> web.Response:
        self._access.caller(request)
        return web.json_response(_bydel(self._office(request), request))

    async def _nokler(self, request: web.Request) -> web.Response:
        self._access.caller(request)
        account = self._register.account(self._office(request).konto_id)
        if account.certificate is None:
            message = "the office has no key"
            raise UnknownResourceError(message)
        return web.json_response(
            {
                "printOffentligNokkel": _nokkel(self._print_part, request),
                "fiksIOOffentligNokkel": _nokkel(account.certificate, request),
            }
        )

    async def _upload(self, request: web.Request) -> web.Response:
        sender = self._sender(request)
        office = self._office(request)
        parts = await _parts(request)
        version = "V1" if request.match_info["version"] == "v1" else "V2"
        if version == "V2" and office.stottet_versjon == "V1":
            message = "the office reads version 1 only"
            raise MalformedRequestError(message)
        form = Form(request.match_info["form"])
        followed = await self._portal.forward(office, form, "V1" if version == "V1" else "V2", parts["asice"])
        self._senders[followed.bekymringsmelding_id] = sender
        return web.json_response({"uuid": followed.bekymringsmelding_id}, status=_CREATED)

    async def _status(self, request: web.Request) -> web.Response:
        asked = request.match_info["uuid"].lower()
        if self._senders.get(asked) != self._sender(request):
            message = "there is no such report"
            raise UnknownResourceError(message)
        rows = [
            {
                "bekymringsmeldingId": asked,
                "tidspunkt": _local(row.tidspunkt),
                "tilstand": row.tilstand,
                "beskrivelse": row.beskrivelse,
            }
            for row in self._portal.report(asked).history
        ]
        return web.json_response(rows)

    def _sender(self, request: web.Request) -> str:
        caller, claimed = self._access.caller(request), request.match_info["fra"].lower()
        own = {self._register.account(konto_id).fiks_org_id for konto_id in caller.kontoer}
        if claimed not in own:
            message = "the organisation is not the integration's"
            raise ForbiddenError(message)
        return claimed

    def _rows(self, request: web.Request) -> list[Bydel]:
        self._access.caller(request)
        return self._offices.of(request.match_info["kommunenummer"])

    def _office(self, request: web.Request) -> Bydel:
        return self._offices.office(request.match_info["kommunenummer"], request.match_info["bydelsnummer"])


async def _parts(request: web.Request) -> dict[str, bytes]:
    if not request.content_type.startswith("multipart/"):
        _refuse("the upload is not multipart")
    parts: dict[str, bytes] = {}
    left = BYTES_MAX
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name not in _PARTS or part.name in parts:
                _refuse("a part is unknown or doubled")
            content = bytearray()
            while piece := await part.read_chunk(limits.CHUNK_BYTES):
                content += piece
                left -= len(piece)
                if left < 0:
                    message = "the upload is larger than 5 MB"
                    raise TooLargeError(message)
            parts[part.name] = bytes(content)
    except ValueError:
        _refuse("the upload breaks off, or is not as multipart is")
    if set(parts) != set(_PARTS) or not all(looks_like_envelope(part[:32]) for part in parts.values()):
        _refuse("a part is missing, or is not sealed")
    return parts


def _bydel(office: Bydel, request: web.Request) -> Json:
    row: Json = {
        "bydelsnummer": office.bydelsnummer,
        "bydelsnavn": office.bydelsnavn,
        "standardMottaker": office.standard_mottaker,
    }
    return row | _v2(request, lambda: {"stottetVersjon": office.stottet_versjon})


def _nokkel(certificate: CertificateFacts, request: web.Request) -> Json:
    known = certificate.certificate
    begins, ends = known.not_valid_before_utc, known.not_valid_after_utc
    row: Json = {
        "nokkel": certificate_pem(known).decode(),
        "validFrom": _local(begins),
        "validTo": _local(ends),
        "serial": str(known.serial_number),
        "subjectDN": certificate.subject,
        "issuerDN": known.issuer.rfc4514_string(),
    }
    return row | _v2(request, lambda: {"gyldig": begins <= datetime.now(UTC) <= ends})


def _v2(request: web.Request, fields: Callable[[], Json]) -> Json:
    return fields() if request.match_info["version"] == "v2" else {}


def _local(at: datetime) -> str:
    return at.astimezone(OSLO).replace(tzinfo=None).isoformat(timespec="milliseconds")


def _refuse(why: str) -> NoReturn:
    raise MalformedRequestError(why)
