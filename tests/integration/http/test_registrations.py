"""Reserve mode over the API: registered once, handed out like any other, and never another office's."""

import json

import aiohttp
import pytest

from gateway.domain.lifecycle import State
from gateway.store import journal
from tests.edge_kit import Client
from tests.integration.http.test_case_system import confirmation, fetched
from tests.work import state_of, work_off

TOLD = {"office": "4601-02", "reporter": "privat", "cameBy": "brev", "registeredBy": "kari"}
LETTER = b"%PDF-1.7\n" + b"scanned " * 50_000


def form(told, scan=None, first="registrering", also=()):
    body = aiohttp.FormData(quote_fields=False)
    body.add_field(first, json.dumps(told), content_type="application/json")
    for name, raw in ([("bekymringsmelding.pdf", scan)] if scan is not None else []) + list(also):
        body.add_field(name, raw, content_type="application/pdf", filename="scan")
    return body


async def register(case_system, body, key="k-1", **more):
    headers = {"Idempotency-Key": key} if key is not None else {}
    return await case_system.call("POST", "/registrations", headers=headers, data=body, **more)


async def test_a_letter_is_registered_claimed_read_back_and_receipted(case_system, env):
    status, told, headers = await register(case_system, form(TOLD | {"cameAt": None}, LETTER))
    assert (status, told["state"], told["mayBeSameAs"]) == (201, "READY", [])
    assert headers["Location"] == f"/api/v1/messages/{told['id']}"
    await case_system.call("POST", "/messages/claim", json={"max": 10, "leaseSeconds": 600})
    documents = await fetched(case_system, told["id"])
    assert documents["bekymringsmelding.pdf"] == LETTER
    assert json.loads(documents["registrering.json"])["registeredBy"] == "kari"
    await case_system.call("POST", f"/messages/{told['id']}/confirm", json=confirmation(documents))
    await work_off(env)
    assert await state_of(env, told["id"]) == State.RECEIPTED


async def test_the_same_request_again_gets_the_same_message_and_another_under_its_key_a_conflict(case_system):
    first = await register(case_system, form(TOLD | {"reference": "SAK-1"}, LETTER))
    again = await register(case_system, form(TOLD | {"reference": "SAK-1"}, LETTER))
    assert (first[0], first[1]["state"], again[:2]) == (201, "CONFIRMED", first[:2])
    status, problem, _ = await register(case_system, form(TOLD, LETTER))
    assert (status, problem["code"]) == (409, "idempotency-conflict")
    status, told, _ = await register(case_system, form(TOLD, LETTER), key="k-2")
    assert (status, told["state"], told["mayBeSameAs"]) == (201, "HELD", [first[1]["id"]])
    _, head, _ = await case_system.call("GET", f"/messages/{told['id']}")
    [warning] = [one for one in head["warnings"] if one["code"] == "may-be-same"]
    assert (warning["detail"], "samme melding" in warning["text"]) == (first[1]["id"], True)


async def test_what_cannot_be_right_is_refused_with_its_reason_and_nothing_is_kept(case_system):
    wrong = [{"reporter": "anonym"}, {"registeredBy": "01010112345"}, {"cameAt": "2099-01-01T00:00:00Z"}]
    wrong += [{"cameAt": "2020-01-01T00:00:00Z"}, {"childName": "NN"}, {"reason": ""}]
    bodies = [form(TOLD | one) for one in wrong]
    bodies += [form(TOLD, b"GIF89a"), form(TOLD, first="melding"), form(TOLD, also=[("brev.pdf", LETTER)])]
    bodies += [form(TOLD, LETTER, also=[("bekymringsmelding.pdf", LETTER)])]
    for body in bodies:
        status, problem, _ = await register(case_system, body)
        assert (status, bool(problem["detail"])) == (400, True)
    assert (await case_system.call("GET", "/messages"))[1]["messages"] == []


async def test_nobody_registers_for_an_office_that_is_not_theirs_or_without_a_key(case_system):
    assert (await register(case_system, form(TOLD), client_id="fagsystem-2"))[0] == 404
    assert (await register(case_system, form(TOLD | {"office": "9999-00"})))[0] == 404
    assert (await register(case_system, form(TOLD), key=None))[0] == 400
    assert (await register(case_system, form(TOLD), key="k-2"))[0] == 201  # the control


@pytest.mark.proves("S45")
async def test_a_letter_that_shows_an_id_of_another_office_tells_nothing_of_it_and_leaves_no_trace(case_system, env):
    """Nor does the very PDF that another office has."""
    case_system.directory["fagsystem-b"] = Client(id="fagsystem-b", kind="fagsystem", tenants=frozenset({"4601-03"}))
    shown = "5f0c1d7e-0001-4222-8333-944455566677"
    theirs = (await register(case_system, form(TOLD | {"bekymringsmeldingId": shown}, LETTER)))[1]["id"]

    async def trace():
        return await env.store.read(lambda conn: [row.entry for row in journal.of_message(conn, theirs)])

    before = await trace()
    for key, given in (("a", {"bekymringsmeldingId": shown}), ("b", {"meldingId": theirs})):
        body = form(TOLD | {"office": "4601-03"} | given, LETTER if key == "a" else None)
        status, told, _ = await register(case_system, body, key, client_id="fagsystem-b")
        assert (status, told["state"], told["mayBeSameAs"]) == (201, "READY", [])
    assert await trace() == before
    own = await register(case_system, form(TOLD | {"bekymringsmeldingId": shown}), key="k-2")
    assert own[1]["mayBeSameAs"] == [theirs]  # the control
