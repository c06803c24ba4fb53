"""``budstikke simulate digipost``: the server from a settings file, and a desk to switch faults and to let things happen."""

import asyncio
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from aiohttp import web
from pydantic import Field

from gateway.config import Section, resolve
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.keys import KeyFile, read_key
from gateway.crypto.trust import read_roots
from gateway.errors import ConflictError, UnknownResourceError
from gateway.simulators.digipost.faults import DigipostFault
from gateway.simulators.digipost.people import Kind, Person
from gateway.simulators.digipost.post import Letter
from gateway.simulators.digipost.server import DigipostServer
from gateway.simulators.digipost.signing import Broker
from gateway.simulators.fault_desk import FaultDesk
from gateway.simulators.fiks.answers import refusals
from gateway.simulators.programs import Tell, told_to_end
from gateway.simulators.serving import serving
from gateway.testing.pki import Pki, certificate_pem, receive_key

DIGIPOST: Final = "984661185"
_EVENTS: Final = ("SHREDDED", "PRINT_FAILED")


class BrokerOfDigipost(Section):
    """An account that may call. ``certificate``: a PEM file, what its requests are signed with. ``senders``: on whose behalf."""

    broker_id: int = Field(gt=0)
    certificate: Path
    senders: tuple[int, ...] = ()
    idporten: bool = True
    printing: bool = True


class PersonOfDigipost(Section):
    """Somebody. Who is not here is not known at all. ``public_key``: a PEM file, for letters that are sealed. ``name``: to be searched for."""

    number: str = Field(pattern=r"^\d{11}$")
    kind: Kind = Kind.USER
    public_key: Path | None = None
    key_id: str = ""
    name: str = ""


class DigipostProgram(Section):
    """``budstikke simulate digipost``. Runs until it is stopped. Letters end with it; keys in ``folder`` are kept.

    The desk at ``control_port`` lists letters, opens and posts them, and switches faults.
    """

    folder: Path = Path("digipost")
    port: int = 0
    control_port: int = 0
    brokers: tuple[BrokerOfDigipost, ...] = ()
    people: tuple[PersonOfDigipost, ...] = ()


class Desk(FaultDesk[DigipostFault]):
    """Faults, and what can be let happen."""

    def __init__(self, server: DigipostServer) -> None:
        super().__init__(server.faults)
        self._server = server

    def routes(self) -> Iterable[web.RouteDef]:
        """Every call."""
        return [
            *super().routes(),
            web.get("/styring/brev", self._letters),
            web.post("/styring/dokumenter/{document}/{act}", self._act),
        ]

    async def _letters(self, _: web.Request) -> web.Response:
        told = [_told(letter) for letter in self._server.post.letters.values()]
        return web.json_response({"brev": told, "motReglene": len(self._server.post.against_the_rules)})

    async def _act(self, request: web.Request) -> web.Response:
        """``apne``, ``postlegg``, or an event of Digipost's by its name."""
        document, act, post = request.match_info["document"], request.match_info["act"], self._server.post
        if not post.has(document):
            message = "there is no such document"
            raise UnknownResourceError(message)
        if act == "apne":
            post.open(document)
        elif act == "postlegg":
            post.postmark(document)
        elif act in _EVENTS:
            post.happen(document, act)
        else:
            message = "there is no such act"
            raise ConflictError(message)
        return web.json_response({})


async def run_digipost(program: DigipostProgram, folder: Path, tell: Tell) -> None:
    """Run until the process is told to end. Raises ConfigError."""
    stopped = told_to_end()
    own = resolve(folder, program.folder)
    server = await asyncio.to_thread(_server, program, folder, own)
    async with (
        server.serve(port=program.port) as base,
        serving(Desk(server).routes(), port=program.control_port, middlewares=[refusals]) as control,
    ):
        tell(f"api: {base}")
        tell(f"pin: {facts_of(read_roots([own / 'digipost.pem'])[0]).sha256.hex()}")
        tell(f"control: {control}/styring")
        await stopped.wait()


def _server(program: DigipostProgram, folder: Path, own: Path) -> DigipostServer:
    own.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (own / "print.pem").exists():  # the last one that is written
        Pki().organisation(DIGIPOST, "Prove Digipost").write_pem(own / "digipost.pem")
        receive_key("Prove print").write_pem(own / "print.pem")
    printer = certificate_pem(read_roots([own / "print.pem"])[0]).decode()
    server = DigipostServer(read_key(KeyFile(own / "digipost.pem")), printer)
    for one in program.brokers:
        certificate = facts_of(read_roots([resolve(folder, one.certificate)])[0])
        server.register(Broker(one.broker_id, certificate, frozenset(one.senders), one.idporten, one.printing))
    for person in program.people:
        key = resolve(folder, person.public_key).read_text("utf-8") if person.public_key is not None else None
        server.post.add(Person(person.number, person.kind, key, person.key_id, person.name))
    return server


def _told(letter: Letter) -> dict[str, Any]:
    """A letter without its content and whom it is for."""
    return {
        "messageId": letter.message.message_id,
        "kanal": letter.channel,
        "avsender": letter.sender,
        "dokumenter": [
            {"uuid": one.uuid, "bytes": len(one.content), "apnet": one.uuid in letter.opened}
            for one in letter.message.documents
        ],
    }
