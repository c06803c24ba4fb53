"""Keys in a real token (SoftHSM): found, proved, used, lost and taken up again."""

import io
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from gateway import config, limits
from gateway.app.keys import KeyOpener
from gateway.crypto.asice import verify_container
from gateway.crypto.at_rest import DataKey, IndexKey, LocalKeyEncryptionKey, key_context
from gateway.crypto.key_transport import OAEP_SHA256, PKCS1_V15, Digest, KeyTransport
from gateway.crypto.keys import rsa_padding
from gateway.crypto.maskinporten import GrantRequest, GrantSigner
from gateway.crypto.profiles import FIKS_CONCERN_REPORT, FIKS_ENVELOPE, GATEWAY_ENVELOPE
from gateway.errors import ConfigError, DecryptionError, KeyUnavailableError, StructureError
from gateway.simulators.grant import read_grant
from gateway.testing.pki import Make, certificate_pem, receive_key
from tests import crypto_kit as kit
from tests.token_kit import softhsm

OAEP_SHA1 = KeyTransport(Digest.SHA1, Digest.SHA1)
KEK = bytes(range(32))


@pytest.fixture(scope="module")
def hsm():
    return softhsm()


@pytest.fixture(scope="module")
def receive():
    return receive_key("Mottak i token")


@pytest.fixture(scope="module")
def organisation():
    return kit.pki().organisation(kit.ORGANISATION)


@pytest.fixture(scope="module")
def small():
    return receive_key("Liten", Make(key_bits=1024))


@pytest.fixture(scope="module")
def token(hsm, receive, organisation, small):
    """A token with everything that an office needs, and some things that do not fit."""
    token = hsm.token("unit")
    token.key("receive", receive)
    token.certificate("receive", receive.certificate)
    token.key("sign", organisation)
    for one in organisation.chain:
        token.certificate("sign", one)
    token.key("other", kit.pki().organisation("123456789"))
    token.key("small", small)
    token.secret("kek", KEK)
    token.secret("short", KEK[:16])
    token.store()
    return token


@pytest.fixture
def at_once(monkeypatch):
    """A lost key is asked for again at once, and not after some seconds."""
    monkeypatch.setattr(limits, "TOKEN_RETRY_S", 0.0)


def opener(hsm, *, raw_rsa=True, folder=Path("/")):
    return KeyOpener(folder, config.Pkcs11(module=hsm.module, raw_rsa=raw_rsa))


def opened(hsm, reference, certificate=None, **options):
    keys = opener(hsm, **options)
    ring = keys.ring([config.KeyPair(key=reference, certificate=certificate)])
    if keys.faults:
        raise ConfigError(*keys.faults)
    return ring.decryption_keys()[0]


def signing(hsm, reference, certificate=None):
    keys = opener(hsm)
    ring = keys.ring([], config.KeyPair(key=reference, certificate=certificate))
    if keys.faults:
        raise ConfigError(*keys.faults)
    return ring.signing_key()


def sealed_to(credential, plain, transport=OAEP_SHA256):
    return credential.certificate.public_key().encrypt(plain, rsa_padding(transport))


def test_a_report_sealed_as_ks_seals_it_opens_through_the_token_and_is_verified(hsm, token, receive):
    key = opened(hsm, token.reference("receive"))
    assert key.certificate == receive.certificate
    container = kit.our_container()
    sealed = kit.seal(container, FIKS_ENVELOPE, recipient=kit.software(receive))
    assert kit.unseal(sealed, key, profile=FIKS_ENVELOPE) == container
    verify_container(io.BytesIO(container), FIKS_CONCERN_REPORT, kit.trust(), kit.NOW)


def test_a_container_signed_in_the_token_is_verified_with_the_chain_from_the_token(hsm, token, organisation):
    key = signing(hsm, token.reference("sign"))
    assert key.chain == organisation.chain
    organisation.certificate.public_key().verify(key.sign(b"data"), b"data", padding.PKCS1v15(), hashes.SHA256())


def test_a_grant_for_maskinporten_is_signed_in_the_token(hsm, token):
    asked = GrantRequest("https://test.maskinporten.no/", "oss", "ks:fiks")
    read_grant(GrantSigner(signing(hsm, token.reference("sign"))).grant(asked, kit.NOW)).check()


def test_certificates_come_from_a_file_when_one_is_named(hsm, token, organisation, tmp_path):
    file = tmp_path / "chain.pem"
    file.write_bytes(b"".join(certificate_pem(one) for one in (kit.pki().root.certificate, *organisation.chain)))
    assert signing(hsm, token.reference("sign"), file).chain == organisation.chain


