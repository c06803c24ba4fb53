"""The case-system API over a real listener, a real store and really sealed reports."""

import asyncio
import hashlib
import io
import json

import pytest

from gateway.errors import PartnerUnavailableError
from gateway.http.problems import PROBLEM_JSON
from tests.edge_kit import Client, TokenIssuer, organisation
from tests.integration.http.conftest import case_system_listener
from tests.reports import TestDelivery
from tests.work import work_off

UNKNOWN = "01930000-0000-7000-8000-000000000000"


@pytest.fixture
def report(sender):
    """One report; made once, for its PDF tells the time."""
    return sender.report()


@pytest.fixture
async def ready(env, intake, sender, report):
    """The id of a report that waits for the case system."""
    accepted = await intake.accept(TestDelivery(sender.parts(report)))
    await work_off(env)
    return accepted.id


async def fetched(case_system, message_id):
    """Every document, byte for byte."""
    import aiohttp

    _, head, _ = await case_system.call("GET", f"/messages/{message_id}")
    found = {}
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {case_system.token()}"}) as session:
        for document in head["documents"]:
            address = f"{case_system.base}/messages/{message_id}/documents/{document['name']}"
            async with session.get(address) as answer:
                found[document["name"]] = await answer.read()
                assert answer.status == 200
                assert len(found[document["name"]]) == document["size"] == answer.content_length
    return found


def confirmation(documents, reference="SAK-1"):
    digests = [{"name": name, "sha256": hashlib.sha256(raw).hexdigest()} for name, raw in documents.items()]
    return {"reference": reference, "documents": digests}


async def test_a_report_is_listed_claimed_fetched_and_confirmed(case_system, report, ready, env):
    status, listed, _ = await case_system.call("GET", "/messages")
    assert (status, [row["id"] for row in listed["messages"]], listed["next"]) == (200, [ready], None)
    status, claimed, _ = await case_system.call("POST", "/messages/claim", json={"max": 10, "leaseSeconds": 600})
    assert (status, [row["id"] for row in claimed["claims"]]) == (200, [ready])
    assert (await case_system.call("GET", "/messages"))[1]["messages"] == []
    offered = await case_system.call("GET", "/messages?state=OFFERED&type=bekymringsmelding.offentlig.v2")
    assert [row["id"] for row in offered[1]["messages"]] == [ready]
    documents = await fetched(case_system, ready)
    assert documents == {"bekymringsmelding.json": report.json, "bekymringsmelding.pdf": report.pdf}
    status, first, _ = await case_system.call("POST", f"/messages/{ready}/confirm", json=confirmation(documents))
    assert (status, first["id"]) == (200, ready)
    again = await case_system.call("POST", f"/messages/{ready}/confirm", json=confirmation(documents))
    assert again[1] == first
    await work_off(env)
    assert (await case_system.call("GET", "/messages?state=RECEIPTED"))[1]["messages"][0]["id"] == ready
    kinds = {row["kind"] for row in (await case_system.call("GET", f"/messages/{ready}/receipts"))[1]["receipts"]}
    assert "case-system" in kinds


async def test_no_digest_and_no_etag_leaves_before_confirmation(case_system, report, ready):
    digests = {hashlib.sha256(raw) for raw in (report.json, report.pdf)}
    await case_system.call("POST", "/messages/claim", json={"max": 1, "leaseSeconds": 60})
    answers = [
        await case_system.call("GET", path)
        for path in (
            "/messages?state=OFFERED",
            f"/messages/{ready}",
            f"/messages/{ready}/documents/bekymringsmelding.pdf",
            f"/messages/{ready}/receipts",
            "/events",
            "/clocks",
        )
    ]
    answers.append(await case_system.call("POST", f"/messages/{ready}/confirm", json=confirmation({})))
    for status, body, headers in answers:
        assert status in {200, 409}
        text = repr(headers) + (repr(body) if not isinstance(body, bytes) else "")
        assert not {"ETag", "Content-Digest", "Digest", "Content-MD5"} & set(headers)
        assert not any(digest.hexdigest() in text for digest in digests)


