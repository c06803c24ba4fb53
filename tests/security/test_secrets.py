"""S80: a secret of each kind is nowhere but where it belongs: not in processes, logs, tracebacks, print-outs or rows."""

import asyncio
import base64
import subprocess
import sys
import traceback
from pathlib import Path

import pytest

from gateway import config
from gateway.app.parts import offices_of
from gateway.cli.check import sound
from gateway.crypto.keys import KeyFile, read_key, read_key_encryption_key
from gateway.crypto.secrets import PasswordDigest
from gateway.demo.cast import assembled
from gateway.errors import ConfigError
from gateway.simulators.sample import Form, Office, make_report
from gateway.testing.pki import receive_key
from gateway.testing.site import KOMMUNENUMMER
from tests.conftest import ROOT
from tests.production_kit import change, command, private, production_site

TOKEN = "MERKE-DRIFTSPASSORD-93ac"
KEY_PASSWORD = "MERKE-NOKKELPASSORD-b771"


def pieces(secret: bytes) -> set[bytes]:
    """A secret as it might be written: raw, hexadecimal, base64, and as Python shows octets."""
    encoded = base64.b64encode(secret)
    return {secret, secret.hex().encode(), encoded, encoded.rstrip(b"="), repr(secret)[2:-1].encode()}


def shown_in(octets: bytes, secrets_by_kind: dict[str, bytes]) -> list[str]:
    return [kind for kind, secret in secrets_by_kind.items() if any(piece in octets for piece in pieces(secret))]


def private_part(pem: Path) -> bytes:
    """The middle of a private key's base64, which no certificate beside it repeats."""
    text = pem.read_bytes()
    block = text[text.index(b"-----BEGIN PRIVATE KEY") : text.index(b"-----END PRIVATE KEY")]
    return block.splitlines()[10]


def processes_of(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(one for child in children for one in processes_of(int(child)))]


@pytest.mark.timeout(170)
@pytest.mark.proves("S80")
async def test_marker_sweep(tmp_path):
    async with assembled(tmp_path / "cast") as cast:
        site = cast.site
        private(site.folder / "keys" / "operations-token", TOKEN)
        await cast.gateway.start()
        receiver = await cast.produsent.receiver(KOMMUNENUMMER)
        office = Office(KOMMUNENUMMER, "Bergen", receiver.bydelsnummer, receiver.bydelsnavn)
        answer = await cast.produsent.send(make_report(Form.OFFENTLIG, "V2", office, number=1), receiver)
        while not await cast.case_system.work_once():
            await asyncio.sleep(0.05)
        await cast.produsent.follow(answer.uuid, within_s=30, every_s=0.1)
        secrets_by_kind = {
            "client password": cast.produsent._integration.integrasjon_passord.encode(),
            "access token": (await cast.produsent._tokens.token()).encode(),
            "key-encryption key": (site.folder / "keys" / "kek").read_bytes(),
            "receive key": private_part(site.folder / "keys" / "receive.pem"),
            "TLS key": private_part(site.folder / "keys" / "tls.pem"),
        }
        pids = processes_of(cast.gateway.pid)
        for name in ("cmdline", "environ"):
            for pid in pids:
                assert shown_in(Path(f"/proc/{pid}/{name}").read_bytes(), secrets_by_kind) == []
        await cast.gateway.kill()
        for path in (site.folder / "var").rglob("*"):
            if path.is_file():
                assert shown_in(path.read_bytes(), secrets_by_kind) == [], path.name
        log = (tmp_path / "cast" / "gateway.log").read_bytes()
        assert b"gateway.ready" in log
        assert shown_in(log, secrets_by_kind) == []
        assert shown_in(command(site, "check-config", "--json").stdout.encode(), secrets_by_kind) == []
        everything = b"".join(path.read_bytes() for path in (site.folder / "keys").iterdir())
        kinds = {"key-encryption key", "receive key", "TLS key"}
        assert kinds <= set(shown_in(everything, secrets_by_kind))  # the control


@pytest.mark.proves("S80")
def test_check_config_shows_references_and_a_wrong_password_stays_out_of_its_fault(tmp_path):
    site = production_site(tmp_path / "site")
    keys = site.folder / "keys"
    private(keys / "operations-token", TOKEN)
    receive_key("Mottak").write_pkcs12(keys / "receive.p12", b"right-password-91")
    private(keys / "receive-password", KEY_PASSWORD)
    change(
        site.folder / "tenants" / "4601.toml",
        'receive_keys = [{ key = "file:keys/receive.pem" }]',
        'receive_keys = [{ key = "file:keys/receive.p12", password = "file:keys/receive-password" }]',
    )
    wrong = command(site, "check-config")
    assert "not a readable PKCS#12" in wrong.stderr
    (keys / "receive-password").write_text("right-password-91")
    change(site.configuration, 'mode = "production"', 'mode = "test"')
    right = command(site, "check-config", "--json")
    assert right.returncode == 0, right.stderr
    assert "file:keys/receive-password" in right.stdout
    for secret in (TOKEN, KEY_PASSWORD, "right-password-91"):
        assert secret not in wrong.stderr + wrong.stdout + right.stdout


@pytest.mark.proves("S80")
def test_nothing_that_holds_a_secret_shows_it_when_it_is_printed_or_fails(tmp_path):
    site = production_site(tmp_path / "site")
    kek = (site.folder / "keys" / "kek").read_bytes()
    configuration = sound(site.configuration)
    office = offices_of(configuration).all()[0]
    key_file = KeyFile(site.folder / "keys" / "receive.pem", KEY_PASSWORD.encode())
    digest = PasswordDigest.of(KEY_PASSWORD.encode())
    printed = "".join(
        f"{one!r}{one!s}"
        for one in (
            configuration,
            office,
            office.kek,
            office.receive,
            key_file,
            digest,
            read_key_encryption_key(site.folder / "keys" / "kek"),
        )
    )
    assert shown_in(printed.encode(), {"kek": kek, "password": KEY_PASSWORD.encode()}) == []
    with pytest.raises(ConfigError) as caught:
        read_key(key_file)
    told = "".join(traceback.format_exception(caught.value))
    assert KEY_PASSWORD not in told
    assert config.read_secret(site.folder, "env:X", {"X": TOKEN}) == TOKEN.encode()


CRASHING = """
import sys
from gateway.observability import logging
logging.configure("stdout")
log = logging.get()
try:
    password = sys.argv[1]
    raise ValueError(f"the password {password} is wrong")
except ValueError:
    log.exception("http.failed", error_id="1", password=sys.argv[1], code="x")
import logging as standard
standard.getLogger("aiohttp.server").error("Error handling request %s", sys.argv[1], exc_info=ValueError(sys.argv[1]))
"""


@pytest.mark.proves("S80")
@pytest.mark.proves("S88")
def test_a_traceback_with_a_secret_in_its_text_is_logged_without_it():
    done = subprocess.run(
        [sys.executable, "-c", CRASHING, KEY_PASSWORD], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "ValueError" in done.stdout
    assert KEY_PASSWORD not in done.stdout + done.stderr
