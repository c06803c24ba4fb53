"""S45, S46, S47, S49, S50, S51: with its own credentials and another's ids a client learns and moves nothing."""

import hashlib
import json
import random
import time

import pytest

from gateway.crypto.tokens import TokenVerifier
from gateway.errors import UnauthenticatedError
from gateway.http.case_system import case_system_routes
from gateway.store import alarms, journal
from tests.edge_kit import NOW, Client, StillClock, TokenIssuer
from tests.reports import TestDelivery
from tests.work import state_of, work_off

UNKNOWN = "01930000-0000-7000-8000-000000000000"
MALFORMED = ("x", "...", "01930000", UNKNOWN.upper(), UNKNOWN + "0", "%00", "'%20OR%20'1'='1")
STRANGER = "fagsystem-b"
OTHER_OFFICE = "4601-03"
READBACK = {"reference": "SAK-B", "documents": [{"name": "bekymringsmelding.pdf", "sha256": "0" * 64}]}

# For each route with a message in its path: what is sent, and what the message's own client is answered.
WITH_ID = {
    ("GET", "/messages/{id}"): (None, 200),
    ("GET", "/messages/{id}/documents/{name}"): (None, 200),
    ("POST", "/messages/{id}/confirm"): (READBACK, 409),
    ("POST", "/messages/{id}/reject"): ({"reason": "wrong-office", "text": ""}, 204),
    ("POST", "/messages/{id}/events"): ({"type": "undersokelse_startet", "at": "2026-01-01T00:00:00Z"}, 204),
    ("POST", "/messages/{id}/withdraw"): ({"reason": "feil"}, 404),  # what came in is nobody's to withdraw
    ("GET", "/messages/{id}/receipts"): (None, 200),
}
# Routes without one: what a stranger may be shown of its own, and never of others.
WITHOUT_ID = {
    ("GET", "/openapi.json"), ("GET", "/messages"), ("POST", "/messages"), ("POST", "/messages/claim"),
    ("POST", "/messages/confirm"), ("GET", "/events"), ("GET", "/clocks"), ("PUT", "/webhook"), ("GET", "/webhook"),
    ("DELETE", "/webhook"), ("POST", "/test/echo"), ("POST", "/registrations"),
}  # fmt: skip


@pytest.fixture
def stranger(case_system):
    """A case system of the office next door: same municipality, other tenant."""
    case_system.directory[STRANGER] = Client(id=STRANGER, kind="fagsystem", tenants=frozenset({OTHER_OFFICE}))
    return STRANGER


@pytest.fixture
async def ready(env, intake, sender):
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    return accepted.id


def told(answer):
    """What an answer tells, without what differs between any two of them."""
    status, body, headers = answer
    if isinstance(body, dict):
        body = {name: value for name, value in body.items() if name not in {"errorId", "instance", "timestamp"}}
    headers = {name: value for name, value in headers.items() if name.lower() not in {"x-request-id", "date"}}
    return status, body, headers


def path_of(template, message_id):
    return template.replace("{id}", message_id).replace("{name}", "bekymringsmelding.pdf")


@pytest.mark.proves("S45")
def test_every_route_has_its_expectation(env):
    routes = {(route.method, route.path.removeprefix("/api/v1")) for route in case_system_routes(env, None)}
    assert routes == WITH_ID.keys() | WITHOUT_ID
    assert {route for route in routes if "{" in route[1]} == set(WITH_ID)


@pytest.mark.proves("S45")
@pytest.mark.parametrize("route", WITH_ID, ids=" ".join)
async def test_route_matrix(case_system, stranger, ready, env, route):
    (method, template), (body, own) = route, WITH_ID[route]
    more = {} if body is None else {"json": body}
    ids = (ready, UNKNOWN, *MALFORMED)
    answers = [await case_system.call(method, path_of(template, one), stranger, **more) for one in ids]
    assert {answer[0] for answer in answers} == {404}
    for answer in answers:
        assert told(answer) == told(answers[0])
    assert ready not in repr(answers)
    assert (await case_system.call(method, path_of(template, UNKNOWN), **more))[0] == 404
    assert (await case_system.call(method, path_of(template, ready), **more))[0] == own  # the control


@pytest.mark.proves("S45")
async def test_a_stranger_moved_nothing_and_left_no_trace_on_the_message(case_system, stranger, ready, env):
    before = await env.store.read(lambda conn: [row.entry for row in journal.of_message(conn, ready)])
    for (method, template), (body, _) in WITH_ID.items():
        await case_system.call(method, path_of(template, ready), stranger, **({} if body is None else {"json": body}))
    await case_system.call("POST", "/messages/claim", stranger, json={"max": 50, "leaseSeconds": 60})
    assert await state_of(env, ready) == "READY"
    assert await env.store.read(lambda conn: [row.entry for row in journal.of_message(conn, ready)]) == before
    assert await env.store.read(alarms.open_alarms) == []


