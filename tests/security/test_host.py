"""S82, S83, S84: what a real run leaves on the host: no core, nothing for others to read, nothing in the clear."""

import asyncio
import base64
import dataclasses
import os
import resource
import secrets
import signal
import stat
import subprocess
import sys
import time
import zipfile
import zlib
from pathlib import Path

import aiohttp
import pytest

from gateway.demo.cast import SENDER_FIKS_ORG_ID, assembled
from gateway.errors import PartnerError
from gateway.simulators.feil import Feil
from gateway.simulators.sample import Form, Office, make_report
from gateway.store import migrate
from gateway.testing.sha1 import sha1_signer
from gateway.testing.site import KOMMUNENUMMER, make_site
from tests.conftest import ROOT

MARK = "MERKE-I-INNHOLD-5b1c"
UNLIMITED = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


@pytest.fixture
def site(tmp_path):
    made = make_site(
        tmp_path / "site", defaults=ROOT / "config", issuer="https://issuer.test/", jwks_uri="http://127.0.0.1:9/jwks"
    )
    migrate.create_sqlite(made.folder / "var", origin="test")
    return made


def careless():
    """As a careless parent would start us."""
    resource.setrlimit(resource.RLIMIT_CORE, UNLIMITED)
    os.umask(0)


def started(command, folder):
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with (folder / "log").open("w") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            stdout=log,
            stderr=log,
            env=environment,
            preexec_fn=careless,  # noqa: PLW1509  two system calls, no lock: safe beside threads
        )


def wait_for(folder, text):
    until = time.monotonic() + 60
    while text not in (folder / "log").read_text():
        assert time.monotonic() < until, (folder / "log").read_text()
        time.sleep(0.05)


def dumped(process):
    """Send SIGSEGV; whether the system wrote a core."""
    process.send_signal(signal.SIGSEGV)
    _, status = os.waitpid(process.pid, 0)
    process.returncode = -signal.SIGSEGV
    assert os.WTERMSIG(status) == signal.SIGSEGV
    return os.WCOREDUMP(status)


@pytest.mark.proves("S82")
def test_no_core_after_segv(site, tmp_path):
    hard = resource.getrlimit(resource.RLIMIT_CORE)[1]
    if hard != resource.RLIM_INFINITY:
        pytest.skip("this machine allows nobody a core file, so none can be missed")
    for name in ("control", "gateway"):
        (tmp_path / name).mkdir()
    control = started(
        [sys.executable, "-c", "import time; print('up', flush=True); time.sleep(99)"], tmp_path / "control"
    )
    wait_for(tmp_path / "control", "up")
    if not dumped(control):  # the control: any other process leaves one here
        pytest.skip("this machine writes no core files at all, so none can be missed")
    gateway = started([sys.executable, "-m", "gateway", "run", "-c", str(site.configuration)], tmp_path / "gateway")
    wait_for(tmp_path / "gateway", "gateway.ready")
    limits = Path(f"/proc/{gateway.pid}/limits").read_text().splitlines()
    assert [line.split()[4:6] for line in limits if line.startswith("Max core file size")] == [["0", "0"]]
    assert dumped(gateway) is False
    assert [path.name for path in (tmp_path / "gateway").iterdir()] == ["log"]


@pytest.mark.proves("S83")
def test_modes_of_everything(site, tmp_path):
    """Made and run by a process that was started with umask 000."""
    (tmp_path / "run").mkdir()
    site.configuration.write_text(site.configuration.read_text().replace('data_dir = "var"', 'data_dir = "fresh"'))
    command = [sys.executable, "-m", "gateway"]
    create = started([*command, "migrate", "--create", "-c", str(site.configuration)], tmp_path / "run")
    assert create.wait(60) == 0
    gateway = started([*command, "run", "-c", str(site.configuration)], tmp_path / "run")
    wait_for(tmp_path / "run", "gateway.ready")
    data = site.folder / "fresh"
    found = {path: stat.S_IMODE(path.lstat().st_mode) for path in (data, *data.rglob("*"))}
    gateway.terminate()
    gateway.wait(30)
    assert {path.name for path in found} >= {"budstikke.sqlite3", "budstikke.sqlite3-wal", "payloads", "engine.lock"}
    wrong = {path.name: oct(mode) for path, mode in found.items() if mode != (0o700 if path.is_dir() else 0o600)}
    assert wrong == {}


# --- nothing in the clear ------------------------------------------------------------------------------------------


def forms(mark):
    """A text as a file could hold it."""
    raw = mark.encode()
    yield raw
    yield from (mark.encode(coding) for coding in ("utf-16-le", "utf-16-be"))
    for shift in range(3):  # base64 of any alignment, without the octets that depend on neighbours
        whole = base64.b64encode(bytes(shift) + raw)
        yield whole[4 if shift else 0 : -4]
    yield raw.hex().encode()


def inflated(content):
    """What every ZIP entry and zlib stream in there inflates to."""
    for start in places(content, b"PK\x03\x04"):
        name, extra = (int.from_bytes(content[start + at : start + at + 2], "little") for at in (26, 28))
        yield attempt(content[start + 30 + name + extra :], -15)
    for head in (b"\x78\x9c", b"\x78\x01", b"\x78\xda"):
        for start in places(content, head):
            yield attempt(content[start : start + 65536], 15)


def places(content, sought):
    at = content.find(sought)
    while at >= 0:
        yield at
        at = content.find(sought, at + 1)


def attempt(content, bits):
    machine = zlib.decompressobj(bits)
    try:
        return machine.decompress(content, 1 << 20)
    except zlib.error:
        return b""


