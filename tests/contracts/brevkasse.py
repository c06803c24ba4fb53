"""A carrier of letters in memory and its adapter, small enough to break in every way: the letter contract is tried on them."""

from contextlib import asynccontextmanager
from datetime import UTC, datetime

from pydantic import BaseModel

from gateway.spi import Adapter, AdapterSpec, Receipt, Refused, Seal, Stage, Taken, TryLater, Uncertain
from gateway.testing.letter_contract import LetterContract

NAME = "brevkasse"


class BrevkasseSettings(BaseModel):
    """Where the carrier is: in this process."""

    carrier: object


class Carrier:
    """Takes each key once, and signs what it says."""

    def __init__(self):
        self.taken, self.printed, self.requests = {}, 0, 0
        self.opened, self.losing = [], False

    def lose_answer(self):
        self.losing = True

    def open(self, key):
        self.opened.append(key)

    def put(self, key, documents, *, printed):
        self.requests += 1
        if key in self.taken:
            return "same" if self.taken[key] == documents else "other"
        self.taken[key] = documents
        self.printed += printed
        lost, self.losing = self.losing, False
        return None if lost else "taken"


class BrevkasseRoad:
    """An honest road."""

    idempotent = True
    notices = ("Du har fått brev.",)
    seal = Seal.LETTER

    def __init__(self, settings, context):
        self.carrier, self.log, self.context = settings.carrier, context.log, context

    async def send(self, parcel):
        letter = parcel.letter
        fault = self.fault(letter)
        if fault is not None:
            return fault
        try:
            documents = [b"".join([piece async for piece in one.content()]) for one in letter.documents]
        except OSError:
            return self.torn()
        return self.outcome(parcel, self.carrier.put(parcel.key, documents, printed=letter.print_order is not None))

    def fault(self, letter):
        if not letter.documents:
            return Refused("no-document")
        order = letter.print_order
        return Refused("not-released") if order is not None and not order.released_by else None

    def torn(self):
        return TryLater("torn")

    def outcome(self, parcel, answer):
        if answer is None:
            return Uncertain("no-answer")
        if answer == "other":
            return Refused("content-differs")
        return Taken(parcel.key, final=parcel.letter.print_order is None, evidence=(b"signed",))

    async def status(self, parcel):
        there = parcel.key in self.carrier.taken
        return Taken(parcel.key, final=True) if there else TryLater("not-there")

    async def deliveries(self):
        for key in self.carrier.opened:
            if key in await self.context.told([key]):
                yield self.receipt(key)

    def receipt(self, key):
        return Receipt(NAME, None, key, stage=Stage.OPENED, at=datetime.now(UTC))


def contract_of(road_type):
    """The kit for a road of this type."""

    @asynccontextmanager
    async def opened(settings, context):
        road = road_type(settings, context)
        yield Adapter(outbound=road, inbound=road, seal=road.seal, notices=road.notices)

    class Contract(LetterContract):
        spec = AdapterSpec(NAME, BrevkasseSettings, opened)

        @asynccontextmanager
        async def partner(self):
            yield Carrier()

        def settings(self, partner):
            return BrevkasseSettings(carrier=partner)

    return Contract()
