"""One attempt to send over SvarUt: what leaves, what each answer means, and that nothing is sent twice or printed."""

import json
from dataclasses import replace
from datetime import timedelta

import jsonschema_rs
import pytest

from gateway.simulators.fiks.register import Integration
from gateway.simulators.svarut.faults import SvarUtFault
from gateway.spi import PostalAddress, PrintOrder, Refused, Taken, TryLater, Uncertain, limits
from gateway.spi.outbound import attempt
from tests import crypto_kit as kit
from tests.digipost_kit import KARI, PDF, RESERVERT, changed, document, letter
from tests.svarut_kit import INTEGRATION, KONTO, PASSWORD, other_key, svarut

NAME = "Kari Nordmann"
SEND = f"POST /api/v2/kontoer/{KONTO}/forsendelser"


def openapi(reference, name, schema):
    """A schema of one of KS's documents, and the names that it knows."""
    told = json.loads((reference / "fiks" / "svarut-v2" / f"forsendelse-{name}-api-v2.json").read_text())
    root = {"$ref": f"#/components/schemas/{schema}", "components": told["components"]}
    return jsonschema_rs.Draft7Validator(root, validate_formats=True), told["components"]["schemas"]


def sent(server):
    (one,) = server.post.letters.values()
    return one


def strangers(told, schema, schemas):
    """Names in a document that its schema does not have."""
    properties = schemas[schema].get("properties", {})
    found = set(told) - set(properties)
    for name in set(told) & set(properties):
        inner = properties[name].get("items", properties[name])
        reference = inner.get("$ref", "").rpartition("/")[2]
        for one in (told[name] if isinstance(told[name], list) else [told[name]]) if reference else []:
            found |= strangers(one, reference, schemas)
    return found


async def test_what_is_sent_and_what_the_simulator_answers_is_what_ks_documents_say(reference):
    async with svarut() as here:
        parcel = letter(document(), document(b"%PDF-1.7 vedlegg", file_name="vedlegg.pdf"))
        taken = await here.road.outbound.send(parcel)
        told = sent(here.server).told
        schema, names = openapi(reference, "send", "Forsendelse")
        schema.validate(told)
        assert strangers(told, "Forsendelse", names) == set()
        api = here.road.outbound._api
        for answer, name, kind in (
            (await api.get(f"/kontoer/{KONTO}/forsendelser", {"eksternRef": parcel.key}), "eksternref", "EksternRefOppslagResponse"),
            (await api.post(f"/kontoer/{KONTO}/forsendelser/status-sok", {"forsendelseIds": [taken.partner_reference]}), "status", "ForsendelseStatuser"),
            (await api.get(f"/forsendelser/{taken.partner_reference}/hendelser"), "hendelser", "Hendelser"),
            (await api.get(f"/forsendelser/{taken.partner_reference}/metadata"), "metadata", "ForsendelseMetadata"),
            (await api.get("/forsendelser/00000000-0000-4000-8000-000000000000/metadata"), "metadata", "ErrorMessage"),
        ):  # fmt: skip
            openapi(reference, name, kind)[0].validate(dict(answer.json()))


async def test_no_letter_can_be_printed_and_every_one_asks_for_the_highest_login_and_is_sealed():
    async with svarut() as here:
        await here.road.outbound.send(letter(document(), document(b"%PDF-1.7 vedlegg")))
        one = sent(here.server)
        assert [
            one.told[name] for name in ("kunDigitalLevering", "krevNiva4Innlogging", "kryptert", "taushetsbelagtPost")
        ] == [True] * 4
        assert [each.told["skalEkskluderesFraUtskrift"] for each in one.documents] == [True, True]
        assert "utskriftskonfigurasjon" not in one.told
        assert one.told["mottaker"] == {"navn": NAME, "digitalId": KARI}
        assert [each.content for each in one.documents] == [PDF, b"%PDF-1.7 vedlegg"]
        assert all(each.sealed_bytes > len(each.content) for each in one.documents), "not sealed"
        assert one.told["tittel"] == "Informasjon"


async def test_documents_of_one_name_get_names_of_their_own():
    async with svarut() as here:
        taken = await here.road.outbound.send(
            letter(document(), document(b"to"), document(b"tre", file_name="2-brev.pdf"))
        )
        assert isinstance(taken, Taken)
        names = [each.told["filnavn"] for each in sent(here.server).documents]
        assert len(set(names)) == 3
        assert names[0] == "brev.pdf"


