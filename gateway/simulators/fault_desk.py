"""Faults that can be switched on, each so many times, and the part of a simulator's desk that switches them."""

from collections import Counter
from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any, Final, Generic, NoReturn, TypeVar

from aiohttp import web

from gateway.errors import MalformedRequestError

_TIMES_MAX: Final = 1000

FaultT = TypeVar("FaultT", bound=StrEnum)


class Faults(Generic[FaultT]):
    """Which of a simulator's faults are on, and how often still. Each counts down when it happens."""

    def __init__(self, kind: type[FaultT]) -> None:
        self.kind = kind
        self._left: Counter[FaultT] = Counter()

    def arm(self, fault: FaultT, times: int = 1) -> None:
        """Let it happen the next ``times`` times; 0 takes it away."""
        self._left[fault] = times

    def armed(self) -> Mapping[FaultT, int]:
        """What would happen, and how often still."""
        return dict(+self._left)

    def take(self, *faults: FaultT) -> FaultT | None:
        """The first of these (of all, where none is named) that happens now; one time of it is used up."""
        found = next((fault for fault in faults or tuple(self._left) if self._left[fault] > 0), None)
        if found is not None:
            self._left[found] -= 1
        return found


class FaultDesk(Generic[FaultT]):
    """Calls that show and switch faults, for a desk to build on. No authentication, so it belongs on loopback."""

    def __init__(self, faults: Faults[FaultT]) -> None:
        self._faults = faults

    def routes(self) -> Iterable[web.RouteDef]:
        """Every call."""
        return [
            web.get("/styring", self._overview),
            web.put("/styring/feil/{feil}", self._arm),
            web.delete("/styring/feil/{feil}", self._disarm),
        ]

    def figures(self) -> dict[str, Any]:
        """What the overview tells beside faults."""
        return {}

    async def _overview(self, _: web.Request) -> web.Response:
        possible = [fault.value for fault in self._faults.kind]
        return web.json_response({"feil": self._faults.armed(), "mulige": possible, **self.figures()})

    async def _arm(self, request: web.Request) -> web.Response:
        """``?antall=3``; without it once."""
        times = request.query.get("antall", "1")
        if not times.isdecimal() or not 0 < int(times) <= _TIMES_MAX:
            refuse("antall is out of bounds")
        self._faults.arm(self._fault(request), int(times))
        return await self._overview(request)

    async def _disarm(self, request: web.Request) -> web.Response:
        self._faults.arm(self._fault(request), 0)
        return await self._overview(request)

    def _fault(self, request: web.Request) -> FaultT:
        try:
            return self._faults.kind(request.match_info["feil"])
        except ValueError:
            refuse("there is no such fault")


def refuse(why: str) -> NoReturn:
    """What a desk was asked cannot be done. Raises MalformedRequestError."""
    raise MalformedRequestError(why) from None
