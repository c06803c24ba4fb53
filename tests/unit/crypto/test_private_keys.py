"""Key files: read with their chain, refused when others may read them or when they do not fit."""

import os

import pytest

from gateway import config
from gateway.app.keys import KeyOpener
from gateway.crypto.key_transport import OAEP_SHA256, PKCS1_V15
from gateway.crypto.keys import FixedKeyRing, KeyFile, read_key, read_key_encryption_key
from gateway.errors import ConfigError, DecryptionError
from gateway.testing.pki import Make, certificate_pem, receive_key
from tests import crypto_kit as kit

PASSWORD = b"prove-passord"


@pytest.fixture(scope="module")
def organisation():
    return kit.pki().organisation(kit.ORGANISATION)


def test_a_pem_file_gives_key_and_chain_without_the_root(tmp_path, organisation):
    path = organisation.write_pem(tmp_path / "key.pem")
    shuffled = [*reversed(organisation.chain), kit.pki().root.certificate]
    path.write_bytes(organisation.key_pem + b"".join(certificate_pem(one) for one in shuffled))
    assert read_key(KeyFile(path)).chain == organisation.chain


def test_a_pkcs12_file_gives_key_and_chain(tmp_path, organisation):
    path = organisation.write_pkcs12(tmp_path / "key.p12", PASSWORD)
    assert read_key(KeyFile(path, PASSWORD)).chain == organisation.chain


def test_a_ring_opens_with_each_of_its_keys_and_signs_with_one(tmp_path, organisation):
    old, new = receive_key("Gammel"), receive_key("Ny")
    files = [KeyFile(one.write_pem(tmp_path / name)) for one, name in ((old, "old.pem"), (new, "new.pem"))]
    signing = read_key(KeyFile(organisation.write_pem(tmp_path / "sign.pem")))
    ring = FixedKeyRing([read_key(file) for file in files], signing)
    for credential in (old, new):
        sealed = kit.seal(b"innhold", recipient=kit.software(credential))
        assert kit.unseal(sealed, *ring.decryption_keys()) == b"innhold"
    assert ring.signing_key().chain == organisation.chain
    assert ring.decryption_keys()[0].certificate == old.certificate


def test_a_ring_without_signing_key_says_so():
    with pytest.raises(ConfigError):
        FixedKeyRing([]).signing_key()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o644, 0o620])
def test_a_key_file_that_others_may_use_is_refused(tmp_path, organisation, mode):
    path = organisation.write_pem(tmp_path / "key.pem")
    assert read_key(KeyFile(path))
    path.chmod(mode)
    with pytest.raises(ConfigError, match="others than its owner"):
        read_key(KeyFile(path))


def write(path, content):
    path.touch(0o600)
    path.write_bytes(content)
    return path


def test_every_fault_of_every_file_is_told_at_once(tmp_path, organisation):
    stranger = receive_key("Annen")
    files = [
        tmp_path / "missing.pem",
        write(tmp_path / "noise.pem", b"\x00noise"),
        write(tmp_path / "mismatch.pem", stranger.key_pem + organisation.chain_pem),
        receive_key(make=Make(key_bits=1024)).write_pem(tmp_path / "small.pem"),
        receive_key(make=Make(elliptic=True)).write_pem(tmp_path / "elliptic.pem"),
        organisation.write_pkcs12(tmp_path / "locked.p12", PASSWORD),
        write(tmp_path / "nocert.pem", organisation.key_pem),
    ]
    good = organisation.write_pem(tmp_path / "good.pem")
    pairs = [config.KeyPair(key=f"file:{file}") for file in [*files, good]]
    keys = KeyOpener(tmp_path, config.Pkcs11())
    assert [key.certificate for key in keys.ring(pairs, pairs[0]).decryption_keys()] == [organisation.certificate]
    assert len(keys.faults) == len(files) + 1
    for file, fault in zip(files, keys.faults, strict=False):
        assert file.name in fault
    with pytest.raises(ConfigError, match="stands in that file"):
        raise_first(KeyOpener(tmp_path, config.Pkcs11()), config.KeyPair(key=f"file:{good}", certificate=good))


def raise_first(keys, pair):
    keys.ring([pair])
    raise ConfigError(*keys.faults)


def test_a_password_is_never_shown():
    assert "hemmelig" not in repr(KeyFile(os.devnull, b"hemmelig"))


def test_a_key_encryption_key_is_read_from_a_private_file_of_32_octets(tmp_path):
    secret = os.urandom(32)
    assert read_key_encryption_key(write(tmp_path / "kek", secret)).key_id.startswith("local:")
    with pytest.raises(ConfigError):
        read_key_encryption_key(write(tmp_path / "short", secret[:31]))
    (tmp_path / "kek").chmod(0o644)
    with pytest.raises(ConfigError):
        read_key_encryption_key(tmp_path / "kek")


def test_a_content_key_that_does_not_open_is_a_decryption_fault_and_v15_tells_nothing():
    key = kit.receiver()
    with pytest.raises(DecryptionError):
        key.decrypt(OAEP_SHA256, os.urandom(256))
    assert isinstance(key.decrypt(PKCS1_V15, bytes([0]) + os.urandom(255)), bytes)
