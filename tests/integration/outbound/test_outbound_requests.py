"""Handing in a message: strict about what it says, forgiving about saying it twice."""

import asyncio
import json
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from gateway import limits
from gateway.errors import (
    ConflictError,
    GatewayError,
    MalformedRequestError,
    TooLargeError,
    UnknownMessageTypeError,
    UnknownResourceError,
)
from gateway.pipeline import hand_over
from gateway.pipeline.envelope import read_envelope
from gateway.pipeline.hand_over import CaseSystemClient
from gateway.pipeline.submit import submit
from gateway.store.tables import header, idempotency, journal, message
from tests.integration.outbound.kit import BREV, SAMPLE, Scripted, hand_in, melding, read, request, stream, with_roads
from tests.work import work_off

ODD = [None, True, 0, -1, 1.5, "", "x", "x" * 5000, "\x00", "\ud800", [], {}, [{}], {"orgnr": "1"}, "٠١", "a\nb"]


@pytest.fixture
async def env(env, site):
    return await with_roads(env, site.tenant, partner=Scripted())


async def count(env) -> int:
    return len(await read(env, select(message.c.id)))


async def test_the_same_request_again_is_the_same_message(env, client):
    envelope, key = melding(), "nøkkel".encode().hex()
    first = await hand_in(env, client, envelope, key=key)
    assert await hand_in(env, client, envelope, key=key) == first
    assert await hand_in(env, client, envelope, key="another") == first  # the message's own id says so too
    assert await count(env) == 1


async def test_the_same_request_twice_at_once_is_one_message(env, client):
    envelope = melding()
    found = await asyncio.gather(*(hand_in(env, client, envelope, key="k") for _ in range(5)), return_exceptions=True)
    ids = {one for one in found if isinstance(one, str)}
    assert len(ids) == 1
    assert await count(env) == 1


@pytest.mark.parametrize("same", ["key", "meldingId"])
async def test_the_same_key_with_other_content_is_a_conflict(env, client, same):
    envelope = melding()
    await hand_in(env, client, envelope, key="k")
    other = melding(formal="noe annet") if same == "key" else {**envelope, "formal": "noe annet"}
    with pytest.raises(ConflictError) as caught:
        await hand_in(env, client, other, key="k" if same == "key" else "k2")
    assert caught.value.instance_code == "idempotency-conflict"
    with pytest.raises(ConflictError):
        await hand_in(env, client, envelope, {"brev.pdf": BREV + b" "}, key="k")
    assert await count(env) == 1


@pytest.mark.proves("S50")
async def test_a_key_is_scoped_by_client_and_tenant_and_cannot_be_read(env, site, client):
    elsewhere = CaseSystemClient(client.id, ("4601-03",))
    there = melding(avsender={**SAMPLE["avsender"], "bydelsnummer": "03"})
    other = CaseSystemClient("fagsystem-2", client.tenants)
    ids = [
        await hand_in(env, client, key="delt-nokkel"),
        await hand_in(env, other, key="delt-nokkel"),
        await hand_in(env, elsewhere, there, key="delt-nokkel"),
    ]
    assert len(set(ids)) == 3
    rows = await read(env, select(idempotency))
    assert len({row.key for row in rows}) == 6
    assert "delt-nokkel" not in repr(rows)


async def test_only_an_office_of_ones_own_may_send(env, client):
    with pytest.raises(UnknownResourceError):
        await hand_in(env, client, melding(avsender={**SAMPLE["avsender"], "bydelsnummer": "03"}))
    assert await count(env) == 0


async def test_a_strange_office_and_one_that_does_not_exist_are_answered_alike(env, client):
    answers = set()
    for place in ({"bydelsnummer": "03"}, {"kommunenummer": "0301"}):
        with pytest.raises(UnknownResourceError) as caught:
            await hand_in(env, client, melding(avsender={**SAMPLE["avsender"], **place}))
        answers.add((caught.value.instance_code, caught.value.detail))
    assert len(answers) == 1


@pytest.mark.parametrize(
    "documents",
    [{}, {"brev.pdf": BREV, "annet.pdf": BREV}, {"annet.pdf": BREV}, {"Brev.pdf": BREV}],
    ids=["none", "one too many", "another", "another case"],
)
async def test_exactly_the_named_documents_must_follow(env, client, documents):
    with pytest.raises(MalformedRequestError):
        await hand_in(env, client, documents=documents)
    assert await count(env) == 0


async def test_a_document_twice_is_refused(env, client):
    async def doubled():
        async for part in request(melding(), {"brev.pdf": BREV}):
            yield part
        async for part in request(melding(), {"brev.pdf": BREV}):
            if part.name != "melding":
                yield part

    with pytest.raises(MalformedRequestError):
        await submit(env, client, "k", doubled())


async def test_the_size_that_is_stated_is_compared(env, client):
    (vedlegg,) = SAMPLE["vedlegg"]
    await hand_in(env, client, melding(vedlegg=[{**vedlegg, "storrelse": len(BREV)}]))
    with pytest.raises(MalformedRequestError):
        await hand_in(env, client, melding(vedlegg=[{**vedlegg, "storrelse": len(BREV) + 1}]))


