"""S02, S04, S07, S09: what an access token must say, and how often its issuer is asked."""

import asyncio
import math

import pytest

from gateway.crypto.jose import SigningJwk
from gateway.crypto.tokens import TokenVerifier
from gateway.errors import ForbiddenError, PartnerUnavailableError, UnauthenticatedError
from tests.edge_kit import DELEGATION, ISSUER, NOW, SCHOOL_OWNER, VENDOR, StillClock, TokenIssuer, organisation

AT = int(NOW.timestamp())


def verifier(issuer, clock=None, **settings):
    return TokenVerifier([issuer.settings(**settings)], issuer.fetch, clock or StillClock())


WRONG = {
    "iss missing": {"iss": ...},
    "iss without its slash": {"iss": ISSUER.rstrip("/")},
    "iss of another": {"iss": "https://test.maskinporten.example/"},
    "iss a list": {"iss": [ISSUER]},
    "exp missing": {"exp": ...},
    "exp 10 s ago": {"exp": AT - 10, "iat": AT - 120},
    "exp a text": {"exp": str(AT + 120)},
    "exp true": {"exp": True},
    "exp null": {"exp": None},
    "iat missing": {"iat": ...},
    "iat 11 s ahead": {"iat": AT + 11},
    "iat after exp": {"iat": AT + 5, "exp": AT + 1},
    "nbf ahead": {"nbf": AT + 60},
    "scope missing": {"scope": ...},
    "scope a list": {"scope": ["ks:fiks"]},
    "client_id missing": {"client_id": ...},
    "consumer missing": {"consumer": ...},
    "consumer a text": {"consumer": f"0192:{SCHOOL_OWNER}"},
    "consumer of another authority": {"consumer": organisation(SCHOOL_OWNER) | {"authority": "x"}},
    "consumer of another scheme": {"consumer": {"authority": "iso6523-actorid-upis", "ID": f"9908:{SCHOOL_OWNER}"}},
    "consumer with wrong control digit": {"consumer": organisation("974760674")},
    "consumer too long": {"consumer": organisation(SCHOOL_OWNER + "0")},
    "consumer with a line end": {"consumer": organisation(SCHOOL_OWNER + "\n")},
    "supplier malformed": {"supplier": "991825827", "delegation_source": DELEGATION},
}


@pytest.mark.proves("S02")
@pytest.mark.parametrize("changes", WRONG.values(), ids=WRONG.keys())
async def test_each_claim_missing_or_wrong_is_401(changes):
    issuer = TokenIssuer()
    with pytest.raises(UnauthenticatedError):
        await verifier(issuer).verify(issuer.token(**changes), NOW)


@pytest.mark.proves("S02")
async def test_control_the_right_claims_are_believed():
    issuer = TokenIssuer()
    token = await verifier(issuer).verify(issuer.token(), NOW)
    assert (token.consumer, token.supplier, token.scopes) == (SCHOOL_OWNER, None, {"ks:fiks"})
    edge = issuer.token(exp=AT - 9, iat=AT - 130)  # within the leeway of 10 s
    assert await verifier(issuer).verify(edge, NOW)


@pytest.mark.proves("S02")
async def test_a_token_of_a_foreign_key_is_401():
    issuer, stranger = TokenIssuer(), TokenIssuer()
    with pytest.raises(UnauthenticatedError):
        await verifier(issuer).verify(stranger.token(), NOW)


async def test_no_exp_of_infinity_or_nan_lives_for_ever():
    issuer = TokenIssuer()
    for value in (math.inf, math.nan):
        with pytest.raises(UnauthenticatedError):
            await verifier(issuer).verify(issuer.token(exp=value), NOW)
    with pytest.raises(UnauthenticatedError):
        await verifier(issuer).verify(issuer.key.sign({}) + "\udc80", NOW)


@pytest.mark.proves("S04")
async def test_token_for_a_neighbour_is_401():
    issuer = TokenIssuer()
    ours = verifier(issuer, audience="https://budstikke.example")
    for aud in (..., "unspecified", "https://neighbour.example", ["https://neighbour.example"], None, 5):
        with pytest.raises(UnauthenticatedError):
            await ours.verify(issuer.token(aud=aud), NOW)
    for aud in ("https://budstikke.example", ["https://neighbour.example", "https://budstikke.example"]):
        assert await ours.verify(issuer.token(aud=aud), NOW)  # the control


