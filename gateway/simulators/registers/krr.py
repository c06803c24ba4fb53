"""KRR's look-up service over HTTP (digipost.md 10.2): what a token's scopes let one know of people."""

from typing import Any, Final

from aiohttp import web

from gateway.simulators.registers.faults import RegisterFault
from gateway.simulators.registers.people import ContactKind, Registered
from gateway.simulators.registers.server import RegisterServer, answered

CONTACT_SCOPE: Final = "krr:global/kontaktinformasjon.read"
MAIL_SCOPE: Final = "krr:global/digitalpost.read"
OTHER_PERSON: Final = "31129999999"
_UPDATED: Final = "2026-03-01T10:14:52+02"  # an offset of two digits, as the service has it
_STATUSES: Final = {ContactKind.DELETED: "SLETTET", ContactKind.NOT_REGISTERED: "IKKE_REGISTRERT"}


class KrrServer(RegisterServer):
    """The register. Who is not known is not registered."""

    def routes(self) -> list[web.RouteDef]:
        """The one call."""
        return [web.post("/rest/v1/personer", self._look_up)]

    async def _look_up(self, request: web.Request) -> web.StreamResponse:
        numbers, fault = await self.asked(request, "personidentifikatorer"), self.faults.take()
        spoilt = await self.hit(request, fault) if fault is not None else None
        if spoilt is not None:
            return spoilt
        scopes = self.scopes(request) & {CONTACT_SCOPE, MAIL_SCOPE}
        if not scopes:
            return answered({"error": "invalid_token"}, 401)
        if numbers is None:
            return answered({"error": "invalid_request"}, 400)
        rows = [self._row(number, scopes) for number in numbers]
        return answered({"personer": _spoil(rows, fault)})

    def _row(self, number: str, scopes: frozenset[str]) -> dict[str, Any]:
        person = self.people.get(number)
        kind = person.contact if person is not None else ContactKind.NOT_REGISTERED
        row: dict[str, Any] = {
            "personidentifikator": number,
            "reservasjon": "JA" if kind is ContactKind.RESERVED else "NEI",
            "status": _STATUSES.get(kind, "AKTIV"),
        }
        if kind is ContactKind.RESERVED:
            row["reservasjonstidspunkt"] = _UPDATED
        if person is None or kind in _STATUSES:
            return row
        if CONTACT_SCOPE in scopes:
            row |= _contact(person)
        if MAIL_SCOPE in scopes and kind is ContactKind.USER:
            row["digital_post"] = {
                "postkasseadresse": f"prove.person#{number[:4]}",
                "postkasseleverandoeradresse": "984661185",
            }
        return row


def _contact(person: Registered) -> dict[str, Any]:
    able = person.contact is not ContactKind.NOT_NOTIFIABLE
    return {
        "varslingsstatus": "KAN_VARSLES" if able else "KAN_IKKE_VARSLES",
        "kontaktinformasjon": {
            "epostadresse": person.email or f"{person.last_name}@example.no",
            "epostadresse_oppdatert": _UPDATED,
            "mobiltelefonnummer": "+4799999999",
            "mobiltelefonnummer_oppdatert": _UPDATED,
        },
        "spraak": "nb",
        "spraak_oppdatert": _UPDATED,
    }


def _spoil(rows: list[dict[str, Any]], fault: RegisterFault | None) -> list[dict[str, Any]]:
    match fault:
        case RegisterFault.WRONG_PERSON:
            return [row | {"personidentifikator": OTHER_PERSON} for row in rows]
        case RegisterFault.NOBODY:
            return []
        case RegisterFault.UNKNOWN_WORDS:
            return [row | {"status": "KANSKJE", "reservasjon": "VET_IKKE"} for row in rows]
        case RegisterFault.INCOMPLETE:
            return [{name: row[name] for name in ("personidentifikator", "reservasjon")} for row in rows]
        case _:
            return rows
