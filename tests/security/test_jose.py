"""S06, S14, S15: what a token's header may say, and when a key is touched."""

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from gateway.crypto import jose
from gateway.crypto.jose import KeySet, SigningJwk, read_header
from gateway.errors import SignatureError, StructureError, TrustError
from tests.edge_kit import TokenIssuer


def b64(octets):
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def with_header(text):
    """A token of right form with this header text."""
    return f"{b64(text.encode())}.{b64(b'{}')}.{b64(b'signature')}"


class NoKeys(dict):
    """A key set that must not be asked."""

    def get(self, *_):
        pytest.fail("a key was looked up")


HEADERS = {
    "none": '{"alg":"none","kid":"k1"}',
    "None in capitals": '{"alg":"None","kid":"k1"}',
    "HS256": '{"alg":"HS256","kid":"k1"}',
    "HS512": '{"alg":"HS512","kid":"k1"}',
    "EdDSA is not ours": '{"alg":"EdDSA","kid":"k1"}',
    "algorithm is a list": '{"alg":["RS256"],"kid":"k1"}',
    "no algorithm": '{"kid":"k1"}',
    "jwk": '{"alg":"RS256","kid":"k1","jwk":{"kty":"RSA"}}',
    "jku": '{"alg":"RS256","kid":"k1","jku":"https://evil.example/jwks"}',
    "x5u": '{"alg":"RS256","kid":"k1","x5u":"https://evil.example/c"}',
    "x5c": '{"alg":"RS256","kid":"k1","x5c":["AA=="]}',
    "crit": '{"alg":"RS256","kid":"k1","crit":["exp"]}',
    "b64": '{"alg":"RS256","kid":"k1","b64":false}',
    "zip": '{"alg":"RS256","kid":"k1","zip":"DEF"}',
    "unknown type": '{"alg":"RS256","kid":"k1","typ":"dpop+jwt"}',
    "type is a number": '{"alg":"RS256","kid":"k1","typ":1}',
    "no kid": '{"alg":"RS256"}',
    "kid is a number": '{"alg":"RS256","kid":7}',
    "empty kid": '{"alg":"RS256","kid":""}',
    "repeated alg": '{"alg":"RS256","alg":"none","kid":"k1"}',
    "repeated kid": '{"alg":"RS256","kid":"k1","kid":"k2"}',
    "a list": "[]",
    "deep": "[" * 3000,
    "not JSON": "{",
    "NaN": '{"alg":"RS256","kid":"k1","typ":NaN}',
    "long number": '{"alg":"RS256","kid":' + "9" * 4500 + "}",
}


@pytest.mark.proves("S06")
@pytest.mark.parametrize("text", HEADERS.values(), ids=HEADERS.keys())
def test_header_corpus_is_refused_before_keys(text):
    with pytest.raises(StructureError):
        KeySet(NoKeys()).verified_claims(with_header(text))


@pytest.mark.proves("S06")
@pytest.mark.parametrize("algorithm", jose.ALGORITHMS)
def test_control_a_plain_header_of_each_algorithm_verifies(algorithm):
    key = SigningJwk.generate("k1", algorithm)
    assert KeySet.parse(key.jwks()).verified_claims(key.sign({"iss": "me"})) == {"iss": "me"}


@pytest.mark.proves("S06")
def test_json_serialisation_is_refused_before_keys():
    issuer = TokenIssuer()
    header, payload, signature = issuer.token().split(".")
    flat = json.dumps({"protected": header, "payload": payload, "signature": signature})
    general = json.dumps({"payload": payload, "signatures": [{"protected": header, "signature": signature}]})
    for token in (flat, general, f"{header}..{signature}", f"{header}.{payload}.", f"{header}.{payload}.{signature}."):
        with pytest.raises(StructureError):
            KeySet(NoKeys()).verified_claims(token)


def test_a_token_above_the_size_bound_is_refused_before_keys():
    token = TokenIssuer().token(filler="x" * 8192)
    with pytest.raises(StructureError):
        KeySet(NoKeys()).verified_claims(token)


