"""The catalogue: strict at start, frozen afterwards, and silent about content."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import limits
from gateway.catalogue import Catalogue, Flaw
from gateway.config import load
from gateway.domain.message_type import Direction, Lane
from gateway.errors import ConfigError, UnknownMessageTypeError
from tests.conftest import ROOT

CATALOGUE = Catalogue.load()
FORWARDED = [kind for kind in CATALOGUE.types() if kind.name.startswith("bekymringsmelding.videresendt.")]
REPORTS = [kind for kind in CATALOGUE.types() if kind.name.startswith("bekymringsmelding.") and kind not in FORWARDED]
OFFENTLIG = "bekymringsmelding.offentlig.v2"
DECLARED = (ROOT / "schemas/bekymringsmelding.privat/v2/meldingstype.toml").read_text("utf-8")
SAMPLE = json.loads((ROOT / "schemas/bekymringsmelding.offentlig/v2/samples/valid-fullstendig.json").read_bytes())
SCHEMA_NAMES = {
    name
    for path in ROOT.glob("schemas/bekymringsmelding.offentlig/*/schema.json")
    for name in json.loads(path.read_bytes())["properties"].keys()
    | {inner for part in json.loads(path.read_bytes())["$defs"].values() for inner in part.get("properties", {})}
} | {"historie", "andreSynspunkter"}


def tree(folder: Path, **types: str) -> Path:
    for name, declaration in types.items():
        place = folder / name / "v1"
        place.mkdir(parents=True)
        (place / "meldingstype.toml").write_text(declaration, "utf-8")
        (place / "schema.json").write_text('{"type": "object"}', "utf-8")
    return folder


def test_the_four_concern_reports_travel_in_the_reserved_lane() -> None:
    assert len(REPORTS) == 4
    assert {kind.lane for kind in REPORTS} == {Lane.CONCERN}
    assert {kind.direction for kind in REPORTS} == {Direction.IN}


def test_reports_that_go_on_to_another_service_go_out_in_both_forms() -> None:
    assert {kind.direction for kind in FORWARDED} == {Direction.OUT}
    assert {kind.channels["ks-produsent"] for kind in FORWARDED} == {"offentlig", "privat"}


@pytest.mark.parametrize("kind", REPORTS, ids=lambda kind: kind.key)
def test_a_type_is_found_by_its_key_and_by_its_name_on_fiks(kind) -> None:
    assert CATALOGUE.type(kind.key) is kind
    assert CATALOGUE.on_channel("fiks")[f"no.ks.fiks.{kind.key}"] == kind.key


def test_an_identifier_is_compared_exactly() -> None:
    assert "no.ks.fiks.bekymringsmelding.Privat.v1" not in CATALOGUE.on_channel("fiks")
    assert CATALOGUE.on_channel("fiks2") == {}
    with pytest.raises(UnknownMessageTypeError):
        CATALOGUE.type("bekymringsmelding.privat.v3")


def test_every_clock_and_law_that_a_type_names_stands_in_the_configuration(tmp_path: Path) -> None:
    for name in ("frister.toml", "hjemler.toml"):
        (tmp_path / name).write_bytes((ROOT / "config" / name).read_bytes())
    (tmp_path / "gateway.toml").touch()
    configuration = load(tmp_path / "gateway.toml", {})

    for kind in CATALOGUE.types():
        assert set(kind.frister) <= configuration.frister.keys()
        assert set(kind.hjemmel) <= configuration.hjemler.keys()
    laws = {f"{hjemmel.lov} {hjemmel.paragraf}" for hjemmel in configuration.hjemler.values()}
    our_own = {"eget mål", "egen rutine"}
    assert {frist.lov for frist in configuration.frister.values()} - our_own <= laws


def test_every_fault_of_every_folder_is_told_at_once(tmp_path: Path) -> None:
    tree(
        tmp_path,
        ukjent=DECLARED.replace("gradering", "graderng").replace("bekymringsmelding.privat.v2", "a"),
        retning=DECLARED.replace('"inn"', '"bort"').replace("bekymringsmelding.privat.v2", "b"),
        dokument=DECLARED.replace('skjema_dokument = "bekymringsmelding.json"', 'skjema_dokument = "annet.json"'),
        ikke_toml="navn = ",
    )
    (tmp_path / "ikke_toml" / "v2").mkdir()

    with pytest.raises(ConfigError) as caught:
        Catalogue.load(tmp_path)

    faults = "\n".join(caught.value.faults)
    assert "ukjent/v1: graderng" in faults
    assert "ukjent/v1: gradering" in faults
    assert "retning/v1: retning" in faults
    assert "dokument/v1: skjema_dokument is not among documents" in faults
    assert "ikke_toml/v1" in faults
    assert "ikke_toml/v2" in faults


def test_two_types_may_not_have_one_name_on_a_channel(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"another type has this name on kanal\.fiks"):
        Catalogue.load(tree(tmp_path, en=DECLARED, to=DECLARED))


@pytest.mark.parametrize(
    "schema",
    [
        '{"type": "objekt"}',
        "{",
        '{"properties": {"a": {"$ref": "https://example.test/a.json"}}}',
        '{"properties": {"a": {"pattern": "^(a+)\\\\1$"}}}',
    ],
    ids=["not a schema", "not JSON", "fetches another", "needs backtracking"],
)
def test_a_schema_that_cannot_be_used_stops_the_start(tmp_path: Path, schema: str) -> None:
    folder = tree(tmp_path, en=DECLARED)
    (folder / "en" / "v1" / "schema.json").write_text(schema, "utf-8")

    with pytest.raises(ConfigError, match=r"en/v1: schema\.json"):
        Catalogue.load(folder)


def test_a_flaw_names_the_place_and_the_rule() -> None:
    document = SAMPLE | {"kommunenummer": "1", "foresatte": []}
    document["offentligBarn"] = [SAMPLE["offentligBarn"][0] | {"orientert": "nei"}]
    del document["leveringskanal"]

    assert CATALOGUE.flaws(OFFENTLIG, document) == (
        Flaw("/foresatte", "minItems"),
        Flaw("/kommunenummer", "pattern"),
        Flaw("/leveringskanal", "required"),
        Flaw("/offentligBarn/0/orientert", "type"),
    )


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
)


@given(
    members=st.dictionaries(
        st.sampled_from(sorted(SAMPLE)) | st.text(max_size=8), json_values | st.lists(json_values), max_size=6
    )
)
def test_a_flaws_path_holds_names_of_the_schema_and_indexes_only(members: dict) -> None:
    for flaw in CATALOGUE.flaws(OFFENTLIG, SAMPLE | members):
        for step in flaw.path.split("/")[1:]:
            assert step in SCHEMA_NAMES or step.isdecimal()


def test_names_that_are_not_of_the_schema_are_masked(tmp_path: Path) -> None:
    folder = tree(tmp_path, en=DECLARED)
    (folder / "en" / "v1" / "schema.json").write_text('{"additionalProperties": {"type": "string"}}', "utf-8")

    assert Catalogue.load(folder).flaws("en.v1", {"Kari Nordmann": 1}) == (Flaw("/*", "type"),)


def test_the_list_of_flaws_is_bounded_however_long_the_document() -> None:
    flaws = CATALOGUE.flaws(OFFENTLIG, SAMPLE | {"offentligBarn": [{}] * 200_000})

    assert len(flaws) == limits.SCHEMA_FLAWS_MAX


def test_a_flaw_beyond_the_searched_items_is_still_a_flaw() -> None:
    children = [SAMPLE["offentligBarn"][0]] * limits.SCHEMA_ITEMS_MAX + [{}]

    assert CATALOGUE.flaws(OFFENTLIG, SAMPLE | {"offentligBarn": children}) == (Flaw("", "beyond-searched-items"),)


@pytest.mark.parametrize("document", [{"melding": "\ud800"}, {1: 2}, {"melding": {1, 2}}])
def test_what_cannot_be_json_is_one_flaw_and_no_exception(document: dict) -> None:
    assert CATALOGUE.flaws(OFFENTLIG, document) == (Flaw("", "not-json"),)


def test_a_bottomless_document_is_judged_without_exhausting_the_stack() -> None:
    bottomless: list = []
    for _ in range(100_000):
        bottomless = [bottomless]

    assert CATALOGUE.flaws(OFFENTLIG, SAMPLE | {"ukjent": bottomless}) == ()
    assert CATALOGUE.flaws(OFFENTLIG, SAMPLE | {"offentligBarn": bottomless}) == (Flaw("/offentligBarn/0", "type"),)
