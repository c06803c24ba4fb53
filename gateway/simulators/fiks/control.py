"""The operator's desk: a control API on loopback to report, to switch faults, and to see what became of everything."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, NoReturn

from aiohttp import web

from gateway.errors import ConfigError, ConflictError, MalformedRequestError
from gateway.simulators.feil import Feil
from gateway.simulators.fiks.broker import Broker
from gateway.simulators.fiks.faults import Faults, FiksFault
from gateway.simulators.fiks.figures import as_csv, per_office_and_day
from gateway.simulators.fiks.front import Front
from gateway.simulators.fiks.mail import Mail
from gateway.simulators.fiks.offices import Offices
from gateway.simulators.fiks.portal import Followed, Portal
from gateway.simulators.fiks.reporter import Reporter
from gateway.simulators.sample import Form

_CREATED: Final = 201
_BATCH_MAX: Final = 1000


@dataclass(frozen=True, slots=True)
class Desk:
    """What the desk works on. ``places`` tells where everything answers; ``broker`` only if it is the platform's own."""

    places: Mapping[str, str]
    faults: Faults
    front: Front
    offices: Offices
    portal: Portal
    reporter: Reporter
    mail: Mail
    broker: Broker | None = None


class ControlApi:
    """The API. It has no authentication and belongs on loopback."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    def routes(self) -> list[web.RouteDef]:
        """Every call."""
        reports = "/styring/bekymringsmeldinger"
        return [
            web.get("/styring", self._overview),
            web.put("/styring/feil/{feil}", self._arm),
            web.delete("/styring/feil/{feil}", self._disarm),
            web.post("/styring/brudd", self._cut),
            web.post("/styring/megler/{act:kill|start|restart}", self._broker),
            web.post(reports, self._report),
            web.get(reports, self._reports),
            web.get(reports + ".csv", self._list),
            web.post(reports + "/{id}/igjen", self._again),
            web.get("/styring/tall", self._figures),
        ]

    async def _overview(self, _: web.Request) -> web.Response:
        told = {
            "steder": dict(self._desk.places),
            "feil": self._desk.faults.armed(),
            "mulige": [fault.value for fault in FiksFault],
        }
        return web.json_response(told)

    async def _arm(self, request: web.Request) -> web.Response:
        """``?antall=3``; without it until it is taken away."""
        times = request.query.get("antall")
        if times is not None and not (times.isdecimal() and int(times)):
            _refuse("antall is no number above 0")
        self._desk.faults.arm(_fault(request), int(times) if times else None)
        return web.json_response(self._desk.faults.armed())

    async def _disarm(self, request: web.Request) -> web.Response:
        self._desk.faults.disarm(_fault(request))
        return web.json_response(self._desk.faults.armed())

    async def _cut(self, _: web.Request) -> web.Response:
        return web.json_response({"brutt": self._desk.front.cut()})

    async def _broker(self, request: web.Request) -> web.Response:
        """Answers when it is done; a start takes seconds. Messages can be sent again then."""
        broker = self._desk.broker
        if broker is None:
            message = "the broker is not ours"
            raise ConflictError(message)
        act = request.match_info["act"]
        acts = {"kill": broker.kill, "start": broker.start, "restart": broker.restart}
        await asyncio.to_thread(acts[act])
        if act != "kill":
            await self._desk.mail.ready()
        return web.json_response({})

    async def _report(self, request: web.Request) -> web.Response:
        """Body: kommunenummer, bydelsnummer, and if wanted form, antall and feil."""
        try:
            asked = await request.json()
            office = self._desk.offices.office(asked["kommunenummer"], asked["bydelsnummer"])
            form, count = Form(asked.get("form", Form.OFFENTLIG)), int(asked.get("antall", 1))
            feil = Feil(asked["feil"]) if asked.get("feil") else None
        except (ValueError, KeyError, TypeError, AttributeError):
            _refuse("kommunenummer, bydelsnummer, form, antall or feil is not right")
        if not 1 <= count <= _BATCH_MAX:
            _refuse("antall is out of bounds")
        try:
            sent = [await self._desk.reporter.report(office, form, feil=feil) for _ in range(count)]
        except ConfigError as fault:
            raise MalformedRequestError(str(fault)) from None
        return web.json_response([_told(one) for one in sent], status=_CREATED)

    async def _reports(self, _: web.Request) -> web.Response:
        return web.json_response([_told(one) for one in self._desk.portal.reports()])

    async def _again(self, request: web.Request) -> web.Response:
        melding_id = await self._desk.portal.resend(request.match_info["id"])
        return web.json_response({"meldingId": melding_id}, status=_CREATED)

    async def _list(self, _: web.Request) -> web.Response:
        return web.Response(text=as_csv(self._desk.portal.reports()), content_type="text/csv")

    async def _figures(self, _: web.Request) -> web.Response:
        return web.json_response(per_office_and_day(self._desk.portal.reports()))


def _told(report: Followed) -> dict[str, Any]:
    return {
        "bekymringsmeldingId": report.bekymringsmelding_id,
        "meldingId": report.melding_ids,
        "historikk": [{"tidspunkt": row.tidspunkt.isoformat(), "tilstand": row.tilstand} for row in report.history],
        "etterpa": report.late,
        "feilmelding": report.feilmelding,
    }


def _fault(request: web.Request) -> FiksFault:
    try:
        return FiksFault(request.match_info["feil"])
    except ValueError:
        _refuse("there is no such fault")


def _refuse(why: str) -> NoReturn:
    raise MalformedRequestError(why)