async def test_a_wrong_read_back_is_409_and_a_doubled_name_too(case_system, ready):
    documents = await fetched(case_system, ready)
    wrong = confirmation({name: raw + b" " for name, raw in documents.items()})
    doubled = confirmation(documents)
    doubled["documents"].append(doubled["documents"][0])
    short = confirmation({"bekymringsmelding.pdf": documents["bekymringsmelding.pdf"]})
    for body in (wrong, doubled):
        status, problem, headers = await case_system.call("POST", f"/messages/{ready}/confirm", json=body)
        assert (status, problem["code"], headers["Content-Type"]) == (409, "readback-mismatch", PROBLEM_JSON)
    assert (await case_system.call("POST", f"/messages/{ready}/confirm", json=short))[0] == 409
    assert (await case_system.call("POST", f"/messages/{ready}/confirm", json=confirmation(documents)))[0] == 200
    other = await case_system.call("POST", f"/messages/{ready}/confirm", json=confirmation(documents, "SAK-2"))
    assert (other[0], other[1]["code"]) == (409, "confirm-conflict")


async def test_a_batch_judges_each_item_alone(case_system, ready):
    documents = await fetched(case_system, ready)
    items = [
        {"id": UNKNOWN} | confirmation(documents),
        {"id": ready} | confirmation({"bekymringsmelding.pdf": b"?"}),
        {"id": ready} | confirmation(documents),
    ]
    status, body, _ = await case_system.call("POST", "/messages/confirm", json={"items": items})
    assert status == 200
    codes = [row["problem"]["code"] if row["problem"] else None for row in body["results"]]
    assert codes == ["not-found", "readback-mismatch", None]


async def test_reject_sends_it_to_a_person(case_system, ready):
    await case_system.call("POST", "/messages/claim", json={"max": 1, "leaseSeconds": 60})
    assert (await case_system.call("POST", f"/messages/{ready}/reject", json={"reason": "wrong-office"}))[0] == 204
    assert (await case_system.call("GET", "/messages?state=HELD"))[1]["messages"][0]["id"] == ready
    late = await case_system.call("POST", f"/messages/{ready}/reject", json={"reason": "wrong-office"})
    assert (late[0], late[1]["code"]) == (409, "wrong-state")


async def test_events_of_the_case_are_taken_and_unknown_ones_refused(case_system, ready):
    event = {"type": "konklusjon", "at": "2026-11-22T09:30:00+01:00", "outcome": "undersokelse"}
    for _ in range(2):
        assert (await case_system.call("POST", f"/messages/{ready}/events", json=event))[0] == 204
    times = ("2026-11-22T09:30:00", "2026-11-22", "1779876543", "0001-01-01T00:00:00Z", "x", 5, None, True)
    for bad in ({"type": "fest"}, {"x": 1}, *({"at": at} for at in times)):
        assert (await case_system.call("POST", f"/messages/{ready}/events", json=event | bad))[0] == 400
    clocks = (await case_system.call("GET", "/clocks?due_before=2100-01-01T00:00:00Z"))[1]["clocks"]
    assert {clock["messageId"] for clock in clocks} == {ready}
    assert "F04" in {clock["id"] for clock in clocks}


@pytest.mark.parametrize(
    ("event", "told"),
    [
        ({"type": "konklusjon"}, "one of undersokelse, pagaende_undersokelse, henlagt"),
        ({"type": "konklusjon", "outcome": None}, "needs its outcome"),
        ({"type": "konklusjon", "outcome": "fest"}, "needs its outcome"),
        ({"type": "undersokelse_startet", "outcome": "undersokelse"}, "leave it out"),
    ],
)
async def test_a_conclusion_without_outcome_is_400_and_says_what_to_do(case_system, ready, event, told):
    event = {"at": "2026-11-22T09:30:00+01:00"} | event
    status, problem, _ = await case_system.call("POST", f"/messages/{ready}/events", json=event)
    assert (status, problem["code"]) == (400, "bad-request")
    assert told in problem["detail"]


