"""What KS's own ASiC-E and CMS libraries seal is opened and verified by us, and what we seal is opened and verified by them.

The libraries are the published ones (fiks/README.md); nothing here needs a network.
"""

import base64
import io
import os
import zipfile

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.crypto.asice import verify_container
from gateway.crypto.profiles import FIKS_CONCERN_REPORT, PRINT_PART
from gateway.testing.pki import receive_key
from tests import crypto_kit as kit
from tests.interop.fiks.kit import PeerError, peer

pytestmark = pytest.mark.timeout(120)

LETTERS = "abcdefghijklmnopqrstuvwxyzæøåÆØÅäöü 0123456789-_,()"
NAMES = st.text(LETTERS, min_size=1, max_size=40).map(str.strip).filter(bool)
FILE = st.tuples(st.builds("{}.{}".format, NAMES, st.sampled_from(["json", "pdf", "xml"])), st.binary(max_size=3000))
DOCUMENTS = st.lists(FILE, min_size=1, max_size=4, unique_by=lambda file: file[0].casefold()).map(dict)
LARGE = {"bekymringsmelding.json": b"{}", "vedlegg på ære.pdf": os.urandom(2 * 2**20)}


class Libraries:
    """KS's libraries with the sender's and the receiver's files."""

    def __init__(self, ks):
        self.ks = ks
        self.receiver = receive_key("Mottak i Java")
        self.signer = kit.pki().organisation(kit.ORGANISATION)
        self._receiver_pem = self.receiver.write_pem(ks.folder / "receiver.pem")
        self._signer_pem = self.signer.write_pem(ks.folder / "signer.pem")
        self._other_pem = receive_key("En annen").write_pem(ks.folder / "other.pem")

    def seal(self, documents):
        files = [(name, self._write(f"plain-{at}", plain)) for at, (name, plain) in enumerate(documents.items())]
        out = self.ks.folder / "sealed"
        self.ks("seal", signer=self._signer_pem, recipient=self._receiver_pem, files=files, out=out)
        return out.read_bytes()

    def open(self, sealed, *, mine=True):
        """The documents as the receiver gets them, and what their library says of the container."""
        key = self._receiver_pem if mine else self._other_pem
        out = self.ks.folder / "opened.zip"
        found = self.ks("open", signer=self._signer_pem, key=key, **{"in": self._write("in", sealed)}, out=out)
        with zipfile.ZipFile(out) as opened:
            return {name: opened.read(name) for name in opened.namelist()}, found

    def encrypt(self, plain):
        out = self.ks.folder / "encrypted"
        self.ks("encrypt", recipient=self._receiver_pem, **{"in": self._write("in", plain)}, out=out)
        return out.read_bytes()

    def decrypt(self, sealed, *, whole):
        out = self.ks.folder / "decrypted"
        out.unlink(missing_ok=True)
        self.ks("decrypt", key=self._receiver_pem, **{"in": self._write("in", sealed)}, out=out, whole=whole)
        return out.read_bytes()

    def _write(self, name, content):
        path = self.ks.folder / name
        path.write_bytes(content)
        return path


@pytest.fixture(scope="module")
def libraries(tmp_path_factory):
    with peer("Container", tmp_path_factory.mktemp("ks")) as ks:
        yield Libraries(ks)


def our_sealed(libraries, documents):
    return kit.seal(kit.our_container(documents, kit.software(libraries.signer)), recipient=software(libraries))


def software(libraries):
    return kit.software(libraries.receiver)


def check_opened_by_us(libraries, documents):
    container = kit.unseal(libraries.seal(documents), software(libraries))
    verified = verify_container(io.BytesIO(container), FIKS_CONCERN_REPORT, kit.trust(), kit.NOW)
    assert {one.name: b"".join(verified.open(one.name)) for one in verified.documents} == documents
    assert verified.signer.organisation_number == kit.ORGANISATION
    assert verified.warnings == ("sha1-signature",)  # as the published library signs


def check_opened_by_ks(libraries, documents):
    opened, found = libraries.open(our_sealed(libraries, documents))
    assert opened == documents
    assert list(opened) == list(documents)
    signer = base64.b64encode(libraries.signer.certificate.public_bytes(Encoding.DER)).decode()
    assert found["signers"] == [signer]


@settings(max_examples=5)
@given(documents=DOCUMENTS)
def test_whatever_ks_libraries_seal_is_opened_and_verified_by_us(libraries, documents):
    check_opened_by_us(libraries, documents)


@settings(max_examples=5)
@given(documents=DOCUMENTS)
def test_whatever_we_seal_is_opened_and_verified_by_ks_libraries(libraries, documents):
    check_opened_by_ks(libraries, documents)


def test_two_megabytes_pass_from_ks_libraries_to_us(libraries):
    check_opened_by_us(libraries, LARGE)


def test_two_megabytes_pass_from_us_to_ks_libraries(libraries):
    check_opened_by_ks(libraries, LARGE)


def test_control_ks_libraries_refuse_our_container_when_a_document_was_exchanged(libraries):
    container = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(kit.our_container())) as ours, zipfile.ZipFile(container, "w") as changed:
        for name in ours.namelist():
            changed.writestr(name, b"another" if name == "bekymringsmelding.pdf" else ours.read(name))
    with pytest.raises(PeerError, match="Mismatching digest"):
        libraries.open(kit.seal(container.getvalue(), recipient=software(libraries)))


def test_control_ks_libraries_do_not_open_our_envelope_with_another_key(libraries):
    with pytest.raises(PeerError, match="KrypteringException"):
        libraries.open(our_sealed(libraries, kit.DOCUMENTS), mine=False)


PRINTED = os.urandom(200_000)


def test_a_print_part_encrypted_by_ks_library_is_opened_by_us(libraries):
    assert kit.unseal(libraries.encrypt(PRINTED), software(libraries), profile=PRINT_PART) == PRINTED


@pytest.mark.parametrize("whole", [True, False], ids=["whole", "streamed"])
def test_a_print_part_encrypted_by_us_is_opened_by_ks_library(libraries, whole):
    sealed = kit.seal(PRINTED, PRINT_PART, software(libraries))
    assert libraries.decrypt(sealed, whole=whole) == PRINTED
