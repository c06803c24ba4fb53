"""The token issuer over HTTP: honest to a right grant, deaf to every wrong one, and as broken as told."""

import json
import time
from base64 import urlsafe_b64decode
from datetime import UTC, datetime, timedelta

import pytest

from gateway import config
from gateway.crypto.jose import KeySet, SigningJwk
from gateway.crypto.keys import SoftwareKey
from gateway.crypto.tokens import TokenVerifier
from gateway.errors import PartnerRefusedError, PartnerUnavailableError, UnauthenticatedError
from gateway.simulators.grant import GRANT_TYPE, make_grant, sign_claims
from gateway.simulators.issuer import IssuerFault, RegisteredClient, TokenIssuer
from gateway.simulators.token_source import TokenRequest, TokenSource
from tests.integration.simulators.conftest import NAME, ORGANISATION

RIGHT = {"audience": NAME, "client_id": "skole", "scope": "ks:fiks"}


class WallClock:
    def now(self):
        return datetime.now(UTC)

    def monotonic(self):
        return time.monotonic()

    async def sleep(self, seconds):
        raise AssertionError


def now():
    return datetime.now(UTC)


async def post(session, base, grant, **more):
    form = {"grant_type": GRANT_TYPE, "assertion": grant} | more
    async with session.post(f"{base}/token", data=form) as answer:
        return answer.status, await answer.json()


def verifier(session, base, **more):
    async def fetch(address):
        async with session.get(address) as answer:
            return await answer.read()

    issuer = config.Issuer(issuer=NAME, jwks_uri=f"{base}/jwks", **more)
    return TokenVerifier([issuer], fetch, WallClock())


async def test_a_grant_by_certificate_buys_a_token_that_the_gateway_believes(issuer, school_key, session) -> None:
    async with issuer.serve() as base:
        source = TokenSource(session, TokenRequest(f"{base}/token", NAME, "skole", "ks:fiks"), school_key)
        token = await source.token()
        verified = await verifier(session, base).verify(token, now())

        assert (verified.client_id, verified.consumer, verified.scopes) == ("skole", ORGANISATION, {"ks:fiks"})
        assert await source.token() == token, "a living token is used again"
        source.forget()
        assert await source.token() != token


async def test_a_grant_by_a_registered_key_buys_a_token(session) -> None:
    key = SigningJwk.generate("egen")
    client = RegisteredClient("fag", ORGANISATION, frozenset({"a:b"}), keys=KeySet.parse(key.jwks()))
    async with TokenIssuer(NAME, [client]).serve() as base:
        request = TokenRequest(f"{base}/token", NAME, "fag", "a:b", resource="https://barnevern.example")
        token = await TokenSource(session, request, key).token()

        judge = verifier(session, base, audience="https://barnevern.example")
        assert (await judge.verify(token, now())).client_id == "fag"


def test_a_token_of_a_supplier_names_consumer_and_delegation(issuer, school_key) -> None:
    token = issuer.exchange(altered_grant(school_key, {"consumer_org": "987654325"}))["access_token"]
    claims = part_of(token, 1)

    assert claims["consumer"]["ID"] == "0192:987654325"
    assert claims["supplier"]["ID"] == f"0192:{ORGANISATION}"
    assert claims["delegation_source"] == "https://tt02.altinn.no/"


@pytest.mark.parametrize(
    ("changed", "error", "code"),
    [
        ({"aud": "https://another.example/"}, "invalid_grant", "MP-110"),
        ({"aud": [NAME, "https://another.example/"]}, "invalid_grant", "MP-110"),
        ({"iss": "ukjent"}, "invalid_client", "MP-100"),
        ({"scope": "ks:fiks annet:scope"}, "invalid_scope", "MP-100"),
        ({"scope": ""}, "invalid_scope", "MP-100"),
        ({"iat": -11}, "invalid_grant", "MP-100"),
        ({"iat": 11}, "invalid_grant", "MP-100"),
        ({"exp": 121}, "invalid_grant", "MP-100"),
        ({"exp": -1}, "invalid_grant", "MP-100"),
        ({"jti": None}, "invalid_grant", "MP-100"),
        ({"nonce": "x"}, "invalid_grant", "MP-100"),
        ({"consumer_org": "999999999"}, "invalid_grant", "MP-100"),
        ({"consumer_org": "987654325", "iss_onbehalfof": "987654325"}, "invalid_grant", "MP-100"),
    ],
    ids=str,
)
async def test_a_grant_with_one_wrong_claim_buys_nothing(issuer, school_key, session, changed, error, code) -> None:
    grant = altered_grant(school_key, changed)
    async with issuer.serve() as base:
        status, body = await post(session, base, grant)

    assert (status, body["error"]) == (400, error)
    assert body["error_description"].startswith(code)
    assert body["error_uri"]