async def test_a_dropped_report_starts_no_investigation_and_its_outcome_cannot_be_told_otherwise(case_system, ready):
    event = {"type": "konklusjon", "at": "2026-11-22T09:30:00+01:00", "outcome": "henlagt"}
    assert (await case_system.call("POST", f"/messages/{ready}/events", json=event))[0] == 204
    other = await case_system.call("POST", f"/messages/{ready}/events", json=event | {"outcome": "undersokelse"})
    assert (other[0], other[1]["code"]) == (409, "event-conflict")
    clocks = {clock["id"]: clock for clock in (await case_system.call("GET", f"/messages/{ready}"))[1]["clocks"]}
    assert (clocks["F01"]["status"], clocks["F04"]["status"]) == ("NADD", "VENTER")


@pytest.mark.parametrize("given", ["bytes=0-3", "bytes=4-", "bytes=-5", "bytes=2-2", "bytes=0-99999999"])
async def test_a_range_gives_exactly_its_octets(case_system, ready, report, given):
    pdf = report.pdf
    low, _, high = given.removeprefix("bytes=").partition("-")
    start = int(low) if low else len(pdf) - int(high)
    stop = min(int(high) + 1, len(pdf)) if low and high else len(pdf)
    path = f"/messages/{ready}/documents/bekymringsmelding.pdf"
    status, body, headers = await case_system.call("GET", path, headers={"Range": given})
    assert body == pdf[start:stop]
    whole = (start, stop) == (0, len(pdf))
    assert (status, headers.get("Content-Range")) == (
        (200, None) if whole else (206, f"bytes {start}-{stop - 1}/{len(pdf)}")
    )


async def test_a_range_outside_is_416_and_what_is_no_single_range_is_ignored(case_system, ready, report):
    size, path = len(report.pdf), f"/messages/{ready}/documents/bekymringsmelding.pdf"
    for given in (f"bytes={size}-", "bytes=-0", "bytes=99999999-"):
        assert (await case_system.call("GET", path, headers={"Range": given}))[0] == 416
    for given in ("bytes=0-1,4-5", "bytes=5-2", "bytes=-", "lines=1-2", "bytes=a-b"):
        status, body, _ = await case_system.call("GET", path, headers={"Range": given})
        assert (status, len(body)) == (200, size)


@pytest.mark.proves("S35")
async def test_a_document_is_served_as_an_attachment_that_runs_nothing(case_system, ready):
    _, _, headers = await case_system.call("GET", f"/messages/{ready}/documents/bekymringsmelding.pdf")
    assert headers["Content-Disposition"] == "attachment; filename*=UTF-8''bekymringsmelding.pdf"
    assert headers["Content-Security-Policy"].startswith("sandbox")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Type"] == "application/pdf"  # the control: it is served as what it is


@pytest.mark.proves("S29")
async def test_a_document_name_is_looked_up_and_never_a_path(case_system, ready):
    for name in (
        "..%2F..%2Fetc%2Fpasswd",
        "%2Fetc%2Fpasswd",
        "BEKYMRINGSMELDING.PDF",
        "%00",
        "bekymringsmelding.pdf%20",
    ):
        path = f"/messages/{ready}/documents/{name}"
        status, _, _ = await case_system.call("GET", path)
        assert status == 404, name
    assert (await case_system.call("GET", f"/messages/{ready}/documents/bekymringsmelding.pdf"))[0] == 200


