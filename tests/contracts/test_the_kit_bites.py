"""The contract kit finds every fault it says it finds: each broken adapter breaks exactly the promise it should."""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import asynccontextmanager

import aiohttp
import pytest

from gateway.spi import Adapter, AdapterSpec, Answer, Caller, Refused, Route, Taken, TryLater, Uncertain
from gateway.testing.contract import HttpAdapterContract
from gateway.testing.intake_contract import UPLOADED, FacadeContract, InboundContract, Upload
from tests.contracts.postkasse import (
    FakePostkasse,
    FakePostkasseWithLetter,
    Letter,
    PostkasseRoad,
    PostkasseSettings,
    _reference,
    spec_of,
)


class Deaf(PostkasseRoad):
    """Believes in success without an answer."""

    async def send(self, parcel):
        outcome = await super().send(parcel)
        return Taken(parcel.key) if isinstance(outcome, Uncertain) else outcome


class Careless(PostkasseRoad):
    """Takes silence for a no."""

    async def send(self, parcel):
        outcome = await super().send(parcel)
        return TryLater("no-answer") if isinstance(outcome, Uncertain) else outcome


class Stubborn(PostkasseRoad):
    """Tries again by itself."""

    async def send(self, parcel):
        outcome = await super().send(parcel)
        return await super().send(parcel) if isinstance(outcome, TryLater) else outcome


class Final(PostkasseRoad):
    """Takes every refusal for a final one."""

    async def send(self, parcel):
        outcome = await super().send(parcel)
        return Refused("no") if isinstance(outcome, TryLater) else outcome


class Hopeful(PostkasseRoad):
    """Takes no refusal for a final one."""

    async def send(self, parcel):
        outcome = await super().send(parcel)
        return TryLater("no") if isinstance(outcome, Refused) else outcome


class Impatient(PostkasseRoad):
    """Forgets how long it was to wait."""

    async def send(self, parcel):
        outcome = await super().send(parcel)
        return TryLater(outcome.code) if isinstance(outcome, TryLater) else outcome


class Follower(PostkasseRoad):
    """Goes where it is sent."""

    async def send(self, parcel):
        body = b"".join([chunk async for chunk in parcel.content()])
        headers = {"X-Recipient": parcel.recipient}
        async with self.session.put(f"{self.url}/parcels/{parcel.key}", data=body, headers=headers) as answer:
            return await self.outcome(answer)


class Hungry(PostkasseRoad):
    """Reads whatever comes."""

    async def outcome(self, answer):
        reference = _reference(await answer.read())
        return Uncertain("unreadable") if reference is None else Taken(reference)


class Endless(PostkasseRoad):
    """Has a time-out of its own: none."""

    async def send(self, parcel):
        try:
            async with self.session.put(
                f"{self.url}/parcels/{parcel.key}",
                data=parcel.content(),
                headers={"X-Recipient": parcel.recipient},
                timeout=aiohttp.ClientTimeout(total=None),
            ) as answer:
                return await self.outcome(answer)
        except aiohttp.ClientError:
            return Uncertain("no-answer")


class Gullible(PostkasseRoad):
    """The status is enough for it."""

    async def outcome(self, answer):
        return Taken("taken") if answer.status < 300 else await super().outcome(answer)


class Forgetful(PostkasseRoad):
    """A new key for every attempt."""

    async def send(self, parcel):
        from dataclasses import replace

        return await super().send(replace(parcel, key=str(uuid.uuid4())))


class Truncating(PostkasseRoad):
    """Sends the first piece."""

    async def send(self, parcel):
        from dataclasses import replace

        async def first():
            async for chunk in parcel.content():
                yield chunk
                return

        return await super().send(replace(parcel, content=first))


class Swallowing(PostkasseRoad):
    """Does not let itself be cancelled."""

    async def send(self, parcel):
        try:
            return await super().send(parcel)
        except asyncio.CancelledError:
            return Uncertain("cancelled")


class Optimist(PostkasseRoad):
    """Knows that everything is there."""

    async def status(self, parcel):
        return Taken(parcel.key)


