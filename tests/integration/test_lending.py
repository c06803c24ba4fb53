"""What adapters are lent does what its names promise, with the real keys, files and handshakes of an installation."""

from base64 import b64decode
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

from gateway import config
from gateway.app.doors import expiries
from gateway.app.lending import Lender, clients_of, signing_keys
from gateway.app.parts import offices_of
from gateway.crypto.keys import SoftwareKey
from gateway.errors import CertificateError, ConfigError
from gateway.http.tls import server_context
from gateway.observability import logging
from gateway.ports import SystemClock
from gateway.simulators.serving import serving
from gateway.spi import Address, Believed
from gateway.testing.pki import Pki, certificate_pem, receive_key
from gateway.testing.site import BYDELSNUMMER, KOMMUNENUMMER, make_site
from tests.conftest import ROOT

OFFICE = Address(KOMMUNENUMMER, BYDELSNUMMER)


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    return make_site(
        tmp_path_factory.mktemp("site") / "site",
        defaults=ROOT / "config",
        issuer="https://issuer.example/",
        jwks_uri="https://issuer.example/jwks",
        sections='[maskinporten.fiks]\naudience = "https://test.maskinporten.no/"\nclient_id = "oss"\n'
        'token_endpoint = "https://test.maskinporten.no/token"\nkey = { key = "file:keys/signing.pem" }\n'
        '[signing.digipost]\nkey = { key = "file:keys/signing.pem" }\n',
    )


@pytest.fixture
async def lent(site):
    configuration = config.load(site.configuration)
    env = SimpleNamespace(clock=SystemClock(), log=logging.get(), offices=offices_of(configuration))
    async with aiohttp.ClientSession() as session:
        yield Lender(configuration, env, session).context("fiks")


async def refuses(url, tls, name=None):
    async with aiohttp.ClientSession() as session:
        try:
            async with session.get(url, ssl=tls, server_hostname=name):
                return False
        except aiohttp.ClientConnectorCertificateError:
            return True


async def test_a_server_is_believed_by_the_roots_that_are_given_and_by_its_name(site, lent):
    async def hello(_):
        return web.Response()

    (site.folder / "other.pem").write_bytes(certificate_pem(Pki().root.certificate))
    tls = server_context(site.folder / "keys" / "tls.pem", site.folder / "keys" / "tls.pem")
    async with serving([web.get("/", hello)], tls=tls) as base:
        port = base.rpartition(":")[2]
        trusting = lent.tls([Path("ca.pem")])
        assert not await refuses(f"https://localhost:{port}/", trusting)
        assert await refuses(f"https://localhost:{port}/", lent.tls([Path("other.pem")]))
        assert await refuses(f"https://localhost:{port}/", lent.tls([]))
        assert await refuses(f"https://localhost:{port}/", trusting, name="annet.example")


async def test_roots_that_cannot_be_read_are_a_fault_of_the_configuration(lent):
    with pytest.raises(ConfigError, match="kek"):
        lent.tls([Path("keys/kek")])
    with pytest.raises(ConfigError, match="absent"):
        lent.tls([Path("absent.pem")])


async def test_a_secret_is_read_anew_at_each_call_without_the_line_end(site, lent):
    file = site.folder / "keys" / "password"
    file.write_text(" first\n")
    assert lent.secret("file:keys/password") == "first"
    file.write_text("second\r\n")
    assert lent.secret("file:keys/password") == "second"
    file.write_bytes(b"\xff")
    for wrong in ("file:keys/password", "file:keys/absent", "first"):
        with pytest.raises(ConfigError):
            lent.secret(wrong)


async def test_only_what_is_sealed_for_a_key_of_the_office_is_said_to_open(site, lent):
    own = (site.folder / "keys" / "receive.pem").read_text()
    own = own[own.index("-----BEGIN CERT") :]
    stranger = certificate_pem(receive_key().certificate).decode()
    assert lent.opens(OFFICE, own)
    assert not lent.opens(OFFICE, stranger)
    assert not lent.opens(Address("0301", "01"), own)
    assert not any(lent.opens(OFFICE, bad) for bad in ("", "no PEM", own[:-100], "\N{PILE OF POO}"))


async def test_types_are_those_of_the_channel_and_tokens_those_of_the_section(lent):
    assert lent.types["no.ks.fiks.bekymringsmelding.offentlig.v2"] == "bekymringsmelding.offentlig.v2"
    assert "prove.forsendelse.v1" not in lent.types.values()
    assert lent.tokens("fiks", "ks:fiks") is lent.tokens("fiks", "ks:fiks")
    with pytest.raises(ConfigError):
        lent.tokens("annet", "ks:fiks")


def test_the_certificate_that_signs_grants_is_among_those_whose_end_rings(site):
    configuration = config.load(site.configuration)
    ends = expiries(configuration, offices_of(configuration))
    assert ends["maskinporten.fiks"] == clients_of(configuration)["fiks"].signer.key.chain[0].not_valid_after_utc


async def test_requests_are_signed_with_the_key_of_the_named_section_and_no_other(site, lent):
    certificate = (site.folder / "keys" / "signing.pem").read_text()
    certificate = certificate[certificate.index("-----BEGIN CERT") :]
    believed = signing_keys(config.load(site.configuration))["digipost"].chain[0]
    pins = Believed(pins=frozenset({believed.fingerprint(hashes.SHA256()).hex()}))
    signer = lent.signs("digipost", pins)
    assert signer.fingerprint(certificate, SystemClock().now()) in pins.pins
    signature = b64decode(signer.sign("GET", "/", {"Date": "now"}))
    believed.public_key().verify(signature, b"GET\n/\ndate: now\n\n", PKCS1v15(), hashes.SHA256())
    with pytest.raises(CertificateError):
        lent.signs("digipost", Believed(roots=(Path("ca.pem"),))).fingerprint(certificate, SystemClock().now())
    with pytest.raises(ConfigError):
        lent.signs("annet", pins)


async def test_a_renewed_key_signs_from_then_on_also_for_who_was_lent_it_before(site):
    configuration = config.load(site.configuration)
    env = SimpleNamespace(clock=SystemClock(), log=logging.get(), offices=offices_of(configuration))
    renewed = receive_key()
    async with aiohttp.ClientSession() as session:
        lender = Lender(configuration, env, session)
        signer = lender.context("digipost").signs("digipost", Believed())
        before = signer.sign("GET", "/", {})
        lender.renew({"digipost": SoftwareKey(renewed.key, renewed.chain)})
        signature = b64decode(signer.sign("GET", "/", {}))
    renewed.key.public_key().verify(signature, b"GET\n/\n\n", PKCS1v15(), hashes.SHA256())
    assert b64decode(before) != signature


def test_the_end_of_a_certificate_that_signs_requests_rings(site):
    configuration = config.load(site.configuration)
    end = signing_keys(configuration)["digipost"].chain[0].not_valid_after_utc
    assert expiries(configuration, offices_of(configuration))["signing.digipost"] == end
