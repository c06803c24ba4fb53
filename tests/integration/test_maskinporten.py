"""Tokens from Maskinporten: bought once, kept as long as they live, never told; and no hammering of who says no."""

import asyncio
import io
import itertools
import json
from contextlib import asynccontextmanager
from types import SimpleNamespace
from urllib.parse import parse_qs

import aiohttp
import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwcrypto.jws import JWS

from gateway import limits
from gateway.app.maskinporten import Client, Maskinporten, _token_in
from gateway.crypto.certificate_facts import facts_of
from gateway.crypto.maskinporten import GrantRequest, GrantSigner
from gateway.errors import ConfigError, KeyUnavailableError, PartnerRefusedError, PartnerUnavailableError
from gateway.observability import logging
from gateway.simulators.issuer import IssuerFault, RegisteredClient, TokenIssuer
from gateway.simulators.serving import serving
from gateway.testing.clock import HandClock
from tests import crypto_kit as kit

NAME = "https://test.maskinporten.no/"
LIFE_S = 120
SECRET = "eyJhbGciOiJub25lIn0"


class Scripted:
    """A token endpoint that gives the answers it is told to, then good ones, and keeps every grant."""

    def __init__(self):
        self.answers = []
        self.grants = []
        self.numbers = itertools.count()
        self.hold = asyncio.Event()
        self.hold.set()

    async def token(self, request):
        form = parse_qs((await request.read()).decode(), strict_parsing=True)
        assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
        self.grants.append(claims(form["assertion"][0]))
        await self.hold.wait()
        answer = self.answers.pop(0) if self.answers else self.good()
        if answer is None:
            request.transport.abort()
            return web.Response()
        status, body = answer
        return web.Response(status=status, text=body if isinstance(body, str) else json.dumps(body))

    def good(self):
        token = f"{SECRET}.{next(self.numbers)}.x"
        return 200, {"access_token": token, "token_type": "Bearer", "expires_in": LIFE_S, "scope": "ks:fiks"}


def claims(grant):
    jws = JWS()
    jws.deserialize(grant)
    return json.loads(jws.objects["payload"])


def client(endpoint, key=None, **changes):
    asked = {"audience": NAME, "client_id": "oss", "scope": ""} | changes
    return Client(GrantRequest(**asked), GrantSigner(key or kit.signer()), f"{endpoint}/token")


@asynccontextmanager
async def lent(endpoint, **more):
    """Everything around a source, and all that it wrote in the log."""
    clock, log = HandClock(), io.StringIO()
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        maskinporten = Maskinporten({"fiks": client(endpoint, **more)}, session, clock, logging.to(log))
        yield SimpleNamespace(
            maskinporten=maskinporten, clock=clock, log=log, tokens=maskinporten.tokens("fiks", "ks:fiks")
        )
    assert SECRET not in log.getvalue()


@pytest.fixture
async def scripted():
    endpoint = Scripted()
    async with serving([web.post("/token", endpoint.token)]) as endpoint.url:
        yield endpoint


@pytest.fixture
async def here(scripted):
    async with lent(scripted.url) as found:
        yield found


def refusal(description, status=400):
    return status, {"error": "invalid_grant", "error_description": description}


async def test_the_issuer_gives_a_token_for_our_grant_and_for_one_by_delegation():
    certificate = facts_of(kit.signer().certificate).sha256
    known = RegisteredClient(
        "oss", kit.ORGANISATION, frozenset({"ks:fiks"}), frozenset({certificate}), acts_for=frozenset({"987654325"})
    )
    async with TokenIssuer(NAME, [known]).serve() as base, lent(base, consumer_org="987654325") as here:
        assert claims(await here.tokens.token())["consumer"]["ID"] == "0192:987654325"


async def test_a_hundred_who_ask_at_once_get_one_token_from_one_grant(scripted, here):
    scripted.hold.clear()
    asking = [asyncio.create_task(here.tokens.token()) for _ in range(100)]
    while not scripted.grants:
        await asyncio.sleep(0)
    scripted.hold.set()
    assert len(set(await asyncio.gather(*asking))) == 1
    assert len(scripted.grants) == 1


async def test_all_who_waited_for_a_failed_fetch_hear_of_it_and_none_fetches_again(scripted, here):
    scripted.answers = [refusal("MP-120")]
    found = await asyncio.gather(*(here.tokens.token() for _ in range(20)), return_exceptions=True)
    assert [type(one) for one in found] == [PartnerRefusedError] * 20
    assert len(scripted.grants) == 1


async def test_a_token_is_kept_until_half_a_minute_before_its_end(scripted, here):
    first = await here.tokens.token()
    here.clock.turn(LIFE_S - 31)
    assert await here.tokens.token() == first
    here.clock.turn(2)
    assert await here.tokens.token() != first
    assert len({one["jti"] for one in scripted.grants}) == 2


async def test_a_token_that_the_partner_did_not_take_is_not_given_out_again(scripted, here):
    first = await here.tokens.token()
    here.tokens.refused("another")
    assert await here.tokens.token() == first
    here.tokens.refused(first)
    assert await here.tokens.token() != first


async def test_what_changes_the_token_has_a_token_of_its_own_and_the_same_request_shares_one(scripted, here):
    same, other = here.maskinporten.tokens("fiks", "ks:fiks"), here.maskinporten.tokens("fiks", "ks:annet")
    assert await same.token() == await here.tokens.token()
    assert await other.token() != await here.tokens.token()
    assert [one["scope"] for one in scripted.grants] == ["ks:fiks", "ks:annet"]


