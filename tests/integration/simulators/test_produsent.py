"""The producer client against an honest producer API: its requests to the octet, its seals by OpenSSL, its memory."""

import hashlib
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
from gateway.crypto.cms import open_envelope
from gateway.crypto.keys import SoftwareKey
from gateway.crypto.profiles import FIKS_CONCERN_REPORT, FIKS_ENVELOPE, PRINT_PART
from gateway.errors import (
    CertificateError,
    DecryptionError,
    PartnerRefusedError,
    PartnerUnavailableError,
    SignatureError,
    StructureError,
    TooLargeError,
)
from gateway.simulators.feil import SENDING_FAULTS, Feil
from gateway.simulators.ledger import Ledger
from gateway.simulators.produsent import Integration, Produsent
from gateway.simulators.sample import Form, Office, make_report
from gateway.simulators.token_source import TokenRequest, TokenSource
from gateway.testing.pki import receive_key
from gateway.testing.sha1 import sha1_signer
from tests.integration.simulators.conftest import NAME
from tests.integration.simulators.producer_api import FIKS_ORG_ID, PASSWORD, ProducerApi, days_from_now, rows_of

INTEGRATION = "11111111-2222-4333-8444-555555555555"
OFFICE = Office("9901", "Prøvedal", "02", "Prøvedal vest")
ROWS = [
    {"bydelsnummer": "01", "bydelsnavn": "Prøvedal øst", "standardMottaker": False, "stottetVersjon": "V1"},
    {"bydelsnummer": "02", "bydelsnavn": "Prøvedal vest", "standardMottaker": True, "stottetVersjon": "V2"},
]


@pytest.fixture(scope="module")
def receive_keys():
    return receive_key("Prove mottak"), receive_key("Prove utskrift")


@pytest.fixture
def api(receive_keys):
    return ProducerApi(*receive_keys, rows=list(ROWS))


@pytest.fixture
async def base(api):
    async with api.serve() as address:
        yield f"{address}/bekymringsmelding/api"


@pytest.fixture
async def make(issuer, session, school, school_key, base, tmp_path):
    """A producer, as often as wanted over the same ledger."""
    opened = []

    async with issuer.serve() as issuer_base:

        def made(**settings):
            tokens = TokenSource(session, TokenRequest(f"{issuer_base}/token", NAME, "skole", "ks:fiks"), school_key)
            integration = Integration(base, FIKS_ORG_ID, INTEGRATION, PASSWORD, retry_first_s=0.01, **settings)
            opened.append(Ledger(tmp_path / "produsent.jsonl"))
            return Produsent(
                session, integration, tokens, school_key, opened[-1], sign_sha1=sha1_signer(school.key_pem)
            )

        yield made
    for ledger in opened:
        ledger.close()


@pytest.fixture
def produsent(make):
    return make()


def report(number=1, form=Form.OFFENTLIG, version="V2"):
    return make_report(form, version, OFFICE, number=number, sent_at=datetime(2026, 3, 2, 8, 24, 45, tzinfo=UTC))


async def sent(produsent, feil=None, **options):
    return await produsent.send(report(**options), await produsent.receiver("9901"), feil)


def parts_of(call):
    """Each part's head and content, in order, by the rules of RFC 2046."""
    boundary = call.header("Content-Type").removeprefix("multipart/form-data; boundary=")
    first, *rest = (b"\r\n" + call.body).split(f"\r\n--{boundary}".encode())
    assert first == b""
    assert rest.pop() == b"--\r\n"
    return [tuple(part.removeprefix(b"\r\n").split(b"\r\n\r\n", 1)) for part in rest]


def opened(call, receive_keys):
    """The print part and the container of an upload, decrypted with the receiver's keys."""
    plain = []
    for (_, content), credential, profile in zip(
        parts_of(call), reversed(receive_keys), (PRINT_PART, FIKS_ENVELOPE), strict=True
    ):
        key = SoftwareKey(credential.key, credential.chain)
        plain.append(b"".join(open_envelope(io.BytesIO(content).read, [key], profile)))
    return plain


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


# --- sending, and remembering ---------------------------------------------------------------------------------------


async def test_what_is_about_to_leave_is_on_disk_before_the_first_octet_leaves(produsent, api, tmp_path) -> None:
    seen = []
    api.on_upload = lambda: seen.extend(rows_of(tmp_path / "produsent.jsonl"))
    a_report = report()

    answer = await produsent.send(a_report, await produsent.receiver("9901"))

    assert [row["event"] for row in seen] == ["sending"]
    assert seen[0]["klientId"] == answer.klient_id
    assert seen[0]["documents"] == {
        "bekymringsmelding.json": hashlib.sha256(a_report.json).hexdigest(),
        "bekymringsmelding.pdf": hashlib.sha256(a_report.pdf).hexdigest(),
    }
    assert [(row["event"], row.get("uuid")) for row in rows_of(tmp_path / "produsent.jsonl")] == [
        ("sending", None),
        ("accepted", answer.uuid),
    ]


