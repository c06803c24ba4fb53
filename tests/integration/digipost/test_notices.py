"""A notice by e-mail: asked for by the case system, to the address that KRR has when the letter leaves."""

from datetime import timedelta

import pytest
from lxml import etree

from adapters.digipost.message import API, EMAIL_SUBJECT, EMAIL_TEXT
from gateway.domain.lifecycle import State
from gateway.pipeline.outgoing import load
from gateway.pipeline.seal import known_parcel
from gateway.simulators.digipost.server import read_message
from tests.digipost_kit import SCHEMAS, schema_of
from tests.work import state_of

ADDRESS = "kari.prove@example.no"
ASKED = {"epostEtterTimer": [24, 72]}


@pytest.fixture
def messages(monkeypatch):
    """The XML of every letter that Digipost was given."""
    given = []

    def seen(media_type, body):
        given.append(etree.fromstring(body[body.index(b"<?xml") : body.index(b"</message>") + len(b"</message>")]))
        return read_message(media_type, body)

    monkeypatch.setattr("gateway.simulators.digipost.server.read_message", seen)
    return given


def krr(office, **told):
    office.registers.told = {"email": ADDRESS} | told


@pytest.fixture(params=SCHEMAS)
def schema(reference, request):
    return schema_of(reference, request.param)


def notice_of(message):
    return message.find(f".//{{{API}}}email-notification")


async def test_a_notice_goes_to_the_address_of_krr_in_neutral_words_at_the_hours_that_were_asked_for(
    bergen, messages, schema, tmp_path
):
    krr(bergen)
    before = bergen.env.clock.now()
    message_id = await bergen.sent(brev=ASKED)
    assert await state_of(bergen.env, message_id) is State.DELIVERED
    (message,) = messages
    schema.assertValid(message)
    notice = notice_of(message)
    assert [child.text for child in notice[:3]] == [ADDRESS, EMAIL_SUBJECT, EMAIL_TEXT]
    times = [etree.QName(child).localname == "at" and child.get("time") for child in notice[3:]]
    due = [(before + timedelta(hours=hours)).isoformat(timespec="minutes")[:16] for hours in (24, 72)]
    assert [time[:16] for time in times] == due
    files = [file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()]
    assert not any(ADDRESS.encode() in octets for octets in files)


async def test_the_address_is_nothing_that_is_fixed(bergen, messages):
    krr(bergen)
    message_id = await bergen.sent(brev=ASKED)
    outgoing = await load(bergen.env, message_id)
    parcel = await known_parcel(bergen.env, outgoing, outgoing.parcels[-1])
    assert parcel.letter.email is None
    assert notice_of(messages[0]) is not None


@pytest.mark.parametrize("told", [{"notifiable": False}, {"email": None}], ids=["not notifiable", "no address"])
async def test_who_cannot_be_notified_gets_the_letter_without_a_notice(bergen, messages, told):
    krr(bergen, **told)
    message_id = await bergen.sent(brev=ASKED)
    assert await state_of(bergen.env, message_id) is State.DELIVERED
    assert [notice_of(message) for message in messages] == [None]


async def test_control_nobody_is_notified_by_e_mail_unless_that_was_asked_for(bergen, messages):
    krr(bergen)
    await bergen.sent()
    assert [notice_of(message) for message in messages] == [None]
