"""A concern report through the pipeline: stored, opened, handed over, confirmed, receipted."""

import hashlib

import pytest

from gateway.domain.lifecycle import State
from gateway.errors import ConflictError
from gateway.pipeline import case_events, confirm, hand_over
from gateway.pipeline.confirm import Readback
from gateway.simulators.sample import Form
from gateway.spi import Caller
from gateway.store import journal, messages
from gateway.store.tables import message_state
from tests.reports import SENDER_FIKS_ORG_ID
from tests.work import state_of, work_off

CALLER = Caller("produsent-1", "987654325", SENDER_FIKS_ORG_ID)


async def read_all(env, client, message_id) -> dict[str, bytes]:
    head = await hand_over.head(env, client, message_id)
    found = {}
    for document in head["documents"]:
        served = await hand_over.fetch(env, client, message_id, document["name"])
        found[document["name"]] = b"".join(served.pieces(0, served.size))
    return found


def readback(documents: dict[str, bytes], reference: str = "SAK-1") -> Readback:
    return Readback(reference, tuple((name, hashlib.sha256(raw).hexdigest()) for name, raw in documents.items()))


@pytest.mark.proves("promise-2")
@pytest.mark.proves("promise-10")
async def test_a_report_is_handed_over_as_it_was_sent_and_its_sender_told_the_truth(env, intake, sender, client):
    delivery = sender.delivery()
    report = sender.report()
    accepted = await intake.accept(delivery)
    assert delivery.acknowledged == 1
    assert [row.status for row in await intake.history(accepted.id, CALLER)] == ["AKSEPTERT"]

    await work_off(env)
    assert await state_of(env, accepted.id) == State.READY
    claimed = await hand_over.claim(env, client, 10, 600, ())
    assert [claim.message_id for claim in claimed] == [accepted.id]
    documents = await read_all(env, client, accepted.id)
    assert documents == {"bekymringsmelding.json": report.json, "bekymringsmelding.pdf": report.pdf}

    await confirm.confirm(env, client, accepted.id, readback(documents))
    assert await state_of(env, accepted.id) == State.CONFIRMED
    assert "LEVERT" not in [row.status for row in await intake.history(accepted.id, CALLER)]
    await work_off(env)
    assert await state_of(env, accepted.id) == State.RECEIPTED
    statuses = [row.status for row in await intake.history(accepted.id, CALLER)]
    assert statuses == ["AKSEPTERT", "SENDT_FAGSYSTEM", "LEVERT"]


@pytest.mark.parametrize("env", ["sqlite"], indirect=True)
@pytest.mark.parametrize("version", ["V1", "V2"])
@pytest.mark.parametrize("form", Form, ids=str)
async def test_each_form_in_each_version_arrives_whole_and_sound_with_the_clocks_of_its_type(
    env, intake, sender, client, form, version
):
    delivery, report = sender.delivery(1, form, version), sender.report(1, form, version)
    accepted = await intake.accept(delivery)
    await work_off(env)
    head = await hand_over.head(env, client, accepted.id)
    assert (head["state"], head["type"]) == ("READY", f"bekymringsmelding.{form}.{version.lower()}")
    assert {warning["code"] for warning in head["warnings"]} <= {"signer-revocation-unknown"}
    documents = await read_all(env, client, accepted.id)
    assert documents == {"bekymringsmelding.json": report.json, "bekymringsmelding.pdf": report.pdf}
    status = {clock["id"]: clock["status"] for clock in head["clocks"]}
    assert status.keys() == set(env.types.type(head["type"]).frister) >= {"F01", "F02", "F03", "F04"}
    assert {status[name] for name in ("F01", "F02", "F03")} == {"AAPEN"}
    assert ("F05" in status) is (form is Form.OFFENTLIG), "feedback after the investigation is owed to public reporters"


async def test_the_same_confirm_again_gives_the_same_answer_and_another_reference_is_refused(
    env, intake, sender, client
):
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    documents = await read_all(env, client, accepted.id)
    first = await confirm.confirm(env, client, accepted.id, readback(documents))
    assert await confirm.confirm(env, client, accepted.id, readback(documents)) == first
    with pytest.raises(ConflictError) as caught:
        await confirm.confirm(env, client, accepted.id, readback(documents, "SAK-2"))
    assert caught.value.instance_code == "confirm-conflict"


async def test_a_wrong_read_back_changes_nothing_and_the_third_one_holds(env, intake, sender, client):
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    await hand_over.claim(env, client, 1, 600, ())
    documents = await read_all(env, client, accepted.id)
    wrong = readback({name: raw + b" " for name, raw in documents.items()})
    for expected in (State.OFFERED, State.OFFERED, State.HELD):
        with pytest.raises(ConflictError) as caught:
            await confirm.confirm(env, client, accepted.id, wrong)
        assert caught.value.instance_code == "readback-mismatch"
        assert await state_of(env, accepted.id) == expected
    await confirm.confirm(env, client, accepted.id, readback(documents))
    assert await state_of(env, accepted.id) == State.CONFIRMED