REFUSED = {
    "print-not-by-svarut": {
        "print_order": PrintOrder(PostalAddress("a", ("b",)), PostalAddress("a", ("b",)), released_by="sb-ingrid")
    },
    "recipient-no-number": {"person": "0181801008"},
    "recipient-no-name": {"name": " "},
    "subject-not-neutral": {"documents": (document(subject="Brev fra barnevernet"),)},
    "subject": {"documents": (document(subject="Brev\nfra"),)},
    "file-name": {"documents": (document(file_name="a/b.pdf"),)},
    "file-name-not-neutral": {"documents": (document(file_name="Barnevernsvedtak.pdf"),)},
    "documents-count": {"documents": ()},
    "too-large": {"documents": (document(size_bytes=301 * limits.MIB),)},
}


@pytest.mark.parametrize("code", REFUSED)
async def test_what_no_retry_would_mend_is_refused_before_anybody_is_called(code):
    async with svarut() as here:
        assert await here.road.outbound.send(changed(letter(), **REFUSED[code])) == Refused(code)
        assert here.server.requests == []


async def test_a_letter_that_is_not_to_be_shown_yet_or_has_no_account_is_refused():
    async with svarut() as here:
        later = changed(letter(), delivery_time=here.clock.now() + timedelta(days=1))
        assert await here.road.outbound.send(later) == Refused("delivery-time-not-offered")
        assert await here.road.outbound.send(replace(letter(), office=None)) == Refused("sender-unknown")
        assert await here.road.outbound.send(replace(letter(), letter=None)) == Refused("no-letter")
        assert here.server.requests == []


async def test_a_document_that_is_not_what_it_was_is_refused_and_nobody_called():
    async with svarut() as here:
        assert await here.road.outbound.send(letter(document(sha256="0" * 64))) == Refused("document-differs")
        assert here.server.requests == []


BEFORE = {
    SvarUtFault.THROTTLED: TryLater("not-asked"),
    SvarUtFault.SERVER_ERROR: TryLater("not-asked"),
    SvarUtFault.DOWN: TryLater("not-asked"),
    SvarUtFault.CUT: TryLater("not-asked"),
    SvarUtFault.GARBAGE: TryLater("not-asked"),
}


@pytest.mark.parametrize("fault", BEFORE)
async def test_whoever_cannot_be_asked_first_is_sent_nothing(fault):
    async with svarut() as here:
        here.server.faults.arm(fault, 2)  # a question on a kept line is asked once more by the library
        assert await here.road.outbound.send(letter()) == BEFORE[fault]
        here.server.faults.arm(fault, 0)
        assert SEND not in here.server.requests
        assert isinstance(await here.road.outbound.send(letter()), Taken)


WITH_THE_LETTER = {
    400: Refused("letter-refused"),
    403: TryLater("account-refused"),
    404: TryLater("account-unknown"),
    413: Refused("too-large", proof=True),
    418: Refused("status-418"),
    429: TryLater("throttled", 7.0),
    307: TryLater("redirected"),
    408: Uncertain("status-408"),
    500: Uncertain("status-500"),
    503: Uncertain("status-503"),
}


@pytest.mark.parametrize("status", WITH_THE_LETTER)
async def test_each_status_that_answers_a_letter_has_its_outcome(status):
    async with svarut() as here:
        api = here.road.outbound._api
        reply = await api.get("/finnes-ikke")

        async def upload(_path, _form):
            return replace(reply, status=status, retry_after_s=7.0)

        api.upload = upload
        assert await here.road.outbound.send(letter()) == WITH_THE_LETTER[status]


async def test_a_letter_whose_answer_is_lost_is_found_again_and_never_sent_twice():
    for fault in (SvarUtFault.LOST_ANSWER, SvarUtFault.HANGING, SvarUtFault.GATEWAY_TIMEOUT):
        async with svarut(send_s=1.0) as here:
            here.server.faults.arm(fault)
            parcel = letter()
            assert isinstance(await here.road.outbound.send(parcel), Uncertain)
            assert await here.road.outbound.status(parcel) == Taken(sent(here.server).id)
            assert await here.road.outbound.send(parcel) == Taken(sent(here.server).id)


async def test_while_ks_may_be_at_work_on_a_letter_an_empty_answer_is_no_word_on_it():
    async with svarut(send_s=960) as here:
        here.server.faults.arm(SvarUtFault.LOST_ANSWER)
        here.server.faults.arm(SvarUtFault.NOT_INDEXED, 3)
        parcel = letter()
        assert isinstance(await here.road.outbound.send(parcel), Uncertain)  # the first look-up of the three
        assert await here.road.outbound.status(parcel) == Uncertain("not-settled")
        assert await here.road.outbound.send(parcel) == Uncertain("not-settled")
        assert len(here.server.post.letters) == 1
        assert await here.road.outbound.status(parcel) == Taken(sent(here.server).id)


