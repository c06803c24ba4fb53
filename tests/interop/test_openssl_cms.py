"""What we write is read by OpenSSL, and what OpenSSL writes is read by us. Small files: it holds three times the size."""

import os
import shutil
import subprocess
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from gateway.crypto.profiles import (
    EFORMIDLING_DPE,
    FIKS_CONCERN_REPORT,
    FIKS_ENVELOPE,
    GATEWAY_ENVELOPE,
    STRICT_CONTAINER,
)
from gateway.crypto.signed_data import sign_detached, verify_detached
from gateway.errors import SignatureError
from gateway.testing.pki import Make, certificate_pem, receive_key
from tests import crypto_kit as kit

if shutil.which("openssl") is None and not os.environ.get("CI"):  # in CI it may not be missing
    pytest.skip("openssl is not installed", allow_module_level=True)

PLAIN = os.urandom(150_000)
GATEWAY_V15 = replace(GATEWAY_ENVELOPE.accepting_pkcs1_v15(), accept_oaep_sha1=True)
CBC_V15 = replace(FIKS_ENVELOPE.accepting_pkcs1_v15(), accept_oaep_sha1=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("openssl")


@pytest.fixture(scope="module")
def credential(folder):
    made = receive_key("Mottak", Make(key_bits=3072))
    made.write_pem(folder / "receiver.pem")
    (folder / "root.pem").write_bytes(certificate_pem(kit.pki().root.certificate))
    (folder / "plain").write_bytes(PLAIN)
    return made


def openssl(folder, *arguments):
    return subprocess.run(["openssl", "cms", *arguments], cwd=folder, capture_output=True, check=False, timeout=30)


@pytest.mark.parametrize("profile", [FIKS_ENVELOPE, EFORMIDLING_DPE, GATEWAY_ENVELOPE], ids=lambda one: one.name)
@pytest.mark.parametrize("size", [0, 16, 150_000])
def test_openssl_opens_what_we_seal(folder, credential, profile, size):
    (folder / "ours").write_bytes(kit.seal(PLAIN[:size], profile, kit.software(credential)))
    done = openssl(
        folder,
        "-decrypt",
        "-binary",
        "-inform",
        "DER",
        "-in",
        "ours",
        "-inkey",
        "receiver.pem",
        "-recip",
        "receiver.pem",
    )
    assert (done.returncode, done.stdout) == (0, PLAIN[:size]), done.stderr


OAEP = ["-keyopt", "rsa_padding_mode:oaep"]
OAEP_SHA256 = [*OAEP, "-keyopt", "rsa_oaep_md:sha256", "-keyopt", "rsa_mgf1_md:sha256"]
TRANSPORTS = {"v15": [], "oaep-sha256": OAEP_SHA256, "oaep-default": OAEP}


@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize(
    ("cipher", "profile"), [("-aes-256-cbc", CBC_V15), ("-aes-256-gcm", GATEWAY_V15)], ids=["cbc", "gcm"]
)
@pytest.mark.parametrize("stream", [[], ["-stream"]], ids=["der", "ber"])
def test_we_open_what_openssl_seals(folder, credential, transport, cipher, profile, stream):
    done = openssl(
        folder, "-encrypt", "-binary", cipher, *stream, "-outform", "DER", "-in", "plain", "-out", "theirs",
        "-recip", "receiver.pem", *TRANSPORTS[transport],
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert kit.unseal((folder / "theirs").read_bytes(), kit.software(credential), profile=profile) == PLAIN


def test_openssl_verifies_our_signature_as_cades_and_refuses_it_over_other_content(folder, credential):
    (folder / "content").write_bytes(b"innhold")
    (folder / "signature").write_bytes(sign_detached(b"innhold", kit.signer(), datetime.now(UTC)))
    verify = ["-verify", "-cades", "-inform", "DER", "-in", "signature", "-binary", "-CAfile", "root.pem"]
    verify += ["-purpose", "any", "-out", os.devnull, "-content"]
    done = openssl(folder, *verify, "content")
    assert done.returncode == 0, done.stderr
    assert b"CAdES Verification successful" in done.stderr
    assert openssl(folder, *verify, "plain").returncode != 0


SIGNERS = {"sha256": ["-md", "sha256"], "sha512": ["-md", "sha512"], "sha1": ["-md", "sha1"]}
SIGNERS |= {"no attributes": ["-noattr"], "cades": ["-cades"], "key id": ["-keyid"]}
SIGNERS |= {"pss": ["-keyopt", "rsa_padding_mode:pss", "-keyopt", "rsa_pss_saltlen:32"]}


@pytest.mark.parametrize("options", SIGNERS.values(), ids=SIGNERS.keys())
def test_we_verify_what_openssl_signs_and_refuse_it_over_other_content(folder, credential, options):
    signer = kit.pki().organisation("987654321")
    signer.write_pem(folder / "signer.pem")
    (folder / "content").write_bytes(b"innhold")
    done = openssl(
        folder, "-sign", "-binary", "-outform", "DER", "-in", "content", "-out", "theirs.p7s",
        "-signer", "signer.pem", *options,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    encoded = (folder / "theirs.p7s").read_bytes()
    verified = verify_detached(encoded, b"innhold", FIKS_CONCERN_REPORT)
    assert verified.signer.certificate == signer.certificate
    assert verified.used_sha1 is (options == ["-md", "sha1"])
    with pytest.raises(SignatureError):
        verify_detached(encoded, b"innhole", FIKS_CONCERN_REPORT)


def test_we_verify_an_elliptic_signature_of_openssl(folder, credential):
    signer = kit.pki().organisation("987654321", make=Make(elliptic=True))
    signer.write_pem(folder / "ec.pem")
    (folder / "content").write_bytes(b"innhold")
    done = openssl(
        folder, "-sign", "-binary", "-outform", "DER", "-in", "content", "-out", "ec.p7s", "-signer", "ec.pem"
    )
    assert done.returncode == 0, done.stderr
    assert verify_detached((folder / "ec.p7s").read_bytes(), b"innhold", STRICT_CONTAINER)


def test_openssl_prints_our_envelope_without_complaint(folder, credential):
    (folder / "printed").write_bytes(kit.seal(b"x", FIKS_ENVELOPE, kit.software(credential)))
    done = openssl(folder, "-cmsout", "-print", "-inform", "DER", "-in", "printed")
    assert done.returncode == 0
    assert b"aes-256-cbc" in done.stdout
    assert b"rsaesOaep" in done.stdout


def test_our_container_is_read_by_info_zips_unzip(tmp_path):
    if shutil.which("unzip") is None:
        pytest.skip("unzip is not installed")
    (tmp_path / "c.asice").write_bytes(kit.our_container())
    done = subprocess.run(["unzip", "-t", "c.asice"], cwd=tmp_path, capture_output=True, check=False, timeout=30)
    assert done.returncode == 0, done.stdout
