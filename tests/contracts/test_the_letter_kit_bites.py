"""The letter contract finds every fault it says it finds: each broken road breaks exactly the promise it should."""

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest

from gateway.spi import Refused, Seal, Stage, Taken, TryLater, Uncertain
from gateway.testing.letter_contract import LetterContract
from tests.contracts.brevkasse import BrevkasseRoad, contract_of


class FirstPage(BrevkasseRoad):
    """Forgets the attachments."""

    async def send(self, parcel):
        documents = parcel.letter.documents[:1]
        return await super().send(replace(parcel, letter=replace(parcel.letter, documents=documents)))


class Unproven(BrevkasseRoad):
    """Keeps what was signed to itself."""

    def outcome(self, parcel, answer):
        outcome = super().outcome(parcel, answer)
        return replace(outcome, evidence=())


class Talkative(BrevkasseRoad):
    """Logs whom it writes to."""

    async def send(self, parcel):
        self.log.info("brevkasse.sending", to=parcel.letter.person)
        return await super().send(parcel)


class Fresh(BrevkasseRoad):
    """A new key for each attempt."""

    async def send(self, parcel):
        return await super().send(replace(parcel, key=str(uuid4())))


class Careless(BrevkasseRoad):
    """Takes silence for a no."""

    def outcome(self, parcel, answer):
        outcome = super().outcome(parcel, answer)
        return TryLater("no-answer") if isinstance(outcome, Uncertain) else outcome


class Strict(BrevkasseRoad):
    """Takes a letter that is there already for a fault."""

    def outcome(self, parcel, answer):
        return Refused("duplicate") if answer == "same" else super().outcome(parcel, answer)


class Optimist(BrevkasseRoad):
    """Knows that everything is there."""

    async def status(self, parcel):
        return Taken(parcel.key)


class Mute(BrevkasseRoad):
    """Says that nothing is there."""

    async def status(self, parcel):
        return TryLater("not-there")


class Gullible(BrevkasseRoad):
    """The id is enough for it."""

    def outcome(self, parcel, answer):
        return super().outcome(parcel, "same" if answer == "other" else answer)


class Eager(BrevkasseRoad):
    """Prints whatever has an address."""

    def fault(self, letter):
        return Refused("no-document") if not letter.documents else None


class Hopeful(BrevkasseRoad):
    """Believes that a person will add what is missing."""

    def fault(self, letter):
        return TryLater("later") if super().fault(letter) is not None else None


class Hasty(BrevkasseRoad):
    """Calls a letter on paper delivered."""

    def outcome(self, parcel, answer):
        outcome = super().outcome(parcel, answer)
        return replace(outcome, final=True) if isinstance(outcome, Taken) else outcome


class Torn(BrevkasseRoad):
    """Gives up for ever."""

    def torn(self):
        return Refused("torn")


class Confused(BrevkasseRoad):
    """Tells that it was delivered when it was opened."""

    def receipt(self, key):
        return replace(super().receipt(key), stage=Stage.DELIVERED)


class Slow(BrevkasseRoad):
    """Has a time of its own."""

    def receipt(self, key):
        return replace(super().receipt(key), at=super().receipt(key).at - timedelta(days=1))


class Sealed(BrevkasseRoad):
    """Says that it wants envelopes."""

    seal = Seal.GATEWAY


class Telling(BrevkasseRoad):
    """Writes on the outside whom it is from."""

    notices = ("Du har fått brev fra barnevernet.",)


BROKEN = [
    (FirstPage, "test_a_letter_is_taken_whole_and_proven"),
    (Unproven, "test_a_letter_is_taken_whole_and_proven"),
    (Talkative, "test_a_letter_is_taken_whole_and_proven"),
    (Fresh, "test_the_same_letter_twice_is_one_letter"),
    (Strict, "test_the_same_letter_twice_is_one_letter"),
    (Careless, "test_a_letter_whose_answer_is_lost_is_uncertain_and_then_asked_about"),
    (Mute, "test_a_letter_whose_answer_is_lost_is_uncertain_and_then_asked_about"),
    (Optimist, "test_a_letter_that_was_never_sent_is_not_there"),
    (Gullible, "test_other_bytes_under_the_same_ids_are_not_this_letter"),
    (Eager, "test_what_can_never_be_sent_is_refused_before_anybody_is_called"),
    (Hopeful, "test_what_can_never_be_sent_is_refused_before_anybody_is_called"),
    (Hasty, "test_a_letter_that_was_released_to_paper_is_printed_and_not_called_delivered"),
    (Torn, "test_a_document_that_cannot_be_read_to_its_end_is_not_taken"),
    (Confused, "test_that_it_was_opened_is_told_once_of_the_letter_that_was"),
    (Slow, "test_that_it_was_opened_is_told_once_of_the_letter_that_was"),
    (Sealed, "test_a_road_for_letters_says_so_and_its_words_tell_nothing"),
    (Telling, "test_a_road_for_letters_says_so_and_its_words_tell_nothing"),
]


@pytest.mark.parametrize(("road_type", "promise"), BROKEN, ids=lambda value: getattr(value, "__name__", value))
async def test_a_broken_road_breaks_its_promise(road_type, promise):
    await getattr(contract_of(BrevkasseRoad), promise)()
    with pytest.raises(AssertionError):
        await getattr(contract_of(road_type), promise)()


def test_every_promise_of_a_road_for_letters_is_broken_by_somebody():
    promises = {name for name in dir(LetterContract) if name.startswith("test_")}
    assert promises == {promise for _, promise in BROKEN}
