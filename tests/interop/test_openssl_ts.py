"""Time stamps made by OpenSSL are believed or not, over HTTPS, and what we keep is verified by OpenSSL."""

import os
import shlex
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from aiohttp import web

from gateway import limits
from gateway.crypto.time_stamps import TimeStampRequest, read_time_stamp
from gateway.crypto.trust import read_roots
from gateway.errors import (
    CertificateError,
    ConfigError,
    PartnerRefusedError,
    PartnerUnavailableError,
    SenderError,
    SignatureError,
    StructureError,
)
from gateway.evidence import time_stamp_client, verify
from gateway.evidence.formats import head_text
from gateway.evidence.time_stamp_client import Authority, TimeStampClient
from gateway.testing.pki import CA_USAGE, TIME_STAMPING, Make, certificate_pem
from tests import crypto_kit as kit
from tests import time_stamp_kit as stamps
from tests.evidence.log import Log, entry

if shutil.which("openssl") is None and not os.environ.get("CI"):  # in CI it may not be missing
    pytest.skip("openssl is not installed", allow_module_level=True)

HEAD = head_text("kommune.no/budstikke", 42, bytes(32)).encode()


@pytest.fixture
def stamper(tmp_path):
    return stamps.Stamper(tmp_path)


@pytest.fixture
async def session():
    async with aiohttp.ClientSession(auto_decompress=False) as opened:
        yield opened


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    monkeypatch.setattr(time_stamp_client, "_WAIT_S_MAX", 0.0)


def client(session, authority, **changes):
    configured = Authority.configured(authority.stamper.folder, authority.settings(**changes))
    return TimeStampClient(session, configured)


async def test_a_head_is_stamped_over_https_and_openssl_verifies_what_is_kept(stamper, session):
    before = datetime.now(UTC).replace(microsecond=0)
    async with stamps.serving(stamper) as authority:
        stamp = await client(session, authority, policy=stamps.POLICY).stamp(HEAD)
    assert before <= stamp.time <= datetime.now(UTC)
    assert (stamp.accuracy, stamp.policy) == (timedelta(seconds=1, milliseconds=500, microseconds=100), stamps.POLICY)
    assert "Prove tidsstempel" in stamp.authority
    done = stamper.verify(HEAD, stamp.response)
    assert done.returncode == 0, done.stderr
    assert stamper.verify(HEAD.replace(b"42", b"41"), stamp.response).returncode != 0
    headers = authority.asked[0].headers
    assert headers["Content-Type"] == "application/timestamp-query"
    assert HEAD not in str(headers).encode()


async def test_the_command_that_the_verifier_prints_verifies_the_stamp_in_a_proof_file(stamper, session, capsys):
    log = Log([entry("arrived")])
    async with stamps.serving(stamper) as authority:
        stamp = await client(session, authority).stamp(log.head().encode())
    proof = stamper.file(log.proof([0], time_stamp=stamp.response).encode())
    assert verify.main(["proof", str(proof), "--key", log.key]) == 0
    _, _, command = capsys.readouterr().out.partition("time stamp: ")
    words = shlex.split(command.partition("\n")[0].replace("TSA.pem", str(stamper.roots)))
    assert words[0] == "openssl"
    done = stamper.run(*words[1:])
    assert done.returncode == 0, done.stderr


async def test_a_kept_response_is_read_again_without_its_question(stamper, session):
    async with stamps.serving(stamper) as authority:
        stamp = await client(session, authority).stamp(HEAD)
    roots = read_roots([stamper.roots])
    again = read_time_stamp(stamp.response, replace(TimeStampRequest.over(HEAD), nonce=None), roots)
    assert again == stamp
    with pytest.raises(SignatureError, match="over other octets"):
        read_time_stamp(stamp.response, replace(TimeStampRequest.over(HEAD + b"\n"), nonce=None), roots)


def test_openssl_reads_our_question(stamper):
    query = stamper.file(TimeStampRequest.over(HEAD, stamps.OTHER_POLICY).encoded())
    text = stamper.run("ts", "-query", "-in", query, "-text").stdout.decode()
    assert "Hash Algorithm: sha256" in text
    assert f"Policy OID: {stamps.OTHER_POLICY}" in text
    assert "Certificate required: yes" in text
    assert "Nonce: 0x" in text


@pytest.mark.parametrize("make", [Make(elliptic=True), Make(key_bits=3072)], ids=["elliptic", "rsa-3072"])
def test_an_authority_below_an_issuer_for_stamps_alone_is_believed(stamper, make):
    """The large public authorities are such."""
    only = Make(usage=CA_USAGE, extended_usage=TIME_STAMPING, is_ca=True, not_before=kit.NOW - timedelta(days=20))
    issuer = kit.pki().root.issue(kit.pki().intermediate.certificate.subject, only)
    credential = issuer.issue(
        stamps.authority().certificate.subject,
        replace(make, usage=("digital_signature",), extended_usage=TIME_STAMPING, extended_usage_critical=True),
    )
    request = TimeStampRequest.over(HEAD)
    response = stamper.reply(request.encoded(), credential)
    assert read_time_stamp(response, request, read_roots([stamper.roots])).policy == stamps.POLICY


