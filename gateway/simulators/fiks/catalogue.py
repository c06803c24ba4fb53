"""The account catalogue: who there is, whether anybody listens, and whom to seal for (fiks.md 6)."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Final

from aiohttp import web

from gateway.crypto.certificate_facts import CertificateFacts, facts_of
from gateway.errors import MalformedRequestError, UnknownResourceError
from gateway.simulators.fiks.access import Access
from gateway.simulators.fiks.faults import Faults, FiksFault
from gateway.simulators.fiks.mail import Counts
from gateway.simulators.fiks.register import Account, Register, read_certificate
from gateway.testing.pki import certificate_pem, receive_key

KONTO: Final = "/fiks-io/katalog/api/v1/kontoer/{konto_id}"
UPLOAD: Final = "/fiks-io/konto/api/v1/kontoer/{konto_id}/offentligNokkelString"
_CREATED: Final = 201

Json = dict[str, object]


class Catalogue:
    """Answers about accounts; ``counts`` asks the broker."""

    def __init__(
        self, register: Register, access: Access, faults: Faults, counts: Callable[[str], Awaitable[Counts]]
    ) -> None:
        self._register = register
        self._access = access
        self._faults = faults
        self._counts = counts
        self._stranger: CertificateFacts | None = None

    def routes(self) -> list[web.RouteDef]:
        """The catalogue, and the upload of a public key."""
        return [
            web.get(KONTO, self._konto),
            web.get(KONTO + "/status", self._status),
            web.get(KONTO + "/offentligNokkel", self._key),
            web.put(UPLOAD, self._upload),
        ]

    async def _konto(self, request: web.Request) -> web.Response:
        self._access.caller(request)
        account = self._account(request)
        told: Json = {
            "kontoId": account.konto_id,
            "kontoNavn": account.navn,
            "fiksOrgId": account.fiks_org_id,
            "fiksOrgNavn": account.navn,
            "organisasjonsnummer": account.organisasjonsnummer,
            "kommunenummer": account.kommunenummer,
            "status": await self._standing(account),
        }
        return web.json_response(told)

    async def _status(self, request: web.Request) -> web.Response:
        self._access.caller(request)
        return web.json_response(await self._standing(self._account(request)))

    async def _key(self, request: web.Request) -> web.Response:
        certificate = self._account(request).certificate
        if certificate is None:
            message = "the account has no public key"
            raise UnknownResourceError(message)
        if self._faults.take(FiksFault.WRONG_CATALOGUE_KEY):
            self._stranger = self._stranger or facts_of(receive_key("Prove fremmed").certificate)
            certificate = self._stranger
        return web.json_response(public_key(certificate))

    async def _upload(self, request: web.Request) -> web.Response:
        account = self._account(request)
        self._access.caller_for(request, account.konto_id)
        try:
            document = await request.json()
        except ValueError:
            document = None
        pem = document.get("nokkel", document.get("pem")) if isinstance(document, dict) else None
        if not isinstance(pem, str):
            message = "the body holds no public key"
            raise MalformedRequestError(message)
        account.certificate = read_certificate(pem)
        return web.json_response(public_key(account.certificate), status=_CREATED)

    def _account(self, request: web.Request) -> Account:
        return self._register.account(request.match_info["konto_id"].lower())

    async def _standing(self, account: Account) -> Json:
        counts = await self._counts(account.konto_id)
        return {
            "gyldigAvsender": account.gyldig_avsender,
            "gyldigMottaker": account.gyldig_mottaker,
            "antallKonsumenter": counts.consumers,
            "antallUavhentedeMeldinger": counts.waiting,
            "melding": "" if account.gyldig_mottaker else "kontoen kan ikke motta",
        }


def public_key(certificate: CertificateFacts) -> Json:
    """A public key as the catalogue tells it; times carry an offset, which the official client demands."""
    known = certificate.certificate
    valid = known.not_valid_before_utc <= datetime.now(UTC) <= known.not_valid_after_utc
    return {
        "nokkel": certificate_pem(known).decode(),
        "validFrom": known.not_valid_before_utc.isoformat(),
        "validTo": known.not_valid_after_utc.isoformat(),
        "serial": str(known.serial_number),
        "subjectDN": certificate.subject,
        "issuerDN": known.issuer.rfc4514_string(),
        "valid": valid,
        "statusMessage": "" if valid else "utenfor gyldighetstiden",
    }
