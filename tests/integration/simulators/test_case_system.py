"""The reference case system against an honest gateway: what it stores, what it proves, and each way it can fail."""

import asyncio
import hashlib
import json
import os
import re
import signal
import sys
from pathlib import Path

import pytest

import gateway.simulators.case_system as module
from gateway.errors import PartnerRefusedError, PartnerUnavailableError
from gateway.simulators.case_system import CaseSystem, CaseSystemFault, CaseSystemSettings
from tests.integration.simulators.case_system_api import TOKEN, CaseSystemApi

ONE = "01900000-0000-7000-8000-000000000001"
TWO = "01900000-0000-7000-8000-000000000002"
REPORT = {"bekymringsmelding_json": b'{"melding": "a"}', "bekymringsmelding_pdf": b"%PDF-1.3\n" + bytes(200_000)}


class DiedError(Exception):
    """Stands in for SIGKILL where the test itself must live on."""


def die():
    raise DiedError


@pytest.fixture
def api():
    api = CaseSystemApi()
    api.add(ONE, **REPORT)
    api.add(TWO, bekymringsmelding_pdf=b"%PDF-1.3 two")
    return api


@pytest.fixture
async def make(api, session, tmp_path):
    opened = []
    async with api.serve() as base:

        def made(**options):
            async def token():
                return TOKEN

            settings = CaseSystemSettings(f"{base}/api/v1", poll_s=0.01, slow_s=0.05)
            opened.append(CaseSystem(session, settings, tmp_path / "fagsystem", token, die=die, **options))
            return opened[-1]

        yield made
    for system in opened:
        system.ledger.close()


def rows(system, event=None):
    return [row for row in system.ledger.rows() if event in {None, row["event"]}]


def confirmed(api):
    return {key for key, message in api.messages.items() if message.state == "CONFIRMED"}


async def test_everything_that_waits_is_stored_read_back_and_confirmed(make, api, tmp_path) -> None:
    system = make()

    await system.run_until(lambda: confirmed(api) == {ONE, TWO})

    for key, message in api.messages.items():
        for name, content in message.documents.items():
            assert (tmp_path / "fagsystem/documents" / key / name).read_bytes() == content
        (stored,) = [row for row in rows(system, "stored") if row["id"] == key]
        assert stored["reference"] == message.confirmed["reference"]
        assert stored["documents"] == {
            name: hashlib.sha256(content).hexdigest() for name, content in message.documents.items()
        }
    assert len({message.confirmed["reference"] for message in api.messages.values()}) == 2
    assert {path.suffix for path in (tmp_path / "fagsystem/documents").rglob("*.*")} == {".json", ".pdf"}


async def test_head_and_every_document_are_fetched_before_the_ledger_and_the_confirmation(make, api) -> None:
    del api.messages[TWO]
    await make().work_once()

    assert [kind for kind, _, _ in api.calls] == ["list", "claim", "head", "document", "document", "confirm"]


async def test_what_is_confirmed_was_read_from_the_own_store_and_not_from_the_answer(make, api, tmp_path) -> None:
    """The store is spoiled behind its back: an honest read-back must notice."""
    system = make()
    system.fault = CaseSystemFault.FORGETS
    await system.work_once()
    (tmp_path / "fagsystem/documents" / ONE / "bekymringsmelding.json").write_bytes(b"spoiled")
    system.fault = None
    api.lapse()

    await system.work_once()

    assert [row["id"] for row in rows(system, "mismatch")] == [ONE]
    assert confirmed(api) == {TWO}


async def test_a_message_that_comes_again_is_confirmed_under_its_first_reference_and_stored_once(make, api) -> None:
    system = make()
    system.fault = CaseSystemFault.FORGETS
    await system.work_once()
    assert confirmed(api) == set()
    api.lapse()

    again = make()  # a new process over the same folder
    await again.run_until(lambda: confirmed(api) == {ONE, TWO})

    assert len(rows(again, "stored")) == 2
    assert {row["id"]: row["reference"] for row in rows(again, "stored")} == {
        key: message.confirmed["reference"] for key, message in api.messages.items()
    }


async def test_what_died_after_fetching_left_no_promise_and_is_fetched_again(make, api, tmp_path) -> None:
    system = make()
    system.fault = CaseSystemFault.DIES_AFTER_FETCH
    with pytest.raises(DiedError):
        await system.work_once()
    assert rows(system) == []
    assert {path.suffix for path in (tmp_path / "fagsystem/documents").rglob("*.*")} == {".part"}

    await make().run_until(lambda: confirmed(api) == {ONE, TWO})  # its own claims still stand: it finds them listed


@pytest.mark.parametrize("fault", [CaseSystemFault.STORES_HALF, CaseSystemFault.LIES])
async def test_a_case_system_that_did_not_store_or_does_not_tell_the_truth_is_not_believed(make, api, fault) -> None:
    system = make()
    system.fault = fault

    await system.work_once()

    assert confirmed(api) == set()
    assert len(rows(system, "mismatch")) == 2
    assert rows(system, "confirmed") == []


async def test_a_slow_case_system_confirms_in_the_end(make, api) -> None:
    system = make()
    system.fault = CaseSystemFault.IS_SLOW

    await system.work_once()

    assert confirmed(api) == {ONE, TWO}


