"""S76: health and metrics stand behind a token."""

from contextlib import asynccontextmanager

import aiohttp
import pytest
from prometheus_client import CollectorRegistry, Counter

from gateway.errors import ConfigError, StoreError
from gateway.http.connection import Listening
from gateway.http.health import operations_routes
from gateway.http.server import Listener, application
from tests.edge_kit import Lines, StillClock, recording_log

TOKEN = "let-me-see"


class Checks(dict):
    """Checks by name, each of which a test may fail."""

    def check(self, name):
        async def holds():
            if isinstance(self[name], Exception):
                raise self[name]
            return self[name]

        return holds


@asynccontextmanager
async def operations(checks, token=TOKEN):
    registry = CollectorRegistry()
    Counter("budstikke_tries", "Tries.", registry=registry).inc()
    routes = operations_routes({name: checks.check(name) for name in checks}, registry, token=token, production=False)
    app = application(routes, Listener(clock=StillClock(), log=recording_log(Lines())))
    async with Listening(app, "127.0.0.1", 0, None) as listening:
        yield f"http://127.0.0.1:{listening.port}"


async def get(base, path, token=TOKEN):
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession() as session, session.get(base + path, headers=headers) as answer:
        return answer.status, await answer.text()


@pytest.mark.proves("S76")
@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/metrics"])
async def test_without_the_token_nothing_is_told(path):
    async with operations(Checks(store=True)) as base:
        for token in (None, "", "wrong", "let-me-se", "let-me-see2", "å"):
            assert (await get(base, path, token))[0] == 401
        assert (await get(base, path))[0] == 200  # the control


@pytest.mark.proves("S76")
def test_production_without_a_token_does_not_start():
    with pytest.raises(ConfigError):
        operations_routes({}, CollectorRegistry(), token=None, production=True)
    with pytest.raises(ConfigError):
        operations_routes({}, CollectorRegistry(), token="", production=True)
    assert operations_routes({}, CollectorRegistry(), token="x", production=True)


async def test_ready_says_which_check_fails():
    checks = Checks(store=True, disk=True)
    async with operations(checks, token=None) as base:
        assert (await get(base, "/health/ready", None))[0] == 200
        for fault in (False, StoreError(), OSError()):
            checks["disk"] = fault
            status, text = await get(base, "/health/ready", None)
            assert status == 503
            assert '"checks":{"store":true,"disk":false}' in text
        assert (await get(base, "/health/live", None))[0] == 200


async def test_metrics_are_those_of_the_registry():
    async with operations(Checks()) as base:
        status, text = await get(base, "/metrics")
        assert (status, "budstikke_tries_total 1.0" in text) == (200, True)