def traces(folder, mark):
    """The files below a folder in which the mark is found, in whatever form."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file():
            content = path.read_bytes()
            octets = [content, *inflated(content)]
            if any(form in one for form in forms(mark) for one in octets):
                found.append(path.name)
    return sorted(found)


@pytest.mark.proves("S84")
def test_the_search_finds_a_mark_in_every_form(tmp_path):
    text = f"innhold {MARK} slutt"
    (tmp_path / "raw").write_text(text)
    (tmp_path / "utf16").write_bytes(text.encode("utf-16"))
    for shift in range(3):
        (tmp_path / f"base64-{shift}").write_bytes(base64.b64encode(b"x" * shift + text.encode()))
    (tmp_path / "zlib").write_bytes(secrets.token_bytes(99) + zlib.compress(text.encode()))
    with zipfile.ZipFile(tmp_path / "zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a", text * 50)
    (tmp_path / "innocent").write_text("innhold uten slutt")
    assert traces(tmp_path, MARK) == sorted(["raw", "utf16", "base64-0", "base64-1", "base64-2", "zlib", "zip"])


def marked_report(number, *, size=0):
    """A report whose JSON and PDF hold the mark; ``size`` more octets make its records files."""
    office = Office(KOMMUNENUMMER, "Bergen", "02", "Bergenhus")
    report = make_report(Form.OFFENTLIG, "V2", office, number=number, leveringskanal=MARK)
    assert MARK.encode() in report.json
    return dataclasses.replace(report, pdf=report.pdf + f"\n% {MARK}\n".encode() + secrets.token_bytes(size))


@pytest.mark.proves("promise-7")
@pytest.mark.timeout(170)
@pytest.mark.proves("S84")
@pytest.mark.proves("S88")
async def test_no_plaintext_on_disk(tmp_path, monkeypatch):
    temporary = tmp_path / "tmp"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    async with assembled(tmp_path / "cast") as cast:
        await cast.gateway.start()
        sink = asyncio.create_task(cast.case_system.run_until(lambda: False))
        receiver = await cast.produsent.receiver(KOMMUNENUMMER)

        async def send(number, feil=None, size=0):
            while True:
                try:
                    return await cast.produsent.send(marked_report(number, size=size), receiver, feil)
                except PartnerError:
                    await asyncio.sleep(0.1)

        cast.produsent._sign_sha1 = sha1_signer(cast.site.sender.key_pem)
        sound = [await send(number, size=400_000) for number in (1, 2)]
        sending = asyncio.create_task(send_all(send, Feil))
        seen = await answers_to_marked_requests(cast)
        for _ in range(2):
            await asyncio.sleep(0.7)
            seen += await shown_by(cast)
            await cast.gateway.kill()
            await cast.gateway.start()
        await sending
        for answer in sound:
            await cast.produsent.follow(answer.uuid, within_s=60, every_s=0.2)
        seen += await shown_by(cast)
        await cast.gateway.kill()
        sink.cancel()
        await asyncio.gather(sink, return_exceptions=True)
        var = cast.site.folder / "var"
        assert len(list((var / "payloads").glob("*/*/*"))) >= 4
        assert traces(var, MARK) == []
        assert traces(temporary, MARK) == []
        seen += (tmp_path / "cast" / "gateway.log").read_text()
        seen += "".join(str(path) for folder in (var, temporary) for path in folder.rglob("*"))
        for source in ('"status": 401', "budstikke_received_total", "gateway\0run", "budstikke.sqlite3"):
            assert source in seen  # a search through nothing finds nothing
        assert MARK not in seen
        assert traces(tmp_path / "cast" / "fagsystem", MARK) != []  # the control: there it is meant to be


async def shown_by(cast):
    """The gateway's metrics, and how its process was called."""
    async with cast.session.get(f"{cast.site.operations_url}/metrics") as answer:
        metrics = await answer.text()
    return metrics + "".join(Path(f"/proc/{cast.gateway.pid}/{name}").read_text() for name in ("cmdline", "environ"))


async def answers_to_marked_requests(cast):
    """All that is answered where a sender writes the mark wherever a request has room for it."""
    base = f"{cast.site.partner_url}/bekymringsmelding/api/v2"
    own = f"{base}/mottak/fagsystem/{SENDER_FIKS_ORG_ID}"
    office, headers = f"{own}/{KOMMUNENUMMER}/02", await cast.produsent._headers()
    told = []
    for method, url, more in (
        ("GET", f"{base}/kommuner?navn={MARK}", {"X-Barn": MARK}),
        ("GET", f"{base}/kommuner/{MARK}", {}),
        ("GET", f"{base}/kommuner", {"IntegrasjonId": MARK}),
        ("GET", f"{base}/kommuner", {"IntegrasjonPassord": MARK}),
        ("GET", f"{base}/kommuner", {"Authorization": f"Bearer {MARK}"}),
        ("GET", f"{own}/bekymringsmelding/{MARK}/status", {}),
        ("POST", f"{office}/{MARK}", {}),
        ("POST", f"{office}/offentlig", {}),
        ("POST", f"{office}/offentlig", {"Content-Type": f"multipart/form-data; boundary={MARK}"}),
        ("POST", f"{office}/offentlig", {"Content-Type": MARK}),
    ):
        form = aiohttp.FormData()
        for name in (MARK, "asice"):
            form.add_field(name, MARK.encode(), filename=f"{MARK}.pdf", content_type=f"application/{MARK}")
        data = form if method == "POST" else None
        async with cast.session.request(method, url, data=data, headers=headers | more) as answer:
            told.append(f"{answer.status} {answer.reason} {dict(answer.headers)} {await answer.text()}")
    assert {line[:3] for line in told} == {"200", "400", "401", "404", "415"}
    return "".join(told)


async def send_all(send, corpus):
    for number, feil in enumerate(corpus, start=10):
        await send(number, feil)
