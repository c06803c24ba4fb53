"""S70: whoever sees content stands in the journal first; where that cannot be committed, not one octet is shown."""

import json
import sqlite3

import pytest

from gateway.errors import StoreError
from gateway.http.case_system import BASE, case_system_routes
from gateway.pipeline import notes, people
from gateway.pipeline.people import Decision
from gateway.store import journal
from gateway.store.migrate import SQLITE_FILE
from tests.edge_kit import raw
from tests.reports import TestDelivery
from tests.work import work_off

REASON = "Ringte mor, hun ba om å få vente"
EVENT = {
    "/messages/{id}": journal.SHOWN,
    "/messages/{id}/documents/bekymringsmelding.pdf": journal.DOCUMENT_SHOWN,
    "/messages/{id}/documents/bekymringsmelding.json": journal.DOCUMENT_SHOWN,
}
# A row that no COMMIT lets through: the database itself fails there, after all work of the transaction was done.
NO_COMMIT = """
CREATE TABLE never (id INTEGER PRIMARY KEY);
CREATE TABLE promised (id INTEGER REFERENCES never DEFERRABLE INITIALLY DEFERRED);
CREATE TRIGGER no_commit AFTER INSERT ON journal WHEN NEW.event IN ('shown', 'document-shown', 'notes-shown')
BEGIN INSERT INTO promised VALUES (1); END;
"""


@pytest.fixture
def report(sender):
    return sender.report()


@pytest.fixture
async def ready(env, intake, sender, report):
    accepted = await intake.accept(TestDelivery(sender.parts(report)))
    await work_off(env)
    return accepted.id


@pytest.fixture
def beside(tmp_path):
    """A connection of somebody else: it sees what is committed, and nothing more."""
    connection = sqlite3.connect(tmp_path / "var" / SQLITE_FILE, isolation_level=None)
    yield connection
    connection.close()


def views(beside, message_id):
    rows = beside.execute("SELECT event, entry FROM journal WHERE message_id = ? ORDER BY id", [message_id])
    shown = {journal.SHOWN, journal.DOCUMENT_SHOWN, journal.NOTES_SHOWN}
    return [(event, json.loads(entry)["actor"]) for event, entry in rows if event in shown]


async def octets(case_system, path, extra=""):
    request = f"GET {BASE}{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    return await raw(case_system.port, f"{request}Authorization: Bearer {case_system.token()}\r\n{extra}\r\n".encode())


def fragments(report):
    """What must not be seen: each text of the report about a person, and the first octets of the PDF."""
    persons = [value for value in json.loads(report.json).values() if isinstance(value, dict | list)]
    return [report.pdf[:8], *{text.encode() for text in texts(persons) if len(text) > 5}]


def texts(node):
    if isinstance(node, str):
        yield node
    elif isinstance(node, dict | list):
        for below in node.values() if isinstance(node, dict) else node:
            yield from texts(below)


@pytest.mark.proves("S70")
async def test_no_event_no_bytes(case_system, ready, report, beside):
    beside.executescript(NO_COMMIT)
    for path in EVENT:
        for extra in ("", "Range: bytes=0-20\r\n"):
            answer = await octets(case_system, path.replace("{id}", ready), extra)
            head, _, body = answer.partition(b"\r\n\r\n")
            assert head.startswith(b"HTTP/1.1 503 "), path
            assert json.loads(body)["code"] == "store-unavailable"
            assert [piece for piece in fragments(report) if piece in answer] == []
    assert views(beside, ready) == []


@pytest.mark.proves("S70")
async def test_control_with_the_event_committed_the_same_request_is_served(case_system, ready, beside):
    beside.executescript(NO_COMMIT)
    beside.execute("DROP TRIGGER no_commit")
    seen = []
    for path, event in EVENT.items():
        for _ in range(2):  # each view is one, a part of a document too
            assert (await octets(case_system, path.replace("{id}", ready), "Range: bytes=0-0\r\n"))[9:11] == b"20"
            seen.append((event, "fagsystem-1"))
            assert views(beside, ready) == seen


@pytest.mark.proves("S70")
async def test_what_people_wrote_is_shown_to_nobody_who_is_not_in_the_journal(env, ready, beside):
    await people.decide(env, ready, Decision("hold", "kari", REASON))
    beside.executescript(NO_COMMIT)
    with pytest.raises(StoreError) as caught:
        await notes.read(env, ready, "ola")
    assert REASON not in repr(caught.value)
    assert views(beside, ready) == []
    beside.execute("DROP TRIGGER no_commit")
    assert [note.text for note in await notes.read(env, ready, "ola")] == [REASON]  # the control
    assert views(beside, ready) == [(journal.NOTES_SHOWN, "ola")]


@pytest.mark.proves("S70")
async def test_no_other_route_shows_content(case_system, env, ready, report, beside):
    order = {"max": 1, "leaseSeconds": 60}
    readback = {"reference": "SAK", "documents": [{"name": "bekymringsmelding.pdf", "sha256": "0" * 64}]}
    bodies = {
        "/messages/claim": order,
        "/messages/confirm": {"items": [{"id": ready} | readback]},
        "/messages/{id}/confirm": readback,
        "/messages/{id}/events": {"type": "tilbakemelding_sendt", "at": "2026-01-01T00:00:00Z"},
        "/messages/{id}/withdraw": {"reason": "feil"},
        "/messages/{id}/reject": {"reason": "wrong-office", "text": ""},
    }
    shown = []
    for route in case_system_routes(env, None):
        template = route.path.removeprefix(BASE)
        if (template in EVENT or template.endswith("{name}")) and route.method == "GET":
            continue
        more = {"json": bodies[template]} if template in bodies else {}
        answer = await case_system.call(route.method, template.replace("{id}", ready), **more)
        shown += [template for piece in fragments(report) if piece.decode() in str(answer[1])]
    assert (shown, views(beside, ready)) == ([], [])
    document = (await case_system.call("GET", f"/messages/{ready}/documents/bekymringsmelding.json"))[1]
    assert [piece for piece in fragments(report)[1:] if piece.decode() not in texts(document)] == []  # the control
