"""Folkeregisteret's look-up for public bodies with a basis in law over HTTP, from Skatteetaten's public documentation.

Only parts that were asked for are answered; the numbers of a person always are.
"""

from typing import Any, Final

from aiohttp import web

from gateway.simulators.registers.faults import RegisterFault
from gateway.simulators.registers.people import Home, Registered
from gateway.simulators.registers.server import RegisterServer, answered

SCOPE: Final = "folkeregister:deling/offentligmedhjemmel"
PATH: Final = "/folkeregisteret/offentlig-med-hjemmel/api/v1/personer/bulkoppslag"
OTHER_PERSON: Final = "31129999999"
_BASIS: Final = ("status", "navn", "adressebeskyttelse", "bostedsadresse")
_SINCE: Final = "2019-06-05T09:33:23+02:00"


class FregServer(RegisterServer):
    """The register. Who is not known is left out of the answer."""

    def routes(self) -> list[web.RouteDef]:
        """The one call; the documentation writes it with a slash at the end and without."""
        return [web.post(PATH, self._look_up), web.post(PATH + "/", self._look_up)]

    async def _look_up(self, request: web.Request) -> web.StreamResponse:
        numbers, fault = await self.asked(request, "foedselsEllerDNummer"), self.faults.take()
        spoilt = await self.hit(request, fault) if fault is not None else None
        if spoilt is not None:
            return spoilt
        scopes = self.scopes(request)
        if not scopes:
            return _refused(401, "FREG-401", "Autentiseringsinformasjon mangler")
        if SCOPE not in scopes:
            return _refused(403, "FREG-403", "Virksomheten mangler autorisasjon for tjenesten")
        if numbers is None or request.content_type != "application/json":
            return _refused(400, "FREG-400", "Forespørselen kan ikke leses")
        asked = set(request.query.getall("part", []))
        parts = asked - {"person-basis"} | (set(_BASIS) if not asked or "person-basis" in asked else set())
        known = [self.people[number] for number in numbers if number in self.people]
        return answered({"oppslag": _spoil([_entry(person, parts) for person in known], fault)})


def _entry(person: Registered, parts: set[str]) -> dict[str, Any]:
    told: dict[str, Any] = {
        "identifikasjonsnummer": [
            _valid(foedselsEllerDNummer=person.number, identifikatortype="foedselsnummer", status="iBruk")
        ]
    }
    if "status" in parts:
        told["status"] = [_valid(status=person.status.value)]
    if "navn" in parts:
        told["navn"] = [_valid(fornavn=person.first_name, etternavn=person.last_name)]
    if "bostedsadresse" in parts:
        told["bostedsadresse"] = [_valid(vegadresse=_street(person.home), adressegradering="ugradert")]
    if "adressebeskyttelse" in parts and person.protection is not None:
        told["adressebeskyttelse"] = [_valid(graderingsnivaa=person.protection.value)]
    return {"foedselsEllerDNummer": person.number, "folkeregisterperson": told}


def _street(home: Home) -> dict[str, Any]:
    told = home.model_dump(exclude_none=True)
    number = {name: told.pop(name) for name in ("husnummer", "husbokstav") if name in told}
    place = {name: told.pop(name) for name in ("postnummer", "poststedsnavn") if name in told}
    parts = {"adressenummer": number, "poststed": place}
    return told | {name: part for name, part in parts.items() if part}


def _valid(**fields: Any) -> dict[str, Any]:
    return {"ajourholdstidspunkt": _SINCE, "erGjeldende": True, "kilde": "KILDE_DSF", **fields}


def _spoil(rows: list[dict[str, Any]], fault: RegisterFault | None) -> list[dict[str, Any]]:
    match fault:
        case RegisterFault.WRONG_PERSON:
            return [row | {"foedselsEllerDNummer": OTHER_PERSON} for row in rows]
        case RegisterFault.NOBODY:
            return []
        case RegisterFault.UNKNOWN_WORDS:
            return [_changed(row, adressebeskyttelse=[_valid(graderingsnivaa="hemmelig")]) for row in rows]
        case RegisterFault.INCOMPLETE:
            return [_changed(row, status=None, navn=None) for row in rows]
        case _:
            return rows


def _changed(row: dict[str, Any], **parts: Any) -> dict[str, Any]:
    told = {name: part for name, part in (row["folkeregisterperson"] | parts).items() if part is not None}
    return row | {"folkeregisterperson": told}


def _refused(status: int, code: str, text: str) -> web.Response:
    return answered({"kode": code, "melding": text}, status)
