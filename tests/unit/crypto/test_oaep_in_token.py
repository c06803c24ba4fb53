"""A token that takes OAEP with SHA-256 off itself (NSS): what reports are sealed with, opened without ``raw_rsa``."""

import io
import os

import pytest

from gateway import config
from gateway.crypto.asice import verify_container
from gateway.crypto.key_transport import OAEP_SHA256, PKCS1_V15, Digest, KeyTransport
from gateway.crypto.profiles import FIKS_CONCERN_REPORT, FIKS_ENVELOPE
from gateway.errors import DecryptionError
from gateway.testing.pki import certificate_pem, receive_key
from tests import crypto_kit as kit
from tests.nss_kit import nss_token
from tests.unit.crypto.test_pkcs11 import opener, sealed_to

TRANSPORTS = {
    "oaep-256": OAEP_SHA256,
    "oaep-256-mgf-1": KeyTransport(Digest.SHA256, Digest.SHA1),
    "oaep-1": KeyTransport(Digest.SHA1, Digest.SHA1),
    "v1.5": PKCS1_V15,
}


@pytest.fixture(scope="module")
def receive():
    return receive_key("Mottak i NSS")


@pytest.fixture(scope="module")
def key(receive, tmp_path_factory):
    """The key in the token, admitted as a start admits it: it proved that it opens OAEP with SHA-256."""
    token = nss_token()
    token.key("receive", receive)
    token.store()
    file = tmp_path_factory.mktemp("certificates") / "receive.pem"
    file.write_bytes(certificate_pem(receive.certificate))
    keys = opener(token.hsm, raw_rsa=False)
    ring = keys.ring([config.KeyPair(key=token.reference("receive"), certificate=file)])
    assert keys.faults == []
    return ring.decryption_keys()[0]


@pytest.fixture(autouse=True)
def _padding_is_the_tokens_affair(monkeypatch):
    def never(*_):
        pytest.fail("the padding came into this process")

    monkeypatch.setattr("gateway.crypto.pkcs11.take_off", never)


def test_a_report_sealed_as_ks_seals_it_opens_in_the_token_and_is_verified(key, receive):
    container = kit.our_container()
    sealed = kit.seal(container, FIKS_ENVELOPE, recipient=kit.software(receive))
    assert kit.unseal(sealed, key, profile=FIKS_ENVELOPE) == container
    verify_container(io.BytesIO(container), FIKS_CONCERN_REPORT, kit.trust(), kit.NOW)


@pytest.mark.parametrize("transport", TRANSPORTS.values(), ids=TRANSPORTS)
def test_each_transport_opens_in_the_token_and_nothing_else_does(key, receive, transport):
    content_key = os.urandom(32)
    assert key.decrypt(transport, sealed_to(receive, content_key, transport)) == content_key
    changed = bytearray(sealed_to(receive, content_key, transport))
    changed[100] ^= 1
    faults = set()
    for block in (bytes(changed), b"\0" + os.urandom(255), bytes(256)):
        try:
            assert key.decrypt(transport, block) != content_key, "with v1.5 a wrong padding may give octets of chance"
        except DecryptionError as error:  # and not a token that is away
            faults.add(str(error))
    assert len(faults) == 1 or (not faults and transport is PKCS1_V15), "a wrong padding's answer says no more"
    for block in (b"\xff" * 256, b""):
        with pytest.raises(DecryptionError):
            key.decrypt(transport, block)
    assert key.decrypt(transport, sealed_to(receive, content_key, transport)) == content_key


def test_what_was_sealed_with_another_transport_does_not_open(key, receive):
    sealed = sealed_to(receive, b"content key", OAEP_SHA256)
    for other in (TRANSPORTS["oaep-1"], TRANSPORTS["oaep-256-mgf-1"]):
        with pytest.raises(DecryptionError):
            key.decrypt(other, sealed)
