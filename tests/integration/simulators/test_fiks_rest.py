"""The platform's REST services: send, catalogue, Dokumentlager, and their faults (fiks.md 1.1, 3, 5 and 6)."""

import asyncio
import uuid
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import pytest_asyncio

from gateway.simulators.fiks.access import Access
from gateway.simulators.fiks.dokumentlager import Dokumentlager
from gateway.simulators.fiks.faults import Faults, FiksFault
from gateway.simulators.fiks.register import Integration
from gateway.testing.pki import certificate_pem
from tests.broker import SUPPLIER, running_fiks
from tests.integration.simulators.fiks_kit import connected, consuming, post, receive, send

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def fiks(tmp_path_factory):
    """One platform for the file; each test makes members of its own."""
    async with running_fiks(tmp_path_factory.mktemp("fiks")) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="module")
async def pair(fiks):
    return await fiks.member("Avsender"), await fiks.member("Mottaker")


async def get(fiks, path, headers=None):
    async with fiks.session.get(fiks.platform.base_url + path, headers=headers or {}) as answer:
        return answer.status, await answer.json()


def metadata(sender, receiver, **other):
    ids = {"avsenderKontoId": sender.konto_id, "mottakerKontoId": receiver.konto_id, "meldingType": "no.prove.v1"}
    return ids | other


async def test_send_answers_202_with_the_id_that_the_receiver_sees(fiks, pair):
    body = await send(fiks, *pair, typed=False)
    assert body["ttl"] == 7 * 24 * 3600 * 1000
    assert body["dokumentlagerId"] is None
    assert (await receive(fiks, pair[1])).headers["melding-id"] == body["meldingId"]


async def test_a_message_without_payload_comes_with_an_empty_body(fiks, pair):
    await send(fiks, *pair, data=None)
    assert (await receive(fiks, pair[1])).body == b""


async def test_a_payload_above_the_bound_waits_in_dokumentlager_and_its_bytes_are_the_same(fiks, pair, monkeypatch):
    sender, receiver = pair
    monkeypatch.setattr(fiks.platform.dispatch, "inline_bytes_max", 1000)
    sent = await send(fiks, sender, receiver, b"0123456789" * 101)
    message = await receive(fiks, receiver)
    assert message.body == b""
    assert message.headers["dokumentlager-id"] == sent["dokumentlagerId"]
    place = f"{fiks.platform.base_url}/dokumentlager/nedlasting/{sent['dokumentlagerId']}"
    async with fiks.session.get(place, headers=await receiver.headers()) as answer:
        assert answer.headers["Content-Length"] == "1010"
        assert await answer.read() == b"0123456789" * 101
    async with fiks.session.get(place, headers=await sender.headers()) as answer:
        assert answer.status == 403
    async with fiks.session.get(f"{place}/metadata", headers=await receiver.headers()) as answer:
        assert (await answer.json())["storrelse"] == 1010


async def test_a_document_is_deleted_a_day_after_its_messages_time(tmp_path):
    class Clock:
        now = datetime(2026, 11, 22, tzinfo=UTC)

    lager = Dokumentlager(tmp_path / "lager", Access(None, None), Faults(), lambda: Clock.now)
    (tmp_path / "stor").write_bytes(b"x")
    document = lager.keep(tmp_path / "stor", "konto", timedelta(hours=1))
    Clock.now += timedelta(hours=24, minutes=59)
    lager.sweep()
    assert document.path.exists()
    Clock.now += timedelta(minutes=1)
    lager.sweep()
    assert not document.path.exists()