@pytest.mark.proves("S07")
async def test_supplier_without_delegation_is_403():
    issuer = TokenIssuer()
    for source in (..., None, "https://tt02.altinn.example/", [DELEGATION]):
        with pytest.raises(ForbiddenError):
            await verifier(issuer).verify(issuer.token(supplier=organisation(VENDOR), delegation_source=source), NOW)
    delegated = issuer.token(supplier=organisation(VENDOR), delegation_source=DELEGATION)
    with pytest.raises(ForbiddenError):
        await verifier(issuer, delegation_source=None).verify(delegated, NOW)
    assert (await verifier(issuer).verify(delegated, NOW)).supplier == VENDOR  # the control


@pytest.mark.proves("S09")
async def test_kid_flood_makes_one_fetch():
    issuer, clock = TokenIssuer(), StillClock()
    ours = verifier(issuer, clock)
    await ours.verify(issuer.token(), NOW)
    clock.pass_s(61)
    strangers = [SigningJwk.generate(f"unknown-{n}", "ES256").sign(issuer.claims()) for n in range(50)]
    answers = await asyncio.gather(*(ours.verify(token, NOW) for token in strangers), return_exceptions=True)
    assert {type(answer) for answer in answers} == {UnauthenticatedError}
    assert issuer.fetches == 2
    clock.pass_s(61)
    with pytest.raises(UnauthenticatedError):
        await ours.verify(strangers[0], NOW)
    assert issuer.fetches == 3


@pytest.mark.proves("S09")
async def test_control_a_rotated_key_is_found_after_a_minute():
    issuer, clock = TokenIssuer(), StillClock()
    ours = verifier(issuer, clock)
    await ours.verify(issuer.token(), NOW)
    issuer.key = SigningJwk.generate("k2")
    with pytest.raises(UnauthenticatedError):
        await ours.verify(issuer.token(), NOW)
    clock.pass_s(60)
    assert await ours.verify(issuer.token(clock.now()), clock.now())


@pytest.mark.proves("S09")
async def test_a_failing_fetch_keeps_the_last_good_set_for_24_hours_and_rings():
    issuer, clock, rung = TokenIssuer(), StillClock(), []
    ours = TokenVerifier([issuer.settings()], issuer.fetch, clock, rung.append)
    await ours.verify(issuer.token(), clock.now())
    issuer.down = True
    clock.pass_s(24 * 3600 - 1)
    assert await ours.verify(issuer.token(clock.now()), clock.now())
    assert rung == [issuer.name]
    clock.pass_s(2)
    with pytest.raises(PartnerUnavailableError):
        await ours.verify(issuer.token(clock.now(), jti="new"), clock.now())
    issuer.down = False
    clock.pass_s(60)
    assert await ours.verify(issuer.token(clock.now()), clock.now())


async def test_a_start_while_the_issuer_is_away_shuts_nobody_out_for_longer_than_seconds():
    issuer, clock = TokenIssuer(), StillClock()
    issuer.down = True
    ours = verifier(issuer, clock)
    for _ in range(3):  # many callers are one question
        with pytest.raises(PartnerUnavailableError):
            await ours.verify(issuer.token(), NOW)
    assert issuer.fetches == 1
    issuer.down = False
    clock.pass_s(5)
    assert await ours.verify(issuer.token(), NOW)
    assert issuer.fetches == 2


@pytest.mark.proves("S02")
async def test_an_issuer_that_is_not_configured_is_401_and_never_asked():
    issuer, unknown = TokenIssuer(), TokenIssuer("https://unknown.example/")
    ours = verifier(issuer)
    with pytest.raises(UnauthenticatedError):
        await ours.verify(unknown.token(), NOW)
    assert (issuer.fetches, unknown.fetches) == (0, 0)
    assert await ours.verify(issuer.token(), NOW)


async def test_a_cached_token_dies_with_its_exp():
    issuer, clock = TokenIssuer(), StillClock()
    ours, token = verifier(issuer, clock), issuer.token()
    await ours.verify(token, clock.now())
    clock.pass_s(129)
    assert await ours.verify(token, clock.now())
    clock.pass_s(1)
    with pytest.raises(UnauthenticatedError):
        await ours.verify(token, clock.now())


async def test_the_token_is_kept_nowhere():
    issuer = TokenIssuer()
    ours, token = verifier(issuer), issuer.token()
    verified = await ours.verify(token, NOW)
    assert all(part not in repr(vars(ours)) + repr(verified) for part in token.split("."))
