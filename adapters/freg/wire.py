"""Folkeregisteret's JSON, from Skatteetaten's public documentation and examples: pure functions.

Read are standing, name and grading, and where somebody lives where the operator says so. A part that was asked for and did
not come is no answer, so that a right that we lack never reads as "nothing is protected"; an address that did not come is none.
"""

from datetime import datetime
from typing import Final, NoReturn

from gateway.spi import DocumentError, Grading, Json, Residence, Resident, Standing, limits

_STANDINGS: Final = {"bosatt": Standing.RESIDENT, "utflyttet": Standing.EMIGRATED, "doed": Standing.DEAD}
_GRADINGS: Final = {
    "ugradert": Grading.UNGRADED,
    "klientadresse": Grading.CONFIDENTIAL,  # an institution's: no word of ours, so the nearest that protects it
    "fortrolig": Grading.CONFIDENTIAL,
    "strengtFortrolig": Grading.STRICTLY_CONFIDENTIAL,
    "strengtFortroligUtland": Grading.STRICTLY_CONFIDENTIAL,
}
_RISING: Final = (Grading.UNGRADED, Grading.CONFIDENTIAL, Grading.STRICTLY_CONFIDENTIAL)
_NAMES: Final = ("fornavn", "mellomnavn", "etternavn")


def question(person: str) -> Json:
    """Ask about one person."""
    return {"foedselsEllerDNummer": [person]}


def read_resident(answer: Json, person: str, asked_at: datetime, *, ungraded_when_absent: bool) -> Resident | None:
    """What the register says of the one who was asked about; None: it knows nobody of that number.

    Raises DocumentError: an answer about somebody else, a part that is missing, a grading that we do not know.
    """
    found = _person(answer, person)
    if found is None:
        return None
    return Resident(
        standing=_STANDINGS.get(_word(_only(found, "status"), "status"), Standing.OTHER),
        grading=_grading(found, ungraded_when_absent=ungraded_when_absent),
        asked_at=asked_at,
        name=_name(_only(found, "navn")),
        residence=_residence(found),
    )


def _person(answer: Json, person: str) -> Json | None:
    rows = answer.get("oppslag")
    if not isinstance(rows, list) or len(rows) > 1 or not all(isinstance(row, dict) for row in rows):
        _refuse("not one person in the answer")
    if not rows:
        return None
    if rows[0].get("foedselsEllerDNummer") != person:
        _refuse("an answer about somebody else")
    found = rows[0].get("folkeregisterperson")
    if found is None:
        return None
    if not isinstance(found, dict):
        _refuse("a person that nobody can read")
    if person not in [_word(row, "foedselsEllerDNummer") for row in _current(found, "identifikasjonsnummer")]:
        _refuse("a number that is not the person's any more")
    return found


def _current(person: Json, part: str) -> list[Json]:
    """The entries of a part that hold now: those that do not say that they hold no more."""
    rows = person.get(part)
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        _refuse(f"{part} did not come")
    if not all(isinstance(row.get("erGjeldende", True), bool) for row in rows):
        _refuse(f"{part}: nobody can say what holds now")
    return [row for row in rows if row.get("erGjeldende", True)]


def _only(person: Json, part: str) -> Json:
    current = _current(person, part)
    if len(current) != 1:
        _refuse(f"{part}: not one that holds now")
    return current[0]


def _grading(person: Json, *, ungraded_when_absent: bool) -> Grading:
    """The strictest that holds; an empty list came, and says that none does."""
    if ungraded_when_absent and "adressebeskyttelse" not in person:
        return Grading.UNGRADED
    words = [_word(row, "graderingsnivaa") for row in _current(person, "adressebeskyttelse")]
    if not all(word in _GRADINGS for word in words):
        _refuse("a grading that is not known")
    return max((_GRADINGS[word] for word in words), key=_RISING.index, default=Grading.UNGRADED)


def _name(row: Json) -> str:
    """First, middle and last name with spaces between."""
    found = [row[part] for part in _NAMES if row.get(part) is not None]
    if not found or not all(isinstance(part, str) for part in found):
        _refuse("a name that nobody can read")
    name = " ".join(" ".join(found).split())
    if not name or len(name) > limits.PERSON_NAME_CHARS_MAX or not name.isprintable():
        _refuse("a name that nobody can read")
    return name


def _residence(person: Json) -> Residence | None:
    """Street, number and place of the one dwelling that holds now. None: it was not asked for, or has another form."""
    if "bostedsadresse" not in person:
        return None
    current = _current(person, "bostedsadresse")
    street = current[0].get("vegadresse") if len(current) == 1 else None
    if not isinstance(street, dict):
        return None
    number, place = (
        part if isinstance(part := street.get(name), dict) else {} for name in ("adressenummer", "poststed")
    )
    words = [_text(street, "adressenavn"), _text(number, "husnummer"), _text(number, "husbokstav")]
    line = " ".join(word for word in words if word)
    return Residence((line,), _text(place, "postnummer"), _text(place, "poststedsnavn")) if words[0] else None


def _text(row: Json, name: str) -> str:
    """Empty where it is none that we take."""
    text = row.get(name)
    good = isinstance(text, str) and text.isprintable() and len(text) <= limits.ADDRESS_LINE_CHARS_MAX
    return text.strip() if isinstance(text, str) and good else ""


def _word(row: Json, name: str) -> str:
    word = row.get(name)
    if not isinstance(word, str):
        _refuse(f"{name} is not there")
    return word


def _refuse(why: str) -> NoReturn:
    message = f"freg: {why}"
    raise DocumentError(message)
