"""S86: a production process neither imports nor serves what is for trying out."""

import http.client
import os
import signal
import ssl
import subprocess
import sys
import time
from contextlib import closing

import pytest

from tests.conftest import ROOT
from tests.production_kit import OPERATIONS_TOKEN, command, production_site

TRYING_OUT = ("gateway.simulators", "gateway.demo", "gateway.testing", "adapters.loopback")
PATHS = ("/jwks", "/token", "/webhook", "/simulate", "/demo", "/faults", "/crash", "/debug", "/fault", "/api/v1/fault")


@pytest.fixture
def site(tmp_path):
    made = production_site(tmp_path / "site")
    assert command(made, "migrate", "--create").returncode == 0
    return made


def imported(log):
    """The modules that a process started with ``-X importtime`` has told of."""
    lines = (line.rpartition("|")[2].strip() for line in log.splitlines() if line.startswith("import time:"))
    return {line for line in lines if line.startswith(("gateway", "adapters"))}


def status(site, port, path, token):
    context = ssl.create_default_context(cafile=site.ca)
    connection = http.client.HTTPSConnection("localhost", port, context=context, timeout=10)
    with closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        return connection.getresponse().status


@pytest.mark.proves("S86")
@pytest.mark.proves("S76")
@pytest.mark.timeout(120)
def test_route_and_module_list(site, tmp_path):
    log = tmp_path / "log"
    with log.open("w") as out:
        run = [sys.executable, "-X", "importtime", "-m", "gateway", "run", "-c", str(site.configuration)]
        process = subprocess.Popen(
            run, cwd=tmp_path, stdout=out, stderr=out, env=os.environ | {"PYTHONPATH": str(ROOT)}
        )
    until = time.monotonic() + 90
    while "gateway.ready" not in log.read_text():
        assert process.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < until
        time.sleep(0.1)
    try:
        for port in (site.partner_port, site.case_system_port, site.operations_port):
            assert {status(site, port, path, OPERATIONS_TOKEN) for path in PATHS} == {404}
        for path in ("/health/live", "/health/ready", "/metrics"):
            assert status(site, site.operations_port, path, "wrong") == 401
            assert status(site, site.operations_port, path, OPERATIONS_TOKEN) == 200
            assert status(site, site.partner_port, path, OPERATIONS_TOKEN) == 404
        assert command(site, "health").returncode == 0
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    modules = imported(log.read_text())
    assert "gateway.http.server" in modules
    assert "adapters.fiks.produsent" in modules
    assert [name for name in modules if name.startswith(TRYING_OUT)] == []
    assert (process.returncode, OPERATIONS_TOKEN in log.read_text()) == (0, False)


@pytest.mark.proves("S86")
def test_control_the_list_of_modules_would_show_a_simulator(site):
    wrong = site.folder / "no-such.toml"
    run = [sys.executable, "-X", "importtime", "-m", "gateway", "simulate", "issuer", str(wrong)]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert "gateway.simulators.programs" in imported(done.stderr)
