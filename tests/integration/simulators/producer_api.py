"""A tiny honest producer API (fiks.md 10) that keeps every request as raw octets, and misbehaves where it is told to."""

import hashlib
import json
import uuid
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from aiohttp import web
from cryptography.hazmat.primitives.serialization import Encoding

from gateway.domain.deadlines import OSLO
from gateway.simulators.serving import serving

FIKS_ORG_ID = "0b1c2d3e-0000-4000-8000-000000000001"
PASSWORD = "hemmelig"


@dataclass
class Call:
    method: str
    path: str
    headers: list[tuple[bytes, bytes]]
    body: bytes

    def header(self, name):
        (value,) = [value for key, value in self.headers if key.lower() == name.lower().encode()]
        return value.decode()


@dataclass
class ProducerApi:
    """``moods`` are used up one an upload: "503", "lose-answer" (stored, then cut), "nonsense"; else honest."""

    container: object
    print_part: object
    rows: list = field(default_factory=list)
    moods: list = field(default_factory=list)
    calls: list = field(default_factory=list)
    histories: dict = field(default_factory=dict)
    key_changes: dict = field(default_factory=dict)
    on_upload: object = None
    stored: dict = field(default_factory=dict)
    get_moods: list = field(default_factory=list)
    history_id: str | None = None

    def serve(self):
        base = "/bekymringsmelding/api/{version:v[12]}"
        office = "{kommunenummer}/{bydelsnummer}"
        routes = [
            web.get(f"{base}/kommuner/{{kommunenummer}}/bydeler", self.bydeler),
            web.get(f"{base}/mottak/fagsystem/{office}/krypteringsnokler", self.nokler),
            web.post(f"{base}/mottak/fagsystem/{{org}}/{office}/{{form:offentlig|privat}}", self.upload),
            web.get(f"{base}/mottak/fagsystem/{{org}}/bekymringsmelding/{{uuid}}/status", self.status),
        ]
        return serving(routes, body_bytes_max=64 * 2**20)

    async def bydeler(self, request):
        await self.keep(request)
        if self.get_moods:
            return web.json_response({}, status=self.get_moods.pop(0))
        return web.json_response(self.rows)

    async def nokler(self, request):
        await self.keep(request)
        answer = {
            "printOffentligNokkel": nokkel(self.print_part) | self.key_changes.get("print", {}),
            "fiksIOOffentligNokkel": nokkel(self.container) | self.key_changes.get("container", {}),
        }
        return web.json_response(answer)

    async def upload(self, request):
        if self.on_upload:
            self.on_upload()
        call = await self.keep(request)
        if call.header("IntegrasjonPassord") != PASSWORD:
            return web.json_response({"code": "unauthenticated"}, status=401)
        mood = self.moods.pop(0) if self.moods else ""
        if mood.isdecimal():
            return web.json_response({"code": "busy"}, status=int(mood), headers={"Retry-After": "0"})
        sealed = hashlib.sha256(call.body).digest()
        report = self.stored.setdefault(sealed, str(uuid.uuid4()))
        self.histories.setdefault(report, ["AKSEPTERT"])
        if mood == "lose-answer":
            request.transport.abort()
        return web.json_response({"uuid": "?" if mood == "nonsense" else report}, status=201)

    async def status(self, request):
        await self.keep(request)
        if self.get_moods:
            return web.json_response({}, status=self.get_moods.pop(0))
        report = request.match_info["uuid"]
        rows = [
            {
                "bekymringsmeldingId": self.history_id or report,
                "tidspunkt": "2026-03-02T09:24:45",
                "tilstand": tilstand,
                "beskrivelse": "",
            }
            for tilstand in self.histories[report]
        ]
        return web.json_response(rows)

    async def keep(self, request):
        body = await request.read()
        call = Call(request.method, request.path, list(request.raw_headers), body)
        self.calls.append(call)
        return call

    def uploads(self):
        return [call for call in self.calls if call.method == "POST"]


def nokkel(credential):
    certificate = credential.certificate
    return {
        "nokkel": certificate.public_bytes(Encoding.PEM).decode(),
        "validFrom": local(certificate.not_valid_before_utc),
        "validTo": local(certificate.not_valid_after_utc),
        "serial": str(certificate.serial_number),
        "subjectDN": certificate.subject.rfc4514_string(),
        "issuerDN": certificate.issuer.rfc4514_string(),
        "gyldig": True,
    }


def local(at):
    return at.astimezone(OSLO).replace(tzinfo=None).isoformat()


def days_from_now(days):
    return local(datetime.now(OSLO) + timedelta(days=days))


def rows_of(path):
    return [json.loads(line) for line in path.read_text().splitlines()]
