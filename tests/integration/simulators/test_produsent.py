"""The producer client against an honest producer API: its requests to the octet, its seals by OpenSSL."""

import io
import json
import re
import subprocess
import zipfile
from datetime import UTC, datetime

import pytest
from lxml import etree

from gateway.crypto.asice import verify_container
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.profiles import FIKS_CONCERN_REPORT
from gateway.errors import CertificateError, DecryptionError, PartnerRefusedError, SignatureError, StructureError
from gateway.simulators.feil import SENDING_FAULTS, Feil
from gateway.simulators.sample import Form
from tests.integration.simulators.producer_api import FIKS_ORG_ID, PASSWORD, days_from_now
from tests.integration.simulators.produsent_kit import INTEGRATION, ROWS, opened, parts_of, report, sent

# --- the requests ---------------------------------------------------------------------------------------------------


async def test_every_call_carries_the_three_headers_of_an_integration(produsent, api) -> None:
    answer = await sent(produsent)
    await produsent.history(answer.uuid)

    assert [call.path.removeprefix("/bekymringsmelding/api") for call in api.calls] == [
        "/v2/kommuner/9901/bydeler",
        "/v2/mottak/fagsystem/9901/02/krypteringsnokler",
        f"/v2/mottak/fagsystem/{FIKS_ORG_ID}/9901/02/offentlig",
        f"/v2/mottak/fagsystem/{FIKS_ORG_ID}/bekymringsmelding/{answer.uuid}/status",
    ]
    for call in api.calls:
        assert call.header("Authorization").startswith("Bearer ey")
        assert call.header("IntegrasjonId") == INTEGRATION
        assert call.header("IntegrasjonPassord") == PASSWORD


async def test_the_upload_has_the_two_parts_in_order_under_their_names(produsent, api) -> None:
    await sent(produsent)

    (call,) = api.uploads()
    heads = [head.split(b"\r\n") for head, _ in parts_of(call)]
    assert heads == [
        [
            b'Content-Disposition: form-data; name="bekymringsmelding"; filename="bekymringsmelding.pdf"',
            b"Content-Type: application/octet-stream",
        ],
        [
            b'Content-Disposition: form-data; name="asice"; filename="asice.zip"',
            b"Content-Type: application/octet-stream",
        ],
    ]
    assert int(call.header("Content-Length")) == len(call.body)


@pytest.mark.parametrize("form", Form)
@pytest.mark.parametrize("version", ["V1", "V2"])
async def test_the_path_names_the_form_and_the_version_of_the_report(produsent, api, form, version) -> None:
    await sent(produsent, form=form, version=version)

    (call,) = api.uploads()
    assert call.path == (
        f"/bekymringsmelding/api/{version.lower()}/mottak/fagsystem/{FIKS_ORG_ID}/9901/02/{form.value}"
    )


# --- who receives, and whose keys -----------------------------------------------------------------------------------


async def test_the_standard_receiver_is_chosen_unless_an_office_is_named(produsent) -> None:
    assert (await produsent.receiver("9901")).bydelsnummer == "02"
    named = await produsent.receiver("9901", "01")
    assert (named.bydelsnummer, named.version) == ("01", "V1")


@pytest.mark.parametrize("rows", [[], ROWS[:1]], ids=["not active", "no standard receiver"])
async def test_without_a_receiver_nothing_is_sent_and_a_person_must_decide(produsent, api, rows) -> None:
    api.rows = rows
    with pytest.raises(PartnerRefusedError):
        await produsent.receiver("9901")


async def test_the_first_version_of_the_api_tells_no_version_and_so_gets_the_first_form(make, api) -> None:
    api.rows = [{name: row[name] for name in ("bydelsnummer", "bydelsnavn", "standardMottaker")} for row in ROWS]

    assert (await make(api="v1").receiver("9901")).version == "V1"
    assert api.calls[0].path.startswith("/bekymringsmelding/api/v1/")


@pytest.mark.parametrize("key", ["print", "container"])
@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"gyldig": False}, CertificateError),
        ({"validTo": days_from_now(-1)}, CertificateError),
        ({"validFrom": days_from_now(1)}, CertificateError),
        ({"nokkel": "-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n"}, StructureError),
        ({"validTo": "i morgen"}, StructureError),
    ],
    ids=["not valid", "expired", "not yet", "unreadable", "undated"],
)
async def test_a_key_that_is_not_valid_now_is_never_sealed_for(produsent, api, key, change, error) -> None:
    api.key_changes[key] = change
    with pytest.raises(error):
        await sent(produsent)
    assert api.uploads() == []


# --- the seals ------------------------------------------------------------------------------------------------------