async def test_a_truncated_download_breaks_off_and_the_next_one_is_whole(fiks, pair, monkeypatch):
    _, receiver = pair
    monkeypatch.setattr(fiks.platform.dispatch, "inline_bytes_max", 10)
    sent = await send(fiks, *pair, b"0123456789" * 10)
    fiks.platform.faults.arm(FiksFault.TRUNCATED_DOWNLOAD)
    place = f"{fiks.platform.base_url}/dokumentlager/nedlasting/{sent['dokumentlagerId']}"
    with pytest.raises(aiohttp.ClientError):
        async with fiks.session.get(place, headers=await receiver.headers()) as answer:
            await answer.read()
    async with fiks.session.get(place, headers=await receiver.headers()) as answer:
        assert len(await answer.read()) == 100


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"ttl": 999}, 400),
        ({"ttl": "1000"}, 400),
        ({"meldingType": None}, 400),
        ({"svarPaMelding": "nei"}, 400),
        ({"headere": {"a": 1}}, 400),
        ({"mottakerKontoId": str(uuid.uuid4())}, 404),
        ({"avsenderKontoId": str(uuid.uuid4())}, 403),
    ],
)
async def test_metadata_that_does_not_hold_is_refused_with_an_error_id(fiks, pair, change, status):
    answered, body = await post(fiks, pair[0], metadata(*pair) | change, b"x")
    assert answered == status
    assert body.keys() == {"timestamp", "status", "error", "errorId", "path", "message"}
    assert uuid.UUID(body["errorId"])
    assert (await fiks.platform.mail.counts(pair[1].konto_id)).waiting == 0


async def test_an_empty_payload_is_refused(fiks, pair):
    assert (await post(fiks, pair[0], metadata(*pair), b""))[0] == 400


@pytest.mark.parametrize("header", ["Authorization", "IntegrasjonId", "IntegrasjonPassord"])
async def test_each_of_the_three_headers_is_needed(fiks, pair, header):
    right = await pair[0].headers()
    path = f"/fiks-io/katalog/api/v1/kontoer/{pair[1].konto_id}"
    assert (await get(fiks, path, right))[0] == 200
    assert (await get(fiks, path, right | {header: "feil"}))[0] == 401
    assert (await get(fiks, path, {name: value for name, value in right.items() if name != header}))[0] == 401


async def test_a_new_password_makes_the_old_one_worthless_at_once(fiks, pair):
    member = pair[0]
    path = f"/fiks-io/katalog/api/v1/kontoer/{member.konto_id}"
    fiks.platform.add_integration(Integration(member.integrasjon_id, "nytt", SUPPLIER, frozenset({member.konto_id})))
    assert (await get(fiks, path, await member.headers()))[0] == 401
    assert (await get(fiks, path, await member.headers() | {"IntegrasjonPassord": " nytt "}))[0] == 200


async def test_the_status_counts_consumers_and_waiting_messages_at_the_broker(fiks, pair):
    sender, receiver = pair
    path = f"/fiks-io/katalog/api/v1/kontoer/{receiver.konto_id}/status"
    await send(fiks, sender, receiver)
    _, before = await get(fiks, path, await receiver.headers())
    assert (before["antallKonsumenter"], before["antallUavhentedeMeldinger"]) == (0, 1)
    async with connected(fiks, receiver) as channel, consuming(channel, receiver) as messages:
        await (await anext(messages)).ack()
        _, during = await get(fiks, path, await receiver.headers())
    assert (during["antallKonsumenter"], during["antallUavhentedeMeldinger"]) == (1, 0)


async def test_the_public_key_is_given_without_authentication_with_times_that_have_an_offset(fiks, pair):
    status, body = await get(fiks, f"/fiks-io/katalog/api/v1/kontoer/{pair[0].konto_id}/offentligNokkel")
    assert status == 200
    assert body["nokkel"].startswith("-----BEGIN CERTIFICATE-----\n")
    assert datetime.fromisoformat(body["validTo"]).utcoffset() is not None
    assert body["valid"] is True
    assert (await get(fiks, f"/fiks-io/katalog/api/v1/kontoer/{uuid.uuid4()}/offentligNokkel"))[0] == 404


async def test_faults_of_the_rest_services_last_as_long_as_they_were_armed_for(fiks, pair):
    member, faults = pair[0], fiks.platform.faults
    path = f"/fiks-io/katalog/api/v1/kontoer/{member.konto_id}"
    headers = await member.headers()

    async def status():
        return (await get(fiks, path, headers))[0]

    faults.arm(FiksFault.UNAUTHORISED)
    assert [await status() for _ in range(2)] == [401, 200]
    faults.arm(FiksFault.UNAVAILABLE, 3)
    assert [await status() for _ in range(4)] == [503, 503, 503, 200]
    faults.arm(FiksFault.UNAVAILABLE, None)
    assert [await status() for _ in range(2)] == [503, 503]
    faults.disarm(FiksFault.UNAVAILABLE)
    assert await status() == 200
    faults.arm(FiksFault.TOKENS_DOWN)
    async with fiks.session.post(fiks.platform.token_endpoint, data={}) as answer:
        assert answer.status == 503
        assert (await answer.json())["error"] == "temporarily_unavailable"


