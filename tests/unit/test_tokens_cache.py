"""The memory of verified tokens is bounded, and passwords are compared as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import limits
from gateway.crypto.secrets import PasswordDigest, new_password, nobody_matches, same_secret
from gateway.crypto.tokens import TokenVerifier
from tests.edge_kit import NOW, StillClock, TokenIssuer


async def test_the_cache_forgets_the_oldest_beyond_its_bound(monkeypatch):
    monkeypatch.setattr(limits, "TOKENS_CACHED_MAX", 3)
    issuer = TokenIssuer(algorithm="ES256")
    verifier = TokenVerifier([issuer.settings()], issuer.fetch, StillClock())
    for number in range(5):
        await verifier.verify(issuer.token(jti=str(number)), NOW)
    assert len(verifier._verified) == 3


def test_passwords_are_256_bits_and_never_the_same():
    passwords = {new_password() for _ in range(100)}
    assert len(passwords) == 100
    assert {len(password) for password in passwords} == {43}


@pytest.mark.proves("S10")
@given(st.binary(), st.binary())
def test_any_octets_compare_without_error(password, other):
    digest = PasswordDigest.of(password)
    assert digest.matches(password)
    assert digest.matches(other) == (other == password)
    assert same_secret(password, other) == (other == password)
    assert not nobody_matches(other)


def test_two_digests_of_one_password_differ():
    assert PasswordDigest.of(b"x") != PasswordDigest.of(b"x")