@pytest.mark.proves("S45")
async def test_route_matrix(case_system, ready):
    """Every route with an id: foreign, unknown and malformed ids are answered alike."""
    documents = await fetched(case_system, ready)
    bodies = {
        "/confirm": confirmation(documents),
        "/reject": {"reason": "x"},
        "/events": {"type": "undersokelse_startet", "at": "2026-11-22T09:30:00Z"},
    }
    routes = [("GET", ""), ("GET", "/documents/bekymringsmelding.pdf"), ("GET", "/receipts")]
    routes += [("POST", path) for path in bodies]
    for method, path in routes:
        body = {"json": bodies[path]} if method == "POST" else {}
        answers = []
        for client, message_id in (
            ("fagsystem-2", ready),
            ("fagsystem-1", UNKNOWN),
            ("fagsystem-2", UNKNOWN),
            ("fagsystem-1", "not-an-id"),
            ("fagsystem-1", ready.upper()),
        ):
            status, problem, _ = await case_system.call(method, f"/messages/{message_id}{path}", client, **body)
            answers.append(
                (status, {key: problem[key] for key in problem.keys() - {"instance", "errorId", "timestamp"}})
            )
        assert answers[0][0] == 404, path
        assert all(answer == answers[0] for answer in answers), path
    assert (await case_system.call("GET", "/messages", "fagsystem-2"))[1]["messages"] == []
    assert (await case_system.call("POST", f"/messages/{ready}/confirm", json=bodies["/confirm"]))[0] == 200


BAD_BODIES = {
    "unknown field": {"max": 1, "leaseSeconds": 60, "all": True},
    "too many": {"max": 51, "leaseSeconds": 60},
    "none": {"max": 0, "leaseSeconds": 60},
    "text for a number": {"max": "1", "leaseSeconds": 60},
    "short lease": {"max": 1, "leaseSeconds": 59},
    "long lease": {"max": 1, "leaseSeconds": 3601},
    "snake case": {"max": 1, "lease_seconds": 60},
    "a list": [],
    "missing": {},
}


@pytest.mark.parametrize("body", BAD_BODIES.values(), ids=BAD_BODIES.keys())
async def test_a_bad_body_is_400_and_names_no_value(case_system, body):
    status, problem, _ = await case_system.call("POST", "/messages/claim", json=body)
    assert status == 400
    assert "lease_seconds" not in problem["detail"]
    assert "all" not in problem["detail"].split(": ")[0]


async def test_what_is_not_json_is_refused(case_system):
    for raw in (b"", b"{", b"\xff", b"[" * 100_000, b'{"max":' + b"9" * 5000 + b"}", b'{"max":NaN}'):
        status, _, _ = await case_system.call(
            "POST", "/messages/claim", data=raw, headers={"Content-Type": "application/json"}
        )
        assert status == 400
    large = {"Content-Type": "application/json"}
    assert (await case_system.call("POST", "/messages/claim", data=io.BytesIO(bytes(2_000_000)), headers=large))[
        0
    ] == 413
    assert (await case_system.call("POST", "/messages/claim", data="max=1"))[0] == 415


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=101", "limit=1&limit=2", "limit=x", "state=RECEIVED", "after=x", "color=red", "limit=%31%00"],
)
async def test_a_bad_query_is_400(case_system, query):
    assert (await case_system.call("GET", f"/messages?{query}"))[0] == 400


async def test_pages_follow_one_another(case_system, env, intake, sender):
    ids = [(await intake.accept(sender.delivery(number))).id for number in range(1, 4)]
    await work_off(env)
    first = (await case_system.call("GET", "/messages?limit=2"))[1]
    rest = (await case_system.call("GET", f"/messages?limit=2&after={first['next']}"))[1]
    assert [row["id"] for row in first["messages"] + rest["messages"]] == sorted(ids)
    assert rest["next"] is None


