"""When and with what Fiks IO's broker is dialled (fiks.md 4.1 and 4.7).

The password holds an access token and dies with it, so a library that connects again with the first one is locked out
after a while: here every try asks for a token. How often is tried is bounded, since KS's broker suffers from churn.
"""

import random
from collections import deque
from collections.abc import Callable
from typing import Final

from adapters.fiks.amqp import Line, dial
from adapters.fiks.health import Health
from adapters.fiks.settings import FiksIo
from gateway.spi import ConfigError, Context, PartnerRefusedError, PartnerUnavailableError, Trouble

BACKOFF_FIRST_S: Final = 1.0
BACKOFF_MAX_S: Final = 60.0
REFUSED_S: Final = 60.0
"""Who is not let in tries again after this: the mistake is a person's to mend."""
UNREACHABLE_TRIES: Final = 3
SUBJECT: Final = "fiks-io"


class Backoff:
    """Pauses that double from 1 s to 60 s, each a random share of it (full jitter)."""

    def __init__(self, jitter: Callable[[], float]) -> None:
        self.tries = 0
        self._jitter = jitter

    def next_s(self) -> float:
        """How long to wait now."""
        longest = min(BACKOFF_MAX_S, BACKOFF_FIRST_S * 2.0 ** min(self.tries, 10))
        self.tries += 1
        return longest * self._jitter()


class Connector:
    """Opens connections, one after another. ``jitter`` gives numbers from 0 to 1."""

    def __init__(self, io: FiksIo, context: Context, health: Health, jitter: Callable[[], float] | None = None) -> None:
        self.jitter = jitter or random.random
        self._io = io
        self._context = context
        self._clock = context.clock
        self._health = health
        self._tokens = context.tokens(io.maskinporten, io.scope)
        self._dialled: deque[float] = deque(maxlen=io.connects_max)
        self._backoff = Backoff(self.jitter)
        self._opened_at = self._clock.monotonic()
        self._password = ""

    async def connect(self) -> Line:
        """One that is open, however long that takes. Troubles are told to the health as they come and go."""
        while True:
            try:
                return await self._admitted()
            except (PartnerRefusedError, ConfigError) as error:
                self._failed(Trouble.REFUSED, error)
                await self._clock.sleep(REFUSED_S)
            except PartnerUnavailableError as error:
                pause_s = self._backoff.next_s()
                if self._backoff.tries >= UNREACHABLE_TRIES:
                    self._failed(Trouble.UNREACHABLE, error)
                await self._clock.sleep(pause_s)

    async def successor(self, current: Line) -> Line:
        """The one to go on with: when the current one has ended, or while it lives, once a new password is taken.

        A new password that is not taken leaves the current one alone, and is tried again.
        """
        while not await current.ended(self._io.probe_s):
            try:
                if self._secret() != self._password:
                    return await self._admitted()
            except (PartnerRefusedError, PartnerUnavailableError, ConfigError) as error:
                self._context.log.warning("amqp.new_password_failed", code=error.code)
        if self._clock.monotonic() - self._opened_at >= BACKOFF_MAX_S:
            self._backoff = Backoff(self.jitter)  # the last one held, so this is a new trouble
        await self._clock.sleep(self._backoff.next_s())
        return await self.connect()

    async def _admitted(self) -> Line:
        """A refused token is thrown away and another one tried at once: it may have run out on the way."""
        token = await self._tokens.token()
        try:
            line = await self._dial(token)
        except PartnerRefusedError:
            self._tokens.refused(token)
            line = await self._dial(await self._tokens.token())
        self._opened_at = self._clock.monotonic()
        self._context.log.info("amqp.connected")
        self._health.tell(Trouble.REFUSED, SUBJECT, well=True)
        self._health.tell(Trouble.UNREACHABLE, SUBJECT, well=True)
        return line

    async def _dial(self, token: str) -> Line:
        io, password = self._io, self._secret()
        await self._wait_for_turn()
        line = await dial(
            io.amqp_host,
            io.amqp_port,
            io.amqp_vhost,
            user=io.integration_id,
            password=f"{password} {token}",
            tls=self._context.tls(io.tls_roots),
            heartbeat_s=io.heartbeat_s,
        )
        self._password = password
        return line

    async def _wait_for_turn(self) -> None:
        while len(self._dialled) == self._io.connects_max:
            left_s = self._dialled[0] + self._io.connects_window_s - self._clock.monotonic()
            if left_s <= 0:
                break
            await self._clock.sleep(left_s)
        self._dialled.append(self._clock.monotonic())

    def _secret(self) -> str:
        """The integration's password as it is now; white space around it is a file's, not its own."""
        return self._context.secret(self._io.integration_password).strip()

    def _failed(self, trouble: Trouble, error: PartnerRefusedError | PartnerUnavailableError | ConfigError) -> None:
        self._context.log.warning("amqp.not_connected", alarm=trouble.value, code=error.code)
        self._health.tell(trouble, SUBJECT, well=False)
