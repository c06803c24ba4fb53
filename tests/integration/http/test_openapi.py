"""The OpenAPI document and the running server agree: schemathesis calls every route with good and bad input."""

import asyncio
import sys
from pathlib import Path

import pytest

from tests.integration.http.conftest import case_system_listener
from tests.reports import TestDelivery
from tests.work import work_off

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,negative_data_rejection"


@pytest.mark.timeout(240)
async def test_schemathesis_finds_no_difference(env, site, intake, sender):
    await intake.accept(TestDelivery(sender.parts(sender.report())))
    await work_off(env)
    async with case_system_listener(env, site.tenant, rate_per_minute=1_000_000) as case_system:
        token = case_system.token(exp=int(env.clock.now().timestamp()) + 600)
        run = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("schemathesis")),
            "run",
            f"{case_system.base}/openapi.json",
            "--url",
            case_system.base,
            "--header",
            f"Authorization: Bearer {token}",
            "--checks",
            CHECKS,
            "--max-examples",
            "20",
            "--seed",
            "20261122",
            "--generation-database",
            "none",
            "--exclude-path",
            "/events",  # its long polls would only wait
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output, _ = await run.communicate()
        assert run.returncode == 0, output.decode()[-6000:]
