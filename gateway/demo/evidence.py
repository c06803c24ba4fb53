"""The demo's last act: what the gateway says is checked by a stranger's tool, also once the content is gone for ever."""

import asyncio
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from gateway import config
from gateway.app import environment
from gateway.demo.cast import Cast
from gateway.domain.deadlines import OSLO
from gateway.evidence import verify
from gateway.pipeline import retention
from gateway.spi import Clock

_MONTH_LATER: Final = timedelta(days=31)
_TWO_PEOPLE: Final = ("demo", "demo-2")
_ALONE: Final = """
import runpy, sys
sys.modules["gateway"] = None
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
_OK: Final = "ok"


@dataclass(frozen=True, slots=True)
class _MovedClock:
    """The clock of one step, a month on: a concern report is kept that long, in the demo too."""

    clock: Clock

    def now(self) -> datetime:
        return self.clock.now() + _MONTH_LATER

    def monotonic(self) -> float:
        return self.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)


async def show_evidence(
    cast: Cast, message_id: str, folder: Path, say: Callable[[str], None], patience_s: float
) -> bool:
    """Balance, proof file, shredding, and the verdict of the small verifier. Returns whether it was ``ok``."""
    today = (await cast.gateway.command("daily-certificate", "--day", f"{datetime.now(OSLO):%Y-%m-%d}"))["lines"]
    for line in today:
        counts = ", ".join(f"{name} {count}" for name, count in line.items() if count or name == "difference")
        say(f"balance of the day: {counts}")
    proof = folder / "proof.json"
    async with asyncio.timeout(patience_s):
        while (await _make_proof(cast, message_id, proof))["verdict"] != "written":  # noqa: ASYNC110  another process
            await asyncio.sleep(0.2)
    say(f"proof of report 1 made: {proof.stat().st_size} bytes")
    await _shred(cast, message_id)
    say("a month later (the clock of this one step is moved), two people shred it: its key is gone for ever")
    verdict = await _verified(cast, message_id, folder, proof)
    say(f"the small verifier, alone with the proof and the case system's copy, says: {verdict}")
    return verdict == _OK


async def _make_proof(cast: Cast, message_id: str, proof: Path) -> dict[str, str]:
    made: dict[str, str] = await cast.gateway.command(
        "log", "proof", message_id, "--person", "demo", "--with-salt", "--out", str(proof)
    )
    return made


async def _shred(cast: Cast, message_id: str) -> None:
    async with environment(config.load(cast.site.configuration)) as env:
        moved = replace(env, clock=_MovedClock(env.clock))
        await retention.shred(moved, message_id, _TWO_PEOPLE, "2026/1")


async def _verified(cast: Cast, message_id: str, folder: Path, proof: Path) -> str:
    """In a fresh interpreter that cannot import the gateway, with the documents as the case system stored them."""
    alone = folder / "verify.py"
    shutil.copy(verify.__file__, alone)
    key = (await cast.gateway.command("log", "key"))["key"]
    stored = sorted((cast.sink_ledger.parent / "documents" / message_id).iterdir())
    contents = [f"--content={file.name}={file}" for file in stored]
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-c", _ALONE, str(alone), "proof", str(proof), "--key", key, *contents),
        stdout=asyncio.subprocess.PIPE,
        cwd=folder,
    )
    out, _ = await process.communicate()
    return out.decode().splitlines()[-1] if out else "nothing"