@pytest.mark.parametrize("transport", [OAEP_SHA256, OAEP_SHA1, PKCS1_V15], ids=["oaep-256", "oaep-1", "v1.5"])
def test_with_the_bare_operation_each_transport_opens_and_its_faults_are_those_of_a_key_in_memory(
    hsm, token, receive, transport
):
    key = opened(hsm, token.reference("receive"))
    content_key = os.urandom(32)
    assert key.decrypt(transport, sealed_to(receive, content_key, transport)) == content_key
    modulus = receive.certificate.public_key().public_numbers().n
    for block in (b"\0" + os.urandom(255), bytes(256), modulus.to_bytes(256), b"\xff" * 256, bytes(255), b""):
        outcomes = []
        for one in (key, kit.software(receive)):
            try:
                one.decrypt(transport, block)
                outcomes.append("octets of chance")
            except DecryptionError as error:
                outcomes.append(str(error))
        assert outcomes[0] == outcomes[1]


def test_a_token_that_cannot_do_oaep_with_sha256_is_refused_at_the_start_with_the_switch_named(hsm, token):
    with pytest.raises(ConfigError, match=r"unit;object=receive: .*pkcs11\.raw_rsa"):
        opened(hsm, token.reference("receive"), raw_rsa=False)


@pytest.fixture
def whole_operation(monkeypatch):
    """SoftHSM takes no padding off but OAEP with SHA-1 and v1.5; these two are what the whole operation is tried with."""
    from gateway.crypto import pkcs11

    monkeypatch.setattr(pkcs11, "PROBED_TRANSPORT", OAEP_SHA1)


@pytest.mark.parametrize("transport", [OAEP_SHA1, PKCS1_V15], ids=["oaep-1", "v1.5"])
def test_a_token_takes_the_padding_off_itself_where_it_can(hsm, token, receive, transport, whole_operation):
    key = opened(hsm, token.reference("receive"), raw_rsa=False)
    assert key.decrypt(transport, sealed_to(receive, b"content key", transport)) == b"content key"
    faults = set()
    for block in (b"\0" + os.urandom(255), bytes(256), sealed_to(receive, b"x", OAEP_SHA256)):
        with pytest.raises(DecryptionError) as caught:  # and not a token that is away, though SoftHSM says no more
            key.decrypt(transport, block)
        faults.add(str(caught.value))
    assert len(faults) == 1
    assert key.decrypt(transport, sealed_to(receive, b"after", transport)) == b"after"


def test_a_changed_key_block_is_answered_as_changed_content_is(hsm, token, receive):
    key = opened(hsm, token.reference("receive"))
    sealed = bytearray(kit.seal(b"innhold", GATEWAY_ENVELOPE, recipient=kit.software(receive)))
    answers = set()
    for place in (sealed.index(b"\x04\x82\x01\x00") + 40, len(sealed) - 20):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(DecryptionError) as caught:
            kit.unseal(bytes(changed), key, profile=GATEWAY_ENVELOPE)
        answers.add(str(caught.value))
    assert len(answers) == 1


def test_a_data_key_is_wrapped_in_the_token_for_its_own_context_only(hsm, token):
    keys = opener(hsm)
    kek, data_key = keys.key_encryption_key(token.reference("kek")), DataKey.generate()
    context = key_context("4601-02", "melding-1")
    blob = kek.wrap(data_key, context)
    assert kek.unwrap(blob, context)._secret == data_key._secret
    assert blob != kek.wrap(data_key, context)
    assert kek.key_id.startswith("pkcs11:")
    assert kek.key_id == opener(hsm).key_encryption_key(token.reference("kek")).key_id
    changed = [bytes([*blob[:place], blob[place] ^ 1, *blob[place + 1 :]]) for place in range(0, len(blob), 7)]
    local = LocalKeyEncryptionKey(KEK).wrap(data_key, context)
    for other in (*changed, blob[:-1], blob + b"\0", b"", local):
        with pytest.raises(DecryptionError):
            kek.unwrap(other, context)
    with pytest.raises(DecryptionError):
        kek.unwrap(blob, key_context("4601-03", "melding-1"))
    index = IndexKey.generate()
    assert IndexKey.unwrap(kek, index.wrap(kek, "4601-02"), "4601-02").mac("x", b"y") == index.mac("x", b"y")


def test_every_fault_of_every_reference_is_told_at_once(hsm, token, small, tmp_path):
    stranger, little = tmp_path / "stranger.pem", tmp_path / "small.pem"
    stranger.write_bytes(certificate_pem(kit.receiver().certificate))
    little.write_bytes(certificate_pem(small.certificate))
    readable, another = tmp_path / "readable-pin", tmp_path / "another-pin"
    for file, mode in ((readable, 0o644), (another, 0o600)):
        file.write_text("1234")
        file.chmod(mode)
    missing_token = token.reference("receive").replace("token=unit", "token=nowhere")
    pairs = {
        "there is no such object": config.KeyPair(key=token.reference("nothing")),
        "there is no such token": config.KeyPair(key=missing_token),
        "no certificate fits the key": config.KeyPair(key=token.reference("receive"), certificate=stranger),
        "other: no certificate fits": config.KeyPair(key=token.reference("other")),
        "2048 bits": config.KeyPair(key=token.reference("small"), certificate=little),
        "one PIN": config.KeyPair(key=token.reference("receive", another)),
        "others than its owner": config.KeyPair(key=token.reference("receive", readable)),
        "no password": config.KeyPair(key=token.reference("receive"), password="env:X"),
        "no certificate in PEM": config.KeyPair(key=token.reference("receive"), certificate=hsm.pin),
        "No such file": config.KeyPair(key=token.reference("receive"), certificate=tmp_path / "nothing.pem"),
        "no token": config.KeyPair(key=f"pkcs11:object=receive?pin-source=file:{hsm.pin}"),
        "cannot be loaded": config.KeyPair(key=f"{token.reference('receive')}&module-path={hsm.pin}"),
    }
    keys = opener(hsm)
    keys.ring(list(pairs.values()))
    keys.key_encryption_key(token.reference("short"))
    keys.key_encryption_key(token.reference("receive"))  # a private key is none
    wanted = [*pairs, "AES key of 256 bits", "there is no such object"]
    assert len(keys.faults) == len(wanted)
    for part, fault in zip(wanted, keys.faults, strict=True):
        assert part in fault
    assert "prove-pin" not in str(keys.faults)