async def test_a_type_that_comes_in_or_has_no_road_or_is_unknown_is_not_sent(env, client):
    for kind, error in (("bekymringsmelding.privat", MalformedRequestError), ("ukjent", UnknownMessageTypeError)):
        with pytest.raises(error):
            await hand_in(env, client, melding(meldingstype=kind, meldingstypeVersjon="v2"))
    env.roads.routes.clear()
    with pytest.raises(MalformedRequestError) as caught:
        await hand_in(env, client)
    assert caught.value.instance_code == "no-road"


async def test_the_envelope_comes_first_and_is_bounded(env, client):
    async def document_first():
        from gateway.spi import Part

        yield Part("brev.pdf", stream(BREV))

    with pytest.raises(MalformedRequestError):
        await submit(env, client, "k", document_first())
    with pytest.raises(TooLargeError):
        await hand_in(env, client, b" " * (limits.REQUEST_JSON_BYTES_MAX + 1))


async def test_large_documents_travel_as_files_that_nobody_else_reads_and_a_repeat_leaves_none_behind(env, client):
    large = BREV * 40_000
    envelope = melding()
    first = await hand_in(env, client, envelope, {"brev.pdf": large})
    files = set(env.vault.folder.root.glob("*/*/*"))
    assert len(files) == 1
    assert BREV not in next(iter(files)).read_bytes()
    assert await hand_in(env, client, envelope, {"brev.pdf": large}) == first
    assert set(env.vault.folder.root.glob("*/*/*")) == files
    with pytest.raises(ConflictError):
        await hand_in(env, client, envelope, {"brev.pdf": large + b" "})
    assert set(env.vault.folder.root.glob("*/*/*")) == files


async def test_the_case_system_sees_what_it_handed_in_and_nobody_else_does(env, client):
    message_id = await hand_in(env, client)
    head = await hand_over.head(env, client, message_id)
    assert (head["state"], head["documents"][0]["name"]) == ("ACCEPTED", "brev.pdf")
    served = await hand_over.fetch(env, client, message_id, "brev.pdf")
    assert b"".join(served.pieces(0, served.size)) == BREV
    with pytest.raises(UnknownResourceError):
        await hand_over.head(env, CaseSystemClient("fagsystem-2", ("4601-03",)), message_id)
    assert await hand_over.claim(env, client, 10, 600, ()) == []


async def test_nothing_of_the_content_stands_in_the_journal_or_beside_the_message(env, client):
    envelope = melding(
        formal="MARKØR formal", barn=[{"fodselsnummer": "01810112345"}], kontaktperson={"navn": "MARKØR Kari"}
    )
    message_id = await hand_in(env, client, envelope)
    await work_off(env)
    rows = [
        *await read(env, select(journal.c.entry)),
        *await read(env, select(header)),
        *await read(env, select(message)),
    ]
    told = repr(rows)
    assert message_id in told
    for secret in ("MARK", "01810112345", "Kari", "brev.pdf"):
        assert secret not in told.replace("document:brev.pdf", "")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_envelope_with_something_odd_in_it_is_read_or_refused_with_our_own_words(data):
    document = json.loads(json.dumps(SAMPLE))
    holder = document
    while True:
        key = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else list(range(len(holder)))))
        if isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans()):
            holder = holder[key]
            continue
        holder[key] = data.draw(st.sampled_from(ODD))
        break
    try:
        read_envelope(json.dumps(document).encode())
    except MalformedRequestError as error:
        told = error.detail
    else:
        return
    assert told.startswith("melding")
    assert "xxxx" not in told


@given(raw=st.binary(max_size=200))
def test_no_bytes_make_the_envelope_reader_fail_otherwise(raw):
    with pytest.raises(MalformedRequestError):
        read_envelope(raw)


def test_every_field_of_the_envelope_refuses_what_it_does_not_know():
    for place in ("", "avsender", "mottaker", "fagsystem", "hjemmel", "vedlegg"):
        document = json.loads(json.dumps(SAMPLE))
        holder = document[place] if place else document
        (holder[0] if isinstance(holder, list) else holder)["hemmelig navn"] = 1
        with pytest.raises(MalformedRequestError) as caught:
            read_envelope(json.dumps(document).encode())
        assert "extra_forbidden" in caught.value.detail
        assert "hemmelig" not in caught.value.detail


def test_a_digest_from_outside_is_not_taken():
    document = json.loads(json.dumps(SAMPLE))
    document["vedlegg"][0]["sha256"] = "0" * 64
    with pytest.raises(GatewayError):
        read_envelope(json.dumps(document).encode())


def test_a_message_id_is_a_uuid():
    assert read_envelope(json.dumps(melding(meldingId=str(uuid.uuid4()))).encode())
    with pytest.raises(MalformedRequestError):
        read_envelope(json.dumps(melding(meldingId="1")).encode())