WRONG = {
    "wrong nonce": (SignatureError, "an answer to another question"),
    "wrong imprint": (SignatureError, "over other octets"),
    "rejection": (PartnerRefusedError, "not granted, status 2 badAlg"),
    "foreign signer": (CertificateError, "certificate is unknown"),
    "expired certificate": (CertificateError, "certificate is expired"),
    "no purpose": (CertificateError, "certificate is wrong-usage"),
    "no certificate": (SignatureError, "certificate is not enclosed"),
    "garbage": (StructureError, "ber:"),
    "huge": (StructureError, "too large"),
    "nothing": (StructureError, "ber:"),
}


@pytest.mark.parametrize("fault", stamps.FAULTS)
async def test_an_authority_that_answers_wrongly_is_not_believed_and_not_asked_again(stamper, session, fault):
    error, text = WRONG[fault]
    async with stamps.serving(stamper, stamps.FAULTS[fault]) as authority:
        with pytest.raises(error, match=text):
            await client(session, authority).stamp(HEAD)
    assert len(authority.asked) == 1


async def test_a_stamp_under_another_policy_than_the_configured_one_is_not_taken(stamper, session):
    def under_its_own(stamper, query):
        return stamper.reply(stamps.without(query, 2), stamps.authority())

    async with stamps.serving(stamper) as authority:
        stamp = await client(session, authority, policy=stamps.OTHER_POLICY).stamp(HEAD)
        assert stamp.policy == stamps.OTHER_POLICY
    async with stamps.serving(stamper, under_its_own) as authority:
        with pytest.raises(SenderError, match="under another policy"):
            await client(session, authority, policy=stamps.OTHER_POLICY).stamp(HEAD)


def status(number, **headers):
    return lambda *_: web.Response(status=number, headers=headers)


async def test_an_authority_that_is_busy_or_broken_is_asked_again_with_another_nonce(stamper, session):
    seen = []

    def good(stamper, query):
        seen.append(query)
        return stamps.good(stamper, query)

    def busy(stamper, query):
        seen.append(query)
        return web.Response(status=503)

    async with stamps.serving(stamper, busy, good) as authority:
        await client(session, authority).stamp(HEAD)
    assert len(set(seen)) == 2


async def test_an_authority_that_stays_broken_is_asked_a_few_times_only(stamper, session):
    async with stamps.serving(stamper, status(500)) as authority:
        with pytest.raises(PartnerUnavailableError, match="the answer was 500"):
            await client(session, authority).stamp(HEAD)
    assert len(authority.asked) == limits.TIME_STAMP_TRIES_MAX


@pytest.mark.parametrize("number", [302, 307, 401, 404])
async def test_a_refusal_is_final_and_a_redirect_is_one(stamper, session, number):
    async with stamps.serving(stamper, status(number, Location="/")) as authority:
        with pytest.raises(PartnerRefusedError, match=f"the answer was {number}"):
            await client(session, authority).stamp(HEAD)
    assert len(authority.asked) == 1


async def test_a_page_is_no_stamp(stamper, session):
    async with stamps.serving(stamper, lambda *_: web.Response(text="<html>")) as authority:
        with pytest.raises(StructureError, match="another media type"):
            await client(session, authority).stamp(HEAD)


async def test_an_authority_that_never_answers_is_given_up(stamper, session, monkeypatch):
    monkeypatch.setattr(limits, "TIME_STAMP_S_MAX", 0.2)
    async with stamps.serving(stamper, stamps.never) as authority:
        with pytest.raises(PartnerUnavailableError, match="no answer"):
            await client(session, authority).stamp(HEAD)
    assert len(authority.asked) == limits.TIME_STAMP_TRIES_MAX


@pytest.mark.parametrize("roots", [(), ("stranger.pem",)], ids=["public", "others"])
async def test_a_server_that_the_configured_roots_do_not_vouch_for_is_not_asked(stamper, session, roots):
    (stamper.folder / "stranger.pem").write_bytes(certificate_pem(stamps.foreign().issuers[0]))
    async with stamps.serving(stamper) as authority:
        with pytest.raises(PartnerUnavailableError, match="no answer"):
            await client(session, authority, tls_roots=roots).stamp(HEAD)
    assert authority.asked == []


async def test_roots_that_cannot_be_read_are_a_fault_of_the_configuration(stamper, session):
    (stamper.folder / "empty.pem").write_text("")
    async with stamps.serving(stamper) as authority:
        for changes in ({"roots": ("none.pem",)}, {"tls_roots": ("none.pem",)}, {"tls_roots": ("empty.pem",)}):
            with pytest.raises(ConfigError, match=r"(none|empty)\.pem: no PEM certificates"):
                client(session, authority, **changes)
