"""The message types with law and clocks, from ``schemas/`` and ``config/``."""

import tomllib
from typing import Any, Final

from gateway.catalogue import Catalogue
from gateway.domain.guards import GUARDS, PERSONS
from gateway.domain.message_type import MessageType
from gateway.pipeline.texts import HOLDS, WARNINGS
from parts.text import ROOT, first_line, table

_DIRECTIONS: Final = {"inn": "in", "ut": "out"}
_FOR: Final = {"part": "parties", "melder": "reporters", "etat": "bodies"}
_UNITS: Final = (("maneder", "months"), ("dager", "days"), ("timer", "hours"), ("minutter", "minutes"))

Rule = dict[str, Any]


def types() -> str:
    """One table a type."""
    laws = _read("hjemler.toml")
    return "\n\n".join(f"### `{kind.key}`\n\n{_type(kind, laws)}" for kind in Catalogue.load().types())


def clocks() -> str:
    """Every clock in one line."""
    rows = [_clock(name, rule) for name, rule in _read("frister.toml").items()]
    return table(("id", "what", "law", "starts", "length", "stops", "for"), rows)


def laws() -> str:
    """Every legal basis in one line."""
    rows = [(f"`{name}`", _law(rule), rule["gyldig_fra"]) for name, rule in _read("hjemler.toml").items()]
    return table(("id", "law", "in force from"), rows)


def warnings() -> str:
    """What may be shown with a report."""
    return table(("code", "text"), [(f"`{code}`", text) for code, text in WARNINGS.items()])


def holds() -> str:
    """Why a message that goes out may be held."""
    rows = [(f"`{code}`", str(PERSONS.get(code, "-")), text) for code, text in HOLDS.items()]
    return table(("cause", "persons", "text"), rows)


def rules() -> str:
    """Every confidentiality rule with what it demands and the law behind it."""
    laws = _read("regler.toml")
    rows = [(name, first_line(rule).removeprefix(f"{name}: "), _behind(laws[name])) for name, rule in GUARDS.items()]
    return table(("rule", "what", "law, from"), rows)


def _behind(law: Rule) -> str:
    return f"{law['lov']}, {law['gyldig_fra']}" + ("" if law.get("bekreftet") else " (not confirmed)")


def _read(name: str) -> dict[str, Rule]:
    return tomllib.loads((ROOT / "config" / name).read_text("utf-8"))


def _type(kind: MessageType, laws: dict[str, Rule]) -> str:
    validated = f"`{kind.schema_document}` against its schema" if kind.schema_document else "nothing: no schema"
    rows = [
        ("name", kind.navn),
        ("direction", _DIRECTIONS[kind.direction.value]),
        ("lane", kind.lane.value),
        ("class", kind.gradering),
        ("documents", ", ".join(f"`{name}`" for name in kind.documents)),
        ("validated", validated),
        ("written for", _FOR[kind.audience.value]),
        ("as a letter", _letter(kind)),
        ("to be kept from", ", ".join(kind.skjermes_for) or "-"),
        ("days kept", f"{kind.oppbevares_dager} at least (`config/oppbevaring.toml`)"),
        ("law", "; ".join(_law(laws[name]) for name in kind.hjemmel)),
        ("clocks", ", ".join(kind.frister) or "-"),
        ("on channels", ", ".join(f"{channel}: `{name}`" for channel, name in kind.channels.items())),
    ]
    return table(("what", "value"), rows)


def _letter(kind: MessageType) -> str:
    if kind.letter is None:
        return "-"
    subjects = ", ".join(f"{language}: *{subject}*" for language, subject in kind.letter.subjects.items())
    return f"subject {subjects}; " + (
        "written from a template where no PDF is brought" if kind.letter.templates else "brought as PDF"
    )


def _law(rule: Rule) -> str:
    return f"{rule['lov']} {rule['paragraf']}" + ("" if rule.get("bekreftet") else " (not confirmed)")


def _clock(name: str, rule: Rule) -> tuple[str, ...]:
    length = " ".join(f"{rule[key]} {unit}" for key, unit in _UNITS if rule.get(key))
    length += f" ({rule['maneder_utvidet']} when extended)" if rule.get("maneder_utvidet") else ""
    length = ", ".join(filter(None, (length, "to the end of that day" if rule.get("slutt_av_dagen", True) else "")))
    who = "public reporters" if rule.get("bare_offentlig_melder") else "all"
    who = "reporters who can be answered" if rule.get("krever_kjent_melder") else who
    who = f"messages with `{rule['krever_hendelse']}`" if rule.get("krever_hendelse") else who
    return name, rule["tittel"], rule["lov"], rule["start"], length, ", ".join(rule["stopp"]), who