class Mute(PostkasseRoad):
    """Says that nothing is there."""

    async def status(self, parcel):
        return TryLater("not-there")


class TalkativeLog(PostkasseRoad):
    """Logs the answer."""

    async def outcome(self, answer):
        self.log.info("postkasse.answer", body=(await answer.content.read(2000)).decode())
        return await super().outcome(answer)


class TalkativeError(PostkasseRoad):
    """Quotes the answer in an error."""

    async def outcome(self, answer):
        if answer.status == 422:
            raise ValueError(await answer.text())
        return await super().outcome(answer)


class TalkativeCode(PostkasseRoad):
    """Hands the partner's words on as a code."""

    async def outcome(self, answer):
        return Refused(await answer.text()) if answer.status == 422 else await super().outcome(answer)


class Printer(PostkasseRoad):
    """Prints."""

    async def send(self, parcel):
        async for chunk in parcel.content():
            print(chunk[:40].decode("utf-8", "replace"))
        return await super().send(parcel)


class Torn(PostkasseRoad):
    """Sends what it could read, and calls that enough."""

    async def send(self, parcel):
        body = b""
        try:
            async for chunk in parcel.content():
                body += chunk
        except OSError:
            return Taken("enough")
        return await super().send(parcel)


class Hasty(PostkasseRoad):
    """Acknowledges what it has only seen."""

    async def deliveries(self):
        async for brought in super().deliveries():
            await (brought.acknowledge() if isinstance(brought, Letter) else self.forget("r0"))
            yield brought


class Confused(PostkasseRoad):
    """Gives another parcel's receipt."""

    async def deliveries(self):
        from dataclasses import replace

        async for brought in super().deliveries():
            yield replace(brought, recipient="987654325")


class Lazy(PostkasseRoad):
    """Never acknowledges."""

    async def forget(self, waiting_id):
        return


BROKEN = [
    (Truncating, "test_a_parcel_is_taken"),
    (Printer, "test_a_parcel_is_taken"),
    (TalkativeLog, "test_a_parcel_is_taken"),
    (Forgetful, "test_the_same_parcel_twice_has_one_effect_if_the_adapter_says_so"),
    (Optimist, "test_the_status_of_a_parcel_is_the_truth"),
    (Mute, "test_the_status_of_a_parcel_is_the_truth"),
    (Swallowing, "test_cancellation_in_the_middle_stops_the_attempt_and_nothing_else"),
    (Torn, "test_content_that_cannot_be_read_to_its_end_is_not_taken"),
    (Hasty, "test_a_receipt_is_the_parcels_own_and_is_acknowledged_only_when_told"),
    (Confused, "test_a_receipt_is_the_parcels_own_and_is_acknowledged_only_when_told"),
    (Lazy, "test_a_receipt_is_the_parcels_own_and_is_acknowledged_only_when_told"),
    (Hopeful, "test_a_client_error_is_a_final_no"),
    (TalkativeError, "test_a_client_error_is_a_final_no"),
    (TalkativeCode, "test_a_client_error_is_a_final_no"),
    (Final, "test_a_server_error_is_tried_again"),
    (Stubborn, "test_a_server_error_is_tried_again"),
    (Impatient, "test_a_throttled_call_waits_as_long_as_it_was_told"),
    (Follower, "test_a_redirect_is_not_followed"),
    (Final, "test_a_refused_connection_is_tried_later"),
    (Deaf, "test_a_connection_closed_before_the_first_byte_is_no_answer"),
    (Careless, "test_a_connection_closed_after_the_last_byte_is_uncertain"),
    (Deaf, "test_a_connection_closed_after_the_last_byte_is_uncertain"),
    (Careless, "test_silence_past_the_time_out_is_uncertain"),
    (Endless, "test_silence_past_the_time_out_is_uncertain"),
    (Hungry, "test_a_huge_answer_is_not_swallowed"),
    (Gullible, "test_a_malformed_answer_proves_nothing"),
]


