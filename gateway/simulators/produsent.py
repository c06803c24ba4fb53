"""KS's producer client as a program: a school's or the police's system that reports to the child-welfare service.

It follows fiks.md 10 step by step and keeps a ledger of its own, forced to disk before bytes leave and after each answer,
so that a run can be judged without asking the gateway. What is not known to have arrived is sent again, with the very
same bytes: a report too many is tolerable, a lost one is not.
"""

import asyncio
import hashlib
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Literal

import aiohttp

from gateway.crypto.keys import SigningKey
from gateway.domain.identifiers import is_uuid
from gateway.errors import PartnerRefusedError, PartnerUnavailableError, TooLargeError
from gateway.simulators.feil import SENDING_FAULTS, Bench, Feil, build
from gateway.simulators.ledger import ACCEPTED, HISTORY, LEVERT, SENDING, Ledger, write_durably
from gateway.simulators.sample import JSON_NAME, PDF_NAME, Report, Version
from gateway.simulators.seal import Receivers, read_receivers
from gateway.simulators.token_source import TokenSource
from gateway.simulators.upload import content_type, multipart, pieces

BYTES_MAX: Final = 5_000_000
"""KS's bound for the whole upload (fiks.md 10 step 6); the bound of MB is not established, so the smaller one."""

REFUSED: Final = "refused"
UNKNOWN: Final = "unknown"
_CREATED, _UNAUTHORISED, _TOO_MANY, _SERVER_ERROR = 201, 401, 429, 500


@dataclass(frozen=True, slots=True)
class Integration:
    """Where the API is, and the integration's credentials (fiks.md 3). ``base_url`` ends in ``/bekymringsmelding/api``."""

    base_url: str
    fiks_org_id: str
    integrasjon_id: str
    integrasjon_passord: str = field(repr=False)
    api: Literal["v1", "v2"] = "v2"
    tries_max: int = 10
    retry_first_s: float = 0.2
    retry_max_s: float = 10.0
    time_out_s: float = 60.0
    bytes_max: int = BYTES_MAX


@dataclass(frozen=True, slots=True)
class Receiver:
    """An office that takes reports. ``version`` is the newest report form its case system reads."""

    kommunenummer: str
    bydelsnummer: str
    bydelsnavn: str
    version: Version


@dataclass(frozen=True, slots=True)
class Answer:
    """How one report was answered. ``uuid`` stands for accepted; ``code`` is the refusal's, where it told one."""

    klient_id: str
    status: int
    uuid: str | None = None
    code: str | None = None