async def test_openssl_opens_both_parts_and_verifies_the_containers_signature(
    produsent, api, receive_keys, pki, tmp_path
) -> None:
    await sent(produsent)
    container_key, print_key = receive_keys
    (_, print_part), (_, sealed) = parts_of(api.uploads()[0])

    assert openssl_decrypt(print_part, print_key, tmp_path) == report().pdf
    archive = zipfile.ZipFile(io.BytesIO(openssl_decrypt(sealed, container_key, tmp_path)))

    names = archive.namelist()
    assert names[:4] == ["mimetype", "bekymringsmelding.json", "bekymringsmelding.pdf", "META-INF/asicmanifest.xml"]
    assert re.fullmatch(r"META-INF/signature-[0-9a-f-]{36}\.p7s", names[4])
    assert archive.read("bekymringsmelding.pdf") == report().pdf
    assert json.loads(archive.read("bekymringsmelding.json"))["kommunenummer"] == "9901"
    assert archive.comment == b"mimetype=application/vnd.etsi.asic-e+zip"
    manifest = archive.read("META-INF/asicmanifest.xml")
    digests = [element.text for element in etree.fromstring(manifest).iter("{*}DigestValue")]
    assert [openssl_digest(archive.read(name)) for name in names[1:3]] == digests
    (tmp_path / "manifest.xml").write_bytes(manifest)
    (tmp_path / "signature.p7s").write_bytes(archive.read(names[4]))
    (tmp_path / "root.pem").write_bytes(pki.root.chain_pem)
    verify = "openssl cms -verify -cades -inform DER -in signature.p7s -content manifest.xml -binary -CAfile root.pem"
    run([*verify.split(), "-purpose", "any", "-out", "/dev/null"], tmp_path)


def openssl_decrypt(sealed, credential, folder):
    credential.write_pem(folder / "key.pem")
    (folder / "sealed.p7m").write_bytes(sealed)
    command = "openssl cms -decrypt -binary -inform DER -in sealed.p7m -inkey key.pem -recip key.pem -out plain"
    run(command.split(), folder)
    return (folder / "plain").read_bytes()


def openssl_digest(content):
    command = ["openssl", "dgst", "-sha256", "-binary"]
    digest = subprocess.run(command, input=content, capture_output=True, check=True).stdout
    return subprocess.run(["openssl", "base64", "-A"], input=digest, capture_output=True, check=True).stdout.decode()


def run(command, folder):
    done = subprocess.run(command, cwd=folder, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()


VERDICTS = {
    None: None,
    Feil.WRONG_KEY: (DecryptionError, StructureError),  # a random key may leave right padding: then it is no ZIP
    Feil.TAMPERED_CIPHERTEXT: (StructureError, SignatureError),
    Feil.UNSIGNED_CONTAINER: SignatureError,
    Feil.BROKEN_SIGNATURE: SignatureError,
    Feil.SWAPPED_SIGNATURE: SignatureError,
    Feil.UNKNOWN_SIGNER: None,
    Feil.UNLISTED_FILE: SignatureError,
    Feil.SHA1_SIGNATURE: None,
    Feil.ZIP_BOMB: StructureError,
    Feil.PATH_TRAVERSAL: StructureError,
    Feil.DUPLICATE_NAMES: StructureError,
    Feil.WITHOUT_JSON: None,
    Feil.WITHOUT_PDF: None,
    Feil.NAN_JSON: None,
    Feil.DUPLICATE_KEYS: None,
    Feil.OTHER_MUNICIPALITY: None,
    Feil.SCHEMA_FLAW: None,
    Feil.UNKNOWN_FIELDS: None,
}


def test_every_fault_of_seal_and_report_has_a_verdict_here() -> None:
    assert VERDICTS.keys() - {None} == set(Feil) - SENDING_FAULTS


@pytest.mark.parametrize("feil", VERDICTS, ids=str)
async def test_each_fault_of_the_seal_is_found_for_what_it_is_and_the_rest_passes(
    make, api, receive_keys, pki, feil
) -> None:
    await sent(make(), feil)
    expected = VERDICTS[feil]
    trust = TrustPolicy((pki.root.certificate,))

    def verify():
        print_part, container = opened(api.uploads()[0], receive_keys)
        assert print_part == report().pdf
        return verify_container(io.BytesIO(container), FIKS_CONCERN_REPORT, trust, datetime.now(UTC))

    if expected:
        with pytest.raises(expected):
            verify()
        return
    verified = verify()
    assert ("sha1-signature" in verified.warnings) is (feil is Feil.SHA1_SIGNATURE)
    assert ("signer-unknown" in verified.warnings) is (feil is Feil.UNKNOWN_SIGNER)
    names = {document.name for document in verified.documents}
    missing = {Feil.WITHOUT_JSON: {"bekymringsmelding.json"}, Feil.WITHOUT_PDF: {"bekymringsmelding.pdf"}}
    assert names == {"bekymringsmelding.json", "bekymringsmelding.pdf"} - missing.get(feil, set())


@pytest.mark.parametrize(
    ("feil", "shows"),
    [
        (Feil.NAN_JSON, lambda text: "NaN" in text),
        (Feil.DUPLICATE_KEYS, lambda text: text.count('"leveringskanal"') == 2),
        (Feil.OTHER_MUNICIPALITY, lambda text: json.loads(text)["kommunenummer"] == "9902"),
        (Feil.SCHEMA_FLAW, lambda text: isinstance(json.loads(text)["sendingstidspunkt"], int)),
        (Feil.UNKNOWN_FIELDS, lambda text: "nyttFelt" in json.loads(text)),
        (None, lambda text: text.encode() == report().json),
    ],
    ids=lambda value: None if callable(value) else str(value),
)
async def test_each_fault_of_the_report_is_in_the_sealed_json(produsent, api, receive_keys, feil, shows) -> None:
    await sent(produsent, feil)

    _, container = opened(api.uploads()[0], receive_keys)
    assert shows(zipfile.ZipFile(io.BytesIO(container)).read("bekymringsmelding.json").decode())
