"""A reader's key that Digipost changes stops a sealed letter (R18), and no letter is sealed for a key that nobody judged."""

import hashlib

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from gateway.domain.lifecycle import State
from gateway.simulators.digipost.people import Kind, Person
from gateway.spi import Refused, Taken, TryLater
from tests.digipost_kit import KARI, PER, decrypted, digipost, document, letter, public_key
from tests.integration.digipost.office import brev
from tests.integration.outbound.kit import attempts_of, cause_of, parcels_of
from tests.work import state_of, work_off

SEALED = {"forseglet": True}


def fingerprint(credential) -> str:
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(credential.key.public_key().public_bytes(*form)).hexdigest()


def renew(server, credential, key_id="keyhash-2") -> None:
    """Digipost gives the reader another key."""
    server.post.add(Person(KARI, Kind.USER, public_key(credential), key_id))


async def judged(bergen, text: str) -> str:
    message_id = await bergen.hand_in(contents=(brev(text),), brev=SEALED)
    await work_off(bergen.env)
    return message_id


async def test_a_sealed_letter_to_a_key_that_digipost_changed_waits_for_two_people(bergen, keys):
    first = await bergen.sent(brev=SEALED)
    assert await state_of(bergen.env, first) is State.DELIVERED
    again = await judged(bergen, "Samme leser, samme nøkkel.")
    assert await state_of(bergen.env, again) is State.DELIVERED
    renew(bergen.server, keys.printer)
    message_id = await judged(bergen, "Samme leser, ny nøkkel.")
    assert (await cause_of(bergen.env, message_id), len(bergen.letters)) == ("r18-key-changed", 2)
    await bergen.release(message_id, "sb-ingrid", "sb-ola")
    await work_off(bergen.env)
    assert await state_of(bergen.env, message_id) is State.DELIVERED
    assert decrypted(bergen.letters[-1].message.documents[0].content, keys.printer.key).plain
    kept = [row.sealed_for for one in (first, message_id) for row in await parcels_of(bergen.env, one)]
    assert (
        len({*kept, fingerprint(keys.user), fingerprint(keys.printer)}) == 4
    )  # an HMAC: the key itself tells who it is


async def test_a_letter_that_is_not_sealed_asks_for_no_key_and_hides_none(bergen, keys):
    await bergen.sent(brev=SEALED)
    renew(bergen.server, keys.printer)
    before = bergen.server.requests.count("POST /identification/encryption")
    open_letter = await bergen.hand_in(contents=(brev("Ikke forseglet."),))
    await work_off(bergen.env)
    assert await state_of(bergen.env, open_letter) is State.DELIVERED
    assert bergen.server.requests.count("POST /identification/encryption") == before
    assert await cause_of(bergen.env, await judged(bergen, "Forseglet igjen.")) == "r18-key-changed"


async def test_a_readers_key_that_changes_between_judging_and_sealing_is_not_sealed_for(bergen, keys, monkeypatch):
    """Digipost changes it after the letter was sealed for the old one, before it came: the adapter asks for the new one."""
    await bergen.sent(brev=SEALED)
    send = bergen.server.post.send

    def renewed(broker, message):
        if bergen.server.post.people[KARI].key_id == "keyhash-1":
            renew(bergen.server, keys.printer)
        return send(broker, message)

    monkeypatch.setattr(bergen.server.post, "send", renewed)
    message_id = await judged(bergen, "Nøkkelen byttes underveis.")
    assert await attempts_of(bergen.env, message_id) == ["not-taken:key-not-judged", "guards-stopped:r18-key-changed"]
    assert len(bergen.letters) == 1


async def test_the_adapter_seals_for_the_keys_it_was_told_and_for_no_other(keys):
    async with digipost(keys) as here:
        send, known = here.road.outbound.send, fingerprint(keys.user)
        assert await here.road.person_keys.fingerprint(KARI) == known
        assert await here.road.person_keys.fingerprint(PER) is None
        for others in (frozenset(), frozenset({fingerprint(keys.printer)})):
            outcome = await send(letter(document(sealed=True), sealed_only_for=others))
            assert outcome == TryLater("key-not-judged", after_s=0.0)
        assert "POST /messages" not in here.server.requests
        nobody = await send(letter(document(sealed=True), person=PER, sealed_only_for=frozenset()))
        assert nobody == Refused("unknown-recipient", proof=True)
        assert isinstance(await send(letter(document(sealed=True), sealed_only_for=frozenset({known}))), Taken)
