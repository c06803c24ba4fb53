"""Whether messages truly reach us: an open socket proves nothing, so the platform is asked what it sees (fiks.md 4.7, 6.2).

Once a minute: how many consumers each account has and how much waits there. Once a day: whether the certificate that
others seal for can be opened here (6.5). The rest is told by whoever sees it; every trouble ends by itself.
"""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Final, Protocol

from adapters.fiks.health import Health
from adapters.fiks.settings import FiksAccount, FiksIo
from gateway.errors import CertificateError, GatewayError
from gateway.spi import Context, Figures, Observation, Trouble, UnknownResourceError

KEYS_EVERY_S: Final = 24 * 3600.0
PROBES_FAILED_MAX: Final = 3
CATALOGUE: Final = "fiks-katalog"
_HOUR_S: Final = 3600.0


class Status(Protocol):
    """What the platform says of an account."""

    @property
    def consumers(self) -> int:
        """``antallKonsumenter``."""
        ...

    @property
    def waiting(self) -> int:
        """``antallUavhentedeMeldinger``."""
        ...


class Catalogue(Protocol):
    """The platform's catalogue, as far as the watch needs it. Both raise what a partner's trouble raises."""

    async def status(self, account: str) -> Status:
        """What it sees of an account now."""
        ...

    async def published_certificate(self, account: str) -> str:
        """What others seal for, PEM, asked for anew."""
        ...


@dataclass(slots=True)
class _Growth:
    """How long what waits has been growing without getting less."""

    last: int = 0
    since: float | None = None

    def seen(self, waiting: int, now: float) -> float:
        """For how many seconds, with this figure."""
        if waiting < self.last or waiting == 0:
            self.since = None
        elif waiting > self.last and self.since is None:
            self.since = now
        self.last = waiting
        return 0.0 if self.since is None else now - self.since


class FiksWatch:
    """Looks after the road (``spi.Watch``)."""

    def __init__(self, io: FiksIo, context: Context, health: Health, catalogue: Catalogue) -> None:
        self._io = io
        self._context = context
        self._clock = context.clock
        self._health = health
        self._catalogue = catalogue
        self._began_at = self._clock.monotonic()
        self._growth = {account.id: _Growth() for account in io.accounts}
        self._keys_due_at = dict.fromkeys((account.id for account in io.accounts), self._began_at)
        self._failed = 0

    async def observations(self) -> AsyncGenerator[Observation | Figures, None]:
        """See ``spi.Watch``. What is wrong is said again with every probe, and everything to who begins to listen anew."""
        due_at = self._clock.monotonic()
        self._health.news()  # of which all is told now
        for observation in self._health.known():
            yield observation
        while True:
            if self._clock.monotonic() >= due_at:
                due_at = self._clock.monotonic() + self._io.probe_s
                for figures in await self._probe():
                    yield figures
                await self._check_keys()
                self._listen()
                for observation in self._health.wrong():
                    yield observation
            for observation in self._health.news():
                yield observation
            await self._rest(due_at - self._clock.monotonic())

    async def _probe(self) -> list[Figures]:
        found: list[Figures] = []
        for account in self._io.accounts:
            try:
                status = await self._catalogue.status(account.id)
            except GatewayError as error:
                self._context.log.warning("watch.status_unknown", subject=account.id, code=error.code)
                continue
            found.append(Figures(account.address, account.id, status.waiting, status.consumers))
            self._judge(account, status)
        self._failed = 0 if len(found) == len(self._io.accounts) else self._failed + 1
        if self._failed == 0 or self._failed >= PROBES_FAILED_MAX:
            self._health.tell(Trouble.UNREACHABLE, CATALOGUE, well=self._failed == 0)
        return found

    def _judge(self, account: FiksAccount, status: Status) -> None:
        """The platform's count follows a while after, so a subscription counts once it is as old as a probe."""
        now = self._clock.monotonic()
        subscribed_at = self._health.subscribed_at.get(account.id)
        deaf = status.consumers == 0 and subscribed_at is not None and now - subscribed_at >= self._io.probe_s
        self._health.tell(Trouble.NOT_CONSUMING, account.id, well=not deaf)
        grows_s = self._growth[account.id].seen(status.waiting, now)
        self._health.tell(Trouble.BACKLOG, account.id, well=grows_s < self._io.backlog_s)

    async def _check_keys(self) -> None:
        """What cannot be asked now is asked at the next probe."""
        for account in self._io.accounts:
            now = self._clock.monotonic()
            if now < self._keys_due_at[account.id]:
                continue
            try:
                certificate = await self._catalogue.published_certificate(account.id)
                ours = await asyncio.to_thread(self._context.opens, account.address, certificate)
            except (CertificateError, UnknownResourceError):  # none is there, or none that anybody can read
                ours = False
            except GatewayError as error:
                self._context.log.warning("watch.key_unknown", subject=account.id, code=error.code)
                continue
            self._health.tell(Trouble.KEY_DIFFERS, account.id, well=ours)
            self._keys_due_at[account.id] = now + (KEYS_EVERY_S if ours else 0)  # a wrong one is looked at again soon

    def _listen(self) -> None:
        if self._io.silence_hours is None:
            return
        for account in self._io.accounts:
            heard_at = self._health.arrived_at.get(account.id, self._began_at)
            silent = self._clock.monotonic() - heard_at > self._io.silence_hours * _HOUR_S
            self._health.tell(Trouble.SILENT, account.id, well=not silent)

    async def _rest(self, seconds: float) -> None:
        """Until the next probe is due, or something is told."""
        waits = [
            asyncio.ensure_future(self._clock.sleep(max(0.0, seconds))),
            asyncio.ensure_future(self._health.changed.wait()),
        ]
        try:
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