async def test_a_read_back_must_name_every_document_exactly_once(env, intake, sender, client):
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    right = readback(await read_all(env, client, accepted.id))
    for bad in (right.documents[:1], (*right.documents, right.documents[0]), ()):
        with pytest.raises(ConflictError):
            await confirm.confirm(env, client, accepted.id, Readback("SAK-1", bad))
        await env.store.write(
            lambda conn: conn.execute(message_state.update().values(readback_failures=0)), confirm.Point.CONFIRM
        )


async def test_the_same_sealed_bytes_again_are_the_same_message(env, intake, sender):
    delivery = sender.delivery()
    first = await intake.accept(delivery)
    second = await intake.accept(delivery)
    assert (second.id, second.repeated) == (first.id, True)
    assert delivery.acknowledged == 2


async def test_a_report_sealed_anew_is_linked_to_the_first_and_receipted_with_it(env, intake, sender, client):
    report = sender.report()
    first = await intake.accept(type(sender.delivery())(sender.parts(report)))
    second = await intake.accept(type(sender.delivery())(sender.parts(report)))
    assert first.id != second.id
    await work_off(env)
    assert await state_of(env, second.id) == State.DUPLICATE
    assert [claim.message_id for claim in await hand_over.claim(env, client, 10, 600, ())] == [first.id]
    await confirm.confirm(env, client, first.id, readback(await read_all(env, client, first.id)))
    await work_off(env)
    assert await state_of(env, second.id) == State.RECEIPTED
    assert "LEVERT" in [row.status for row in await intake.history(second.id, CALLER)]


async def test_every_entry_gets_a_leaf_number_and_the_feed_runs_on_it(env, intake, sender, client):
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    while await env.store.write(journal.number_pending, confirm.Point.CONFIRM):
        pass
    feed = await case_events.feed(env, client, -1, 100)
    assert [number for number, _ in feed] == sorted(number for number, _ in feed)
    assert {"arrived", "opened"} <= {entry["event"] for _, entry in feed}
    assert all(entry["message_id"] == accepted.id for _, entry in feed)


@pytest.mark.proves("promise-5")
async def test_clocks_run_from_arrival_and_stop_at_what_the_law_names(env, intake, sender, client):
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    clocks = {row["id"]: row for row in (await hand_over.head(env, client, accepted.id))["clocks"]}
    assert set(clocks) == {"F01", "F02", "F03", "F04", "F05"}
    assert clocks["F01"]["status"] == "AAPEN"
    assert clocks["F05"]["status"] == "VENTER"
    for outcome, investigation in (("henlagt", "VENTER"), ("undersokelse", "AAPEN")):
        concluded = case_events.CaseEvent("konklusjon", env.now(), outcome)
        await case_events.event(env, client, accepted.id, concluded)
        clocks = {row["id"]: row for row in (await hand_over.head(env, client, accepted.id))["clocks"]}
        assert clocks["F01"]["status"] == "NADD"
        assert clocks["F04"]["status"] == investigation


async def test_a_foreign_and_an_unknown_message_are_answered_alike(env, intake, sender, client):
    accepted = await intake.accept(sender.delivery())
    await work_off(env)
    stranger = hand_over.CaseSystemClient("fagsystem-2", ("4601-03",))
    answers = []
    for message_id in (accepted.id, "0198f0a0-0000-7000-8000-000000000000"):
        with pytest.raises(hand_over.UnknownResourceError) as caught:
            await hand_over.head(env, stranger, message_id)
        answers.append((caught.value.instance_code, caught.value.detail))
    assert answers[0] == answers[1]
    assert await hand_over.claim(env, stranger, 10, 600, ()) == []


async def test_warnings_carry_codes_and_a_text_for_the_caseworker(env, intake, sender, client):
    report = sender.report()
    raw = report.json.replace(b'"kommunenummer": "4601"', b'"kommunenummer": "0301"')
    documents = {"bekymringsmelding.json": raw, "bekymringsmelding.pdf": report.pdf}
    parts = {"bekymringsmelding": sender.printed(b"another"), "asice": sender.sealed(sender.container(documents))}
    accepted = await intake.accept(type(sender.delivery())(parts))
    await work_off(env)
    found = {w["code"]: w["text"] for w in (await hand_over.head(env, client, accepted.id))["warnings"]}
    assert {"kommunenummer-differs", "print-copy-differs"} <= set(found)
    assert all(text != code for code, text in found.items())
    assert (await env.store.read(lambda conn: messages.receipts(conn, accepted.id)))[0].kind == "transport"