@pytest.mark.proves("S45")
async def test_lists_feeds_and_clocks_show_only_the_own_office(case_system, stranger, ready, env):
    while await env.store.write(journal.number_pending, "number"):
        pass
    order = {"max": 50, "leaseSeconds": 60}
    for who, seen in ((stranger, False), ("fagsystem-1", True)):
        found = [
            *(await case_system.call("GET", "/messages", who))[1]["messages"],
            *(await case_system.call("GET", "/events", who))[1]["events"],
            *(await case_system.call("GET", "/clocks", who))[1]["clocks"],
            *(await case_system.call("POST", "/messages/claim", who, json=order))[1]["claims"],
        ]
        assert bool(found) is seen
        assert (ready in repr(found)) is seen


@pytest.mark.quiet
@pytest.mark.proves("S46")
@pytest.mark.timeout(170)
async def test_timing_of_absence(case_system, stranger, ready, env):
    """Welch's t over interleaved trials; fewer than security.md asks, to fit a shared machine."""
    times = {ready: [], UNKNOWN: []}
    for _ in range(400):
        for message_id, found in times.items():
            started = time.perf_counter()
            await case_system.call("GET", f"/messages/{message_id}", stranger)
            found.append(time.perf_counter() - started)
    assert abs(welch(*(sorted(found)[: int(len(found) * 0.8)] for found in times.values()))) < 4.5


@pytest.mark.proves("S46")
def test_control_a_twentieth_more_time_for_one_of_them_would_be_told():
    chance = random.Random(46)
    known, unknown = ([chance.gauss(mean, 0.1) for _ in range(320)] for mean in (1.05, 1.0))
    assert abs(welch(known, unknown)) > 4.5


def welch(one, two):
    def moments(values):
        mean = sum(values) / len(values)
        return mean, sum((value - mean) ** 2 for value in values) / (len(values) - 1) / len(values)

    (mean_one, error_one), (mean_two, error_two) = moments(one), moments(two)
    return (mean_one - mean_two) / (error_one + error_two) ** 0.5


@pytest.mark.proves("S47")
async def test_a_foreign_marker_shows_nothing_and_a_made_up_one_is_400(case_system, stranger, ready):
    for marker in ("x", "-1", "1e3", "' OR 1=1", "\u0661", ready + ready, ""):
        assert (await case_system.call("GET", "/messages", stranger, params={"after": marker}))[0] == 400, marker
        assert (await case_system.call("GET", "/events", stranger, params={"after": marker}))[0] == 400, marker
    low = "00000000-0000-0000-0000-000000000000"
    for path, marker, name in (
        ("/messages", ready, "messages"),
        ("/messages", low, "messages"),
        ("/events", "0", "events"),
    ):
        status, body, _ = await case_system.call("GET", path, stranger, params={"after": marker})
        assert (status, body[name]) == (200, [])
    own = (await case_system.call("GET", "/messages", params={"after": low}))[1]
    assert own["messages"][0]["id"] == ready  # the control


@pytest.mark.proves("S49")
async def test_kommunenummer_in_body_routes_nothing(case_system, stranger, ready, env, intake, sender):
    """The JSON says another office: the address decides, and a person is warned."""
    report = sender.report(2)
    documents = {
        "bekymringsmelding.json": report.json.replace(b'"bydelsnummer": "02"', b'"bydelsnummer": "03"'),
        "bekymringsmelding.pdf": report.pdf,
    }
    assert documents["bekymringsmelding.json"] != report.json
    parts = {"bekymringsmelding": sender.printed(report.pdf), "asice": sender.sealed(sender.container(documents))}
    accepted = await intake.accept(TestDelivery(parts))
    await work_off(env)
    own = (await case_system.call("GET", f"/messages/{accepted.id}"))[1]
    assert (own["tenant"], "bydelsnummer-differs" in {w["code"] for w in own["warnings"]}) == (
        "4601-02",
        True,
    )  # the control: the addressee
    assert (await case_system.call("GET", f"/messages/{accepted.id}", stranger))[0] == 404
    headers = {"X-Tenant": "4601-02", "X-Kommunenummer": "4601", "X-Forwarded-Client-Cert": "x"}
    assert (await case_system.call("GET", f"/messages/{ready}", stranger, headers=headers))[0] == 404
    assert (await case_system.call("GET", "/messages", stranger, params={"tenant": "4601-02"}))[0] == 400
    claim = {"max": 1, "leaseSeconds": 60, "tenant": "4601-02"}
    assert (await case_system.call("POST", "/messages/claim", stranger, json=claim))[0] == 400


