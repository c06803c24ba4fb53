"""What every road for letters promises, as tests to subclass: the contract kit for roads that lead to people.

Give ``spec``, ``partner``, ``settings`` and, where the road signs or looks things up, ``context``. The reader of every
letter is ``MARKER``: the adapter may tell its partner who that is, and nobody else.
"""

import asyncio
import hashlib
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Final, Protocol

from gateway.spi import (
    Adapter,
    AdapterSpec,
    Address,
    Context,
    Letter,
    LetterDocument,
    Outbound,
    Parcel,
    PostalAddress,
    PrintOrder,
    Receipt,
    Refused,
    Seal,
    Stage,
    Stream,
    Taken,
    TryLater,
    Uncertain,
)
from gateway.testing.contract import lent, overheard, require_clean, tried
from gateway.testing.partner import MARKER

NAME, _, READER = MARKER.rpartition(" ")
"""The reader's name and number."""
OFFICE: Final = Address("4601", "02")
CONTENT: Final = b"%PDF-1.7\n" + MARKER.encode() * 2000
HOME: Final = PostalAddress(NAME, ("Testgata 1",), "0460", "Oslo")
OWN: Final = PostalAddress("Kommunen", ("Postboks 1",), "0001", "Oslo")
_PATIENCE_S: Final = 5.0


class LetterPartner(Protocol):
    """A carrier's server, honest and of the test's own: it knows ``READER``."""

    @property
    def taken(self) -> Mapping[str, Sequence[bytes]]:
        """The documents that each letter was taken with, by the parcel's key; one entry for each time."""
        ...

    @property
    def printed(self) -> int:
        """How many letters are to be printed."""
        ...

    @property
    def requests(self) -> int:
        """How often it was called."""
        ...

    def lose_answer(self) -> None:
        """Take the next letter, and cut the line instead of an answer."""
        ...

    def open(self, key: str) -> None:
        """The reader opens the letter."""
        ...


@dataclass(slots=True)
class OpenedRoad:
    """An adapter that is open, its partner, and what the gateway knows of its letters, by the partner's reference."""

    adapter: Adapter
    partner: Any
    known: dict[str, frozenset[Stage]]

    @property
    def outbound(self) -> Outbound:
        """The road out."""
        assert self.adapter.outbound is not None, "the adapter has no outbound road"
        return self.adapter.outbound


def document(content: bytes = CONTENT, stream: Callable[[], Stream] | None = None) -> LetterDocument:
    """A PDF, or what calls itself one."""

    async def whole() -> Stream:
        for start in range(0, len(content), 8192):
            yield content[start : start + 8192]

    return LetterDocument(
        uuid=str(uuid.uuid4()),
        subject="Brev fra kommunen",
        file_name="brev.pdf",
        file_type="pdf",
        media_type="application/pdf",
        size_bytes=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
        content=stream or whole,
    )


def letter(*documents: LetterDocument, print_order: PrintOrder | None = None) -> Parcel:
    """A parcel with a letter to the reader."""
    carried = Letter(READER, NAME, documents, opening_receipt=True, print_order=print_order)
    return Parcel(str(uuid.uuid4()), "prove.brev.v1", "pseudonym", 0, _nothing, OFFICE, letter=carried)


async def _nothing() -> Stream:
    yield b""


