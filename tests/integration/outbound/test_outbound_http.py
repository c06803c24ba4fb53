"""POST /messages and withdraw as a case system calls them."""

import json

import aiohttp
import pytest

from gateway.domain.lifecycle import State
from tests.integration.http.conftest import case_system_listener
from tests.integration.outbound.kit import BREV, Scripted, melding, with_roads
from tests.work import state_of, work_off


@pytest.fixture
async def case_system(env, site):
    env = await with_roads(env, site.tenant, partner=Scripted())
    async with case_system_listener(env, site.tenant) as running:
        yield running


def form(envelope=None, documents=None, first="melding") -> aiohttp.FormData:
    body = aiohttp.FormData(quote_fields=False)
    body.add_field(first, json.dumps(envelope or melding()), content_type="application/json")
    for name, content in (documents if documents is not None else {"brev.pdf": BREV}).items():
        body.add_field(name, content, content_type="application/pdf", filename="C:\\noe\\annet.exe")
    return body


async def post(case_system, data, key="nokkel-1", client_id="fagsystem-1", **more):
    headers = {"Idempotency-Key": key} if key is not None else {}
    return await case_system.call("POST", "/messages", client_id, headers, data=data, **more)


async def test_a_message_is_taken_followed_and_taken_back(case_system):
    status, body, headers = await post(case_system, form())
    assert status == 202
    assert headers["Location"] == f"/api/v1/messages/{body['id']}"
    status, head, _ = await case_system.call("GET", f"/messages/{body['id']}")
    assert (status, head["state"]) == (200, "ACCEPTED")
    path = f"/messages/{body['id']}/withdraw"
    for _ in range(2):
        status, _, _ = await case_system.call("POST", path, json={"reason": "feil mottaker"})
        assert status == 204
    assert await state_of(case_system.env, body["id"]) == State.WITHDRAWN


async def test_the_same_request_gets_the_same_answer_and_another_one_a_conflict(case_system):
    envelope = melding()
    first, second = [await post(case_system, form(envelope)) for _ in range(2)]
    assert (first[0], first[1]) == (second[0], second[1])
    status, problem, _ = await post(case_system, form())
    assert (status, problem["code"]) == (409, "idempotency-conflict")


async def test_what_was_sent_cannot_be_taken_back(case_system):
    _, body, _ = await post(case_system, form())
    await work_off(case_system.env)
    status, problem, _ = await case_system.call("POST", f"/messages/{body['id']}/withdraw", json={"reason": "nei"})
    assert (status, problem["code"]) == (409, "already-left")
    status, receipts, _ = await case_system.call("GET", f"/messages/{body['id']}/receipts")
    assert [tick["kind"] for tick in receipts["receipts"]] == ["transport"]


@pytest.mark.parametrize("key", [None, "", "x" * 201, "med mellomrom"])
async def test_a_request_without_a_usable_idempotency_key_is_refused(case_system, key):
    status, _, _ = await post(case_system, form(), key=key)
    assert status == 400


async def test_another_ones_office_message_and_key_are_all_answered_as_unknown(case_system):
    _, body, _ = await post(case_system, form())
    status, problem, _ = await post(case_system, form(), client_id="fagsystem-2")
    assert (status, problem["code"]) == (404, "not-found")
    for message_id in (body["id"], "0198f0a0-0000-7000-8000-000000000000", "x"):
        path = f"/messages/{message_id}/withdraw"
        status, problem, _ = await case_system.call("POST", path, "fagsystem-2", json={"reason": "nei"})
        assert (status, problem["code"]) == (404, "not-found")


@pytest.mark.parametrize(
    ("made", "status"),
    [
        (lambda: form(first="annet"), 400),
        (lambda: form(documents={}), 400),
        (lambda: form({**melding(), "ukjent": 1}), 400),
        (lambda: form({**melding(), "meldingstype": "ukjent"}), 400),
        (lambda: form(documents={"../brev.pdf": BREV}), 400),
        (lambda: b"{}", 415),
    ],
    ids=["no envelope", "no document", "unknown field", "unknown type", "a path", "not multipart"],
)
async def test_what_is_wrong_with_a_request_is_told_without_echoing_it(case_system, made, status):
    answered, problem, _ = await post(case_system, made())
    assert answered == status
    assert "ukjent" not in problem["detail"]


async def test_an_inbound_message_cannot_be_withdrawn_and_an_outbound_one_not_confirmed(case_system):
    _, body, _ = await post(case_system, form())
    confirmation = {"reference": "SAK-1", "documents": []}
    status, problem, _ = await case_system.call("POST", f"/messages/{body['id']}/confirm", json=confirmation)
    assert (status, problem["code"]) == (409, "wrong-state")
    status, _, _ = await case_system.call("POST", f"/messages/{body['id']}/reject", json={"reason": "nei"})
    assert status == 409
    assert await state_of(case_system.env, body["id"]) == State.ACCEPTED
