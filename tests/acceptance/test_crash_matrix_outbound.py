"""SIGKILL at every commit and call of an outgoing message's way: each leaves once, and each is delivered."""

import asyncio
import json
import uuid
from pathlib import Path

import aiohttp
import pytest

from gateway.crashpoints import Point, Side
from gateway.demo.cast import Cast, assembled
from tests.acceptance.harness import ForkedGateway, differences, forge, marked, state
from tests.acceptance.kills import SECTIONS
from tests.conftest import ROOT
from tests.postgres import settings_for

SAMPLE = json.loads((ROOT / "schemas/prove.forsendelse/v1/samples/valid-melding.json").read_bytes())
BOTH = (Side.BEFORE, Side.AFTER)
WAY_OUT = [
    (point, side) for point in (Point.SUBMIT, Point.CLEARED, Point.SEALED, Point.SEND, Point.SENT) for side in BOTH
]
# The road says that it must not be sent to twice: what was begun and has no end is asked about.
ASKED = [(Point.ASK, Side.BEFORE), (Point.ASK, Side.AFTER), (Point.ASKED, Side.BEFORE), (Point.ASKED, Side.AFTER)]
RECEIPTS = [(Point.RECEIPT_IN, side) for side in BOTH]


def loopback(folder: Path, site_folder: Path, *, idempotent: bool) -> None:
    """Configure the road back to oneself. The one that must be asked gives no receipts: they would answer first."""
    partners = site_folder / "partners"
    partners.mkdir(exist_ok=True)
    told = str(idempotent).lower()
    settings = f'folder = "{folder}"\nreceipts = {told}\nidempotent = {told}\n'
    (partners / "loopback.toml").write_text(settings)


async def hand_in(cast: Cast, envelope: dict, key: str) -> str:
    """POST /messages until it is answered; the same key each time. Gives the id."""
    while True:
        form = aiohttp.FormData()
        form.add_field("melding", json.dumps(envelope), content_type="application/json")
        form.add_field("brev.pdf", b"%PDF-1.7 et brev", content_type="application/pdf", filename="brev.pdf")
        headers = {"Authorization": f"Bearer {await cast.case_tokens.token()}", "Idempotency-Key": key}
        try:
            url = f"{cast.site.case_system_url}/api/v1/messages"
            async with cast.session.post(url, data=form, headers=headers) as answer:
                if answer.status == 202:
                    return (await answer.json())["id"]
                assert answer.status >= 500, await answer.text()
        except aiohttp.ClientError:
            await asyncio.sleep(0.05)


async def delivered(cast: Cast, ids: list[str], within_s: float = 60) -> set[str]:
    """Which of them are delivered, in time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + within_s
    waiting = set(ids)
    while waiting and loop.time() < until:
        waiting = {one for one in waiting if await state(cast, one) != "DELIVERED"}
    return set(ids) - waiting


@pytest.mark.timeout(240)
@pytest.mark.proves("promise-1")
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
@pytest.mark.parametrize("idempotent", [True, False], ids=["idempotent", "must-ask"])
async def test_a_kill_at_every_point_of_the_way_out_sends_once_and_delivers(
    tmp_path: Path, store: str, idempotent: bool
):
    environment = settings_for(store, tmp_path / "store")
    parcels = tmp_path / "parcels"
    points = [*WAY_OUT, *RECEIPTS] if idempotent else ASKED
    async with (
        forge() as forks,
        assembled(tmp_path, sections=SECTIONS, adapters=("fiks", "loopback"), environment=environment) as cast,
    ):
        loopback(parcels, cast.site.folder, idempotent=idempotent)
        gateway = ForkedGateway(cast.gateway, tmp_path / "gateway.log", forks)
        handing: list[asyncio.Task[str]] = []
        for number, (point, side) in enumerate(points):
            if not idempotent:  # first die in the call, so that there is something to ask about
                await die_at(gateway, Point.SEND, Side.AFTER, tmp_path / f"sent-{number}", cast, handing)
            await die_at(gateway, point, side, tmp_path / f"mark-{number}", cast, handing)
        await gateway.launch()
        ids = await asyncio.gather(*handing)
        assert await delivered(cast, ids) == set(ids)
        await gateway.stop()
        assert await differences(cast) == []
    assert len(set(ids)) == len(handing)
    sent = [path.name.partition("@")[0] for path in parcels.iterdir()]
    assert len(sent) == len(set(sent)) == len(ids)


async def die_at(
    gateway: ForkedGateway, point: Point, side: Side, mark: Path, cast: Cast, handing: list[asyncio.Task[str]]
) -> None:
    await gateway.launch((str(mark), point, side, "1"), ready=False)
    envelope = SAMPLE | {"meldingId": str(uuid.uuid4())}
    handing.append(asyncio.create_task(hand_in(cast, envelope, str(uuid.uuid4()))))
    assert await marked(mark), f"{point} {side} was never reached"
    await gateway.kill()