@pytest.mark.proves("S50")
async def test_the_same_sealed_bytes_to_two_offices_are_two_messages_and_hint_nothing(env, intake, sender):
    parts = sender.parts(sender.report(3))
    first = await intake.accept(TestDelivery(parts))
    again = await intake.accept(TestDelivery(parts))
    other = TestDelivery(parts)
    other.address = type(other.address)("4601", "03")
    second = await intake.accept(other)
    assert (again.id, again.repeated) == (first.id, True)
    assert (second.repeated, second.id == first.id) == (False, False)


@pytest.mark.proves("S51")
async def test_mixed_batch_of_50(case_system, stranger, ready, env, intake, sender):
    address = TestDelivery({}).address
    theirs = TestDelivery(sender.parts(sender.report(4)), address=type(address)("4601", "03"))
    own = (await intake.accept(theirs)).id
    await work_off(env)
    items = [{"id": one} | READBACK for one in (ready, own, UNKNOWN, *[UNKNOWN] * 47)]
    status, body, _ = await case_system.call("POST", "/messages/confirm", stranger, json={"items": items})
    codes = [result["problem"]["code"] for result in body["results"]]
    assert (status, codes) == (
        200,
        ["not-found", "readback-mismatch", *["not-found"] * 48],
    )  # the control: the second, its own
    foreign, unknown = body["results"][0]["problem"], body["results"][2]["problem"]
    assert foreign == unknown
    assert await state_of(env, ready) == "READY"
    too_many = {"items": [*items, items[0]]}
    assert (await case_system.call("POST", "/messages/confirm", stranger, json=too_many))[0] == 400


@pytest.mark.proves("S45")
async def test_no_digest_of_a_document_leaves_before_confirmation(case_system, ready, env, sender):
    """Every answer of every route, grepped for what would let somebody confirm without storing (decisions 1.3)."""
    documents = {}
    _, head, _ = await case_system.call("GET", f"/messages/{ready}")
    for document in head["documents"]:
        path = f"/messages/{ready}/documents/{document['name']}"
        documents[document["name"]] = (await case_system.call("GET", path, headers={"Range": "bytes=0-"}))[1]
    digests = [
        form
        for raw in documents.values()
        for algorithm in ("md5", "sha1", "sha256", "sha512")
        for digest in [hashlib.new(algorithm, raw if isinstance(raw, bytes) else json.dumps(raw).encode()).digest()]
        for form in encodings(digest)
    ]
    answers = []
    for (method, template), (body, _) in WITH_ID.items():
        if "reject" not in template:
            more = {} if body is None else {"json": body}
            answers.append(await case_system.call(method, path_of(template, ready), **more))
    answers += [await case_system.call("GET", path) for path in ("/messages", "/events", "/clocks")]
    for status, body, headers in answers:
        text = json.dumps(body) if not isinstance(body, bytes) else body.decode("latin-1")
        text += "".join(f"{name}: {value}\n" for name, value in headers.items())
        assert status < 500
        assert not {name.lower() for name in headers} & {
            "etag",
            "content-digest",
            "digest",
            "content-md5",
            "repr-digest",
        }
        assert [digest for digest in digests if digest in text] == []


def encodings(digest):
    from base64 import b64encode, urlsafe_b64encode

    return (
        digest.hex(),
        digest.hex().upper(),
        b64encode(digest).decode(),
        urlsafe_b64encode(digest).decode().rstrip("="),
    )


@pytest.mark.proves("S04")
async def test_a_token_without_audience_opens_the_producers_routes_only_where_the_operator_says_so():
    issuer, clock = TokenIssuer(), StillClock()
    settings = {"audience": "https://budstikke.example", "scope_fagsystem": "own:scope"}
    strict = TokenVerifier([issuer.settings(**settings)], issuer.fetch, clock)
    lenient = TokenVerifier([issuer.settings(**settings, produsent_without_audience=True)], issuer.fetch, clock)
    ks_only = issuer.token(scope="ks:fiks", aud=...)
    with pytest.raises(UnauthenticatedError):
        await strict.verify(ks_only, NOW)
    assert (await lenient.verify(ks_only, NOW)).scopes == {"ks:fiks"}
    for changes in ({"scope": "own:scope"}, {"scope": "ks:fiks own:scope"}):
        with pytest.raises(UnauthenticatedError):
            await lenient.verify(issuer.token(aud=..., **changes), NOW)
    for aud in ("https://neighbour.example", None, ""):
        with pytest.raises(UnauthenticatedError):
            await lenient.verify(issuer.token(aud=aud), NOW)