async def test_a_grant_buys_one_token_once(issuer, school_key, session) -> None:
    grant = make_grant(school_key, **RIGHT, at=now())
    async with issuer.serve() as base:
        assert (await post(session, base, grant))[0] == 200
        assert (await post(session, base, grant))[0] == 400


async def test_a_grant_signed_by_another_certificate_or_changed_afterwards_buys_nothing(
    issuer, school_key, pki, session
) -> None:
    stranger = pki.organisation(ORGANISATION)
    by_stranger = make_grant(SoftwareKey(stranger.key, stranger.chain), **RIGHT, at=now())
    header, claims, _ = make_grant(school_key, **RIGHT, at=now()).split(".")
    signature = make_grant(school_key, **RIGHT, at=now()).split(".")[2]
    async with issuer.serve() as base:
        _, body = await post(session, base, by_stranger)
        assert body["error_description"].startswith("MP-120")
        status, body = await post(session, base, f"{header}.{claims}.{signature}")
        assert (status, body["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    "grant", ["", "a.b", "a.b.c", "e30.e30.e30", "." * 3, "æ.ø.å", "W10.W10.W10", "eyJhbGciOiJub25lIn0.e30."]
)
async def test_what_is_no_grant_is_refused(issuer, session, grant) -> None:
    async with issuer.serve() as base:
        status, body = await post(session, base, grant)
        assert (status, body["error"]) == (400, "invalid_grant")
        status, body = await post(session, base, grant, grant_type="client_credentials")
        assert body["error"] == "unsupported_grant_type"


async def test_the_metadata_leads_to_the_endpoints(issuer, session) -> None:
    async with issuer.serve() as base, session.get(f"{base}/.well-known/oauth-authorization-server") as answer:
        body = await answer.json()

    assert body["issuer"] == NAME
    assert (body["token_endpoint"], body["jwks_uri"]) == (f"{base}/token", f"{base}/jwks")


async def test_an_issuer_that_is_down_means_try_later_and_a_refused_grant_means_configuration(
    issuer, school_key, session
) -> None:
    async with issuer.serve() as base:
        issuer.faults.add(IssuerFault.UNAVAILABLE)
        source = TokenSource(session, TokenRequest(f"{base}/token", NAME, "skole", "ks:fiks"), school_key)
        with pytest.raises(PartnerUnavailableError):
            await source.token()
        issuer.faults.clear()
        assert await source.token()
        stranger = TokenSource(session, TokenRequest(f"{base}/token", NAME, "ukjent", "ks:fiks"), school_key)
        with pytest.raises(PartnerRefusedError):
            await stranger.token()
    source.forget()
    with pytest.raises(PartnerUnavailableError):
        await source.token()


@pytest.mark.parametrize("fault", [IssuerFault.EXPIRED_TOKENS, IssuerFault.WRONG_SCOPE])
async def test_the_token_faults_make_tokens_that_do_not_open_the_door(issuer, school_key, session, fault) -> None:
    issuer.faults.add(fault)
    async with issuer.serve() as base:
        token = await TokenSource(session, TokenRequest(f"{base}/token", NAME, "skole", "ks:fiks"), school_key).token()
        judge = verifier(session, base)
        if fault is IssuerFault.EXPIRED_TOKENS:
            with pytest.raises(UnauthenticatedError):
                await judge.verify(token, now())
        else:
            assert "ks:fiks" not in (await judge.verify(token, now())).scopes


async def test_tokens_of_before_and_after_a_change_of_keys_are_both_believed(issuer, school_key, session) -> None:
    async with issuer.serve() as base:
        before = issuer.exchange(make_grant(school_key, **RIGHT, at=now()))["access_token"]
        issuer.rotate_key()
        after = issuer.exchange(make_grant(school_key, **RIGHT, at=now()))["access_token"]
        judge = verifier(session, base)
        for token in (before, after):
            assert (await judge.verify(token, now())).client_id == "skole"
        assert part_of(before, 0)["kid"] != part_of(after, 0)["kid"]


def part_of(token, number):
    segment = token.split(".")[number]
    return json.loads(urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))


def altered_grant(key, changed):
    """A grant with other claims, signed; numbers are seconds from now, None takes a claim away."""
    at = int(now().timestamp())
    claims = part_of(make_grant(key, **RIGHT, at=now()), 1)
    claims |= {name: at + value if isinstance(value, int) else value for name, value in changed.items()}
    if "iat" in changed:
        claims["exp"] = claims["iat"] + 120
    return sign_claims(key, {name: value for name, value in claims.items() if value is not None})


def test_a_grant_is_good_for_ten_seconds_around_now(issuer, school_key) -> None:
    for seconds in (-9, 9):
        assert issuer.exchange(make_grant(school_key, **RIGHT, at=now() + timedelta(seconds=seconds)))
