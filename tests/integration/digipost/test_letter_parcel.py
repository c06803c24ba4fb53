"""What a letter is made of: the same in every attempt, with words of ours outside, and proof that an auditor can take away."""

import asyncio
import uuid
from dataclasses import replace

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from gateway.cli import app
from gateway.config import Brev
from gateway.domain.lifecycle import State
from gateway.domain.message_type import LetterForm
from gateway.errors import PolicyError
from gateway.pipeline.letter_parcel import fix
from gateway.pipeline.outgoing import load
from gateway.pipeline.seal import known_parcel
from gateway.pipeline.texts import HOLDS
from gateway.simulators.digipost.server import read_message
from gateway.store.parcels import StoredParcel
from gateway.store.tables import payload
from tests.digipost_kit import KARI, PER, signed_path
from tests.integration.digipost.office import brev
from tests.integration.outbound.kit import cause_of, read
from tests.work import state_of

CASE = "2026-4711"


class OtherForm:
    """The catalogue of a newer release: other words."""

    def __init__(self, types):
        self._types = types

    def type(self, key):
        return replace(self._types.type(key), letter=LetterForm({"nb": "Post"}))


async def test_every_attempt_carries_the_same_letter_whatever_configuration_says_by_then(bergen):
    message_id = await bergen.sent(contents=(brev(), brev("Vedlegget.")))
    outgoing = await load(bergen.env, message_id)
    newer = replace(bergen.env, types=OtherForm(bergen.env.types), brev=Brev(avsender_navn="En annen"))
    (sent,) = bergen.letters
    for env in (bergen.env, newer):
        parcel = await known_parcel(env, outgoing, outgoing.parcels[-1])
        told = [(one.uuid, one.subject) for one in parcel.letter.documents]
        assert told == [(one.uuid, one.subject) for one in sent.message.documents]
        assert [one.pages for one in parcel.letter.documents] == [1, 1]
        assert parcel.key == sent.message.message_id
        assert KARI not in repr(parcel)


@pytest.mark.proves("S74")
async def test_nothing_of_the_case_shows_outside_of_a_letter_over_digipost(bergen, monkeypatch):
    """The names of files, sender and case are the case system's own, and tell; a postcard would show none of them."""
    bodies = []

    def seen(media_type, body):
        bodies.append(media_type.encode() + body)
        return read_message(media_type, body)

    monkeypatch.setattr("gateway.simulators.digipost.server.read_message", seen)
    telling = {"orgnr": "964338531", "navn": "Bergen barneverntjeneste", "aktortype": "A27"}
    changes = {
        "avsender": telling | {"kommunenummer": "4601", "bydelsnummer": "02"},
        "avsendersRef": CASE,
        "names": ("vedtak-barnevern.pdf",),
    }
    await bergen.sent(**changes)
    (body,) = bodies
    assert bergen.letters[0].message.documents[0].content == brev()
    outside = body.replace(brev(), b"").decode().lower()
    assert KARI in outside  # the control: what Digipost must know is there
    assert not any(word in outside for word in ("barnevern", "vedtak", CASE, "nordmann", "bergen"))


async def test_a_message_without_a_pdf_makes_no_letter(bergen):
    message_id = await bergen.hand_in(names=("vedtak.xml",), contents=(b"<vedtak/>",), media_type="application/xml")
    outgoing = await load(bergen.env, message_id)
    road = "digipost:fodselsnummer"
    chosen = StoredParcel(outgoing.row.tenant, message_id, 1, road, "digipost", outgoing.row.person, str(uuid.uuid4()))
    with pytest.raises(PolicyError, match="no-document-to-send"):
        await fix(bergen.env, outgoing, chosen)
    assert "no-document-to-send" in HOLDS


async def test_where_a_reader_is_to_come_must_not_tell_why(bergen):
    place = {"start": "2030-01-01T09:00:00+01:00", "sted": "Barneverntjenesten, Rådhuset"}
    message_id = await bergen.sent(brev={"avtale": place})
    assert await cause_of(bergen.env, message_id) == "appointment-place-tells"
    assert bergen.letters == []
    message_id = await bergen.sent(contents=(brev("Ny tid."),), brev={"avtale": place | {"sted": "Rådhuset"}})
    assert (await state_of(bergen.env, message_id), len(bergen.letters)) == (State.DELIVERED, 1)


async def test_an_auditor_gets_what_digipost_signed_in_files_and_the_log_vouches_for_it(
    bergen, site, tmp_path, monkeypatch
):
    message_id = await bergen.sent()
    monkeypatch.setenv("BUDSTIKKE__DATA_DIR", str(tmp_path / "var"))
    command = ["trace", message_id, "--config", str(site.configuration), "--words", str(tmp_path / "words")]

    async def run(*arguments):
        return await asyncio.to_thread(CliRunner().invoke, app, list(arguments))

    refused = await run(*command, "--person", PER)
    assert refused.exit_code != 0
    assert not (tmp_path / "words").exists()
    given = await run(*command, "--person", "revisor-1")
    assert given.exit_code == 0, given.output
    files = sorted((tmp_path / "words").iterdir())
    assert [(file.name, file.stat().st_mode & 0o777) for file in files] == [
        ("evidence-1", 0o600),
        ("evidence-2", 0o600),
    ]
    assert [signed_path(file.read_bytes()) for file in files] == ["/identification", "/messages"]
    assert "partner-words-shown" in (await run("trace", message_id, "--config", str(site.configuration))).stdout
    checked = await run("check-log", "--config", str(site.configuration))
    assert checked.stdout.splitlines()[-1] == "ok", checked.stdout
    kept = await read(bergen.env, select(payload.c.purpose).where(payload.c.message_id == message_id))
    assert {row.purpose for row in kept} >= {"evidence:1", "evidence:2", "parcel:digipost:fodselsnummer"}
