"""Bad evidence and bad backups, as a stranger, a witness or an operator meets them: a verdict, an exit code, a reason."""

import asyncio
import io
import json
import sqlite3
from contextlib import closing, redirect_stderr, redirect_stdout

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway import cli, config
from gateway.app import environment
from gateway.crashpoints import Point
from gateway.crypto.notes import NoteSigner, sign
from gateway.evidence import formats
from gateway.pipeline.accept import Intake
from gateway.store import journal, migrate
from gateway.testing.pki import certificate_pem, receive_key
from gateway.testing.site import make_site
from tests.conftest import ROOT
from tests.production_kit import change, copied, private
from tests.reports import Sender
from tests.work import work_off

KARI = ("--person", "kari")
WHO = (*KARI, "--reason", "disk-lost", "--no-ask")
SEALED_FOR = '[backup]\ncertificate = "backup-certificate.pem"\n'
LARGE = 400_000  # more than stands in a row: a file of its own


def run(*arguments):
    """As ``budstikke`` runs it, in this process: exit code, and all that it said."""
    said = io.StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        code = cli.run([str(argument) for argument in arguments])
    assert "Traceback" not in said.getvalue()
    return code, said.getvalue()


async def reported(site, *numbers, size=0):
    """Reports, numbered and under a signed head; returns their ids."""
    async with environment(config.load(site.configuration, {})) as env:
        intake, sender, ids = Intake(env), Sender(site, env), []
        for number in numbers:
            delivery = sender.delivery(number)
            delivery.part_bytes["bekymringsmelding"] += bytes(size)
            ids.append((await intake.accept(delivery)).id)
        await work_off(env)
        while await env.store.write(journal.number_pending, Point.NUMBER):
            pass
        await env.heads.publish(env.store, env.now())
        return ids


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    """One installation with a report, its proof, and the update that brings a new witness up to it."""
    folder = tmp_path_factory.mktemp("template")
    site = make_site(
        folder / "site", defaults=ROOT / "config", issuer="https://issuer.test/", jwks_uri="http://127.0.0.1:9/jwks"
    )
    backup = receive_key("Sikkerhetskopi")
    backup.write_pem(folder / "backup.pem")
    (site.folder / "backup-certificate.pem").write_bytes(certificate_pem(backup.certificate))
    change(site.configuration, "[evidence]", f"{SEALED_FOR}[evidence]")
    migrate.create_sqlite(site.folder / "var", origin="test")
    (report,) = asyncio.run(reported(site, 1, size=LARGE))
    assert run("log", "proof", report, *KARI, "--out", folder / "proof.json", "-c", site.configuration)[0] == 0
    assert run("log", "update", 0, "--out", folder / "update", "-c", site.configuration)[0] == 0
    return site, report, folder


@pytest.fixture
def site(template, tmp_path):
    """A copy to spoil."""
    return copied(template[0], tmp_path / "site")


@pytest.fixture
def signer(template):
    return NoteSigner.from_file("test", template[0].folder / "keys" / "evidence.pem")


def test_control_the_true_proof_holds(template, signer):
    _, _, folder = template
    code, said = run("verify", "proof", folder / "proof.json", "--key", signer.public)
    assert (code, said.splitlines()[-1]) == (0, "ok, content not checked")


@pytest.mark.proves("S98")
def test_a_proof_for_another_log_is_refused(template, signer):
    _, _, folder = template
    for other in (signer.under("other.test"), NoteSigner("other.test", Ed25519PrivateKey.generate())):
        code, said = run("verify", "proof", folder / "proof.json", "--key", other.public)
        assert (code, said) == (1, "failed: other.test has not signed this head\n")


@pytest.mark.proves("S98")
def test_a_checkpoint_with_a_foreign_key_is_refused(template, signer, tmp_path):
    """Right name, right tree, somebody else's key; as a proof, as a witness's update, and as a witness's head at a restore."""
    site, _, folder = template
    stranger = NoteSigner("test", Ed25519PrivateKey.generate())
    head = (folder / "update").read_text("utf-8").partition("\n\n")[2]
    forged = sign(head.partition("\n\n")[0] + "\n", [stranger])
    proof, update, witness = tmp_path / "proof.json", tmp_path / "update", tmp_path / "witness"
    bundle = json.loads((folder / "proof.json").read_text("utf-8"))
    bundle["entries"] = [one.replace(head, forged) for one in bundle["entries"]]
    proof.write_text(json.dumps(bundle), encoding="utf-8")
    update.write_text((folder / "update").read_text("utf-8").replace(head, forged), encoding="utf-8")
    for command in (("proof", proof), ("witness", tmp_path / "state", update)):
        assert run("verify", *command, "--key", signer.public) == (1, "failed: test has not signed this head\n")
        assert run("verify", *command, "--key", stranger.public)[0] == 0, "the control: it is whole but for the key"
    witness.write_text(forged, encoding="utf-8")
    out, key = tmp_path / "backup", folder / "backup.pem"
    assert run("backup", "--out", out, "-c", site.configuration)[0] == 0
    fresh = copied(site, tmp_path / "fresh")
    (fresh.folder / "var").rename(tmp_path / "lost")
    code, said = run("restore", out, "--open-with", key, "--witness", witness, *WHO, "-c", fresh.configuration)
    assert (code, said) == (1, "signature: no known key has signed this note\n")
    assert not list((fresh.folder / "var").iterdir()), "and nothing was restored"


