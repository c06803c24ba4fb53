"""A gateway that sends letters of three kinds, whose carrier and clock do as the test says."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import select

from gateway.catalogue import Catalogue
from gateway.domain.message_type import Audience, LetterForm
from gateway.domain.routing import Road
from gateway.pipeline import case_events, sweeper
from gateway.pipeline.accept import Intake
from gateway.pipeline.case_events import CaseEvent
from gateway.pipeline.roads import Roads
from gateway.pipeline.worker import Incarnation
from gateway.spi import Adapter, Clock, Receipt, Stage
from gateway.store.messages import micros
from gateway.store.tables import clock
from tests.integration.outbound.kit import KIND, RECIPIENT, OwnDirectory, Scripted, hand_in, melding, parcels_of, read
from tests.reports import Sender
from tests.work import work_off

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
SAID = b'{"innhold": "%s"}'


@dataclass
class Moved:
    """The gateway's clock, put forward by the test."""

    clock: Clock
    ahead: timedelta = timedelta(0)

    def now(self) -> datetime:
        return self.clock.now() + self.ahead

    def monotonic(self) -> float:
        return self.clock.monotonic()

    async def sleep(self, seconds: float) -> None:
        await self.clock.sleep(seconds)


class World:
    """A gateway with letters of three kinds over one road, and reports coming in."""

    def __init__(self, env, site, client) -> None:
        known = {kind.key: kind for kind in env.types.types()}
        letter = replace(known[KIND], letter=LetterForm({"nb": "Brev"}))
        made = (
            replace(letter, name="prove.vedtak", frister=("F12", "R15")),
            replace(letter, name="prove.plan", frister=("F10D", "R15")),
            replace(letter, name="prove.svar", audience=Audience.REPORTER, schema_document="svar.json"),
        )
        types = Catalogue(known | {kind.key: kind for kind in made}, {})
        roads = Roads({kind.key: (Road("partner"),) for kind in made}, (), env.roads.bases)
        self.partner = Scripted()
        roads.open("partner", Adapter(outbound=self.partner, directory=OwnDirectory(env, site.tenant)))
        self.clock = Moved(env.clock)
        self.env = replace(env, types=types, roads=roads, clock=self.clock)
        self.site, self.client = site, client

    @property
    def now(self) -> datetime:
        return self.clock.now()

    async def letter(self, kind="vedtak", says=None, **changes) -> str:
        """Handed in and taken by the carrier."""
        name, media_type = ("svar.json", "application/json") if says else ("brev.pdf", "application/pdf")
        content = SAID % says.encode() if says else b"%PDF-1.7"
        vedlegg = [{**melding()["vedlegg"][0], "filnavn": name, "mimeType": media_type, "storrelse": len(content)}]
        envelope = melding(meldingstype=f"prove.{kind}", vedlegg=vedlegg, **changes)
        message_id = await hand_in(self.env, self.client, envelope, {name: content})
        await work_off(self.env)
        return message_id

    async def report(self, remote_id=None, number=1) -> str:
        """Come in, opened."""
        delivery = Sender(self.site, self.env).delivery(number)
        accepted = await Intake(self.env).accept(replace(delivery, remote_id=remote_id))
        await work_off(self.env)
        return accepted.id

    async def told(self, message_id, stage=Stage.DELIVERED, at=None, refused=None) -> None:
        """The carrier tells."""
        (parcel,) = await parcels_of(self.env, message_id)
        receipt = Receipt("partner", RECIPIENT, "ref-1", parcel.key, refused, stage, at)
        assert await Intake(self.env).receipt(receipt) is True

    async def swept(self) -> None:
        await sweeper.sweep(self.env, Incarnation("me"))

    async def clocks(self, message_id) -> dict:
        rows = await read(self.env, select(clock).where(clock.c.message_id == message_id))
        return {row.clock_id: row for row in rows}

    async def ticks(self, message_id) -> dict:
        found = await case_events.receipts(self.env, self.client, message_id)
        return {tick["kind"]: tick["at"] for tick in found}

    async def tell(self, message_id, kind, **more):
        told = CaseEvent(kind, micros(self.now), **more)
        return await case_events.event(self.env, self.client, message_id, told)
