"""A hold says in which document and on which page its fault is; a file's name goes to the case system and nowhere else."""

import io
import json
from dataclasses import replace

import pytest
from prometheus_client import generate_latest
from sqlalchemy import select

from gateway.domain.lifecycle import State
from gateway.observability import logging, metrics
from gateway.pipeline import hand_over, retention
from gateway.pipeline.people import Decision, decide
from gateway.pipeline.release import hold_of
from gateway.pipeline.texts import HOLDS
from gateway.store.tables import journal
from tests import pdf_kit as kit
from tests.integration.outbound.kit import Scripted, hand_in, melding, read, with_roads
from tests.integration.outbound.letter_kit import DAY, Moved
from tests.integration.outbound.letters import (
    DIGITAL,
    PAPER,
    READER,
    STRANGER,
    LetterRoad,
    letter,
    stopped_by,
    with_letters,
)
from tests.work import work_off

pytestmark = pytest.mark.parametrize("env", ["sqlite"], indirect=True)
"""One store is enough: a place is read from the journal's newest entry, which both stores give alike."""

NAMES = ["brev.pdf", "plan.pdf", "merkesen.pdf", "notat.pdf", "kart.pdf"]
PLAIN, ODD = ["Vi viser til møtet."], [f"Gjelder også {STRANGER}."]


async def handed_in(env, client, envelope, **odd):
    """Five attachments, of which these have other pages."""
    stated = envelope["vedlegg"][0]
    vedlegg = [stated | {"filnavn": name, "mimeType": "application/pdf"} for name in NAMES]
    files = {name: odd.get(name.partition(".")[0]) or kit.letter(PLAIN, [name]) for name in NAMES}
    message_id = await hand_in(env, client, envelope | {"vedlegg": vedlegg}, files)
    await work_off(env)
    return message_id


async def refs_of(env, message_id):
    query = select(journal.c.entry).where(journal.c.message_id == message_id, journal.c.event == "guards-stopped")
    return [json.loads(row.entry)["refs"] for row in await read(env, query)]


async def test_a_finding_is_told_with_its_document_and_page_and_its_name_stays_out_of_what_is_kept(env, site, client):
    written = io.StringIO()
    env = await with_roads(replace(env, pdfs=READER, log=logging.to(written)), site.tenant, ["R20"], partner=Scripted())
    message_id = await handed_in(
        env, client, melding(), merkesen=kit.letter(PLAIN, ODD, PLAIN, ODD), kart=kit.letter(ODD)
    )
    assert await stopped_by(env, message_id) == (State.HELD, "r20-foreign-number")
    hold = (await hand_over.head(env, client, message_id))["hold"]
    assert hold["places"] == [
        {"document": 3, "name": "merkesen.pdf", "pages": (2, 4), "morePages": False},
        {"document": 5, "name": "kart.pdf", "pages": (1,), "morePages": False},
    ]
    where = "Gjelder dokument 3 (merkesen.pdf), side 2 og 4; dokument 5 (kart.pdf), side 1."
    assert hold["text"] == f"{HOLDS['r20-foreign-number']} {where}"
    assert [refs["places"] for refs in await refs_of(env, message_id)] == ["3:2,4 5:1"]
    journalled = repr(await read(env, select(journal.c.entry)))
    kept = written.getvalue() + generate_latest(metrics.REGISTRY).decode() + journalled
    assert [mark for mark in ("merkesen", "kart.pdf", STRANGER) if mark in kept] == []
    assert message_id in kept  # the control


async def test_a_fault_of_a_pdf_is_told_in_the_words_of_the_command_line_and_without_names_there(env, client):
    env, _ = await with_letters(env, LetterRoad(), PAPER, DIGITAL)
    env = replace(env, roads=replace(env.roads, guards=()))
    narrow = kit.letter(PLAIN, size=(612, 792))
    message_id = await handed_in(env, client, letter(), notat=narrow)
    assert await stopped_by(env, message_id) == (State.HELD, "pdf-not-a4")
    hold = (await hand_over.head(env, client, message_id))["hold"]
    assert hold["text"] == f"{HOLDS['pdf-not-a4']} Gjelder dokument 4 (notat.pdf), side 1."
    shown = await env.store.read(lambda conn: hold_of(conn, message_id, "pdf-not-a4"))
    assert shown.text == f"{HOLDS['pdf-not-a4']} Gjelder dokument 4, side 1."


async def test_a_stop_without_a_place_shows_none_and_another_cause_shows_nothing_of_the_last_one(env, site, client):
    env = await with_roads(replace(env, pdfs=READER), site.tenant, ["R01", "R20"], partner=Scripted())
    without = await handed_in(env, client, melding(formal=None), plan=kit.letter(ODD))
    hold = (await hand_over.head(env, client, without))["hold"]
    assert (hold["code"], hold["text"], hold["places"]) == ("r01-no-purpose", HOLDS["r01-no-purpose"], [])
    assert ["places" in refs for refs in await refs_of(env, without)] == [False]
    placed = await handed_in(env, client, melding(), plan=kit.letter(ODD))
    other = await env.store.read(lambda conn: hold_of(conn, placed, "partner-refused"))
    assert (other.text, other.places.documents) == (HOLDS["partner-refused"], ())


async def test_after_shredding_no_place_is_shown(env, site, client):
    env = await with_roads(replace(env, pdfs=READER), site.tenant, ["R20"], partner=Scripted())
    message_id = await handed_in(env, client, melding(), plan=kit.letter(ODD))
    before = await env.store.read(lambda conn: hold_of(conn, message_id, "r20-foreign-number"))
    assert [place.document for place in before.places.documents] == [2]
    await decide(env, message_id, Decision("withdraw", "kari", "feil dokument"))
    later = replace(env, clock=Moved(env.clock, 4000 * DAY))
    await retention.shred(later, message_id, ("kari", "ola"), "2026/9")
    gone = await env.store.read(lambda conn: hold_of(conn, message_id, "r20-foreign-number"))
    assert (gone.text, gone.places.documents) == (HOLDS["r20-foreign-number"], ())