class LetterContract:
    """What any road for letters promises. ``prints``: it takes print orders."""

    spec: ClassVar[AdapterSpec[Any]]
    signs: ClassVar[bool] = True
    prints: ClassVar[bool] = True

    def partner(self) -> AbstractAsyncContextManager[LetterPartner]:
        """The carrier, listening."""
        raise NotImplementedError

    def settings(self, partner: Any) -> Any:
        """The adapter's settings for this partner."""
        raise NotImplementedError

    def context(self, context: Context) -> Context:
        """What the adapter is lent, with what this road needs besides."""
        return context

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[OpenedRoad]:
        """Open the adapter as the gateway does; afterwards, nothing it said may hold a marker."""
        known: dict[str, frozenset[Stage]] = {}

        async def told(references: Any) -> Mapping[str, frozenset[Stage]]:
            return {name: stages for name, stages in known.items() if name in references}

        async with AsyncExitStack() as stack:
            said = stack.enter_context(overheard())
            partner = await stack.enter_async_context(self.partner())
            context = self.context(replace(await lent(stack, said), told=told))
            adapter = await stack.enter_async_context(self.spec.open(self.settings(partner), context))
            yield OpenedRoad(adapter, partner, known)

    async def test_a_letter_is_taken_whole_and_proven(self) -> None:
        """Every document, once; with what the partner signed, where it signs."""
        async with self.opened() as road:
            sent = letter(document(), document(b"%PDF-1.7 vedlegg"))
            outcome = await tried(road.outbound, sent)
            assert isinstance(outcome, Taken), f"a good letter on a good day was not taken: {outcome}"
            assert road.partner.taken == {sent.key: [CONTENT, b"%PDF-1.7 vedlegg"]}, "not the documents, each once"
            assert bool(outcome.evidence) == self.signs, "what the partner signed is not handed on"
            assert road.partner.printed == 0, "printed, and nobody asked for it"

    async def test_the_same_letter_twice_is_one_letter(self) -> None:
        """And the second attempt is no failure."""
        async with self.opened() as road:
            sent = letter(document())
            first, second = await tried(road.outbound, sent), await tried(road.outbound, sent)
            assert isinstance(first, Taken), "not taken"
            assert isinstance(second, Taken | Uncertain), f"it is there, but the second attempt ended in {second}"
            assert road.partner.taken == {sent.key: [CONTENT]}, "one letter was taken twice"

    async def test_a_letter_whose_answer_is_lost_is_uncertain_and_then_asked_about(self) -> None:
        """It is at the partner, and only the partner knows."""
        async with self.opened() as road:
            road.partner.lose_answer()
            sent = letter(document())
            outcome = await tried(road.outbound, sent)
            assert isinstance(outcome, Uncertain), f"all bytes left and no answer came, but the outcome is {outcome}"
            asked = await road.outbound.status(sent)
            assert asked is None or isinstance(asked, Taken), f"it is there, but its status is {asked}"
            assert road.partner.taken == {sent.key: [CONTENT]}, "one letter was taken twice"

    async def test_a_letter_that_was_never_sent_is_not_there(self) -> None:
        """Or the partner cannot be asked."""
        async with self.opened() as road:
            asked = await road.outbound.status(letter(document()))
            assert asked is None or isinstance(asked, TryLater), f"never sent, but its status is {asked}"

    async def test_other_bytes_under_the_same_ids_are_not_this_letter(self) -> None:
        """A person must look."""
        async with self.opened() as road:
            sent = letter(document())
            await tried(road.outbound, sent)
            assert sent.letter is not None
            other = replace(document(b"%PDF-1.7 other"), uuid=sent.letter.primary.uuid)
            outcome = await tried(road.outbound, replace(sent, letter=replace(sent.letter, documents=(other,))))
            assert not isinstance(outcome, Taken), "other bytes were called taken because the ids were known"
            assert road.partner.taken == {sent.key: [CONTENT]}, "one letter was taken twice"

    async def test_what_can_never_be_sent_is_refused_before_anybody_is_called(self) -> None:
        """No document, or paper without the person who released it."""
        nobody = PrintOrder(HOME, OWN, released_by="")
        async with self.opened() as road:
            for bad in (letter(), letter(document(), print_order=nobody)):
                outcome = await tried(road.outbound, bad)
                assert isinstance(outcome, Refused), f"no retry would mend it, but the outcome is {outcome}"
            assert (road.partner.requests, road.partner.printed) == (0, 0), "the partner was called all the same"

    async def test_a_letter_that_was_released_to_paper_is_printed_and_not_called_delivered(self) -> None:
        """It is delivered when it was posted."""
        if not self.prints:
            return
        async with self.opened() as road:
            outcome = await tried(road.outbound, letter(document(), print_order=PrintOrder(HOME, OWN, "sb-ingrid")))
            assert isinstance(outcome, Taken), f"not taken: {outcome}"
            assert not outcome.final, "on paper, taking is no delivery"
            assert road.partner.printed == 1, "not printed"

    async def test_a_document_that_cannot_be_read_to_its_end_is_not_taken(self) -> None:
        """A disk may fail in the middle."""

        async def torn() -> Stream:
            yield CONTENT[:10]
            message = "the disk failed"
            raise OSError(message)

        async with self.opened() as road:
            outcome = await tried(road.outbound, letter(document(stream=torn)))
            assert isinstance(outcome, Uncertain | TryLater), f"a torn letter ended in {outcome}"
            assert road.partner.taken == {}, "a torn letter was taken"

    async def test_that_it_was_opened_is_told_once_of_the_letter_that_was(self) -> None:
        """With the partner's own time."""
        async with self.opened() as road:
            if road.adapter.inbound is None:
                return
            sent, other = letter(document()), letter(document())
            outcomes = {one.key: await tried(road.outbound, one) for one in (sent, other)}
            taken = {key: one.partner_reference for key, one in outcomes.items() if isinstance(one, Taken)}
            assert len(set(taken.values())) == len(outcomes), "two letters have one reference"
            road.known.update((reference, frozenset()) for reference in taken.values())
            road.partner.open(sent.key)
            deliveries = road.adapter.inbound.deliveries()
            async with asyncio.timeout(_PATIENCE_S):
                receipt = await anext(deliveries)
            await deliveries.aclose()
            assert isinstance(receipt, Receipt), "what came for a letter that was opened is no receipt"
            require_clean("receipt", repr(receipt))
            assert (receipt.road, receipt.partner_reference) == (self.spec.name, taken[sent.key]), "of another letter"
            assert (receipt.stage, receipt.refused) == (Stage.OPENED, None), "opened, and told as something else"
            assert receipt.at is not None, "no time of the partner's"
            assert abs(receipt.at - datetime.now(UTC)) < timedelta(minutes=1), "a time that is not the partner's"

    async def test_a_road_for_letters_says_so_and_its_words_tell_nothing(self) -> None:
        """``seal`` and ``notices``."""
        async with self.opened() as road:
            assert road.adapter.seal is Seal.LETTER, "a road for letters has Seal.LETTER"
            assert all("barnevern" not in words.lower() for words in road.adapter.notices), "a notice tells"
