"""What a stop is about, where that can become something else while people look at it: a release is good for that alone.

Documents and envelope stay as they came, so most stops that people release are about the same for ever. What
Folkeregisteret says does not: one person may emigrate after another was looked at.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from gateway.domain.guards import addresses, registers
from gateway.domain.guards.facts import Facts, PartyFacts, RecipientFacts
from gateway.domain.persons import Resident, Standing


def causes(facts: Facts) -> dict[str, str]:
    """What these facts make a stop about, by its code. It can hold names: whoever keeps it keeps a keyed digest."""
    return {code: find(facts) for code, find in _CAUSES.items()}


def _with(standing: Standing) -> Callable[[Facts], str]:
    """Who has this standing, by their places in the envelope."""
    return lambda facts: " ".join(str(place) for place, one, _ in _residents(facts) if one.standing is standing)


def _names(facts: Facts) -> str:
    """Whose name is another one in the register, and which."""
    return "\n".join(f"{place} {one.name}" for place, one, differs in _residents(facts) if differs)


def _residents(facts: Facts) -> Iterator[tuple[int, Resident, bool]]:
    """Everybody the register knows, the recipient first, then the parties in their order; and whether the name differs."""
    everybody: tuple[RecipientFacts | PartyFacts, ...] = (facts.recipient, *facts.parties)
    for place, one in enumerate(everybody):
        if one.resident is not None:
            yield place, one.resident, one.name_differs


def _without_address(facts: Facts) -> str:
    """Whose address is hidden from somebody and not given."""
    return " ".join(str(place) for place, one in enumerate(facts.parties) if one.hidden_from and not one.address_given)


_CAUSES: Final[Mapping[str, Callable[[Facts], str]]] = {
    registers.EMIGRATED: _with(Standing.EMIGRATED),
    registers.STANDING_UNCLEAR: _with(Standing.OTHER),
    registers.NAME_DIFFERS: _names,
    addresses.NOT_GIVEN: _without_address,
}