@pytest.mark.proves("S97")
def test_a_truncated_log_is_refused_by_its_own_start_and_by_a_witness(site, signer, template, tmp_path):
    state, update = tmp_path / "state", tmp_path / "update"
    asyncio.run(reported(site, 2))
    assert run("log", "update", 0, "--out", update, "-c", site.configuration)[0] == 0
    assert run("verify", "witness", state, update, "--key", signer.public)[0] == 0
    known = int(state.read_text("utf-8").split("\n")[1])
    with closing(sqlite3.connect(site.folder / "var" / migrate.SQLITE_FILE)) as conn:
        conn.executescript(
            'DELETE FROM head; DELETE FROM leaf WHERE "index" >= 2; UPDATE log_state SET size = 2; DELETE FROM leaf_pending;'
        )
    code, said = run("run", "-c", site.configuration)
    assert (code, "the database is older than log-head" in said) == (2, True), said
    code, said = run("log", "update", known, "--out", update, "-c", site.configuration)
    assert (code, said.startswith("bad-request: the witness knows a newer head than this gateway")) == (1, True), said
    root = "A" * 43 + "="
    update.write_text(f"old {known}\n\n" + sign(f"test\n2\n{root}\n", [signer]), encoding="utf-8")
    before = state.read_bytes()
    assert run("verify", "witness", state, update, "--key", signer.public) == (
        1,
        "failed: the log is shorter than it was: its end was cut off\n",
    )
    assert state.read_bytes() == before


@pytest.mark.proves("S97")
def test_of_two_inconsistent_heads_each_is_caught_by_whoever_holds_the_other(template, signer, tmp_path):
    """Both are signed with the log's own key: only somebody outside can tell, and each of two witnesses does."""
    _, _, folder = template
    one = (folder / "update").read_text("utf-8")
    head = one.partition("\n\n")[2]
    size = int(head.split("\n")[1])
    forked = sign(formats.head_text("test", size, b"f" * 32), [signer])
    longer = sign(formats.head_text("test", size + 3, b"g" * 32), [signer])
    first, second, update = tmp_path / "first", tmp_path / "second", tmp_path / "update"
    for state, known, shown, why in (
        (first, head, forked, "two heads of the same size differ: the log was rewritten"),
        (second, forked, head, "two heads of the same size differ: the log was rewritten"),
        (first, head, longer, "the log does not begin with what it held before: it was rewritten"),
        (second, forked, longer, "the log does not begin with what it held before: it was rewritten"),
    ):
        state.write_text(known, encoding="utf-8")
        path = "" if shown != longer else "".join("A" * 43 + "=\n" for _ in range(path_length(size, size + 3)))
        update.write_text(f"old {size}\n{path}\n{shown}", encoding="utf-8")
        code, said = run("verify", "witness", state, update, "--key", signer.public)
        assert (code, said) == (1, f"failed: {why}\n")
        assert state.read_text("utf-8") == known
    second.write_text(forked, encoding="utf-8")
    code, said = run("verify", "proof", folder / "proof.json", "--key", signer.public, "--witness", second)
    assert (code, said.splitlines()[-1]) == (1, "failed: two heads of the same size differ: the log was rewritten")


def path_length(old, new):
    """How many hashes a consistency proof between these sizes has."""
    from gateway.domain import merkle

    return len(merkle.consistency(old, new, lambda low, high: bytes(32)))


def test_a_backup_with_a_missing_file_says_which_when_it_is_made_and_when_it_is_restored(site, template, tmp_path):
    out, key = tmp_path / "backup", template[2] / "backup.pem"
    gone = min(path for path in (site.folder / "var" / "payloads").glob("*/*/*") if path.is_file())
    name = gone.relative_to(site.folder / "var" / "payloads")
    gone.unlink()
    code, said = run("backup", "--out", out, "-c", site.configuration)
    assert (code, f"missing: {name}\n" in said) == (1, True), said
    (site.folder / "var").rename(tmp_path / "lost")
    code, said = run("restore", out, "--open-with", key, *WHO, "-c", site.configuration)
    assert (code, f"doubt: no file: {name}\nverdict: doubt\n" in said) == (1, True), said


@pytest.mark.proves("S92")
def test_a_wrong_passphrase_opens_nothing_and_leaves_the_place_empty(template, tmp_path):
    out, phrase, other = tmp_path / "backup", tmp_path / "phrase", tmp_path / "other"
    private(phrase, "twenty octets at the least\n")
    private(other, "twenty octets, but others\n")
    site = copied(template[0], tmp_path / "site")
    change(site.configuration, SEALED_FOR, "")
    assert run("backup", "--out", out, "--passphrase", phrase, "-c", site.configuration)[0] == 0
    (site.folder / "var").rename(tmp_path / "lost")
    restore = ("restore", out, *WHO, "-c", site.configuration)
    code, said = run(*restore, "--passphrase", other)
    assert (code, said.partition(":")[0]) == (1, "decryption"), said
    assert not list((site.folder / "var").iterdir())
    code, said = run(*restore)
    assert (code, said) == (2, "configuration: the backup is sealed with a passphrase: --passphrase\n")
    for missing in (("--witness", tmp_path / "nowhere"), ("--shredded", tmp_path / "nowhere")):
        assert run(*restore, "--passphrase", phrase, *missing)[0] == 2
    assert run("restore", tmp_path / "nowhere", *WHO, "-c", site.configuration)[0] == 2
    assert run(*restore, "--passphrase", phrase)[0] == 0, "the control"
