"""Backup and restore as an operator types them: exit codes, what is said, and a disk that ends in the middle."""

import json
import resource
from contextlib import contextmanager

import pytest
from typer.testing import CliRunner

from gateway.cli import app
from gateway.errors import ConfigError, GatewayError
from gateway.store import migrate
from gateway.testing.pki import certificate_pem
from tests.production_kit import change, copied

WHO = ("--person", "kari", "--reason", "disk-lost", "--no-ask")


@pytest.fixture
def site(site, backup_key, tmp_path):
    """One of the test's own, with a certificate for backups whose key is not in it."""
    made = copied(site, tmp_path / "site")
    (made.folder / "backup-certificate.pem").write_bytes(certificate_pem(backup_key.certificate))
    change(made.configuration, "[evidence]", '[backup]\ncertificate = "backup-certificate.pem"\n[evidence]')
    migrate.create_sqlite(made.folder / "var", origin="test")
    return made


def run(site, *arguments):
    """As ``budstikke`` does it, in this process: exit code, output, and what went wrong by its code."""
    done = CliRunner().invoke(app, [*map(str, arguments), "--config", str(site.configuration)])
    error = done.exception if isinstance(done.exception, GatewayError) else None
    assert error is not None or isinstance(done.exception, SystemExit | None), done.exception
    code = {True: 2, False: 1}[isinstance(error, ConfigError)] if error is not None else done.exit_code
    return code, done.stdout if error is None else f"{error.code}: {error}"


def moved_away(site):
    (site.folder / "var").rename(site.folder / "lost")


def test_a_day_with_a_lost_disk(site, backup_file, tmp_path):
    out, key = tmp_path / "out", backup_file
    code, told = run(site, "backup", "--out", out, "--json")
    assert (code, json.loads(told)["missing"]) == (0, [])
    code, told = run(site, "restore", out, "--open-with", key, *WHO)
    assert (code, "empty data_dir only" in told) == (2, True)
    moved_away(site)
    code, told = run(site, "restore", out, "--open-with", key, "--verify", *WHO, "--json")
    assert code == 0, told
    found = json.loads(told)
    assert (found["verdict"], found["closed_log"], found["signed"]) == ("holds", "test", True)
    assert found["log"].startswith("budstikke.test/")
    assert run(site, "ask-roads") == (0, "nobody is to be asked\n")
    for reason, why in (("compared", "not-found"), ("Mor ringte", "stands in the log for ever")):
        code, told = run(site, "release-road", "loopback", "--person", "kari", "--reason", reason)
        assert (code, why in told) == (1, True)
    code, told = run(site, "log", "succession", "--out", tmp_path / "update")
    assert (code, told) == (0, "nothing new to witness\n")


@pytest.mark.proves("S90")
def test_a_restore_says_how_many_it_shredded_again_and_warns_without_a_list(site, backup_file, tmp_path):
    out, listed = tmp_path / "out", tmp_path / "shredded"
    assert run(site, "backup", "--out", out)[0] == 0
    listed.write_text("01930000-0000-7000-8000-000000000000 2026-01-01T00:00:00.000000Z\n")
    command = ("restore", out, "--open-with", backup_file, *WHO)
    for more, line in (
        ((), "warning: no --shredded list"),
        (("--shredded", listed), "shredded again: 0 of 1 listed"),
    ):
        (site.folder / "var").rename(tmp_path / f"lost-{len(more)}")
        code, told = run(site, *command, *more)
        assert (code, line in told) == (0, True), told
    (site.folder / "var").rename(tmp_path / "lost")
    code, told = run(site, *command, "--shredded", listed, "--json")
    assert json.loads(told)["shredded_again"] == {"listed": 1, "shredded": 0, "unfinished": 0}
    (site.folder / "var").rename(tmp_path / "lost-again")
    listed.write_text("not a list\n")
    assert run(site, *command, "--shredded", listed) == (
        1,
        "structure: the list of shredded messages: line 1 does not begin with a message's id",
    )
    assert run(site, *command, "--shredded", tmp_path / "nowhere")[0] == 2


@contextmanager
def files_end_at(octets):
    """This process may write no file above a size, as on a disk without room."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (octets, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_disk_that_ends_in_the_middle_leaves_nothing_half(site, backup_file, tmp_path):
    out, key = tmp_path / "out", backup_file
    assert run(site, "backup", "--out", out)[0] == 0
    with files_end_at(out.stat().st_size // 2):
        code, told = run(site, "backup", "--out", tmp_path / "second")
    assert (code, told.split(":")[0]) == (1, "store-unavailable")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("second")] == []
    moved_away(site)
    with files_end_at(out.stat().st_size // 2):
        code, told = run(site, "restore", out, "--open-with", key, *WHO)
    assert (code, told.split(":")[0]) == (1, "store-unavailable")
    assert list((site.folder / "var").iterdir()) == []
    assert run(site, "restore", out, "--open-with", key, *WHO)[0] == 0


@pytest.mark.proves("S92")
def test_a_certificate_whose_key_is_on_the_host_is_no_certificate_for_backups(site):
    (site.folder / "backup-certificate.pem").write_bytes((site.folder / "keys" / "receive.pem").read_bytes())
    for arguments in (("check-config",), ("backup", "--out", site.folder / "out")):
        code, told = run(site, *arguments)
        assert (code, "its private key is on this host" in told) == (2, True), told
