"""S11: mutual TLS binds the registered certificate, and no proxy header counts. TLS settings as written."""

import hashlib
import ssl

import aiohttp
import pytest
import trustme

from gateway.errors import ConfigError
from gateway.http.tls import reload_certificate, server_context
from tests.edge_kit import Client, one
from tests.integration.http.conftest import case_system_listener


class Certificates:
    """A server's, the registered client's, and a sibling of it from the same issuer."""

    def __init__(self, folder):
        self.folder = folder
        self.issuer = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.roots = folder / "roots.pem"
        self.issuer.cert_pem.write_to_path(self.roots)
        self.server = self.issue("127.0.0.1")

    def issue(self, name):
        """Certificate file and key file."""
        made = self.issuer.issue_cert(name)
        chain, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        made.private_key_pem.write_to_path(key)
        chain.write_bytes(b"".join(blob.bytes() for blob in made.cert_chain_pems))
        return chain, key

    def client(self, files=None, **settings):
        context = ssl.create_default_context(cafile=self.roots)
        if files:
            context.load_cert_chain(*files)
        for name, value in settings.items():
            setattr(context, name, value)
        return context


def fingerprint(files):
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(files[0].read_text().partition("-----END")[0] + ENDED)).hexdigest()


ENDED = "-----END CERTIFICATE-----\n"


@pytest.fixture
def certificates(tmp_path):
    return Certificates(tmp_path)


async def echo(case_system, context, **headers):
    address = case_system.base.replace("http:", "https:") + "/test/echo"
    async with aiohttp.ClientSession() as session, session.post(address, ssl=context, headers=headers) as answer:
        return answer.status


@pytest.mark.proves("S11")
async def test_forged_proxy_header_and_sibling_certificate(env, site, certificates):
    ours, sibling = certificates.issue("fagsystem.example"), certificates.issue("sibling.example")
    stranger = trustme.CA(key_type=trustme.KeyType.ECDSA).issue_cert("fagsystem.example")
    tls = server_context(*certificates.server, certificates.roots)
    async with case_system_listener(env, site.tenant, tls=tls) as case_system:
        case_system.directory["fagsystem-1"] = Client(
            id="fagsystem-1", kind="fagsystem", tenants=frozenset({site.tenant}), certificate=fingerprint(ours)
        )
        forged = {
            "X-Client-Cert": ours[0].read_text().replace("\n", "%0A"),
            "X-SSL-Client-Fingerprint": fingerprint(ours),
            "X-Forwarded-Client-Cert": f"Hash={fingerprint(ours)}",
            "X-Forwarded-For": "127.0.0.1",
        }
        assert await echo(case_system, certificates.client(), **forged) == 401
        assert await echo(case_system, certificates.client(sibling), **forged) == 401
        assert await echo(case_system, certificates.client(ours)) == 200  # the control
        case_system.directory.clear()
        assert await echo(case_system, certificates.client(ours)) == 401
        context = certificates.client()
        stranger.configure_cert(context)
        with pytest.raises((aiohttp.ClientError, ssl.SSLError, OSError)):
            await echo(case_system, context)


async def test_a_token_is_enough_where_certificates_are_asked_for(env, site, certificates):
    tls = server_context(*certificates.server, certificates.roots)
    async with case_system_listener(env, site.tenant, tls=tls) as case_system:
        token = f"Bearer {case_system.token()}"
        assert await echo(case_system, certificates.client(), Authorization=token) == 200


@pytest.mark.parametrize(
    ("settings", "suites"),
    [
        ({"maximum_version": ssl.TLSVersion.TLSv1_2}, "AES128-GCM-SHA256:AES256-GCM-SHA384"),
        ({"maximum_version": ssl.TLSVersion.TLSv1_2}, "ECDHE+AES:!AESGCM:!AESCCM"),
        ({"maximum_version": ssl.TLSVersion.TLSv1_2}, "DHE+AESGCM"),
    ],
    ids=["no forward secrecy", "CBC", "finite-field DH"],
)
async def test_weak_suites_find_no_common_ground(env, site, certificates, settings, suites):
    async with case_system_listener(env, site.tenant, tls=server_context(*certificates.server)) as case_system:
        context = certificates.client(**settings)
        context.set_ciphers(suites)
        with pytest.raises((aiohttp.ClientError, ssl.SSLError, OSError)):
            await echo(case_system, context)
        good = certificates.client(**settings)
        assert await echo(case_system, good, Authorization=f"Bearer {case_system.token()}") == 200


async def test_a_renewed_certificate_is_used_without_a_restart(env, site, certificates):
    tls = server_context(*certificates.server)
    async with case_system_listener(env, site.tenant, tls=tls) as case_system:
        request = b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
        assert (await one(case_system.port, request, certificates.client()))[9:12] == b"200"
        renewed = Certificates(certificates.folder)
        with pytest.raises(ssl.SSLError):
            await one(case_system.port, request, renewed.client())
        reload_certificate(tls, *renewed.server)
        assert (await one(case_system.port, request, renewed.client()))[9:12] == b"200"


def test_files_that_cannot_be_used_stop_the_start(certificates, tmp_path):
    absent = tmp_path / "absent.pem"
    with pytest.raises(ConfigError):
        server_context(absent, certificates.server[1])
    with pytest.raises(ConfigError):
        server_context(certificates.server[0], certificates.issue("other.example")[1])
    with pytest.raises(ConfigError):
        server_context(*certificates.server, absent)
    assert server_context(*certificates.server, certificates.roots).verify_mode is ssl.CERT_OPTIONAL