async def test_a_silent_send_has_sent(fiks, pair):
    fiks.platform.faults.arm(FiksFault.SILENT_SEND)
    with pytest.raises(aiohttp.ClientError):
        await post(fiks, pair[0], metadata(*pair), b"x")
    assert (await receive(fiks, pair[1])).body == b"x"


async def test_a_hanging_send_has_sent_and_never_answers(fiks, pair):
    fiks.platform.faults.arm(FiksFault.HANGING_SEND)
    asked = asyncio.create_task(post(fiks, pair[0], metadata(*pair), b"x"))
    assert (await receive(fiks, pair[1])).body == b"x"
    assert not asked.done()
    asked.cancel()


async def test_the_catalogue_gives_a_strangers_key_once_when_told_to(fiks, pair):
    path = f"/fiks-io/katalog/api/v1/kontoer/{pair[0].konto_id}/offentligNokkel"
    fiks.platform.faults.arm(FiksFault.WRONG_CATALOGUE_KEY)
    keys = [(await get(fiks, path))[1]["serial"] for _ in range(2)]
    assert keys[0] != keys[1] == str(pair[0].receive.certificate.serial_number)


async def test_an_uploaded_key_is_what_the_catalogue_gives(fiks, pair):
    member, other = pair
    path = f"{fiks.platform.base_url}/fiks-io/konto/api/v1/kontoer/{member.konto_id}/offentligNokkelString"
    new = certificate_pem(fiks.supplier.certificate).decode()
    for caller, body, status in (
        (other, {"nokkel": new}, 403),
        (member, {"nokkel": "x"}, 400),
        (member, {"nokkel": new}, 201),
    ):
        async with fiks.session.put(path, json=body, headers=await caller.headers()) as answer:
            assert answer.status == status
    _, key = await get(fiks, f"/fiks-io/katalog/api/v1/kontoer/{member.konto_id}/offentligNokkel")
    assert key["nokkel"] == new


async def test_faults_of_a_delivery_hit_the_next_message_only(fiks, pair):
    sender, receiver = pair
    faults = fiks.platform.faults

    async def arrived(count):
        async with connected(fiks, receiver) as channel, consuming(channel, receiver) as messages:
            found = []
            for _ in range(count):
                found.append(await anext(messages))
                await found[-1].ack()
            return found

    faults.arm(FiksFault.DUPLICATE)
    await send(fiks, sender, receiver)
    one, two = await arrived(2)
    assert one.headers["melding-id"] == two.headers["melding-id"]

    faults.arm(FiksFault.OUT_OF_ORDER)
    sent = [(await send(fiks, sender, receiver))["meldingId"] for _ in range(2)]
    assert [message.headers["melding-id"] for message in await arrived(2)] == sent[::-1]

    faults.arm(FiksFault.DELAYED)
    sent = [(await send(fiks, sender, receiver))["meldingId"] for _ in range(2)]
    assert [message.headers["melding-id"] for message in await arrived(2)] == sent[::-1]

    for fault, name in (
        (FiksFault.NO_MELDING_ID, "melding-id"),
        (FiksFault.NO_TYPE, "type"),
        (FiksFault.NO_AVSENDER, "avsender-id"),
    ):
        faults.arm(fault)
        await send(fiks, sender, receiver)
        assert name not in (await arrived(1))[0].headers

    for fault in (FiksFault.MALFORMED_HEADERS, FiksFault.UNKNOWN_SENDER, FiksFault.MISSPELT_CORRELATION):
        faults.arm(fault)
    await send(fiks, sender, receiver, headere={"klientKorrelasjonsId": "k"})
    [message] = await arrived(1)
    assert message.headers["melding-id"] == "ikke-en-uuid"
    assert message.headers["egendefinert-header.klientKorrelasjonId"] == "k"
    assert message.headers["avsender-id"] != sender.konto_id
