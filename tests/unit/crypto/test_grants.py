"""The grant for Maskinporten holds what fiks.md 2.1 lists and nothing else, judged by jwcrypto and not by our own reader."""

import base64
import json
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS, InvalidJWSSignature

from gateway.crypto.maskinporten import GrantRequest, GrantSigner
from gateway.errors import ConfigError
from tests import crypto_kit as kit

AUDIENCE = "https://test.maskinporten.no/"
CLIENT = "6a4e9a7e-4f3b-4a53-8a67-aa2f4dd4b5e1"
NOW = datetime(2026, 3, 29, 1, 0, 0, 700_000, tzinfo=UTC)  # the hour in which clocks are put forward
RECORDED = {"aud", "iss", "scope", "iat", "exp", "jti"}  # what KS's own clients send
text = st.text(min_size=1, max_size=40)


def request(**changes):
    return GrantRequest(**{"audience": AUDIENCE, "client_id": CLIENT, "scope": "ks:fiks"} | changes)


def opened(grant, key=None):
    """Header and claims, when the signature holds for the key; else for the certificate in the header."""
    jws = JWS()
    jws.deserialize(grant)
    header = jws.jose_header
    if key is None:
        certificate = x509.load_der_x509_certificate(base64.b64decode(header["x5c"][0], validate=True))
        key = certificate.public_key()
    jws.verify(JWK.from_pem(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)))
    return header, json.loads(jws.payload)


def signed(signer=None, asked=None, at=NOW):
    return (signer or GrantSigner(kit.signer())).grant(asked or request(), at)


def test_a_grant_has_the_recorded_claims_and_lives_two_minutes():
    header, claims = opened(signed())
    assert claims.keys() == RECORDED
    assert (claims["aud"], claims["iss"], claims["scope"]) == (AUDIENCE, CLIENT, "ks:fiks")
    assert (claims["iat"], claims["exp"]) == (1774746000, 1774746120)
    assert header.keys() == {"alg", "x5c"}
    assert header["alg"] == "RS256"


@given(client=text, scope=text, at=st.floats(0, 2_000_000_000).map(lambda s: datetime.fromtimestamp(s, UTC)))
def test_whatever_is_asked_for_stands_in_the_grant_and_nothing_else(client, scope, at):
    _, claims = opened(signed(asked=request(client_id=client, scope=scope), at=at))
    assert claims.keys() == RECORDED
    assert (claims["iss"], claims["scope"]) == (client, scope)
    assert at - timedelta(seconds=1) < datetime.fromtimestamp(claims["iat"], UTC) <= at
    assert claims["exp"] - claims["iat"] <= 120


def test_each_grant_has_a_number_of_its_own():
    signer = GrantSigner(kit.signer())
    assert len({opened(signed(signer))[1]["jti"] for _ in range(20)}) == 20


@pytest.mark.parametrize(("field", "claim"), [("consumer_org", "consumer_org"), ("on_behalf_of", "iss_onbehalfof")])
def test_whom_a_supplier_acts_for_is_one_more_claim(field, claim):
    _, claims = opened(signed(asked=request(**{field: "987654325"})))
    assert claims.keys() == RECORDED | {claim}
    assert claims[claim] == "987654325"


def test_both_ways_of_acting_for_somebody_are_refused():
    with pytest.raises(ConfigError):
        request(consumer_org="987654325", on_behalf_of="987654325")


def test_the_whole_chain_without_its_root_is_sent_when_asked_for():
    header, _ = opened(signed(GrantSigner(kit.signer(), enclosed="full")))
    chain = [x509.load_der_x509_certificate(base64.b64decode(one, validate=True)) for one in header["x5c"]]
    assert tuple(chain) == kit.signer().chain
    assert len(chain) == 2
    assert chain[-1].issuer != chain[-1].subject


def test_a_registered_key_is_named_and_sends_no_certificate():
    header, _ = opened(signed(GrantSigner(kit.signer(), "fiks-1", None)), kit.signer().certificate.public_key())
    assert header == {"alg": "RS256", "kid": "fiks-1"}


def test_a_registered_key_sends_its_certificate_too_when_asked_for():
    header, _ = opened(signed(GrantSigner(kit.signer(), "fiks-1", "leaf")))
    assert header.keys() == {"alg", "kid", "x5c"}


def test_a_grant_without_kid_and_certificate_cannot_be_made():
    with pytest.raises(ConfigError):
        GrantSigner(kit.signer(), None, None)


def test_control_another_key_does_not_verify_a_grant():
    with pytest.raises(InvalidJWSSignature):
        opened(signed(), kit.other_signer().certificate.public_key())
