"""The real gateway as a process of its own: started, asked whether it is ready, killed, and used by its command line."""

import asyncio
import json
import os
import signal
import ssl
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import aiohttp

from gateway.errors import PartnerUnavailableError
from gateway.testing.site import Site

READY_S_MAX: Final = 30.0
_POLL_S: Final = 0.02


class GatewayProcess:
    """One gateway on a site. ``log`` takes its output; ``environment`` is laid over its configuration."""

    def __init__(self, site: Site, log: Path, environment: Mapping[str, str]) -> None:
        self.site = site
        self.environment = dict(environment)
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    async def command(self, *arguments: str) -> Any:
        """Run ``budstikke ARGUMENTS --json`` on the site; returns what it printed. Raises PartnerUnavailableError."""
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "gateway", *arguments, "--config", str(self.site.configuration), "--json"),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=os.environ | self.environment,
        )
        out, err = await process.communicate()
        if process.returncode != 0:
            raise PartnerUnavailableError(err.decode().strip() or f"exit code {process.returncode}")
        return json.loads(out)

    async def start(self) -> float:
        """Start it; returns the seconds until it was ready. Raises PartnerUnavailableError when it never is."""
        started = time.monotonic()
        with self._log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "gateway", "run", "--config", str(self.site.configuration)),
                stdout=out,
                stderr=out,
                env=os.environ | self.environment | {"PYTHONUNBUFFERED": "1"},
            )
        await self.ready()
        return time.monotonic() - started

    async def ready(self) -> None:
        """Wait until it says that it is ready. Raises PartnerUnavailableError."""
        context = ssl.create_default_context(cafile=self.site.ca)
        until = time.monotonic() + READY_S_MAX
        async with aiohttp.ClientSession() as session:
            while time.monotonic() < until and self.running:
                try:
                    async with session.get(f"{self.site.operations_url}/health/ready", ssl=context) as answer:
                        if answer.ok:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(_POLL_S)
        message = "the gateway did not become ready; its log says why"
        raise PartnerUnavailableError(message)

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process is not None  # noqa: S101  asked before start: a bug of the caller
        return self._process.pid

    async def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is said."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> None:
        """SIGTERM, and wait until it has finished."""
        await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.returncode is None:
            self._process.send_signal(number)
        await self._process.wait()