def test_a_wrong_pin_is_told_once_and_the_right_one_opens_the_same_token(hsm, tmp_path, monkeypatch, receive):
    contents = hsm.token("pins")
    contents.key("receive", receive)
    contents.certificate("receive", receive.certificate)
    contents.store()
    pin = tmp_path / "pin"
    pin.touch(0o600)
    pin.write_text("not-this-one\n")
    from gateway.crypto.pkcs11_token import Module

    asked = []
    found = Module.token
    monkeypatch.setattr(Module, "token", lambda self, name: asked.append(name) or found(self, name))
    looks = []
    for _ in range(3):
        with pytest.raises(ConfigError, match="the PIN is wrong"):
            opened(hsm, contents.reference("receive", pin))
        looks.append(len(asked))
        asked.clear()
    # Each opening looks for the token; only the first one looks for it again, to log in.
    assert looks[1:] == [1, 1]
    assert looks[0] > 1
    pin.write_text("prove-pin-1234\n")
    assert opened(hsm, contents.reference("receive", pin)).certificate == receive.certificate
    pin.chmod(0o640)
    with pytest.raises(ConfigError, match="others than its owner"):
        opened(hsm, hsm.token("third").reference("x", pin))


def test_a_key_in_a_lost_token_is_unavailable_and_works_again_when_the_token_is_back(
    hsm, token, receive, organisation, at_once
):
    key, signer = opened(hsm, token.reference("receive")), signing(hsm, token.reference("sign"))
    kek, data_key = opener(hsm).key_encryption_key(token.reference("kek")), DataKey.generate()
    blob = kek.wrap(data_key, b"context")
    sealed = kit.seal(b"innhold", recipient=kit.software(receive))
    missing = key.token.missing
    assert missing([key.wanted, signer.wanted]) == []
    with hsm.away():
        for attempt in (lambda: kit.unseal(sealed, key), lambda: signer.sign(b"data"), lambda: kek.wrap(data_key, b"")):
            with pytest.raises(KeyUnavailableError):
                attempt()
        with pytest.raises(KeyUnavailableError):
            kek.unwrap(blob, b"context")
        assert missing([key.wanted, signer.wanted]) == ["unit/receive", "unit/sign"]
        with pytest.raises(ConfigError):
            opened(hsm, token.reference("receive"))
    assert signing(hsm, token.reference("sign")).chain == organisation.chain  # a renewal finds it, too
    assert missing([key.wanted, signer.wanted]) == []
    assert kit.unseal(sealed, key) == b"innhold"
    assert kek.unwrap(blob, b"context")._secret == data_key._secret
    organisation.certificate.public_key().verify(signer.sign(b"x"), b"x", padding.PKCS1v15(), hashes.SHA256())


def test_a_lost_key_is_not_asked_for_at_every_turn(hsm, token, receive):
    key = opened(hsm, token.reference("receive"))
    encrypted = sealed_to(receive, b"content key")
    with hsm.away(), pytest.raises(KeyUnavailableError):
        key.decrypt(OAEP_SHA256, encrypted)
    with pytest.raises(KeyUnavailableError):  # it is back, and nobody has looked yet
        key.decrypt(OAEP_SHA256, encrypted)
    assert opened(hsm, token.reference("sign")).certificate  # the other keys do not wait for it
    assert key.token.works(key.wanted)
    assert key.decrypt(OAEP_SHA256, encrypted) == b"content key"


def test_many_threads_share_a_token(hsm, token, receive):
    key = opened(hsm, token.reference("receive"))
    plain = [os.urandom(32) for _ in range(24)]
    encrypted = [sealed_to(receive, one) for one in plain]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(lambda one: key.decrypt(OAEP_SHA256, one), encrypted)) == plain


def test_faults_of_structure_are_found_before_the_token_is_asked(hsm, token, receive):
    key = opened(hsm, token.reference("receive"))
    with hsm.away(), pytest.raises(StructureError):
        kit.unseal(b"%PDF-1.7", key)


def test_no_secret_stands_in_what_a_key_says_of_itself(hsm, token):
    key = opened(hsm, token.reference("receive"))
    assert repr(key) == "TokenDecryptionKey(pkcs11:token=unit;object=receive)"