async def test_while_an_attempt_is_in_doubt_no_unanswered_question_says_that_nothing_was_taken():
    async with svarut(send_s=960) as here:
        here.server.faults.arm(SvarUtFault.LOST_ANSWER)
        parcel = letter()
        await here.road.outbound.send(parcel)
        here.server.faults.arm(SvarUtFault.DOWN)
        assert await here.road.outbound.send(parcel) == Uncertain("status-unknown")


async def test_what_was_never_taken_may_be_sent_when_the_time_is_over():
    async with svarut(send_s=960) as here:
        here.server.faults.arm(SvarUtFault.LOST_ANSWER)
        parcel = letter()
        await here.road.outbound.send(parcel)
        here.server.post.letters.clear()
        assert await here.road.outbound.status(parcel) == Uncertain("not-settled")
        here.clock.turn(961)
        assert await here.road.outbound.status(parcel) == TryLater("not-taken")
        assert isinstance(await here.road.outbound.send(parcel), Taken)


async def test_several_letters_under_one_key_are_for_a_person():
    async with svarut() as here:
        parcel = letter()
        await here.road.outbound.send(parcel)
        one = sent(here.server)
        here.server.post.take(KONTO, one.told, one.documents, rejected=False, prints=False)
        assert await here.road.outbound.send(parcel) == Refused("several-letters")
        assert await here.road.outbound.status(parcel) == Refused("several-letters")


async def test_whoever_does_not_tell_our_digests_back_cannot_be_asked():
    async with svarut() as here:
        parcel = letter()
        await here.road.outbound.send(parcel)
        for each in sent(here.server).documents:
            del each.told["ekstraMetadata"]
        assert await here.road.outbound.status(parcel) is None
        assert await here.road.outbound.send(parcel) == Uncertain("content-not-comparable")


async def test_a_token_that_is_not_taken_is_bought_anew_once():
    async with svarut() as here:
        here.server.faults.arm(SvarUtFault.UNAUTHORISED)
        assert isinstance(await here.road.outbound.send(letter()), Taken)


async def test_a_wrong_password_or_an_account_that_is_not_ours_sends_nothing():
    async with svarut() as here:
        here.office.passwords["file:password"] = "et annet"
        assert await here.road.outbound.send(letter()) == TryLater("not-asked")
        here.office.passwords["file:password"] = "linje\nskift"
        assert await here.road.outbound.send(letter()) == TryLater("not-asked")
        here.office.passwords["file:password"] = PASSWORD
        here.server.register.add_integration(Integration(INTEGRATION, PASSWORD, kit.ORGANISATION, frozenset()))
        assert await here.road.outbound.send(letter()) == TryLater("not-asked")
        assert here.server.post.letters == {}


async def test_documents_sealed_for_another_key_are_refused_by_svarut_and_an_expired_certificate_sends_nothing():
    async with svarut(sealed_for=other_key()) as here:
        assert await here.road.outbound.send(letter()) == Refused("letter-refused")
        here.clock.turn(timedelta(days=365 * 100).total_seconds())
        before = len(here.server.requests)
        assert await here.road.outbound.send(letter()) == TryLater("certificate-not-valid")
        assert len(here.server.requests) == before


async def test_a_document_is_sealed_piece_by_piece():
    """Each piece goes out before the second after it is read."""
    pieces, ahead = 200, []

    async def stream():
        for number in range(pieces):
            ahead.append(number)
            yield b"x" * limits.CHUNK_BYTES

    async with svarut() as here:
        envelopes = here.context.envelopes(None)
        async for _ in envelopes.sealed(stream()):
            assert len(ahead) <= 2, "more than one piece was read before the first one went out"
            ahead.clear()


async def test_nobodys_number_or_name_is_in_an_address_a_log_or_an_error():
    async with svarut() as here:
        failed = []
        for fault in (None, *SvarUtFault):
            if fault not in {None, SvarUtFault.HANGING}:
                here.server.faults.arm(fault)
            parcel = letter()
            outcome = await attempt(here.road.outbound, parcel, failed.append)
            asked = await here.road.outbound.status(parcel)
            for text in (repr(outcome), repr(asked), here.log.getvalue(), *here.server.requests):
                assert not any(marker in text for marker in (KARI, NAME, PASSWORD, "%PDF")), fault
        assert failed == []


async def test_a_reserved_person_gets_nothing_on_paper():
    async with svarut() as here:
        taken = await here.road.outbound.send(letter(person=RESERVERT))
        here.office.wait_for(letter(), taken)
        deliveries = here.road.inbound.deliveries()
        receipt = await anext(deliveries)
        await deliveries.aclose()
        assert receipt.refused == Refused("not-delivered", proof=True)
        assert not sent(here.server).printed
