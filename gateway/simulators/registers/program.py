"""``budstikke simulate krr`` and ``freg``: a register from a settings file, and a desk for faults and changes."""

import asyncio
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NoReturn

from aiohttp import web
from pydantic import ValidationError

from gateway.config import Section, resolve
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.trust import read_roots
from gateway.errors import MalformedRequestError
from gateway.simulators.fiks.answers import refusals
from gateway.simulators.issuer import RegisteredClient, TokenIssuer
from gateway.simulators.programs import ClientOfIssuer, Tell
from gateway.simulators.registers.faults import RegisterFault
from gateway.simulators.registers.people import PersonOfRegisters
from gateway.simulators.registers.server import ISSUER, RegisterServer
from gateway.simulators.serving import serving

_TIMES_MAX: Final = 1000


class RegisterProgram(Section):
    """``budstikke simulate krr`` and ``budstikke simulate freg``. Runs until it is stopped, and issues tokens itself.

    The desk at ``control_port`` switches faults and changes people. One file may serve both, but for its ports.
    """

    port: int = 0
    control_port: int = 0
    clients: tuple[ClientOfIssuer, ...] = ()
    people: tuple[PersonOfRegisters, ...] = ()


class Desk:
    """The desk: no authentication, so it belongs on loopback."""

    def __init__(self, server: RegisterServer) -> None:
        self._server = server

    def routes(self) -> Iterable[web.RouteDef]:
        """Every call."""
        return [
            web.get("/styring", self._overview),
            web.put("/styring/feil/{feil}", self._arm),
            web.delete("/styring/feil/{feil}", self._disarm),
            web.post("/styring/personer", self._change),
        ]

    async def _overview(self, _: web.Request) -> web.Response:
        told = {
            "feil": dict(self._server.faults.armed()),
            "mulige": [fault.value for fault in RegisterFault],
            "personer": len(self._server.people),
            "oppslag": len(self._server.questions),
        }
        return web.json_response(told)

    async def _arm(self, request: web.Request) -> web.Response:
        """``?antall=3``; without it once."""
        times = request.query.get("antall", "1")
        if not times.isdecimal() or not 0 < int(times) <= _TIMES_MAX:
            _refuse("antall is out of bounds")
        self._server.faults.arm(_fault(request), int(times))
        return await self._overview(request)

    async def _disarm(self, request: web.Request) -> web.Response:
        self._server.faults.arm(_fault(request), 0)
        return await self._overview(request)

    async def _change(self, request: web.Request) -> web.Response:
        """A person as in the settings file: new, or as he or she is from now on (another name, a protected address)."""
        try:
            person = PersonOfRegisters.model_validate_json(await request.read())
        except ValidationError:
            _refuse("the body is no person")
        self._server.add(person.registered())
        return await self._overview(request)


async def run_register(kind: type[RegisterServer], program: RegisterProgram, folder: Path, tell: Tell) -> None:
    """Run until the process is told to end. Raises ConfigError."""
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    server = kind(TokenIssuer(ISSUER, [_client(one, folder) for one in program.clients]))
    server.add(*(person.registered() for person in program.people))
    async with (
        server.serve(port=program.port) as base,
        serving(Desk(server).routes(), port=program.control_port, middlewares=[refusals]) as control,
    ):
        tell(f"api: {base}")
        tell(f"token: {base}/token, audience {ISSUER}")
        tell(f"control: {control}/styring")
        await stopped.wait()


def _client(client: ClientOfIssuer, folder: Path) -> RegisteredClient:
    certificate = facts_of(read_roots([resolve(folder, client.certificate)])[0])
    return RegisteredClient(
        client.client_id, client.organisasjonsnummer, client.scopes, frozenset({certificate.sha256})
    )


def _fault(request: web.Request) -> RegisterFault:
    try:
        return RegisterFault(request.match_info["feil"])
    except ValueError:
        _refuse("there is no such fault")


def _refuse(why: str) -> NoReturn:
    raise MalformedRequestError(why) from None
