"""S96: what stands in the journal can never be erased, so only what is on the published list gets in."""

import dataclasses
import json
import re

import pytest
import typer

from gateway.cli import app
from gateway.crashpoints import Point
from gateway.domain.lifecycle import Event
from gateway.errors import MalformedRequestError
from gateway.pipeline import confirm
from gateway.pipeline.accept import Intake
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.store import entry_fields, journal
from gateway.store.journal import Entry
from tests.conftest import ROOT
from tests.integration.pipeline.test_bad_input import readback_of
from tests.reports import TestDelivery
from tests.work import work_off

ID = "0198f0a0-1111-7222-8333-444455556666"
RIGHT = Entry(
    Event.OPENED,
    "4601-02",
    1,
    "gateway",
    message_id=ID,
    refs={"documents": 2, "first": ID, "from": "RECEIVED"},
    commit={"document:1": "A" * 43 + "=", "reason": "B" * 43 + "="},
)
# Each entry is right but for one thing, and the last word is the field that is refused.
WRONG = {
    "a field off the list": ({"refs": {"childName": "x"}}, "refs.childName"),
    "a name as a reference": ({"refs": {"first": "Kari Nordmann"}}, "refs.first"),
    "an identity number as an id": ({"refs": {"other": "01010112345"}}, "refs.other"),
    "prose where a word belongs": ({"refs": {"answer": "not at home, mother says"}}, "refs.answer"),
    "prose where a count belongs": ({"refs": {"documents": "many"}}, "refs.documents"),
    "a nested object": ({"refs": {"documents": {"a": 1}}}, "refs.documents"),
    "a document's own name": ({"commit": {"document:Kari Nordmann.pdf": "A" * 43 + "="}}, "commit"),
    "a plain digest": ({"commit": {"document:1": "ab" * 32}}, "commit"),
    "content": ({"commit": {"document:1": "Mor ringte i dag"}}, "commit"),
    "a sentence as a code": ({"code": "The child was beaten"}, "code"),
    "an identity number as actor": ({"actor": "01010112345"}, "actor"),
    "no actor": ({"actor": ""}, "actor"),
    "no office": ({"tenant": "Bergen"}, "tenant"),
    "no message id": ({"message_id": "01010112345"}, "message_id"),
}


@pytest.mark.proves("S96")
async def test_closed_schema(env):
    async def write(entry):
        return await env.store.write(lambda conn: journal.write(conn, entry), Point.ADMIN)

    await write(RIGHT)  # the control
    for attack, (changes, field) in WRONG.items():
        with pytest.raises(ValueError, match=f"published list has it: {re.escape(field)}$") as caught:
            await write(dataclasses.replace(RIGHT, **changes))
        for value in ("Nordmann", "01010112345", "mother", "Mor ringte", "beaten"):
            assert value not in str(caught.value), attack
    with pytest.raises(ValueError, match="not a published event"):
        await write(dataclasses.replace(RIGHT, event="born"))
    last = await write(RIGHT)
    rows = await env.store.read(lambda conn: journal.of_message(conn, ID))
    assert [json.loads(row.entry)["id"] for row in rows][1:] == [last]


@pytest.mark.proves("S96")
async def test_a_file_name_that_names_a_child_is_in_no_entry(env, intake, sender):
    """The name of a document is the sender's: shown with the message, sealed with nothing, and never in the journal."""
    report, name = sender.report(), "Kari Barnesen 01010112345.pdf"
    documents = {"bekymringsmelding.json": report.json, "bekymringsmelding.pdf": report.pdf, name: b"%PDF-1.7"}
    parts = {"bekymringsmelding": sender.printed(report.pdf), "asice": sender.sealed(sender.container(documents))}
    message_id = (await Intake(env).accept(TestDelivery(parts))).id
    await work_off(env)
    client = CaseSystemClient("fagsystem-1", (str(sender.office.tenant),))
    await confirm.confirm(env, client, message_id, await readback_of(env, client, message_id, "SAK-Barnesen"))
    await work_off(env)
    entries = await env.store.read(lambda conn: [row.entry for row in journal.of_message(conn, message_id)])
    assert [entry for entry in entries if "Barnesen" in entry or "01010112345" in entry] == []
    committed = {entry["event"]: content_of(entry["commit"]) for entry in map(json.loads, entries)}
    numbers = {"document:1", "document:2", "document:3"}
    assert committed["opened"].keys() == numbers
    assert committed["read-back-right"].keys() == {*numbers, "reference"}
    # Number for number it is the same: what was opened is what was read back.
    assert committed["opened"].items() <= committed["read-back-right"].items()


def content_of(commit):
    """What is committed to of the content, without the rows."""
    return {name: value for name, value in commit.items() if not entry_fields.ROWS.fullmatch(name)}


@pytest.mark.proves("S96")
def test_a_person_is_named_by_a_user_id_and_never_by_an_identity_number():
    hold = typer.main.get_command(app).commands["hold"]
    order = [ID, "--reason", "feil adressat", "--person"]
    assert hold.make_context("hold", [*order, "kari"]).params["person"] == "kari"  # the control
    with pytest.raises(MalformedRequestError, match="no identity number"):
        hold.make_context("hold", [*order, "01010112345"])


def test_the_published_list_tells_every_field_of_refs():
    page = (ROOT / "docs" / "evidence.md").read_text("utf-8")
    line = next(line for line in page.splitlines() if line.startswith("| refs |"))
    assert set(re.findall(r"`([a-z]+)`", line)) == set(entry_fields.REFS)