async def test_the_feed_waits_and_then_tells_in_order(case_system, env, intake, sender):
    from gateway.crashpoints import Point
    from gateway.store import journal

    begin = (await case_system.call("GET", "/events"))[1]
    assert begin == {"events": [], "next": -1}
    waiting = asyncio.create_task(case_system.call("GET", "/events?wait=10"))
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    await env.store.write(journal.number_pending, Point.NUMBER)
    status, told, _ = await waiting
    numbers = [event["number"] for event in told["events"]]
    assert (status, numbers) == (200, sorted(set(numbers)))
    assert {event["messageId"] for event in told["events"]} == {accepted.id}
    assert told["next"] == numbers[-1]
    assert (await case_system.call("GET", f"/events?after={numbers[-1]}"))[1]["events"] == []
    assert (await case_system.call("GET", "/events", "fagsystem-2"))[1]["events"] == []


# --- Who may call -------------------------------------------------------------------------------------------------


@pytest.mark.proves("S03")
async def test_scope_audience_and_registration_decide(case_system):
    async def status(**changes):
        token = case_system.token(**changes)
        return (await case_system.call("POST", "/test/echo", headers={"Authorization": f"Bearer {token}"}))[0]

    assert await status() == 200  # the control
    assert await status(scope="ks:fiks") == 401
    assert await status(scope="test:barnevern") == 401
    assert await status(aud="https://neighbour.example") == 401
    assert await status(client_id="stranger") == 401
    assert await status(client_id="x" * 500) == 401
    assert await status(client_id="\x00") == 401
    assert await status(consumer=organisation("991825827")) == 403
    stranger = TokenIssuer()
    token = stranger.token(client_id="fagsystem-1", scope="test:barnevern/fagsystem", aud="https://budstikke.example")
    answer = await case_system.call("POST", "/test/echo", headers={"Authorization": f"Bearer {token}"})
    assert answer[0] == 401


@pytest.mark.proves("S08")
async def test_a_revoked_case_system_fails_at_its_next_request(case_system):
    assert (await case_system.call("POST", "/test/echo"))[0] == 200
    registered = case_system.directory["fagsystem-1"]
    case_system.directory["fagsystem-1"] = Client(id="fagsystem-1", kind="fagsystem", active=False)
    assert (await case_system.call("POST", "/test/echo"))[0] == 401
    case_system.directory["fagsystem-1"] = Client(id="fagsystem-1", kind="produsent")
    assert (await case_system.call("POST", "/test/echo"))[0] == 401
    case_system.directory["fagsystem-1"] = registered
    assert (await case_system.call("POST", "/test/echo"))[1]["clientId"] == "fagsystem-1"


@pytest.mark.proves("S43")
async def test_above_its_rate_a_client_is_told_to_wait_and_others_are_not(env, site):
    async with case_system_listener(env, site.tenant, rate_per_minute=3) as case_system:
        statuses = [(await case_system.call("POST", "/test/echo"))[0] for _ in range(3)]
        status, problem, headers = await case_system.call("POST", "/test/echo")
        assert (statuses, status, problem["code"]) == ([200] * 3, 429, "too-many-requests")
        assert 1 <= int(headers["Retry-After"]) <= 20
        assert (await case_system.call("POST", "/test/echo", "fagsystem-2"))[0] == 200  # the control


async def test_an_issuer_that_cannot_be_asked_is_503(env, site):
    async with case_system_listener(env, site.tenant) as case_system:
        case_system.issuer.down = True
        status, problem, headers = await case_system.call("POST", "/test/echo")
        assert (status, problem["code"], headers["Retry-After"]) == (503, PartnerUnavailableError.code, "30")


# --- The description ----------------------------------------------------------------------------------------------


async def test_the_description_is_public_cacheable_and_names_every_route(case_system, env):
    from gateway.http.case_system import BASE, case_system_routes

    status, document, headers = await case_system.call("GET", "/openapi.json", headers={"Authorization": "none"})
    assert (status, headers["Cache-Control"], document["openapi"]) == (200, "max-age=3600", "3.1.0")
    described = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    served = {(route.method, route.path.removeprefix(BASE)) for route in case_system_routes(env, None)}
    assert described == served - {("GET", "/openapi.json")}
    assert "\\u" not in json.dumps(document)