class Produsent:
    """The client. ``session`` is the caller's; ``ledger`` and the folder beside it are the client's own."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        integration: Integration,
        tokens: TokenSource,
        key: SigningKey,
        ledger: Ledger,
        *,
        sign_sha1: Callable[[bytes], bytes] | None = None,
    ) -> None:
        self._session = session
        self._integration = integration
        self._tokens = tokens
        self._key = key
        self._ledger = ledger
        self._sign_sha1 = sign_sha1
        self._outbox = ledger.path.with_suffix(".outbox")
        self._outbox.mkdir(parents=True, exist_ok=True)

    # --- step 1: who receives -----------------------------------------------------------------------------------

    async def receiver(self, kommunenummer: str, bydelsnummer: str | None = None) -> Receiver:
        """The office named, or the municipality's standard receiver.

        Raises PartnerRefusedError when the municipality has not activated the service or names no such office: KS's
        README falls back to the first row; a person must decide instead.
        """
        rows = await self._get(f"kommuner/{kommunenummer}/bydeler")
        for row in rows:
            if row["bydelsnummer"] == bydelsnummer or (bydelsnummer is None and row["standardMottaker"]):
                version = row.get("stottetVersjon", "V1")
                return Receiver(kommunenummer, row["bydelsnummer"], row["bydelsnavn"], version)
        message = "the municipality has no such receiver"
        raise PartnerRefusedError(message)

    # --- step 2: whose keys -------------------------------------------------------------------------------------

    async def receivers(self, office: Receiver) -> Receivers:
        """The certificates to seal for. Raises CertificateError when one is not valid now, StructureError."""
        keys = await self._get(f"mottak/fagsystem/{office.kommunenummer}/{office.bydelsnummer}/krypteringsnokler")
        return read_receivers(keys, datetime.now(UTC))

    # --- steps 3 to 6: seal and send ----------------------------------------------------------------------------

    async def send(self, report: Report, office: Receiver, feil: Feil | None = None) -> Answer:
        """Seal a report and send it until it is answered. Raises PartnerUnavailableError when nobody ever does.

        With a fault of sending: ``CUT_UPLOAD`` sends half and answers with status 0; ``SEND_TWICE`` sends the same
        bytes twice and gives the second answer; ``WRONG_PASSWORD`` tries once.
        """
        receivers = await self.receivers(office)
        bench = Bench(report, receivers, self._key, datetime.now(UTC), self._sign_sha1)
        sealed = await asyncio.to_thread(build, None if feil in SENDING_FAULTS else feil, bench)
        klient_id = str(uuid.uuid4())
        body = multipart(sealed, klient_id)
        if len(body) > self._integration.bytes_max:
            message = "the upload is larger than the API takes"
            raise TooLargeError(message)
        path = self._upload_path(report, office)
        await asyncio.to_thread(write_durably, self._outbox / klient_id, path.encode() + b"\n" + body)
        await self._note(
            SENDING,
            klientId=klient_id,
            source=report.source,
            feil=feil,
            documents={JSON_NAME: _sha256(report.json), PDF_NAME: _sha256(report.pdf)},
        )
        if feil is Feil.SEND_TWICE:
            await self._deliver(klient_id, path, body, keep=True)
        return await self._deliver(klient_id, path, body, feil)

    async def resume(self) -> list[Answer]:
        """Send again whatever an earlier process of this client left without an answer."""
        answers = []
        for waiting in sorted(self._outbox.iterdir()):
            if is_uuid(waiting.name):
                path, _, body = waiting.read_bytes().partition(b"\n")
                answers.append(await self._deliver(waiting.name, path.decode(), body))
        return answers

    def _upload_path(self, report: Report, office: Receiver) -> str:
        """The version of the path is the version of the report."""
        api = report.version.lower()
        own = self._integration.fiks_org_id
        return f"{api}/mottak/fagsystem/{own}/{office.kommunenummer}/{office.bydelsnummer}/{report.form}"

    async def _deliver(
        self, klient_id: str, path: str, body: bytes, feil: Feil | None = None, *, keep: bool = False
    ) -> Answer:
        """Try until the outcome is known; every try carries the same bytes."""
        wait_s = self._integration.retry_first_s
        for _ in range(self._integration.tries_max):
            try:
                answer, after_s = await self._post(klient_id, path, body, feil)
            except (aiohttp.ClientError, TimeoutError, ValueError, PartnerUnavailableError):
                await self._note(UNKNOWN, klientId=klient_id)
                answer, after_s = None, None
            if answer is None and feil is Feil.CUT_UPLOAD:
                return Answer(klient_id, 0)
            if answer is not None:
                await self._answered(answer)
                if not keep:
                    (self._outbox / klient_id).unlink()
                return answer
            await asyncio.sleep(after_s if after_s is not None else wait_s)
            wait_s = min(2 * wait_s, self._integration.retry_max_s)
        message = "the upload was never answered"
        raise PartnerUnavailableError(message)

    async def _post(
        self, klient_id: str, path: str, body: bytes, feil: Feil | None
    ) -> tuple[Answer | None, float | None]:
        """One try: the answer if it is final, else None and how long to wait where the other side said so."""
        headers = await self._headers(wrong_password=feil is Feil.WRONG_PASSWORD)
        headers |= {"Content-Type": content_type(klient_id), "Content-Length": str(len(body))}
        data = pieces(body, cut=feil is Feil.CUT_UPLOAD)
        url = f"{self._integration.base_url}/{path}"
        async with self._session.post(url, data=data, headers=headers, timeout=self._timeout()) as response:
            if response.status >= _SERVER_ERROR or response.status == _TOO_MANY:
                return None, _seconds(response.headers.get("Retry-After"))
            if response.status == _UNAUTHORISED and feil is not Feil.WRONG_PASSWORD:
                self._tokens.forget()  # it can have run out on the way
            body_told = await response.json()
        told = body_told if isinstance(body_told, dict) else {}
        if response.status != _CREATED:
            return Answer(klient_id, response.status, code=str(told.get("code"))), None
        if not is_uuid(str(told.get("uuid"))):
            return None, None  # accepted or not? nobody can follow a report without its id
        return Answer(klient_id, response.status, uuid=told["uuid"]), None

    async def _answered(self, answer: Answer) -> None:
        if answer.uuid is not None:
            await self._note(ACCEPTED, klientId=answer.klient_id, uuid=answer.uuid)
        else:
            await self._note(REFUSED, klientId=answer.klient_id, status=answer.status, code=answer.code)

    async def _note(self, event: str, **fields: Any) -> None:
        """A line of the ledger, on disk when this returns."""
        await asyncio.to_thread(self._ledger.append, event, **fields)

    # --- step 7: follow -----------------------------------------------------------------------------------------

    async def history(self, report_id: str) -> list[str]:
        """The statuses of a report, oldest first; kept in the ledger. Raises PartnerError."""
        rows = await self._get(f"mottak/fagsystem/{self._integration.fiks_org_id}/bekymringsmelding/{report_id}/status")
        if any(row["bekymringsmeldingId"] != report_id for row in rows):
            message = "the history holds another report's rows"
            raise PartnerRefusedError(message)
        statuses = [row["tilstand"] for row in rows]
        await self._note(HISTORY, uuid=report_id, tilstander=statuses)
        return statuses

    async def follow(self, report_id: str, *, until: str = LEVERT, within_s: float, every_s: float = 1.0) -> list[str]:
        """Ask until a status has come. Raises PartnerUnavailableError when it has not come in time."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            try:
                statuses = await self.history(report_id)
            except PartnerUnavailableError:
                statuses = []
            if until in statuses:
                return statuses
            await asyncio.sleep(every_s)
        message = f"no {until} in time"
        raise PartnerUnavailableError(message)

    # --- the wire -----------------------------------------------------------------------------------------------

    async def _headers(self, *, wrong_password: bool = False) -> dict[str, str]:
        """The three headers of every call (fiks.md 3)."""
        return {
            "Authorization": f"Bearer {await self._tokens.token()}",
            "IntegrasjonId": self._integration.integrasjon_id,
            "IntegrasjonPassord": "feil" if wrong_password else self._integration.integrasjon_passord,
        }

    async def _get(self, path: str) -> Any:
        """A JSON answer. Raises PartnerUnavailableError or PartnerRefusedError."""
        url = f"{self._integration.base_url}/{self._integration.api}/{path}"
        try:
            async with self._session.get(url, headers=await self._headers(), timeout=self._timeout()) as response:
                if response.status >= _SERVER_ERROR or response.status == _TOO_MANY:
                    message = f"the API answers {response.status}"
                    raise PartnerUnavailableError(message)
                if not response.ok:
                    message = f"the API refuses: {response.status}"
                    raise PartnerRefusedError(message)
                return await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as fault:
            message = "the API is not reached, or its answer is none"
            raise PartnerUnavailableError(message) from fault

    def _timeout(self) -> aiohttp.ClientTimeout:
        return aiohttp.ClientTimeout(total=self._integration.time_out_s)


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdecimal() else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