@pytest.mark.parametrize("mood", ["503", "507", "429", "500", "lose-answer", "nonsense"])
async def test_an_outcome_that_is_not_known_is_tried_again_with_the_very_same_bytes(produsent, api, mood) -> None:
    api.moods = [mood, mood]

    answer = await sent(produsent)

    first, second, third = api.uploads()
    assert first.body == second.body == third.body
    assert first.header("Content-Type") == third.header("Content-Type")
    assert {answer.uuid} == set(api.histories)


async def test_a_report_that_nobody_answers_is_kept_and_sent_by_the_next_process(make, api) -> None:
    api.moods = ["503"] * 3
    with pytest.raises(PartnerUnavailableError):
        await sent(make(tries_max=3))

    (answer,) = await make().resume()

    assert answer.uuid in api.histories
    assert len({call.body for call in api.uploads()}) == 1
    assert await make().resume() == []


async def test_a_refusal_is_final_and_noted(produsent, api, tmp_path) -> None:
    api.moods = ["403"]

    answer = await sent(produsent)

    assert (answer.status, answer.uuid, answer.code) == (403, None, "busy")
    assert len(api.uploads()) == 1
    assert rows_of(tmp_path / "produsent.jsonl")[-1]["event"] == "refused"


async def test_a_wrong_password_is_tried_once(produsent, api) -> None:
    answer = await sent(produsent, Feil.WRONG_PASSWORD)

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert len(api.uploads()) == 1


async def test_the_same_report_sent_twice_is_the_same_bytes_twice(produsent, api, tmp_path) -> None:
    await sent(produsent, Feil.SEND_TWICE)

    first, second = api.uploads()
    assert first.body == second.body
    assert len({row["uuid"] for row in rows_of(tmp_path / "produsent.jsonl") if row["event"] == "accepted"}) == 1


async def test_a_cut_upload_is_not_accepted_and_the_next_process_sends_it_whole(make, api) -> None:
    answer = await sent(make(), Feil.CUT_UPLOAD)
    assert (answer.status, answer.uuid) == (0, None)
    assert api.uploads() == []

    (answer,) = await make().resume()
    assert answer.uuid is not None


async def test_an_upload_above_the_apis_bound_is_not_sent(make, api) -> None:
    with pytest.raises(TooLargeError):
        await sent(make(bytes_max=100_000))
    assert api.uploads() == []


async def test_a_report_is_followed_until_it_is_delivered(produsent, api, tmp_path) -> None:
    answer = await sent(produsent)
    with pytest.raises(PartnerUnavailableError):
        await produsent.follow(answer.uuid, within_s=0.05, every_s=0.01)
    api.histories[answer.uuid] += ["SENDT_FAGSYSTEM", "LEVERT"]

    assert await produsent.follow(answer.uuid, within_s=5, every_s=0.01) == ["AKSEPTERT", "SENDT_FAGSYSTEM", "LEVERT"]
    assert rows_of(tmp_path / "produsent.jsonl")[-1]["tilstander"][-1] == "LEVERT"


async def test_a_question_that_is_not_answered_now_can_be_asked_again_and_a_refused_one_not(produsent, api) -> None:
    api.get_moods = [503, 429, 404]
    for _ in range(2):
        with pytest.raises(PartnerUnavailableError):
            await produsent.receiver("9901")
    with pytest.raises(PartnerRefusedError):
        await produsent.receiver("9901")
    assert await produsent.receiver("9901")


async def test_following_outlasts_an_api_that_is_away(produsent, api) -> None:
    answer = await sent(produsent)
    api.histories[answer.uuid] += ["LEVERT"]
    api.get_moods = [503, 503]

    assert "LEVERT" in await produsent.follow(answer.uuid, within_s=10, every_s=0.01)


async def test_a_history_of_another_report_is_not_taken_for_ones_own(produsent, api, tmp_path) -> None:
    answer = await sent(produsent)
    api.history_id = "another"

    with pytest.raises(PartnerRefusedError):
        await produsent.history(answer.uuid)
    assert rows_of(tmp_path / "produsent.jsonl")[-1]["event"] == "accepted"


async def test_a_token_that_was_refused_is_not_used_again(produsent, api) -> None:
    await sent(produsent)
    api.moods = ["401"]
    await sent(produsent, number=2)
    await sent(produsent, number=3)

    first, second, third = [call.header("Authorization") for call in api.uploads()]
    assert first == second != third


async def test_the_password_is_not_in_what_the_client_prints_of_itself_nor_in_its_ledger(make, tmp_path) -> None:
    await sent(make())

    assert PASSWORD not in repr(Integration("", "", "", PASSWORD))
    assert PASSWORD not in (tmp_path / "produsent.jsonl").read_text()
