"""``budstikke simulate krr`` and ``freg``: a register from a settings file, and a desk for faults and changes."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from gateway.config import Section
from gateway.simulators.fault_desk import FaultDesk, refuse
from gateway.simulators.fiks.answers import refusals
from gateway.simulators.issuer import TokenIssuer
from gateway.simulators.programs import ClientOfIssuer, Tell, told_to_end
from gateway.simulators.registers.faults import RegisterFault
from gateway.simulators.registers.people import PersonOfRegisters
from gateway.simulators.registers.server import ISSUER, RegisterServer
from gateway.simulators.serving import serving


class RegisterProgram(Section):
    """``budstikke simulate krr`` and ``budstikke simulate freg``. Runs until it is stopped, and issues tokens itself.

    The desk at ``control_port`` switches faults and changes people. One file may serve both, but for its ports.
    """

    port: int = 0
    control_port: int = 0
    clients: tuple[ClientOfIssuer, ...] = ()
    people: tuple[PersonOfRegisters, ...] = ()


class Desk(FaultDesk[RegisterFault]):
    """Faults, and what can be let happen."""

    def __init__(self, server: RegisterServer) -> None:
        super().__init__(server.faults)
        self._server = server

    def routes(self) -> Iterable[web.RouteDef]:
        """Every call."""
        return [
            *super().routes(),
            web.post("/styring/personer", self._change),
        ]

    def figures(self) -> dict[str, Any]:
        """How many people there are, and how often it was asked."""
        return {"personer": len(self._server.people), "oppslag": len(self._server.questions)}

    async def _change(self, request: web.Request) -> web.Response:
        """A person as in the settings file: new, or as he or she is from now on (another name, a protected address)."""
        try:
            person = PersonOfRegisters.model_validate_json(await request.read())
        except ValidationError:
            refuse("the body is no person")
        self._server.add(person.registered())
        return await self._overview(request)


async def run_register(kind: type[RegisterServer], program: RegisterProgram, folder: Path, tell: Tell) -> None:
    """Run until the process is told to end. Raises ConfigError."""
    stopped = told_to_end()
    server = kind(TokenIssuer(ISSUER, [one.registered(folder) for one in program.clients]))
    server.add(*(person.registered() for person in program.people))
    async with (
        server.serve(port=program.port) as base,
        serving(Desk(server).routes(), port=program.control_port, middlewares=[refusals]) as control,
    ):
        tell(f"api: {base}")
        tell(f"token: {base}/token, audience {ISSUER}")
        tell(f"control: {control}/styring")
        await stopped.wait()