def test_a_second_spelling_of_the_same_base64_is_refused():
    header, payload, signature = TokenIssuer().token().split(".")
    twin = payload[:-1] + chr(ord(payload[-1]) + 1)
    issuer = TokenIssuer()
    with pytest.raises(TrustError):
        KeySet.parse(issuer.key.jwks()).verified_claims(f"{header}.{twin}.{signature}")


@pytest.mark.parametrize("segment", ["A", "eyJ9A", "eyJhIjoxfR"], ids=["no base64", "cut", "other spare bits"])
def test_a_header_in_no_canonical_base64_is_refused_before_keys(segment):
    with pytest.raises(StructureError):
        KeySet(NoKeys()).verified_claims(f"{segment}.e30.e30")


def test_a_key_set_without_bounds_or_keys_is_refused():
    good = SigningJwk.generate("k1").jwks()
    many = json.dumps({"keys": json.loads(good)["keys"] * 51}).encode()
    for document in (good + b" " * 300_000, many, b'{"keys":{}}', b'{"keys":[]}', b"{}"):
        with pytest.raises(StructureError):
            KeySet.parse(document)
    assert "k1" in KeySet.parse(good)


@pytest.mark.proves("S14")
def test_key_use_matrix():
    rsa, ec = SigningJwk.generate("k1", "RS256"), SigningJwk.generate("k1", "ES256")
    encryption = json.loads(rsa.jwks())["keys"][0] | {"use": "enc"}
    with pytest.raises(StructureError):
        KeySet.parse(json.dumps({"keys": [encryption]}).encode())
    for key_set, token in ((rsa.jwks(), ec.sign({})), (ec.jwks(), rsa.sign({}))):
        with pytest.raises(SignatureError):
            KeySet.parse(key_set).verified_claims(token)
    pss = SigningJwk(rsa._key, "PS256")
    with pytest.raises(SignatureError):  # the set says that this key signs RS256
        KeySet.parse(rsa.jwks()).verified_claims(resigned(pss, "PS256"))
    assert KeySet.parse(rsa.jwks()).verified_claims(rsa.sign({})) == {}  # the control


def resigned(key, algorithm):
    """Sign with the same RSA key under another algorithm, past jwcrypto's own check of ``alg``."""
    free = json.loads(key._key.export_private())
    free.pop("alg")
    return SigningJwk(JWK(**free), algorithm).sign({})


def test_the_public_key_is_no_hmac_secret():
    issuer = TokenIssuer()
    secret = JWK(kty="oct", k=b64(issuer.key.jwks()))
    jws = JWS(b"{}")
    jws.add_signature(secret, None, json.dumps({"alg": "HS256", "kid": "k1"}))
    with pytest.raises(StructureError):
        KeySet.parse(issuer.key.jwks()).verified_claims(jws.serialize(compact=True))


def test_short_symmetric_and_broken_keys_of_a_set_are_passed_over():
    good = json.loads(SigningJwk.generate("good").jwks())["keys"][0]
    short = json.loads(JWK.generate(kty="RSA", size=1024, kid="short").export_public())
    symmetric = json.loads(JWK.generate(kty="oct", size=256, kid="oct").export())
    broken = {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"}
    keys = KeySet.parse(json.dumps({"keys": [short, symmetric, broken, 5, {"kid": 7}, good]}).encode())
    assert [kid for kid in ("short", "oct", "broken", "good") if kid in keys] == ["good"]


@pytest.mark.proves("S15")
def test_unverified_payload_is_unreachable():
    issuer, stranger = TokenIssuer(), TokenIssuer()
    with pytest.raises(SignatureError) as caught:
        KeySet.parse(issuer.key.jwks()).verified_claims(stranger.token())
    assert "client-of-the-school-system" not in repr(caught.value)
    assert KeySet.parse(issuer.key.jwks()).verified_claims(issuer.token())["iss"] == issuer.name  # the control


@given(st.one_of(st.text(), st.binary().map(b64).map(lambda part: f"{part}.{part}.{part}")))
def test_any_text_ends_in_the_error_tree(text):
    with pytest.raises(StructureError):
        read_header(text)


@given(st.binary())
def test_any_key_set_document_ends_in_the_error_tree(document):
    with pytest.raises(StructureError):
        KeySet.parse(document)
