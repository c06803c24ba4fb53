"""KRR and Folkeregisteret keep every promise of a register of people."""

from aiohttp import web

from adapters.freg import ADAPTER as FREG
from adapters.freg.settings import FregSettings
from adapters.krr import ADAPTER as KRR
from adapters.krr.settings import KrrSettings
from gateway.testing.partner import MARKER, FakePartner
from gateway.testing.register_contract import PERSON, RegisterContract


class FakeKrr(FakePartner):
    def routes(self):
        return [web.post("/rest/v1/personer", self.look_up)]

    async def look_up(self, request: web.Request) -> web.Response:
        assert len((await request.json())["personidentifikatorer"]) == 1
        row = {"personidentifikator": PERSON, "reservasjon": "NEI", "status": "AKTIV", "varslingsstatus": "KAN_VARSLES"}
        return web.json_response({"personer": [row | {"kontaktinformasjon": {"epostadresse": MARKER}}]})


class TestKrr(RegisterContract):
    spec = KRR
    partner_type = FakeKrr

    def settings(self, partner):
        return KrrSettings(api_url=partner.url)


class FakeFreg(FakePartner):
    def routes(self):
        return [web.post("/folkeregisteret/offentlig-med-hjemmel/api/v1/personer/bulkoppslag", self.look_up)]

    async def look_up(self, request: web.Request) -> web.Response:
        assert len((await request.json())["foedselsEllerDNummer"]) == 1
        person = {
            "identifikasjonsnummer": [{"erGjeldende": True, "foedselsEllerDNummer": PERSON}],
            "status": [{"erGjeldende": True, "status": "bosatt"}],
            "navn": [{"erGjeldende": True, "fornavn": MARKER, "etternavn": MARKER}],
            "adressebeskyttelse": [{"erGjeldende": True, "graderingsnivaa": "fortrolig"}],
        }
        return web.json_response({"oppslag": [{"foedselsEllerDNummer": PERSON, "folkeregisterperson": person}]})


class TestFreg(RegisterContract):
    spec = FREG
    partner_type = FakeFreg

    def settings(self, partner):
        return FregSettings(api_url=partner.url)
