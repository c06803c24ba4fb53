"""``budstikke run --workers``: several real processes share ports and store, and are kept and stopped together."""

import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from gateway.testing.site import make_site
from tests.conftest import ROOT
from tests.postgres import settings_for

UP_S = 40


@pytest.fixture
def site(tmp_path):
    return make_site(
        tmp_path / "site", defaults=ROOT / "config", issuer="https://issuer.test/", jwks_uri="http://127.0.0.1:9/jwks"
    )


def start(site, settings, workers):
    command = [sys.executable, "-m", "gateway", "run", "--config", str(site.configuration), "--workers", str(workers)]
    environment = os.environ | settings | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def children(process) -> set[int]:
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
    return {int(pid) for pid in listed.split()}


def listening(port: int) -> set[int]:
    """Processes that hold a listening socket on this port."""
    inodes = {
        fields[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if (fields := line.split())[3] == "0A" and int(fields[1].rpartition(":")[2], 16) == port
    }
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            links = {str(one.readlink()) for one in (process / "fd").iterdir()}
        except OSError:
            continue
        if links & {f"socket:[{inode}]" for inode in inodes}:
            found.add(int(process.name))
    return found


def until(condition, what, timeout_s=UP_S):
    end = time.monotonic() + timeout_s
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    pytest.fail(f"not within {timeout_s} s: {what}")


def answers(site) -> bool:
    trust = ssl.create_default_context(cafile=site.ca)
    try:
        url = f"{site.operations_url}/health/live"
        with urllib.request.urlopen(url, context=trust, timeout=5) as answer:  # noqa: S310  https, our own address
            return answer.status == 200
    except OSError:
        return False


@pytest.mark.proves("promise-10")
@pytest.mark.timeout(150)
def test_workers_share_the_ports_are_restarted_and_end_together(site, tmp_path):
    parent = start(site, settings_for("postgresql", tmp_path), workers=2)
    try:
        both = until(lambda: len(found := listening(site.operations_port)) == 2 and found, "two listeners")
        assert both == children(parent)
        assert answers(site)
        victim = min(both)
        os.kill(victim, signal.SIGKILL)
        again = until(
            lambda: (found := listening(site.operations_port)) != both and len(found) == 2 and found, "a new worker"
        )
        assert len(again & both) == 1
        assert answers(site)
        parent.send_signal(signal.SIGTERM)
        assert parent.wait(UP_S) == 0
        assert listening(site.operations_port) == set()
    finally:
        parent.kill()
        parent.communicate()


@pytest.mark.timeout(150)
def test_workers_of_a_killed_parent_do_not_stay_behind(site, tmp_path):
    parent = start(site, settings_for("postgresql", tmp_path), workers=2)
    try:
        until(lambda: len(listening(site.operations_port)) == 2, "two listeners")
    finally:
        parent.kill()
        parent.communicate()
    until(lambda: not listening(site.operations_port), "the end of both")


def test_several_workers_on_one_file_are_refused(site, tmp_path):
    parent = start(site, settings_for("sqlite", tmp_path), workers=2)
    _, errors = parent.communicate(timeout=UP_S)
    assert parent.returncode == 2
    assert b"several workers need PostgreSQL" in errors
