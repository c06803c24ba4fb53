"""Our schemas against their own samples, and against KS's schemas over samples and mutations of them."""

import copy
import json
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import jsonschema_rs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.catalogue import Catalogue
from tests.conftest import ROOT

CATALOGUE = Catalogue.load()
KINDS = [f"bekymringsmelding.{kind}.{version}" for kind in ("offentlig", "privat") for version in ("v1", "v2")]
SAMPLES = sorted(ROOT.glob("schemas/*/*/samples/*.json"))
KS_FILES = {
    "bekymringsmelding.offentlig.v1": ("offentlig.bekymringsmelding.v1.json", "offentligBekymringsmeldingV1.json"),
    "bekymringsmelding.offentlig.v2": ("v2/offentlig.bekymringsmelding.v2.json", "offentligBekymringsmeldingV2.json"),
    "bekymringsmelding.privat.v1": ("privat.bekymringsmelding.v1.json", "privatBekymringsmeldingV1.json"),
    "bekymringsmelding.privat.v2": ("v2/privat.bekymringsmelding.v2.json", "privatBekymringsmeldingV2.json"),
}
ODD_TEXTS = [
    "", "x", "12", "0301", "123", "٠١", "٠٣٠١", "03\n", "0301\n", "a\nb", "a\rb", "a\u2028b", "a\u0085b", "\n",
    "99 99-99 99", "+47", "+", "+47 ", "99  99", "--", "9-", "a@b.no", "a@b", "a@b.n", "a@b..no", "a.@b.no", ".a@b.no",
    "a.b@c.d.no", "å_-@æ-ø.no", "a@b.nø", "a+b@c.no", "a@b_c.no", "2026-03-02T09:24:45", "2026-13-99", "i dag",
]  # fmt: skip
ODD_VALUES = [None, True, False, 0, 1, 1.5, [], {}, [1], {"adresselinje1": ""}, [{}], [{}, {}, {}]]
values = st.one_of(st.sampled_from(ODD_TEXTS), st.sampled_from(ODD_VALUES).map(copy.deepcopy), st.text(max_size=12))
many = settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def sound(kind: str, document: object) -> bool:
    return not CATALOGUE.flaws(kind, document)


def own_samples(kind: str) -> list[object]:
    name, _, version = kind.rpartition(".")
    return [json.loads(path.read_bytes()) for path in SAMPLES if path.parts[-4:-2] == (name, version)]


@pytest.fixture(scope="module")
def official(reference: Path) -> dict[str, tuple[Callable[[object], bool], object]]:
    """KS's verdict and KS's sample of each type. Its references to the address resolve to fiks.ks.no/adresse.json."""
    folder = reference / "fiks" / "bekymringsmelding-protokoll"
    address = json.loads((folder / "domain" / "adresse.json").read_bytes())
    address["$id"] = "https://fiks.ks.no/adresse.json"
    registry = jsonschema_rs.Registry([("https://fiks.ks.no/adresse.json", address)])
    judges = {}
    for kind, (schema, sample) in KS_FILES.items():
        source = json.loads((folder / "domain" / schema).read_bytes())
        validator = jsonschema_rs.Draft201909Validator(source, registry=registry, offline=True)
        judges[kind] = (validator.is_valid, json.loads((folder / "examples" / sample).read_bytes()))
    return judges


@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: "/".join((*path.parts[-4:-2], path.stem)))
def test_every_sample_gets_the_verdict_that_its_name_says(path: Path) -> None:
    kind = ".".join(path.parts[-4:-2])

    assert sound(kind, json.loads(path.read_bytes())) is path.name.startswith("valid-")


def test_every_type_has_valid_and_invalid_samples() -> None:
    for kind in KINDS:
        name, _, version = kind.rpartition(".")
        verdicts = {path.name.split("-")[0] for path in SAMPLES if path.parts[-4:-2] == (name, version)}
        assert verdicts == {"valid", "invalid"}, kind


def test_the_samples_use_the_synthetic_series_of_identity_numbers_only() -> None:
    numbers = [child["fnr"] for path in SAMPLES for child in json.loads(path.read_bytes()).get("offentligBarn", [])]

    assert all(not number or 81 <= int(number[2:4]) <= 92 for number in numbers)


@pytest.mark.parametrize("kind", KINDS)
def test_a_sample_gets_the_same_verdict_here_as_at_ks(kind: str, official: dict) -> None:
    judge, sample = official[kind]

    assert sound(kind, sample)
    for document in [sample, *own_samples(kind)]:
        assert sound(kind, document) is judge(document)


