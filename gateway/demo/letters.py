"""The demo's act of letters: an action plan under four eyes, a protected address, and an answer that is lost on the way.

Everything but the partners is real. The table is read from Digipost's own store and from the case system's interface.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from gateway.demo.letter_sample import FATHER, HIDDEN, MOTHER, Reader
from gateway.demo.letters_cast import LettersCast
from gateway.demo.outcome import Seen
from gateway.simulators.digipost.faults import DigipostFault

_TWO_PEOPLE: Final = ("kari", "ola")
_HELD, _DELIVERED = "HELD", "DELIVERED"
_FOUR_EYES: Final = "r18-four-eyes"
_STRICT: Final = "r05-strictly-confidential-letter"
_TICKS: Final = frozenset({"transport", "application", "opened"})
_SENDING: Final = "POST /messages"

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class LettersVerdict:
    """What became of the three letters.

    ``stopped``: the plan before anybody released it; ``by_one``: when one of two people had. ``answer_lost``: the carrier
    took the third letter and the answer never came.
    """

    stopped: Seen
    by_one: Seen
    plan: Seen
    hidden: Seen
    doubtful: Seen
    answer_lost: bool

    @property
    def breaches(self) -> tuple[str, ...]:
        """What did not hold, in words."""
        early = [one for one in (self.stopped, self.by_one) if (one.hold, one.there) != (_FOUR_EYES, 0)]
        hidden_held = (self.hidden.state, self.hidden.hold) == (_HELD, _STRICT) and self.hidden.text
        sent_once = [one.there == 1 and one.calls.count(_SENDING) == 1 for one in (self.plan, self.doubtful)]
        found = {
            "the plan did not wait for two people": bool(early),
            "the plan is not there once": not sent_once[0],
            "the case system did not see the plan taken, delivered and opened": not _TICKS.issubset(self.plan.ticks),
            "the letter to a protected address is not held, with its reason": not hidden_held,
            "the carrier has heard of the letter to a protected address": bool(self.hidden.there or self.hidden.calls),
            "no answer was lost": not self.answer_lost,
            "the letter whose answer was lost is not there once": not sent_once[1],
            "the letter whose answer was lost is not delivered": self.doubtful.state != _DELIVERED,
        }
        return tuple(name for name, so in found.items() if so)

    @property
    def holds(self) -> bool:
        """Whether the gate and the road kept their promises."""
        return not self.breaches

    @property
    def letters(self) -> tuple[Seen, ...]:
        """Each letter as it ended."""
        return (self.plan, self.hidden, self.doubtful)


async def show_letters(here: LettersCast, say: Say, patience_s: float) -> LettersVerdict:
    """Play all three and print what came of them."""
    stopped, by_one, plan = await _plan(here, say, patience_s)
    hidden = await _hidden(here, say, patience_s)
    doubtful, lost = await _doubtful(here, say, patience_s)
    verdict = LettersVerdict(stopped, by_one, plan, hidden, doubtful, lost)
    _print(verdict)
    return verdict


async def _plan(here: LettersCast, say: Say, patience_s: float) -> tuple[Seen, Seen, Seen]:
    before = here.calls()
    letter = await here.hand_in(MOTHER, "Lise skal ha noen å være med i fritiden.")
    stopped = await here.until(letter, MOTHER, lambda one: one.state == _HELD, patience_s)
    say(f"letter 1, an action plan as JSON, is {stopped.state}: {stopped.text}")
    by_one = await _release(here, say, letter, MOTHER, _TWO_PEOPLE[0], patience_s)
    await _release(here, say, letter, MOTHER, _TWO_PEOPLE[1], patience_s)
    await here.until(letter, MOTHER, lambda one: one.there > 0 and "transport" in one.ticks, patience_s)
    for document in here.letters(MOTHER):
        here.digipost.post.open(document)
    opened = time.monotonic()
    plan = await here.until(letter, MOTHER, lambda one: _TICKS.issubset(one.ticks), patience_s)
    say(f"she opens it; {time.monotonic() - opened:.1f} s later the case system sees: {', '.join(plan.ticks)}")
    return stopped, by_one, _with_calls(here, plan, before)


async def _hidden(here: LettersCast, say: Say, patience_s: float) -> Seen:
    """The case system knows of no protected address; Folkeregisteret does. A person who releases it changes nothing."""
    before = here.calls()
    letter = await here.hand_in(HIDDEN, "Lise skal ha det trygt hjemme.")
    held = await here.until(letter, HIDDEN, lambda one: one.state == _HELD, patience_s)
    say(f"letter 2 is {held.state}: {held.text}")
    await _release(here, say, letter, HIDDEN, _TWO_PEOPLE[0], patience_s)
    ended = await here.until(letter, HIDDEN, lambda one: one.state in {_HELD, _DELIVERED}, patience_s)
    say(f"asked anew, the rules answer {ended.hold}, and it is {ended.state}")
    return _with_calls(here, ended, before)


async def _doubtful(here: LettersCast, say: Say, patience_s: float) -> tuple[Seen, bool]:
    """The carrier takes it and the line breaks: it is asked, and nothing is sent again."""
    before = here.calls()
    letter = await here.hand_in(FATHER, "Lise skal få hjelp til leksene.")
    await here.until(letter, FATHER, lambda one: one.state == _HELD, patience_s)
    here.digipost.faults.arm(DigipostFault.LOST_ANSWER)
    for person in _TWO_PEOPLE:
        await _release(here, say, letter, FATHER, person, patience_s)
    ended = await here.until(letter, FATHER, lambda one: one.state == _DELIVERED, patience_s)
    lost = DigipostFault.LOST_ANSWER not in here.digipost.faults.armed()
    say(
        f"letter 3: Digipost {'cut the line instead of answering' if lost else 'answered'}; the letter is {ended.state}"
    )
    return _with_calls(here, ended, before), lost


async def _release(here: LettersCast, say: Say, letter: str, reader: Reader, person: str, patience_s: float) -> Seen:
    """A person releases it with the command line, while it is held; it is seen right after."""
    held = await here.until(letter, reader, lambda one: one.state == _HELD, patience_s)
    if held.state != _HELD:
        return held
    state, missing = await here.release(letter, person)
    say(f"budstikke release --person {person}: {state}" + (f", {missing} more must" if missing else ""))
    return await here.seen(letter, reader)


def _with_calls(here: LettersCast, seen: Seen, before: tuple[str, ...]) -> Seen:
    return replace(seen, calls=here.calls()[len(before) :])


def _print(verdict: LettersVerdict) -> None:
    print(f"\n{'letter':38}{'what the case system is told':60}in Digipost's own store")
    for one in verdict.letters:
        told = f"{one.state}{f' {one.hold}' if one.hold else ''}: {', '.join(one.ticks) or 'nothing has left'}"
        print(f"{one.id:38}{told:60}{one.there} time{'s' if one.there != 1 else ''}")
    for breach in verdict.breaches:
        print(f"BREACH: {breach}")
    print(
        "\nthe plan waited for two people, the protected address stayed here, and no letter went twice"
        if verdict.holds
        else "\nTHE LETTERS BROKE THEIR PROMISES"
    )
