"""What BouncyCastle makes, as KS's Java and .NET clients call it, is read by us, and what we make is read by it.

The peer is our own small Java program (BouncyCastlePeer.java), compiled here and run once; it needs Debian's packages
libbcprov-java, libbcpkix-java and libbcutil-java and a JDK. In CI it may not be missing.
"""

import io
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.crypto.asice import verify_container
from gateway.crypto.profiles import (
    EFORMIDLING_DPE,
    EFORMIDLING_DPH,
    EFORMIDLING_DPO,
    FIKS_CONCERN_REPORT,
    FIKS_ENVELOPE,
    GATEWAY_ENVELOPE,
    STRICT_CONTAINER,
)
from gateway.crypto.signed_data import sign_detached, verify_detached
from gateway.errors import SignatureError
from gateway.testing.pki import Make, receive_key
from tests import crypto_kit as kit

JARS = [Path(f"/usr/share/java/{name}.jar") for name in ("bcprov", "bcpkix", "bcutil")]
SOURCE = Path(__file__).with_name("BouncyCastlePeer.java")
PLAIN = os.urandom(150_000)
pytestmark = pytest.mark.timeout(120)


def missing():
    if shutil.which("javac") is None:
        return "javac is not installed"
    absent = [jar.name for jar in JARS if not jar.exists()]
    return f"BouncyCastle is not installed: {', '.join(absent)} missing" if absent else ""


if (reason := missing()) and not os.environ.get("CI"):
    pytest.skip(reason, allow_module_level=True)


class Peer:
    """One Java process; each call is one command and its answer."""

    def __init__(self, folder):
        path = os.pathsep.join([*map(str, JARS), str(folder)])
        subprocess.run(["javac", "-cp", path, "-d", str(folder), str(SOURCE)], check=True, timeout=60)
        command = ["java", "-cp", path, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "BouncyCastlePeer"]
        self._process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        self.folder = folder

    def __call__(self, *words):
        self._process.stdin.write("\t".join(words) + "\n")
        self._process.stdin.flush()
        return self._process.stdout.readline().rstrip("\n")

    def write(self, name, content):
        (self.folder / name).write_bytes(content)
        return name

    def read(self, name):
        return (self.folder / name).read_bytes()

    def close(self):
        self._process.stdin.close()
        self._process.wait(timeout=10)
        self._process.stdout.close()


@pytest.fixture(scope="module")
def peer(tmp_path_factory):
    made = Peer(tmp_path_factory.mktemp("bouncycastle"))
    made.write("plain", PLAIN)
    yield made
    made.close()


@pytest.fixture(scope="module")
def receiver(peer):
    made = receive_key("Mottak", Make(key_bits=3072))
    made.write_pem(peer.folder / "receiver.pem")
    return kit.software(made)


@pytest.fixture(scope="module")
def signer(peer):
    made = kit.pki().organisation(kit.ORGANISATION)
    made.write_pem(peer.folder / "signer.pem")
    return kit.software(made)


THEIRS = {
    "java": FIKS_ENVELOPE,
    "net": FIKS_ENVELOPE,  # two recipients: the OAEP one is found behind the v1.5 one
    "v15": EFORMIDLING_DPO,
    "gcm": GATEWAY_ENVELOPE,
    "dph": EFORMIDLING_DPH,
}


@pytest.mark.parametrize("mode", THEIRS)
def test_we_open_what_bouncycastle_seals(peer, receiver, mode):
    assert peer("seal", mode, "receiver.pem", "plain", f"theirs-{mode}") == "ok"
    assert kit.unseal(peer.read(f"theirs-{mode}"), receiver, profile=THEIRS[mode]) == PLAIN


OURS = [(FIKS_ENVELOPE, "cbc"), (EFORMIDLING_DPE, "cbc"), (EFORMIDLING_DPH, "cbc"), (GATEWAY_ENVELOPE, "gcm")]


@pytest.mark.parametrize(("profile", "mode"), OURS, ids=lambda value: getattr(value, "name", value))
@pytest.mark.parametrize("size", [0, 16, 150_000])
def test_bouncycastle_opens_what_we_seal(peer, receiver, profile, mode, size):
    sealed = peer.write(f"ours-{profile.name}-{size}", kit.seal(PLAIN[:size], profile, receiver))
    assert peer("open", mode, "receiver.pem", sealed, "opened") == "ok"
    assert peer.read("opened") == PLAIN[:size]