@pytest.mark.parametrize("kind", KINDS)
def test_every_odd_value_in_every_place_and_every_absence_gets_the_same_verdict_here_as_at_ks(
    kind: str, official: dict
) -> None:
    judge, sample = official[kind]
    for document in (copy.deepcopy(sample), *own_samples(kind)):
        for holder, key in list(places(document)):
            honest = holder[key]
            for value in [*ODD_TEXTS, *ODD_VALUES]:
                holder[key] = value
                assert sound(kind, document) is judge(document), (key, value)
            if isinstance(holder, dict):
                del holder[key]
                assert sound(kind, document) is judge(document), key
            holder[key] = honest


@pytest.mark.parametrize("kind", KINDS)
@many
@given(data=st.data())
def test_a_mutated_report_gets_the_same_verdict_here_as_at_ks(kind: str, official: dict, data: st.DataObject) -> None:
    judge, sample = official[kind]
    document = copy.deepcopy(data.draw(st.sampled_from([sample, *own_samples(kind)])))
    for _ in range(data.draw(st.integers(1, 3))):
        mutate(document, data)

    assert sound(kind, document) is judge(document)


@pytest.mark.parametrize("place", ["kommunenummer", "bydelsnummer", "telefonnummer", "epost", "personnavn"])
@many
@given(data=st.data())
def test_a_text_with_a_pattern_gets_the_same_verdict_here_as_at_ks(
    place: str, official: dict, data: st.DataObject
) -> None:
    judge, sample = official["bekymringsmelding.offentlig.v2"]
    document = copy.deepcopy(sample)
    holder = document if place in document else document["offentligMelder"]
    alphabet = st.sampled_from("0123456789٣aZæÅ_-+ .@\n\r\u2028")
    holder[place] = data.draw(st.text(alphabet, max_size=14))

    assert sound("bekymringsmelding.offentlig.v2", document) is judge(document)


@pytest.mark.proves("S34")
@pytest.mark.parametrize("text", ["a." * 2**19, "a@" + "b." * 2**19, "9 " * 2**19, "a" * 2**20, "a@" + "b-" * 2**19])
def test_no_pattern_takes_more_than_linear_time_on_a_mebibyte(text: str) -> None:
    document = json.loads((ROOT / "schemas/bekymringsmelding.offentlig/v2/samples/valid-fullstendig.json").read_bytes())
    document["offentligMelder"] |= {"epost": text, "telefonnummer": text, "personnavn": text}

    began = time.process_time()
    CATALOGUE.flaws("bekymringsmelding.offentlig.v2", document)

    assert time.process_time() - began < 2  # quadratic time would be hours


@pytest.mark.proves("S34")
def test_every_schema_compiles_with_the_linear_engine_and_asserts_no_format() -> None:
    for path in ROOT.glob("schemas/*/*/schema.json"):
        source = json.loads(path.read_bytes())
        jsonschema_rs.validator_for(source, pattern_options=jsonschema_rs.RegexOptions(), offline=True)
        assert '"format"' not in path.read_text("utf-8")


def test_the_schemas_are_found_as_package_data() -> None:
    assert {entry.name for entry in files("schemas").iterdir()} >= {
        "bekymringsmelding.offentlig",
        "bekymringsmelding.privat",
    }


def mutate(document: object, data: st.DataObject) -> None:
    """Change one place: take away, replace, double, or add an unknown member."""
    everywhere = list(places(document))
    holder, key = everywhere[data.draw(st.integers(0, len(everywhere) - 1))]
    match data.draw(st.sampled_from(["remove", "replace", "double", "add"])):
        case "remove":
            del holder[key]
        case "replace":
            holder[key] = data.draw(values)
        case "double" if isinstance(holder, list):
            holder.insert(key, copy.deepcopy(holder[key]))
        case _ if isinstance(holder, dict):
            holder[data.draw(st.text(max_size=5))] = data.draw(values)


def places(document: object) -> Iterator[tuple[dict | list, str | int]]:
    """Every (container, key) of a document; at least one, since a report is never empty here."""
    found = list(document.items() if isinstance(document, dict) else enumerate(document))
    for key, value in found:
        yield document, key
        if isinstance(value, dict | list):
            yield from places(value)
    if not found:
        yield {"": None}, ""


@pytest.mark.parametrize("name", ["innrapportering", "valideringsrapport"])
def test_the_register_judges_our_samples_of_its_documents_as_we_do(reference: Path, name: str) -> None:
    source = reference / "barnevern" / "bvr-fiks" / f"no.ssb.barnevern.fagsystem.v1.{name}.json"
    theirs = jsonschema_rs.Draft202012Validator(json.loads(source.read_bytes()))
    samples = [path for path in SAMPLES if path.parts[-4] == f"bvr.{name}"]
    assert {path.name.partition("-")[0] for path in samples} == {"valid", "invalid"}
    for path in samples:
        document = json.loads(path.read_bytes())
        assert theirs.is_valid(document) == sound(f"bvr.{name}.v1", document) == path.name.startswith("valid-")
