"""CRL and OCSP from a real server on this machine: what it says, what it may not say, and that only it is asked."""

import http.server
import threading
import urllib.error
import urllib.request
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from gateway import limits
from gateway.crypto.certificates import RevocationStatus, SignerTrust
from gateway.crypto.revocation import RevocationCache, RevocationSource
from gateway.testing.pki import Make, Pki, receive_key
from tests import crypto_kit as kit

GOOD, REVOKED, UNKNOWN = RevocationStatus.GOOD, RevocationStatus.REVOKED, RevocationStatus.UNKNOWN
DAY = timedelta(days=1)
ISSUER = kit.pki().intermediate
LEAF = kit.pki().organisation(kit.ORGANISATION)
OTHER = kit.pki().organisation("123456789")


class Publisher(http.server.ThreadingHTTPServer):
    """Serves octets by path, and remembers who asked for what."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), PublisherHandler)
        self.answers: dict[str, bytes] = {}
        self.asked: list[tuple[str, bytes | None]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class PublisherHandler(http.server.BaseHTTPRequestHandler):
    def answer(self, body):
        self.server.asked.append((self.path, body))
        content = self.server.answers.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def do_GET(self):
        self.answer(None)

    def do_POST(self):
        self.answer(self.rfile.read(int(self.headers["Content-Length"])))

    def log_message(self, *arguments):
        pass


@pytest.fixture
def publisher():
    with Publisher() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Clock:
    def __init__(self):
        self.time = kit.NOW

    def __call__(self):
        return self.time


def fetch(url, body):
    kind = {"Content-Type": "application/ocsp-request"} if body else {}
    request = urllib.request.Request(url, body, kind)  # noqa: S310  our own server's address
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310  the same
            return answer.read()
    except urllib.error.HTTPError as refused:
        refused.close()
        raise


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def by_crl(publisher, clock):
    source = RevocationSource(ISSUER.certificate, crl_url=f"{publisher.url}/crl")
    return RevocationCache([source], fetch, clock)


@pytest.fixture
def by_ocsp(publisher, clock):
    source = RevocationSource(ISSUER.certificate, ocsp_url=f"{publisher.url}/ocsp")
    return RevocationCache([source], fetch, clock)


def ask(cache, credential=LEAF, at=kit.NOW, issuer=ISSUER):
    return cache.status(credential.certificate, issuer.certificate, at)


def test_a_list_tells_the_revoked_from_the_good(publisher, by_crl):
    publisher.answers["/crl"] = ISSUER.crl([LEAF.certificate])
    assert (ask(by_crl), ask(by_crl, OTHER)) == (REVOKED, GOOD)
    assert publisher.asked == [("/crl", None)]


def test_what_was_revoked_later_was_good_before(publisher, by_crl):
    publisher.answers["/crl"] = ISSUER.crl([LEAF.certificate])
    assert ask(by_crl, at=kit.NOW - timedelta(hours=2)) is GOOD


def test_revocation_works_without_any_distribution_point_in_the_certificate(publisher, by_crl):
    extensions = {one.oid for one in LEAF.certificate.extensions}
    assert x509.ExtensionOID.CRL_DISTRIBUTION_POINTS not in extensions
    publisher.answers["/crl"] = ISSUER.crl([LEAF.certificate])
    assert ask(by_crl) is REVOKED


def changed(content):
    octets = bytearray(content)
    octets[-9] ^= 1
    return bytes(octets)


def crl_with(extension, *, critical=True, revoked=()):
    builder = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(ISSUER.certificate.subject)
        .last_update(kit.NOW - timedelta(hours=1))
        .next_update(kit.NOW + DAY)
        .add_extension(extension, critical)
    )
    for one in revoked:
        entry = x509.RevokedCertificateBuilder().serial_number(one.serial_number).revocation_date(kit.NOW - DAY)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(ISSUER.key, hashes.SHA256()).public_bytes(serialization.Encoding.DER)


def distribution(**changes):
    fields = {
        "full_name": None,
        "relative_name": None,
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "only_some_reasons": None,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    }
    return x509.IssuingDistributionPoint(**fields | changes)


ELSEWHERE = [x509.UniformResourceIdentifier("http://127.0.0.1/other.crl")]
NO_LIST = {
    "expired": ISSUER.crl(this_update=kit.NOW - 3 * DAY, next_update=kit.NOW - DAY),
    "of tomorrow": ISSUER.crl(this_update=kit.NOW + DAY, next_update=kit.NOW + 2 * DAY),
    "of another issuer": Pki().intermediate.crl(),
    "of an organisation": LEAF.crl(),
    "changed": changed(ISSUER.crl()),
    "cut": ISSUER.crl()[:-5],
    "noise": b"no list",
    "empty": b"",
    "delta": crl_with(x509.DeltaCRLIndicator(1)),
    "for authorities only": crl_with(distribution(only_contains_ca_certs=True)),
    "indirect": crl_with(distribution(indirect_crl=True)),
    "for attributes only": crl_with(distribution(only_contains_attribute_certs=True)),
    "for another point": crl_with(distribution(full_name=ELSEWHERE)),
    "for some reasons": crl_with(distribution(only_some_reasons=frozenset({x509.ReasonFlags.key_compromise}))),
}


@pytest.mark.parametrize("content", NO_LIST.values(), ids=NO_LIST.keys())
def test_a_list_that_cannot_be_believed_or_does_not_cover_leaves_the_state_unknown(publisher, by_crl, content):
    publisher.answers["/crl"] = content
    assert ask(by_crl) is UNKNOWN


def test_a_list_for_end_users_covers_a_leaf_and_not_an_authority(publisher, by_crl):
    publisher.answers["/crl"] = crl_with(distribution(only_contains_user_certs=True), revoked=[LEAF.certificate])
    assert ask(by_crl) is REVOKED
    ca = ISSUER.issue(LEAF.certificate.subject, Make(is_ca=True, usage=("key_cert_sign",)))
    assert ask(by_crl, ca) is UNKNOWN


def test_a_list_for_the_certificates_own_point_covers_it(publisher, by_crl):
    url = "http://127.0.0.1/own.crl"
    leaf = kit.pki().organisation(kit.ORGANISATION, make=Make(crl_url=url))
    point = distribution(full_name=[x509.UniformResourceIdentifier(url)])
    publisher.answers["/crl"] = crl_with(point, revoked=[leaf.certificate])
    assert ask(by_crl, leaf) is REVOKED


def test_a_list_is_fetched_once_an_hour_and_used_until_its_next_update_when_the_server_is_gone(
    publisher, by_crl, clock
):
    publisher.answers["/crl"] = ISSUER.crl()
    assert ask(by_crl) is ask(by_crl, OTHER) is GOOD
    assert len(publisher.asked) == 1
    del publisher.answers["/crl"]
    clock.time += timedelta(seconds=limits.REVOCATION_KEEP_S + 1)
    assert ask(by_crl) is GOOD
    assert len(publisher.asked) == 2
    clock.time += DAY
    assert ask(by_crl) is UNKNOWN


def test_a_failing_server_is_asked_once_a_minute_at_most(publisher, by_crl, clock):
    for _ in range(5):
        assert ask(by_crl) is UNKNOWN
    assert len(publisher.asked) == 1
    publisher.answers["/crl"] = ISSUER.crl()
    clock.time += timedelta(seconds=limits.REVOCATION_RETRY_S + 1)
    assert ask(by_crl) is GOOD


def test_an_older_list_never_replaces_a_newer_one(publisher, by_crl):
    publisher.answers["/crl"] = ISSUER.crl([LEAF.certificate])
    assert ask(by_crl) is REVOKED
    publisher.answers["/crl"] = ISSUER.crl(this_update=kit.NOW - timedelta(hours=9), next_update=kit.NOW + DAY)
    by_crl.refresh()
    assert ask(by_crl) is REVOKED


def test_a_refresh_in_the_background_brings_what_was_revoked_since(publisher, by_crl):
    publisher.answers["/crl"] = ISSUER.crl()
    assert ask(by_crl) is GOOD
    publisher.answers["/crl"] = ISSUER.crl([LEAF.certificate], number=2)
    assert ask(by_crl) is GOOD
    by_crl.refresh()
    assert ask(by_crl) is REVOKED


RESPONDER = kit.pki().ocsp_responder()


@pytest.mark.parametrize("responder", [ISSUER, RESPONDER], ids=["issuer", "delegated"])
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (ocsp.OCSPCertStatus.GOOD, GOOD),
        (ocsp.OCSPCertStatus.REVOKED, REVOKED),
        (ocsp.OCSPCertStatus.UNKNOWN, UNKNOWN),
    ],
    ids=["good", "revoked", "unknown"],
)
def test_a_responder_tells_the_state(publisher, by_ocsp, responder, status, expected):
    publisher.answers["/ocsp"] = responder.ocsp(LEAF.certificate, ISSUER.certificate, status)
    assert ask(by_ocsp) is expected
    path, body = publisher.asked[0]
    assert path == "/ocsp"
    assert ocsp.load_der_ocsp_request(body).serial_number == LEAF.certificate.serial_number


def expired_responder():
    make = Make(
        usage=("digital_signature",), extended_usage=(ExtendedKeyUsageOID.OCSP_SIGNING,), not_after=kit.NOW - DAY / 2
    )
    return ISSUER.issue(RESPONDER.certificate.subject, make)


ROOT_RESPONDER = kit.pki().root.issue(
    RESPONDER.certificate.subject,
    Make(usage=("digital_signature",), extended_usage=(ExtendedKeyUsageOID.OCSP_SIGNING,)),
)
NO_ANSWER = {
    "of another certificate": RESPONDER.ocsp(OTHER.certificate, ISSUER.certificate),
    "of another issuer": RESPONDER.ocsp(LEAF.certificate, Pki().intermediate.certificate),
    "by an organisation": OTHER.ocsp(LEAF.certificate, ISSUER.certificate),
    "by a stranger": Pki().ocsp_responder().ocsp(LEAF.certificate, ISSUER.certificate),
    "by the root's responder": ROOT_RESPONDER.ocsp(LEAF.certificate, ISSUER.certificate),
    "by an expired responder": expired_responder().ocsp(LEAF.certificate, ISSUER.certificate),
    "outdated": RESPONDER.ocsp(
        LEAF.certificate, ISSUER.certificate, this_update=kit.NOW - 2 * DAY, next_update=kit.NOW - DAY
    ),
    "of tomorrow": RESPONDER.ocsp(
        LEAF.certificate, ISSUER.certificate, this_update=kit.NOW + DAY, next_update=kit.NOW + 2 * DAY
    ),
    "changed": RESPONDER.ocsp(LEAF.certificate, ISSUER.certificate).replace(b"\x80\x00", b"\x82\x00", 1),
    "try later": ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(
        serialization.Encoding.DER
    ),
    "noise": b"no answer",
    "empty": b"",
}


@pytest.mark.parametrize("content", NO_ANSWER.values(), ids=NO_ANSWER.keys())
def test_an_answer_that_cannot_be_believed_leaves_the_state_unknown(publisher, by_ocsp, content):
    publisher.answers["/ocsp"] = content
    assert ask(by_ocsp) is UNKNOWN


def test_an_answer_is_kept_for_an_hour_and_a_failing_responder_is_left_alone_for_a_minute(publisher, by_ocsp, clock):
    assert ask(by_ocsp) is ask(by_ocsp) is UNKNOWN
    assert len(publisher.asked) == 1
    clock.time += timedelta(seconds=limits.REVOCATION_RETRY_S + 1)
    publisher.answers["/ocsp"] = RESPONDER.ocsp(LEAF.certificate, ISSUER.certificate)
    assert ask(by_ocsp) is ask(by_ocsp) is GOOD
    assert len(publisher.asked) == 2
    clock.time += timedelta(seconds=limits.REVOCATION_KEEP_S + 1)
    assert ask(by_ocsp) is GOOD
    assert len(publisher.asked) == 3


def test_an_elliptic_issuer_speaks_by_list_and_by_responder(publisher, clock):
    elliptic = Pki(Make(elliptic=True))
    leaf, issuer = elliptic.organisation(kit.ORGANISATION), elliptic.intermediate
    publisher.answers["/crl"] = issuer.crl([leaf.certificate])
    publisher.answers["/ocsp"] = issuer.ocsp(leaf.certificate, issuer.certificate, ocsp.OCSPCertStatus.REVOKED)
    for source in (
        RevocationSource(issuer.certificate, crl_url=f"{publisher.url}/crl"),
        RevocationSource(issuer.certificate, ocsp_url=f"{publisher.url}/ocsp"),
    ):
        cache = RevocationCache([source], fetch, clock)
        assert ask(cache, leaf, issuer=issuer) is REVOKED


def test_an_issuer_that_may_not_sign_lists_is_not_believed(publisher, clock):
    issuer = kit.pki().root.issue(ISSUER.certificate.subject, Make(is_ca=True, usage=("key_cert_sign",)))
    leaf = issuer.issue(LEAF.certificate.subject)
    publisher.answers["/crl"] = issuer.crl()
    cache = RevocationCache([RevocationSource(issuer.certificate, crl_url=f"{publisher.url}/crl")], fetch, clock)
    assert ask(cache, leaf, issuer=issuer) is UNKNOWN


def test_a_forged_answer_under_the_delegates_name_is_not_believed(publisher, by_ocsp):
    answer = RESPONDER.ocsp(LEAF.certificate, ISSUER.certificate)
    signature = ocsp.load_der_ocsp_response(answer).signature
    forged = answer.replace(signature, bytes(len(signature)))
    assert forged != answer
    publisher.answers["/ocsp"] = forged
    assert ask(by_ocsp) is UNKNOWN


def test_the_responder_is_asked_when_the_list_cannot_be_had(publisher, clock):
    source = RevocationSource(ISSUER.certificate, f"{publisher.url}/crl", f"{publisher.url}/ocsp")
    cache = RevocationCache([source], fetch, clock)
    publisher.answers["/ocsp"] = RESPONDER.ocsp(LEAF.certificate, ISSUER.certificate, ocsp.OCSPCertStatus.REVOKED)
    assert ask(cache) is REVOKED
    assert [path for path, _ in publisher.asked] == ["/crl", "/ocsp"]


def test_a_server_that_cannot_be_reached_leaves_the_state_unknown(clock):
    source = RevocationSource(ISSUER.certificate, "http://127.0.0.1:9/crl", "http://127.0.0.1:9/ocsp")
    assert ask(RevocationCache([source], fetch, clock)) is UNKNOWN


def test_an_answer_too_large_is_no_answer(clock, monkeypatch):
    monkeypatch.setattr(limits, "REVOCATION_BYTES_MAX", 100)
    source = RevocationSource(ISSUER.certificate, "http://127.0.0.1/crl")
    cache = RevocationCache([source], lambda *_: ISSUER.crl(), clock)
    assert ask(cache) is UNKNOWN


@pytest.mark.proves("S56")
def test_only_configured_addresses_are_asked_and_only_for_issuers_below_a_configured_root(publisher, by_crl):
    publisher.answers["/crl"] = ISSUER.crl()
    publisher.answers["/root"] = kit.pki().root.crl()
    lure = Make(crl_url=f"{publisher.url}/lure", ocsp_url=f"{publisher.url}/lure")
    ours, stranger = (
        kit.pki().organisation(kit.ORGANISATION, make=lure),
        Pki().organisation(kit.ORGANISATION, make=lure),
    )
    trust = kit.trust(revocation=by_crl)
    assert trust.judge(stranger.certificate, stranger.issuers, kit.NOW) is SignerTrust.UNKNOWN
    assert trust.judge(receive_key().certificate, (), kit.NOW) is SignerTrust.UNKNOWN
    assert publisher.asked == []
    assert trust.judge(ours.certificate, ours.issuers, kit.NOW) is SignerTrust.REVOCATION_UNKNOWN  # of the intermediate
    assert {path for path, _ in publisher.asked} == {"/crl"}  # the control: for ours it is asked


def test_a_whole_path_is_trusted_when_every_issuer_says_good_and_revoked_when_one_does_not(publisher, clock):
    sources = [
        RevocationSource(ISSUER.certificate, crl_url=f"{publisher.url}/crl"),
        RevocationSource(kit.pki().root.certificate, crl_url=f"{publisher.url}/root"),
    ]
    publisher.answers = {"/crl": ISSUER.crl(), "/root": kit.pki().root.crl()}
    trust = kit.trust(revocation=RevocationCache(sources, fetch, clock))
    assert trust.judge(LEAF.certificate, LEAF.issuers, kit.NOW) is SignerTrust.TRUSTED
    publisher.answers["/root"] = kit.pki().root.crl([ISSUER.certificate])
    trust = kit.trust(revocation=RevocationCache(sources, fetch, clock))
    assert trust.judge(LEAF.certificate, LEAF.issuers, kit.NOW) is SignerTrust.REVOKED