@pytest.mark.parametrize("fault", [(503, {}), (500, "x"), (429, {}), (200, "no json"), (200, {}), None])
async def test_what_time_may_mend_is_tried_again_with_a_new_grant_each_time(scripted, here, fault):
    scripted.answers = [fault, fault]
    assert (await here.tokens.token()).startswith(SECRET)
    assert len({one["jti"] for one in scripted.grants}) == 3
    assert here.clock.monotonic() > 0


async def test_a_refusal_is_final_and_tells_only_the_code(scripted, here):
    scripted.answers = [refusal("MP-120: Ola Nordmann 01810112345 (tracing_id: 77aa)")]
    with pytest.raises(PartnerRefusedError) as refused:
        await here.tokens.token()
    assert str(refused.value) == "maskinporten: refused with 400, MP-120"
    assert len(scripted.grants) == 1
    assert "Nordmann" not in here.log.getvalue()
    assert "MP-120" in here.log.getvalue()


async def test_who_was_refused_does_not_ask_again_for_a_minute(scripted, here):
    scripted.answers = [refusal("no code")]
    for _ in range(5):
        with pytest.raises(PartnerRefusedError, match="no code"):
            await here.tokens.token()
    assert len(scripted.grants) == 1
    here.clock.turn(61)
    assert await here.tokens.token()


async def test_an_issuer_that_gives_no_answer_is_left_alone_for_a_while(scripted, here):
    scripted.answers = [(503, {})] * limits.TOKEN_FAULTS_MAX
    while len(scripted.grants) < limits.TOKEN_FAULTS_MAX:
        with pytest.raises(PartnerUnavailableError):
            await here.tokens.token()
    with pytest.raises(PartnerUnavailableError, match="left alone"):
        await here.tokens.token()
    with pytest.raises(PartnerUnavailableError, match="left alone"):
        await here.maskinporten.tokens("fiks", "ks:annet").token()
    assert len(scripted.grants) == limits.TOKEN_FAULTS_MAX
    here.clock.turn(limits.TOKEN_BREAK_S)
    assert await here.tokens.token()


async def test_a_fetch_that_was_cancelled_fails_nobody_else(scripted, here):
    scripted.hold.clear()
    first, second = (asyncio.create_task(here.tokens.token()) for _ in range(2))
    while not scripted.grants:
        await asyncio.sleep(0)
    first.cancel()
    scripted.hold.set()
    assert (await second).startswith(SECRET)
    assert first.cancelled()


@pytest.mark.proves("S54")
async def test_a_redirect_of_the_token_endpoint_is_not_followed(scripted, here):
    visited = []

    async def elsewhere(request):
        visited.append(request.path)
        return web.json_response(scripted.good()[1])

    async def redirect(_):
        raise web.HTTPTemporaryRedirect(f"{other}/elsewhere")

    elsewhere_served, redirecting = (
        serving([web.post("/elsewhere", elsewhere)]),
        serving([web.post("/token", redirect)]),
    )
    async with elsewhere_served as other, redirecting as base, lent(base) as redirected:
        with pytest.raises(PartnerRefusedError):
            await redirected.tokens.token()
    assert visited == []


@pytest.mark.proves("S55")
async def test_an_endless_answer_is_not_read_to_its_end():
    sent = 0

    async def endless(request):
        nonlocal sent
        response = web.StreamResponse()
        await response.prepare(request)
        while sent < 64 * limits.MIB:
            await response.write(b" " * limits.CHUNK_BYTES)
            sent += limits.CHUNK_BYTES
        return response

    async with serving([web.post("/token", endless)]) as base, lent(base) as here:
        with pytest.raises(PartnerUnavailableError):
            await here.tokens.token()
    assert sent < 32 * limits.MIB


async def test_a_key_that_is_away_is_no_refusal(scripted):
    class Away:
        chain = kit.signer().chain

        def sign(self, data):
            raise KeyUnavailableError

    async with lent(scripted.url, key=Away()) as here:
        with pytest.raises(PartnerUnavailableError, match="away"):
            await here.tokens.token()
        here.maskinporten.renew({"fiks": client(scripted.url)})
        assert await here.tokens.token()


async def test_a_name_that_is_not_configured_is_a_fault_of_the_configuration(here):
    with pytest.raises(ConfigError, match="annet"):
        here.maskinporten.tokens("annet", "ks:fiks")


async def test_no_token_and_no_key_is_in_any_repr(scripted, here):
    token = await here.tokens.token()
    assert token not in repr(here.maskinporten) + repr(here.tokens) + repr(vars(here.maskinporten))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(), lambda inner: st.lists(inner, max_size=3)
)


@given(st.fixed_dictionaries({}, optional={"access_token": json_values, "expires_in": json_values}))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_answer_is_a_token_that_fits_a_header_or_none(answer):
    try:
        token, life_s = _token_in(answer)
    except PartnerUnavailableError:
        return
    assert token.isascii()
    assert token.isprintable()
    assert " " not in token
    assert 0 < life_s <= 86400


async def test_the_simulated_issuers_faults_are_told_apart():
    certificate = facts_of(kit.signer().certificate).sha256
    issuer = TokenIssuer(
        NAME, [RegisteredClient("oss", kit.ORGANISATION, frozenset({"a:b"}), frozenset({certificate}))]
    )
    async with issuer.serve() as base, lent(base) as here:
        with pytest.raises(PartnerRefusedError, match="MP-100"):
            await here.tokens.token()
        issuer.faults.add(IssuerFault.UNAVAILABLE)
        with pytest.raises(PartnerUnavailableError):
            await here.maskinporten.tokens("fiks", "a:b").token()
        issuer.faults.clear()
        assert await here.maskinporten.tokens("fiks", "a:b").token()
