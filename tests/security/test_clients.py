"""S08, S10, S12: registered clients are read anew, compared in constant time and never locked out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.http.clients import FailedLogins
from tests.edge_kit import BASE, CLIENT_ID, PASSWORD, Client, StillClock, one, partner

PATH = f"{BASE}/v1/kommuner"
NO_HTTP = {*range(32), 127} - {9}
"""Control characters: no header may hold them, so the parser refuses the request before anything of ours sees it."""


def get(here, **changes):
    head = "".join(f"{name}: {value}\r\n" for name, value in here.headers(**changes).items())
    return f"GET {PATH} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode("utf-8", "surrogateescape")


@pytest.mark.proves("S08")
async def test_revoked_within_open_connection():
    import asyncio

    async with partner() as here:
        reader, writer = await asyncio.open_connection("127.0.0.1", here.port)
        statuses = []
        for client in (Client(), Client(active=False), Client(), Client(organisation_numbers=frozenset())):
            here.directory[CLIENT_ID] = client
            writer.write(get(here))
            head = await reader.readuntil(b"\r\n\r\n")
            statuses.append(int(head[9:12]))
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        assert statuses == [200, 401, 200, 403]  # the control: the first and the third
        assert here.issuer.fetches == 1  # one token, verified once: it was cached all along
        writer.close()
        await writer.wait_closed()


@pytest.mark.proves("S08")
async def test_a_client_of_another_kind_does_not_enter_here():
    async with partner() as here:
        here.directory[CLIENT_ID] = Client(kind="fagsystem")
        assert (await one(here.port, get(here)))[9:12] == b"401"
        here.directory[CLIENT_ID] = Client()
        assert (await one(here.port, get(here)))[9:12] == b"200"  # the control


@pytest.mark.proves("S10")
async def test_password_octets_0_to_255():
    async with partner() as here:
        for octet in range(256):
            request = get(here).replace(PASSWORD.encode(), b"a" + bytes([octet]) + b"b")
            status = int((await one(here.port, request))[9:12])
            assert status == (400 if octet in NO_HTTP else 401), octet
        assert (await one(here.port, get(here)))[9:12] == b"200"  # the control


@pytest.mark.proves("S10")
async def test_an_integration_id_of_any_octets_is_401():
    async with partner() as here:
        for octet in sorted(set(range(256)) - NO_HTTP):
            request = get(here).replace(CLIENT_ID.encode(), CLIENT_ID.encode()[:-1] + bytes([octet]))
            expected = b"200" if bytes([octet]) == CLIENT_ID[-1:].encode() else b"401"
            assert (await one(here.port, request))[9:12] == expected, octet
        assert (await one(here.port, get(here, IntegrasjonId=CLIENT_ID.upper())))[9:12] == b"200"


@pytest.mark.proves("S12")
async def test_attacker_cannot_lock_out_producer():
    async with partner() as here:
        for _ in range(50):
            assert (await one(here.port, get(here, IntegrasjonPassord="guess")))[9:12] == b"401"
        assert here.clock.slept[0] > 0
        assert max(here.clock.slept) == 5.0
        waited = len(here.clock.slept)
        assert (await one(here.port, get(here)))[9:12] == b"200"  # the control: the client named is served at once
        assert len(here.clock.slept) == waited


@pytest.mark.proves("S12")
async def test_the_delay_belongs_to_the_address_and_fades():
    clock = StillClock()
    logins = FailedLogins(clock)
    for _ in range(5):
        await logins.slow("192.0.2.1")
    assert clock.slept == []
    await logins.slow("192.0.2.1")
    await logins.slow("192.0.2.2")
    assert len(clock.slept) == 1
    clock.pass_s(600)
    await logins.slow("192.0.2.1")
    assert len(clock.slept) == 1


@given(st.lists(st.sampled_from(["a", "b", "c"]), max_size=60))
async def test_no_delay_exceeds_its_bound(addresses):
    clock = StillClock()
    logins = FailedLogins(clock)
    for address in addresses:
        await logins.slow(address)
    assert all(0 < seconds <= 5.0 for seconds in clock.slept)


async def test_remembered_addresses_are_bounded(monkeypatch):
    monkeypatch.setattr("gateway.limits.FAILED_LOGIN_ADDRESSES_MAX", 10)
    logins = FailedLogins(StillClock())
    for number in range(50):
        await logins.slow(f"192.0.2.{number}")
    assert len(logins._failures) == 10


@pytest.mark.proves("S10")
async def test_a_password_is_compared_also_for_whom_there_is_no_client(monkeypatch):
    compared = []
    monkeypatch.setattr("gateway.http.facade.nobody_matches", compared.append)
    async with partner() as here:
        for changes in (
            {"IntegrasjonId": "00000000-0000-4000-8000-000000000000"},
            {"IntegrasjonId": "x"},
            {"IntegrasjonId": ..., "Authorization": ...},
        ):
            assert (await one(here.port, get(here, **changes)))[9:12] == b"401"
    assert compared == [PASSWORD.encode()] * 3