async def test_a_case_system_that_rejects_sends_the_message_to_a_person(make, api) -> None:
    system = make()
    system.fault = CaseSystemFault.REJECTS

    await system.work_once()

    assert {message.state for message in api.messages.values()} == {"HELD"}
    assert [body["reason"] for kind, _, body in api.calls if kind == "reject"] == ["simulated", "simulated"]
    assert len(rows(system, "rejected")) == 2


@pytest.mark.parametrize("name", ["../../utenfor.pdf", "..", ".skjult", "a/b.pdf", "a\\b.pdf", "a\nb", ""])
async def test_a_documents_name_never_leads_out_of_the_own_store(make, api, tmp_path, name) -> None:
    api.messages = {}
    api.add(ONE)
    api.messages[ONE].documents[name] = b"x"
    system = make()

    await system.work_once()

    assert api.messages[ONE].state == "HELD"
    assert not list((tmp_path / "fagsystem/documents").rglob("*.*"))
    assert [kind for kind, _, _ in api.calls].count("document") == 0


@pytest.mark.parametrize("kind", ["claim", "head", "document", "confirm"])
@pytest.mark.parametrize("mood", [503, 500, 429, 401, "lose-answer"])
async def test_a_gateway_that_fails_anywhere_is_asked_again_until_all_is_home_once(make, api, kind, mood) -> None:
    api.moods[kind] = [mood, mood]
    system = make()

    await asyncio.wait_for(system.run_until(lambda: confirmed(api) == {ONE, TWO}), timeout=20)

    assert sorted(row["id"] for row in rows(system, "stored")) == [ONE, TWO]


async def test_told_to_wait_it_asks_the_same_again_and_begins_nothing_anew(make, api, monkeypatch) -> None:
    """Else a rate limit starves it: every attempt spends what the next one needs."""
    waited = []

    async def wait(seconds):
        waited.append(seconds)

    monkeypatch.setattr("gateway.simulators.case_system.asyncio.sleep", wait)
    api.moods["document"] = [429] * 7
    system = make()

    await system.work_once()

    assert confirmed(api) == {ONE, TWO}
    calls = [kind for kind, _, _ in api.calls]
    assert (calls.count("claim"), calls.count("head"), calls.count("confirm")) == (1, 2, 2)
    assert len(waited) == 7


async def test_a_document_that_comes_short_is_never_stored(make, api) -> None:
    api.moods["document"] = ["short"]
    system = make()

    await asyncio.wait_for(system.run_until(lambda: confirmed(api) == {ONE, TWO}), timeout=20)

    assert rows(system, "mismatch") == []


async def test_a_refused_token_is_thrown_away(make, api) -> None:
    forgotten = []
    system = make(forget=lambda: forgotten.append(True))
    api.allows = lambda _: False
    with pytest.raises(PartnerUnavailableError):
        await system.work_once()
    assert forgotten


async def test_a_refusal_that_only_a_person_can_mend_stops_the_loop(make, api) -> None:
    api.moods["claim"] = [403]
    with pytest.raises(PartnerRefusedError):
        await make().run_until(lambda: False)


async def test_the_bell_wakes_the_loop_long_before_the_poll(api, session, tmp_path) -> None:
    async def token():
        return TOKEN

    async with api.serve() as base:
        settings = CaseSystemSettings(f"{base}/api/v1", poll_s=30)
        system = CaseSystem(session, settings, tmp_path, token)
        await system.run_until(lambda: confirmed(api) == {ONE, TWO})
        loop = asyncio.create_task(system.run_until(lambda: len(confirmed(api)) == 3))
        await asyncio.sleep(0)
        api.add("01900000-0000-7000-8000-000000000003", a_pdf=b"late")
        system.bell.set()
        await asyncio.wait_for(loop, timeout=10)
        system.ledger.close()


async def test_the_fault_of_dying_kills_the_real_process_and_the_next_one_brings_it_home(make, api, tmp_path) -> None:
    async with api.serve() as base:
        program = f"""
import asyncio, pathlib, aiohttp
from gateway.simulators.case_system import CaseSystem, CaseSystemFault, CaseSystemSettings
async def token(): return {TOKEN!r}
async def main():
    async with aiohttp.ClientSession() as session:
        system = CaseSystem(session, CaseSystemSettings({base + "/api/v1"!r}), pathlib.Path({str(tmp_path / "fagsystem")!r}), token)
        system.fault = CaseSystemFault.DIES_AFTER_FETCH
        await system.run_until(lambda: False)
asyncio.run(main())
"""
        environment = os.environ | {"PYTHONPATH": str(Path(module.__file__).parents[2])}
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, env=environment)
        assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL
    assert confirmed(api) == set()

    await make().run_until(lambda: confirmed(api) == {ONE, TWO})


def test_it_imports_nothing_of_the_gateways_inside() -> None:
    for path in Path(module.__file__).parent.glob("*.py"):
        assert not re.search(r"gateway\.(store|pipeline|http|app)\b", path.read_text("utf-8")), path.name


async def test_its_ledger_holds_ids_references_and_digests_and_no_content(make, api) -> None:
    system = make()
    await system.run_until(lambda: confirmed(api) == {ONE, TWO})

    members = {name for row in rows(system) for name in row}
    assert members == {"event", "at", "id", "reference", "documents"}
    assert "%PDF" not in json.dumps(rows(system))
