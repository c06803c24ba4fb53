"""``budstikke simulate svarut``: the server from a settings file, and a desk to switch faults and to let things happen."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import Field

from gateway.config import Section, resolve
from gateway.crypto.keys import KeyFile, read_key
from gateway.simulators.digipost.people import Kind
from gateway.simulators.fault_desk import FaultDesk
from gateway.simulators.fiks.answers import refusals
from gateway.simulators.fiks.register import Integration, Register
from gateway.simulators.issuer import TokenIssuer
from gateway.simulators.programs import ClientOfIssuer, Tell, told_to_end
from gateway.simulators.serving import serving
from gateway.simulators.svarut.faults import SvarUtFault
from gateway.simulators.svarut.post import Shipment
from gateway.simulators.svarut.server import ISSUER, SvarUtServer
from gateway.testing.pki import receive_key


class IntegrationOfSvarUt(Section):
    """Who may call, and the accounts that it may send from."""

    integrasjon_id: str
    passord: str = Field(repr=False)
    organisasjonsnummer: str = Field(pattern=r"^\d{9}$")
    kontoer: frozenset[str]


class PersonOfSvarUt(Section):
    """Somebody. Who is not here is reached by no digital channel. ``kind`` as at Digipost: a user is reached."""

    number: str = Field(pattern=r"^\d{11}$")
    kind: Kind = Kind.USER


class SvarUtProgram(Section):
    """``budstikke simulate svarut``. Runs until it is stopped, and issues tokens itself. Letters end with it.

    ``folder`` keeps its key; ``svarut.cert.pem`` there is what documents are sealed for. The desk at ``control_port``
    lists letters, gives them statuses and switches faults.
    """

    folder: Path = Path("svarut")
    port: int = 0
    control_port: int = 0
    clients: tuple[ClientOfIssuer, ...] = ()
    integrations: tuple[IntegrationOfSvarUt, ...] = ()
    people: tuple[PersonOfSvarUt, ...] = ()


class Desk(FaultDesk[SvarUtFault]):
    """Faults, and what can be let happen."""

    def __init__(self, server: SvarUtServer) -> None:
        super().__init__(server.faults)
        self._server = server

    def routes(self) -> Iterable[web.RouteDef]:
        """Every call."""
        return [
            *super().routes(),
            web.get("/styring/brev", self._letters),
            web.post("/styring/brev/{id}/{status}", self._happen),
        ]

    async def _letters(self, _: web.Request) -> web.Response:
        return web.json_response({"brev": [_told(one) for one in self._server.post.letters.values()]})

    async def _happen(self, request: web.Request) -> web.Response:
        """A status of SvarUt's by its name, e.g. ``LEST``."""
        self._server.post.happen(request.match_info["id"], request.match_info["status"])
        return web.json_response({})


async def run_svarut(program: SvarUtProgram, folder: Path, tell: Tell) -> None:
    """Run until the process is told to end. Raises ConfigError."""
    stopped = told_to_end()
    own = resolve(folder, program.folder)
    server = await asyncio.to_thread(_server, program, folder, own)
    async with (
        server.serve(port=program.port) as base,
        serving(Desk(server).routes(), port=program.control_port, middlewares=[refusals]) as control,
    ):
        tell(f"api: {base}")
        tell(f"token: {base}/token, audience {ISSUER}")
        tell(f"certificate: {own / 'svarut.cert.pem'}")
        tell(f"control: {control}/styring")
        await stopped.wait()


def _server(program: SvarUtProgram, folder: Path, own: Path) -> SvarUtServer:
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (own / "svarut.cert.pem").exists():  # the last one that is written
        credential = receive_key("Prove SvarUt")
        credential.write_pem(own / "svarut.pem")
        (own / "svarut.cert.pem").write_bytes(credential.chain_pem)
    register = Register()
    for one in program.integrations:
        kontoer = frozenset(konto.lower() for konto in one.kontoer)
        register.add_integration(Integration(one.integrasjon_id.lower(), one.passord, one.organisasjonsnummer, kontoer))
    issuer = TokenIssuer(ISSUER, [one.registered(folder) for one in program.clients])
    server = SvarUtServer(read_key(KeyFile(own / "svarut.pem")), register, issuer)
    server.post.people.update((person.number, person.kind) for person in program.people)
    return server


def _told(shipment: Shipment) -> dict[str, Any]:
    """A letter without its content and whom it is for."""
    return {
        "id": shipment.id,
        "kontoId": shipment.konto_id,
        "eksternReferanse": shipment.reference,
        "status": shipment.history[-1][0],
        "dokumenter": [{"bytes": len(one.content), "forseglet": one.sealed_bytes} for one in shipment.documents],
    }
