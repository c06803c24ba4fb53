"""A reader's account and key may change under a letter, and an office's account has bounds: no letter is lost or left half."""

from dataclasses import replace

import pytest

from gateway.simulators.digipost.faults import DigipostFault
from gateway.simulators.digipost.people import Kind, Person
from gateway.spi import PrintOrder, Refused, Seal, Taken, TryLater
from tests.digipost_kit import KARI, PDF, decrypted, digipost, document, letter, public_key
from tests.integration.digipost.test_send import HOME, OFFICE_ADDRESS


async def test_a_sealed_letter_to_an_account_that_closes_is_asked_about_once_more_and_is_a_proven_no(keys):
    async with digipost(keys) as here:
        here.server.faults.arm(DigipostFault.CLOSING_ACCOUNT)
        outcome = await here.road.outbound.send(letter(document(sealed=True)))
        assert outcome == Refused("unknown-recipient", proof=True)
        asked = ["POST /identification/encryption", "POST /messages", "POST /identification/encryption"]
        assert here.server.requests == ["GET /", *asked]
        assert len(outcome.evidence) == 3


async def test_a_sealed_letter_to_a_key_that_is_new_is_sealed_anew_under_the_same_ids(keys, monkeypatch):
    async with digipost(keys) as here:
        send = here.server.post.send

        def renewed(broker, message):
            """The reader's key is another one just before the letter comes."""
            if here.server.post.people[KARI].key_id == "keyhash-1":
                key = public_key(keys.printer)
                here.server.post.add(Person(KARI, Kind.USER, key, "keyhash-2"))
            return send(broker, message)

        monkeypatch.setattr(here.server.post, "send", renewed)
        sent = letter(document(sealed=True))
        assert isinstance(await here.road.outbound.send(sent), Taken)
        (stored,) = here.server.post.letters.values()
        assert stored.message.message_id == sent.key
        assert decrypted(stored.message.documents[0].content, keys.printer.key).plain == PDF
        assert here.server.requests.count("POST /messages") == 2


@pytest.mark.parametrize(
    ("bad", "code"), [({"size_bytes": 26 * 2**20}, "file-too-large"), ({"file_type": "html"}, "illegal-content-type")]
)
async def test_what_an_offices_account_does_not_take_is_refused_before_it_leaves(keys, bad, code):
    async with digipost(keys) as here:
        await anext(here.road.watch.observations())
        before = len(here.server.requests)
        assert await here.road.outbound.send(letter(document(**bad))) == Refused(code)
        assert len(here.server.requests) == before
        assert isinstance(await here.road.outbound.send(letter()), Taken)  # the control


async def test_an_account_that_tells_nothing_of_its_bounds_bounds_nothing(keys):
    async with digipost(keys) as here:
        here.server.register(replace(here.server.brokers[9999], senders=frozenset()))
        assert (await anext(here.road.watch.observations())).well
        assert await here.road.outbound.send(letter(document(file_type="html"))) == TryLater("broker-not-authorized")


async def test_a_registered_letter_on_paper_is_refused_and_never_becomes_an_ordinary_one(keys):
    async with digipost(keys) as here:
        order = PrintOrder(HOME, OFFICE_ADDRESS, "sb-ingrid", registered=True)
        assert await here.road.outbound.send(letter(print_order=order)) == Refused("registered-not-offered")
        assert here.server.requests == []


async def test_the_road_says_which_of_its_words_show_outside_and_that_it_carries_letters(keys):
    async with digipost(keys) as here:
        assert here.road.seal is Seal.LETTER
        assert here.road.directory is None
        assert all("barnevern" not in words.lower() for words in here.road.notices)
        assert here.road.notices


async def test_a_document_that_is_not_what_it_was_when_the_letter_was_made_does_not_leave(keys):
    async with digipost(keys) as here:
        for sealed in (False, True):
            other = letter(document(sha256="00" * 32, sealed=sealed))
            assert await here.road.outbound.send(other) == Refused("document-differs")
        assert "POST /messages" not in here.server.requests
