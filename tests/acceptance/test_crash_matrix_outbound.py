"""SIGKILL at every commit and call of an outgoing message's way: each leaves once and is delivered, or is taken back."""

import asyncio
import json
import uuid
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest

from gateway.crashpoints import Point, Side
from gateway.demo.cast import Cast
from tests.acceptance.harness import BOTH, Forge, call, come_to, differences, stage
from tests.conftest import ROOT

SAMPLE = json.loads((ROOT / "schemas/prove.forsendelse/v1/samples/valid-melding.json").read_bytes())
GUARDED = 'guards = ["R01"]\n'
# Work that is under way at four kills is left to a person, as poison would be. So every second point is one that no
# message passes again, and it is approached only when all earlier messages are delivered.
WAY_OUT = (
    *(Point.SEALED, Point.SUBMIT),
    *(Point.SEND, Point.CLEARED),
    *(Point.SENT, Point.WITHDRAW),
    Point.RECEIPT_IN,
)
SETTLED_FIRST = {Point.SUBMIT, Point.CLEARED, Point.WITHDRAW}
# The road says that it must not be sent to twice: what was begun and has no end is asked about.
ASKED = (Point.ASK, Point.ASKED)
KILLS = [(point, side) for point in (*WAY_OUT, *ASKED) for side in BOTH]


def loopback(cast: Cast, folder: Path, *, idempotent: bool) -> None:
    """Configure the road back to oneself. The one that must be asked gives no receipts: they would answer first."""
    partners = cast.site.folder / "partners"
    partners.mkdir()
    told = str(idempotent).lower()
    settings = f'folder = "{folder}"\nreceipts = {told}\nidempotent = {told}\n'
    (partners / "loopback.toml").write_text(settings)


async def hand_in(cast: Cast, earlier: Sequence[asyncio.Task[str]] = (), **changes: object) -> str:
    """POST /messages until it is answered, once the earlier ones are delivered; the same key each time. Gives the id."""
    await come_to(cast, await asyncio.gather(*earlier), "DELIVERED")
    envelope = SAMPLE | {"meldingId": str(uuid.uuid4())} | changes
    key = str(uuid.uuid4())
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
            pass
        await asyncio.sleep(0.05)


async def taken_back(cast: Cast, earlier: Sequence[asyncio.Task[str]]) -> str:
    """Hand in what the rules hold, and withdraw it. Gives the id."""
    one = await hand_in(cast, earlier, hjemmel=[])
    await come_to(cast, [one], "HELD")
    assert await call(cast, "POST", f"/messages/{one}/withdraw", {"reason": "mangler hjemmel"}) == (204, None)
    return one


def left_by(folder: Path) -> list[str]:
    """The keys of the parcels that left, as the partner has them."""
    return [path.name.partition("@")[0] for path in folder.iterdir()]


@pytest.mark.timeout(240)
@pytest.mark.proves("promise-1")
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_a_kill_at_every_point_of_the_way_out_sends_once_and_delivers_and_what_is_taken_back_never_leaves(
    tmp_path: Path, forks: Forge, store: str
):
    async with stage(forks, store, tmp_path, lines=GUARDED, adapters=("fiks", "loopback")) as cast:
        loopback(cast, tmp_path / "parcels", idempotent=True)
        handing: list[asyncio.Task[str]] = []
        taking_back: list[asyncio.Task[str]] = []
        for point in WAY_OUT:
            earlier = list(handing) if point in SETTLED_FIRST else ()
            if point is Point.WITHDRAW:
                taking_back.append(asyncio.create_task(taken_back(cast, earlier)))
            else:
                handing.append(asyncio.create_task(hand_in(cast, earlier)))
            for side in BOTH:
                await cast.gateway.die_at(point, side)
        cast.gateway.launch()
        await come_to(cast, sent := await asyncio.gather(*handing), "DELIVERED")
        await come_to(cast, await asyncio.gather(*taking_back), "WITHDRAWN")
        await cast.gateway.stop()
        assert await differences(cast) == []
    assert len(set(sent)) == len(WAY_OUT) - 1
    assert len(left := left_by(tmp_path / "parcels")) == len(set(left)) == len(sent)


@pytest.mark.timeout(240)
@pytest.mark.proves("promise-1")
@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
async def test_a_kill_while_a_partner_that_must_be_asked_is_asked_sends_once_and_delivers(
    tmp_path: Path, forks: Forge, store: str
):
    async with stage(forks, store, tmp_path, adapters=("fiks", "loopback")) as cast:
        loopback(cast, tmp_path / "parcels", idempotent=False)
        handing: list[asyncio.Task[str]] = []
        for point in ASKED:
            handing.append(asyncio.create_task(hand_in(cast, list(handing))))
            await cast.gateway.die_at(Point.SEND, Side.AFTER)  # so that there is something to ask about
            for side in BOTH:
                await cast.gateway.die_at(point, side)
        cast.gateway.launch()
        await come_to(cast, sent := await asyncio.gather(*handing), "DELIVERED")
        await cast.gateway.stop()
        assert await differences(cast) == []
    assert len(left := left_by(tmp_path / "parcels")) == len(set(left)) == len(sent) == len(ASKED)