def kit(road_type: type[PostkasseRoad]) -> HttpAdapterContract:
    class Contract(HttpAdapterContract):
        spec = spec_of(road_type)
        partner_type = FakePostkasse

        def settings(self, partner):
            return PostkasseSettings(url=partner.url)

    return Contract()


@pytest.mark.parametrize(("road_type", "promise"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
async def test_a_broken_adapter_breaks_its_promise(road_type, promise):
    await getattr(kit(PostkasseRoad), promise)()
    with pytest.raises(AssertionError):
        await getattr(kit(road_type), promise)()


def test_every_promise_of_a_road_out_is_broken_by_somebody():
    promises = {name for name in dir(HttpAdapterContract) if name.startswith("test_")}
    assert promises == {promise for _, promise in BROKEN}


# --- roads that bring something -----------------------------------------------------------------------------------------


class AcknowledgingAfterReading(Letter):
    async def _stream(self):
        async for chunk in super()._stream():
            yield chunk
        await self.acknowledge()


class Eager(PostkasseRoad):
    """Acknowledges when it was read, not when it was stored."""

    async def deliveries(self):
        async for brought in super().deliveries():
            yield AcknowledgingAfterReading(self, brought.id)


@pytest.mark.parametrize(
    ("road_type", "promise"),
    [
        (Hasty, "test_a_delivery_is_acknowledged_after_the_commit_and_never_before"),
        (Eager, "test_a_delivery_is_acknowledged_after_the_commit_and_never_before"),
        (Lazy, "test_a_delivery_is_acknowledged_after_the_commit_and_never_before"),
        (Eager, "test_a_delivery_that_was_not_stored_is_not_acknowledged"),
    ],
)
async def test_a_fetching_road_that_acknowledges_wrongly_is_found_out(road_type, promise):
    class Contract(InboundContract):
        spec = spec_of(road_type)
        partner_type = FakePostkasseWithLetter

        def settings(self, partner):
            return PostkasseSettings(url=partner.url)

    with pytest.raises(AssertionError):
        await getattr(Contract(), promise)()


class Facade:
    """A facade with one fault."""

    def __init__(self, fault: str) -> None:
        self.fault = fault
        self.tasks: list[asyncio.Task] = []

    def routes(self, intake) -> Sequence[Route]:
        async def take(request):
            delivery = _Taken(request)
            if self.fault == "early":
                self.tasks.append(asyncio.create_task(intake.accept(delivery)))
                await intake.read.wait()
                return Answer(201, {"uuid": "1"})
            try:
                accepted = await intake.accept(delivery)
            except Exception as error:
                if self.fault == "forgiving":
                    return Answer(202, {})
                if self.fault == "talkative":
                    raise type(error)(UPLOADED.decode("latin-1")) from error
                raise
            if self.fault == "echo":
                return Answer(201, {"came": UPLOADED.decode("utf-8", "replace")})
            return Answer(201, {"uuid": accepted.id})

        return [Route("POST", "/letters/{office}", take, upload=True)]


class _Taken:
    def __init__(self, request) -> None:
        self.request = request

    async def parts(self):
        async for part in self.request.parts():
            yield part.name, part.stream

    async def acknowledge(self) -> None:
        return


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("early", "test_nobody_is_told_that_it_came_before_the_commit"),
        ("echo", "test_nobody_is_told_that_it_came_before_the_commit"),
        ("forgiving", "test_what_could_not_be_stored_is_not_accepted"),
        ("talkative", "test_what_could_not_be_stored_is_not_accepted"),
        ("forgiving", "test_a_body_that_is_cut_is_not_accepted"),
    ],
)
async def test_a_facade_that_promises_too_much_is_found_out(fault, promise):
    def contract(fault):
        @asynccontextmanager
        async def opened(settings, context):
            yield Adapter(facade=Facade(fault))

        class Contract(FacadeContract):
            spec = AdapterSpec(name="fasade", settings=dict, open=opened)

            def uploads(self):
                return [Upload("/letters/02", {"asice": UPLOADED}, Caller("a", "987654325"))]

        return Contract()

    await getattr(contract("none"), promise)()
    with pytest.raises(AssertionError):
        await getattr(contract(fault), promise)()
