"""The types that become letters: what their schemas refuse and why, and that each has its words in both languages."""

import json
import re

import pytest

from gateway.catalogue import Catalogue, Flaw
from gateway.config import Brev
from gateway.domain.message_type import Audience
from gateway.letters import window
from tests.conftest import ROOT

CATALOGUE = Catalogue.load()
LETTERS = [kind for kind in CATALOGUE.types() if kind.letter is not None]
REASONS = {
    "tilbakemelding.melder": {
        "privat-far-vite-mer": ("/innhold", "const"),
        "privat-far-tiltak": ("/tiltakTekst", "falseSchema"),
        "tiltak-uten-tekst": ("/tiltakTekst", "required"),
        "tiltakstekst-uten-tiltak": ("/tiltakTekst", "falseSchema"),
        "ukjent-felt": ("", "additionalProperties"),
        "uten-kontaktperson": ("/kontaktperson", "required"),
        "dato-med-klokke": ("/dato", "pattern"),
    },
    "vedtak": {
        "uten-begrunnelse-og-dokument": ("", "anyOf"),
        "uten-klageinstans": ("", "anyOf"),
        "uten-hjemmel": ("/hjemmel", "minItems"),
        "paragraftegn": ("/hjemmel/0/paragraf", "pattern"),
        "ukjent-fatter": ("/fattetAv", "enum"),
        "digest": ("", "additionalProperties"),
        "dokument-er-ingen-pdf": ("/dokument", "pattern"),
    },
    "plan": {
        "ukjent-plantype": ("/plantype", "enum"),
        "uten-delmal": ("/delmal", "minItems"),
        "ukjent-status": ("/delmal/0/status", "enum"),
        "uten-mal-og-dokument": ("", "anyOf"),
        "maned-13": ("/startdato", "pattern"),
    },
    "innkalling": {
        "klokka-25": ("/klokkeslett", "pattern"),
        "uten-sted": ("/sted", "required"),
        "styretegn": ("/sted", "pattern"),
        "uten-tema-og-dokument": ("", "anyOf"),
    },
}
BOKMAL = re.compile(r"\b(ikke|jeg|dere|hva|hvem|hvorfor|hvordan|fra|noe|uenig|hvis|mer|uke|kommer)\b", re.IGNORECASE)
NYNORSK = re.compile(r"\b(ikkje|eg|dykk|kva|kven|kvifor|korleis|frå|noko|usamd|om du|meir|veke|kjem)\b", re.IGNORECASE)


def samples(name: str, verdict: str) -> dict[str, dict]:
    """Samples of a type by what stands after the verdict in their names."""
    found = (ROOT / "schemas" / name / "v1" / "samples").glob(f"{verdict}-*.json")
    return {path.stem.removeprefix(f"{verdict}-"): json.loads(path.read_bytes()) for path in found}


def test_the_four_types_are_found_with_those_whom_they_are_written_for() -> None:
    assert {kind.name: kind.audience for kind in LETTERS} == {
        "tilbakemelding.melder": Audience.REPORTER,
        "vedtak": Audience.PARTY,
        "plan": Audience.PARTY,
        "innkalling": Audience.PARTY,
    }


@pytest.mark.parametrize("name", REASONS)
def test_each_invalid_sample_fails_for_the_one_reason_that_its_name_tells(name: str) -> None:
    found = {label: CATALOGUE.flaws(f"{name}.v1", document) for label, document in samples(name, "invalid").items()}

    assert found == {label: (Flaw(*reason),) for label, reason in REASONS[name].items()}


@pytest.mark.parametrize(
    "told", ["UNDERSOKELSE_APNET", "IKKE_UNDERSOKELSE", "HENLAGT", "FOLGES_OPP", "TILTAK_OPPLYST", "MOTTATT "]
)
def test_a_private_reporter_can_be_told_by_no_sound_document_but_that_the_report_came(told: str) -> None:
    sound = samples("tilbakemelding.melder", "valid")["privat-mottatt"]

    assert CATALOGUE.flaws("tilbakemelding.melder.v1", sound) == ()
    assert CATALOGUE.flaws("tilbakemelding.melder.v1", sound | {"innhold": told}) != ()


@pytest.mark.parametrize("sign", ["\x00", "\x1b", "\x7f", "\u202e", "\u2067"])
def test_no_text_holds_signs_that_steer_or_turn_what_follows(sign: str) -> None:
    sound = samples("vedtak", "valid")["hjelpetiltak"]
    for name in ("vedtak", "gjelder"):
        assert CATALOGUE.flaws("vedtak.v1", sound | {name: f"a{sign}b"}) == (Flaw(f"/{name}", "pattern"),)


@pytest.mark.parametrize("kind", LETTERS, ids=lambda kind: kind.name)
def test_no_object_of_a_letter_s_schema_is_open_and_no_text_unbounded(kind) -> None:
    source = json.loads((ROOT / "schemas" / kind.name / kind.version / "schema.json").read_bytes())
    objects = [source, *source["$defs"].values()]
    assert all(each["additionalProperties"] is False for each in objects if each["type"] == "object")
    for each in objects:
        for part in [each, *each.get("properties", {}).values()]:
            if part.get("type") == "string":
                assert "maxLength" in part or re.search(r"\{\d+(,\d+)?\}|\[0-5\]\[0-9\]\$", part["pattern"]), part
            if part.get("type") == "array":
                assert "maxItems" in part


@pytest.mark.parametrize("kind", LETTERS, ids=lambda kind: kind.name)
def test_a_template_reads_the_layout_and_nothing_else_and_no_sentence_is_left_in_the_other_language(kind) -> None:
    assert set(kind.letter.templates) == {"nb", "nn"} == set(kind.letter.subjects)
    for language, source in kind.letter.templates.items():
        assert re.findall(r"\b(?:import|include|read|json|plugin|eval)\b.*", source) == ['import "/brev.typ": *']
        wrong = {"nb": NYNORSK, "nn": BOKMAL}[language]
        assert [line for line in source.splitlines() if wrong.search(line)] == []


@pytest.mark.proves("S74")
@pytest.mark.parametrize("kind", LETTERS, ids=lambda kind: kind.name)
def test_a_letter_s_subject_tells_nothing_in_any_language(kind) -> None:
    for subject in kind.letter.subjects.values():
        assert window.neutral(subject, (*Brev().ord_som_roper, "barn", "vedtak", "plan", "melder", "melding", "tiltak"))