def test_control_bouncycastle_refuses_our_authenticated_envelope_with_one_octet_changed(peer, receiver):
    sealed = bytearray(kit.seal(PLAIN, GATEWAY_ENVELOPE, receiver))
    sealed[-100] ^= 1
    assert peer("open", "gcm", "receiver.pem", peer.write("changed", bytes(sealed)), "opened").startswith("fault")


MODES = [
    ("java", FIKS_CONCERN_REPORT),
    ("net", STRICT_CONTAINER),
    ("sha256", STRICT_CONTAINER),
    ("direct", STRICT_CONTAINER),
]


@pytest.mark.parametrize(("mode", "profile"), MODES, ids=[mode for mode, _ in MODES])
def test_we_verify_what_bouncycastle_signs(peer, signer, mode, profile):
    assert peer("sign", mode, "signer.pem", "plain", f"{mode}.p7s") == "ok"
    verified = verify_detached(peer.read(f"{mode}.p7s"), PLAIN, profile)
    assert verified.signer.certificate == signer.certificate
    assert verified.used_sha1 is (mode == "java")
    with pytest.raises(SignatureError):
        verify_detached(peer.read(f"{mode}.p7s"), PLAIN[:-1], profile)


def test_bouncycastle_verifies_what_we_sign_and_refuses_it_over_other_content(peer, signer):
    signature = peer.write("ours.p7s", sign_detached(PLAIN, signer, kit.NOW))
    assert peer("verify", signature, "plain") == "ok 1"
    assert peer("verify", signature, peer.write("other", PLAIN[:-1])) != "ok 1"


JAVA = kit.Handmade(manifest_name="META-INF/ASiCManifest.xml")
NET = kit.Handmade(namespace="http://uri.etsi.org/2918/v1.2.1#", digest_base="http://www.w3.org/2000/09/xmldsig#")


@pytest.mark.parametrize(
    ("mode", "made", "warnings"), [("java", JAVA, ("sha1-signature",)), ("net", NET, ())], ids=["java", "net"]
)
def test_a_report_signed_zipped_and_sealed_as_official_clients_do_it_is_read(
    peer, signer, receiver, mode, made, warnings
):
    manifest = peer.write("manifest", made.manifest())
    assert peer("sign", mode, "signer.pem", manifest, "manifest.p7s") == "ok"
    documents = [(name, peer.write(f"document-{at}", plain)) for at, (name, plain) in enumerate(kit.DOCUMENTS.items())]
    entries = [*documents, (made.manifest_name, manifest), (made.signature_name, "manifest.p7s")]
    assert peer("zip", "container", *(word for pair in entries for word in pair)) == "ok"
    assert peer("seal", mode, "receiver.pem", "container", "report") == "ok"
    plain = kit.unseal(peer.read("report"), receiver)
    trust = kit.trust(intermediates=(kit.pki().intermediate.certificate,))  # .NET encloses the leaf alone
    verified = verify_container(io.BytesIO(plain), FIKS_CONCERN_REPORT, trust, kit.NOW)
    assert {one.name: b"".join(verified.open(one.name)) for one in verified.documents} == kit.DOCUMENTS
    assert verified.warnings == warnings


def test_our_report_is_opened_unzipped_as_a_stream_and_verified_by_a_java_receiver(peer, signer, receiver):
    report = peer.write("our-report", kit.seal(kit.our_container(key=signer), FIKS_ENVELOPE, receiver))
    assert peer("open", "cbc", "receiver.pem", report, "our-container") == "ok"
    answer = peer("unzip", "our-container", ".")
    names = answer.removeprefix("ok ").split("\t")
    assert names[:4] == ["mimetype", *kit.DOCUMENTS, "META-INF/asicmanifest.xml"]
    assert [peer.read("entry-1"), peer.read("entry-2")] == list(kit.DOCUMENTS.values())
    assert peer("verify", "entry-4", "entry-3") == "ok 1"


def test_control_java_refuses_the_stored_and_streamed_entries_that_we_avoid(peer):
    import zipfile

    class Unseekable(io.BytesIO):
        def seekable(self):
            return False

        def seek(self, *_):
            raise io.UnsupportedOperation

        def tell(self):
            raise io.UnsupportedOperation

    file = Unseekable()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("mimetype", b"x")
    peer.write("stored", file.getvalue())
    assert "only DEFLATED entries can have EXT descriptor" in peer("unzip", "stored", ".")
