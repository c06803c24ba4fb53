"""The producer client sends until it is answered, and its memory outlives it."""

import hashlib

import pytest

from gateway.errors import PartnerRefusedError, PartnerUnavailableError, TooLargeError
from gateway.simulators.feil import Feil
from gateway.simulators.produsent import Integration
from tests.integration.simulators.producer_api import PASSWORD, rows_of
from tests.integration.simulators.produsent_kit import report, sent


async def test_what_is_about_to_leave_is_on_disk_before_the_first_octet_leaves(produsent, api, tmp_path) -> None:
    seen = []
    api.on_upload = lambda: seen.extend(rows_of(tmp_path / "produsent.jsonl"))
    a_report = report()

    answer = await produsent.send(a_report, await produsent.receiver("9901"))

    assert [row["event"] for row in seen] == ["sending"]
    assert seen[0]["klientId"] == answer.klient_id
    assert seen[0]["documents"] == {
        "bekymringsmelding.json": hashlib.sha256(a_report.json).hexdigest(),
        "bekymringsmelding.pdf": hashlib.sha256(a_report.pdf).hexdigest(),
    }
    assert [(row["event"], row.get("uuid")) for row in rows_of(tmp_path / "produsent.jsonl")] == [
        ("sending", None),
        ("accepted", answer.uuid),
    ]


@pytest.mark.parametrize("mood", ["503", "507", "429", "500", "lose-answer", "nonsense"])
async def test_an_outcome_that_is_not_known_is_tried_again_with_the_very_same_bytes(produsent, api, mood) -> None:
    api.moods = [mood, mood]

    answer = await sent(produsent)

    first, second, third = api.uploads()
    assert first.body == second.body == third.body
    assert first.header("Content-Type") == third.header("Content-Type")
    assert {answer.uuid} == set(api.histories)


async def test_a_report_that_nobody_answers_is_kept_and_sent_by_the_next_process(make, api) -> None:
    api.moods = ["503"] * 3
    with pytest.raises(PartnerUnavailableError):
        await sent(make(tries_max=3))

    (answer,) = await make().resume()

    assert answer.uuid in api.histories
    assert len({call.body for call in api.uploads()}) == 1
    assert await make().resume() == []


async def test_a_refusal_is_final_and_noted(produsent, api, tmp_path) -> None:
    api.moods = ["403"]

    answer = await sent(produsent)

    assert (answer.status, answer.uuid, answer.code) == (403, None, "busy")
    assert len(api.uploads()) == 1
    assert rows_of(tmp_path / "produsent.jsonl")[-1]["event"] == "refused"


async def test_a_wrong_password_is_tried_once(produsent, api) -> None:
    answer = await sent(produsent, Feil.WRONG_PASSWORD)

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert len(api.uploads()) == 1


async def test_the_same_report_sent_twice_is_the_same_bytes_twice(produsent, api, tmp_path) -> None:
    await sent(produsent, Feil.SEND_TWICE)

    first, second = api.uploads()
    assert first.body == second.body
    assert len({row["uuid"] for row in rows_of(tmp_path / "produsent.jsonl") if row["event"] == "accepted"}) == 1


async def test_a_cut_upload_is_not_accepted_and_the_next_process_sends_it_whole(make, api) -> None:
    answer = await sent(make(), Feil.CUT_UPLOAD)
    assert (answer.status, answer.uuid) == (0, None)
    assert api.uploads() == []

    (answer,) = await make().resume()
    assert answer.uuid is not None


async def test_an_upload_above_the_apis_bound_is_not_sent(make, api) -> None:
    with pytest.raises(TooLargeError):
        await sent(make(bytes_max=100_000))
    assert api.uploads() == []


async def test_a_report_is_followed_until_it_is_delivered(produsent, api, tmp_path) -> None:
    answer = await sent(produsent)
    with pytest.raises(PartnerUnavailableError):
        await produsent.follow(answer.uuid, within_s=0.05, every_s=0.01)
    api.histories[answer.uuid] += ["SENDT_FAGSYSTEM", "LEVERT"]

    assert await produsent.follow(answer.uuid, within_s=5, every_s=0.01) == ["AKSEPTERT", "SENDT_FAGSYSTEM", "LEVERT"]
    assert rows_of(tmp_path / "produsent.jsonl")[-1]["tilstander"][-1] == "LEVERT"


async def test_a_question_that_is_not_answered_now_can_be_asked_again_and_a_refused_one_not(produsent, api) -> None:
    api.get_moods = [503, 429, 404]
    for _ in range(2):
        with pytest.raises(PartnerUnavailableError):
            await produsent.receiver("9901")
    with pytest.raises(PartnerRefusedError):
        await produsent.receiver("9901")
    assert await produsent.receiver("9901")


async def test_following_outlasts_an_api_that_is_away(produsent, api) -> None:
    answer = await sent(produsent)
    api.histories[answer.uuid] += ["LEVERT"]
    api.get_moods = [503, 503]

    assert "LEVERT" in await produsent.follow(answer.uuid, within_s=10, every_s=0.01)


async def test_a_history_of_another_report_is_not_taken_for_ones_own(produsent, api, tmp_path) -> None:
    answer = await sent(produsent)
    api.history_id = "another"

    with pytest.raises(PartnerRefusedError):
        await produsent.history(answer.uuid)
    assert rows_of(tmp_path / "produsent.jsonl")[-1]["event"] == "accepted"


async def test_a_token_that_was_refused_is_not_used_again(produsent, api) -> None:
    await sent(produsent)
    api.moods = ["401"]
    await sent(produsent, number=2)
    await sent(produsent, number=3)

    first, second, third = [call.header("Authorization") for call in api.uploads()]
    assert first == second != third


async def test_the_password_is_not_in_what_the_client_prints_of_itself_nor_in_its_ledger(make, tmp_path) -> None:
    await sent(make())

    assert PASSWORD not in repr(Integration("", "", "", PASSWORD))
    assert PASSWORD not in (tmp_path / "produsent.jsonl").read_text()
