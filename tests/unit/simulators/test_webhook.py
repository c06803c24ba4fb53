"""Signed bells: only the gateway's own, only of now, each one once."""

import hashlib
import hmac
from base64 import b64encode
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest

from gateway.errors import ConfigError, UnauthenticatedError
from gateway.pipeline import webhooks
from gateway.simulators.serving import serving
from gateway.simulators.webhook import WebhookReceiver, read_secret

KEY = bytes(range(32))
SECRET = "whsec_" + b64encode(KEY).decode()
NOW = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
BODY = b'{"type":"ready","id":"01900000-0000-7000-8000-000000000001"}'


def headers(*, number="msg_1", at=NOW, body=BODY, key=KEY, version="v1"):
    """Signed here by the scheme's own words, not by the receiver's code."""
    timestamp = str(int(at.timestamp()))
    mac = hmac.new(key, b".".join([number.encode(), timestamp.encode(), body]), hashlib.sha256).digest()
    signature = f"{version},{b64encode(mac).decode()}"
    return {"webhook-id": number, "webhook-timestamp": timestamp, "webhook-signature": signature}


@pytest.fixture
def receiver():
    return WebhookReceiver(SECRET, lambda: None, lambda: NOW)


def test_a_vector_of_the_standard_webhooks_library_is_accepted() -> None:
    """Public vector: the example of the scheme's own libraries."""
    at = datetime.fromtimestamp(1614265330, UTC)
    receiver = WebhookReceiver("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", lambda: None, lambda: at)

    assert receiver.accept(
        {
            "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
            "webhook-timestamp": "1614265330",
            "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        },
        b'{"test": 2432232314}',
    )


def test_a_ring_as_the_gateway_signs_it_is_accepted(receiver) -> None:
    timestamp = int(NOW.timestamp())
    signature = webhooks.signature(read_secret(SECRET), "msg_1", timestamp, BODY)

    assert headers() == {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature,
    }
    assert receiver.accept(headers(), BODY)


def test_a_right_ring_is_new_once(receiver) -> None:
    assert receiver.accept(headers(), BODY) is True
    assert receiver.accept(headers(), BODY) is False
    assert receiver.accept(headers(number="msg_2"), BODY) is True


@pytest.mark.parametrize(
    "wrong",
    [
        headers(key=bytes(32)),
        headers(version="v2"),
        headers(body=BODY + b" "),
        headers() | {"webhook-id": "msg_9"},
        headers() | {"webhook-id": ""},
        headers() | {"webhook-timestamp": str(int(NOW.timestamp()) + 1)},
        headers() | {"webhook-timestamp": "9" * 5000},
        headers() | {"webhook-timestamp": "١٢٣"},
        headers() | {"webhook-timestamp": "-1"},
        headers() | {"webhook-signature": ""},
        headers() | {"webhook-signature": "\udcff\udcfe å"},
        {},
    ],
)
def test_a_ring_with_one_thing_wrong_is_refused(receiver, wrong) -> None:
    with pytest.raises(UnauthenticatedError):
        receiver.accept(wrong, BODY)


def test_several_signatures_may_stand_there_during_a_change_of_secrets(receiver) -> None:
    signature = f"{headers(key=bytes(32))['webhook-signature']} {headers()['webhook-signature']}"

    assert receiver.accept(headers() | {"webhook-signature": signature}, BODY)


@pytest.mark.parametrize(("seconds", "passes"), [(-301, False), (-300, True), (300, True), (301, False)])
def test_a_ring_may_be_five_minutes_off(receiver, seconds, passes) -> None:
    ring = headers(at=NOW + timedelta(seconds=seconds))
    if passes:
        assert receiver.accept(ring, BODY)
    else:
        with pytest.raises(UnauthenticatedError):
            receiver.accept(ring, BODY)


def test_an_id_is_remembered_for_as_long_as_its_timestamp_can_pass() -> None:
    clock = [NOW]
    receiver = WebhookReceiver(SECRET, lambda: None, lambda: clock[0])
    ring = headers(at=NOW + timedelta(seconds=300))
    assert receiver.accept(ring, BODY)

    clock[0] = NOW + timedelta(seconds=599)
    assert receiver.accept(ring, BODY) is False


@pytest.mark.parametrize(
    "secret", ["", "whsec_", "whsec_***", "whsec_" + b64encode(bytes(23)).decode(), b64encode(KEY).decode()]
)
def test_a_weak_or_unreadable_secret_stops_the_start(secret) -> None:
    with pytest.raises(ConfigError):
        read_secret(secret)


async def test_over_http_only_a_new_and_right_ring_rings() -> None:
    rung = []
    receiver = WebhookReceiver(SECRET, lambda: rung.append(True), lambda: NOW)
    async with serving(receiver.routes()) as base, aiohttp.ClientSession() as session:
        statuses = []
        for ring in (headers(), headers(), headers(key=bytes(32))):
            async with session.post(f"{base}/webhook", data=BODY, headers=ring) as answer:
                statuses.append(answer.status)

    assert statuses == [204, 204, 401]
    assert (len(rung), receiver.repeated, receiver.refused) == (1, 1, 1)
