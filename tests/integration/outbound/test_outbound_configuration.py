"""What the configuration may say of the way out: a road away from oneself needs rules."""

from datetime import date
from pathlib import Path

import pytest

from gateway import config
from gateway.app.parts import catalogue_of, roads_of
from gateway.config import Configuration, Regel
from gateway.domain.guards import GUARDS, Period
from gateway.domain.lifecycle import Effect
from gateway.errors import ConfigError
from gateway.pipeline.effects import HANDLERS
from gateway.pipeline.texts import HOLDS
from gateway.testing.site import make_site
from tests.conftest import ROOT
from tests.integration.outbound.kit import KIND


def configuration(folder: Path, *, routes: str, lines: str = "", adapters=("fiks", "loopback")) -> Configuration:
    site = make_site(
        folder,
        defaults=ROOT / "config",
        issuer="https://issuer.test/",
        jwks_uri="http://127.0.0.1:9/jwks",
        lines=lines,
        adapters=adapters,
    )
    (folder / "routes.toml").write_text(routes, encoding="utf-8")
    return config.load(site.configuration, {})


def roads(made: Configuration):
    return roads_of(made, catalogue_of(made))


def faults(made: Configuration) -> str:
    with pytest.raises(ConfigError) as caught:
        roads(made)
    return "\n".join(caught.value.faults)


def test_without_rules_the_road_back_to_oneself_is_the_only_one(tmp_path):
    assert [str(road) for road in roads(configuration(tmp_path, routes=f'"{KIND}" = ["loopback"]')).roads_of(KIND)] == [
        "loopback"
    ]


def test_a_road_away_without_any_rule_is_a_fault_at_start(tmp_path):
    told = faults(configuration(tmp_path, routes=f'"{KIND}" = ["loopback", "fiks:kontoId"]'))
    assert "guards: empty" in told


def test_a_road_away_with_a_rule_is_sound(tmp_path):
    found = roads(configuration(tmp_path, routes=f'"{KIND}" = ["fiks:kontoId"]', lines='guards = ["R01"]'))
    assert [(road.adapter, road.address.value) for road in found.roads_of(KIND)] == [("fiks", "kontoId")]
    assert found.guards == ("R01",)


@pytest.mark.parametrize(
    ("routes", "lines", "told"),
    [
        (f'"{KIND}" = ["ukjent"]', 'guards = ["R01"]', "ukjent is not among adapters"),
        (f'"{KIND}" = ["loopback"]', 'guards = ["R99"]', "there is no rule R99"),
        ('"bekymringsmelding.privat.v2" = ["loopback"]', "", "no message type that goes out"),
        ('"ukjent.v1" = ["loopback"]', "", "no message type that goes out"),
        (f'"{KIND}" = ["loopback", "loopback"]', "", "each once"),
        (f'"{KIND}" = ["fiks:telefon"]', 'guards = ["R01"]', "orgnr|kontoId|herId|bydel"),
    ],
)
def test_what_cannot_be_is_told_at_start(tmp_path, routes, lines, told):
    assert told in faults(configuration(tmp_path, routes=routes, lines=lines))


EVERY_RULE = f"guards = {list(GUARDS)}".replace("'", '"')
TO_PEOPLE = f'"{KIND}" = ["fiks:kontoId", "fiks:fodselsnummer"]'


def test_a_road_to_people_needs_every_rule_and_the_fault_names_those_that_are_missing(tmp_path):
    without = EVERY_RULE.replace('"R05", ', "").replace('"R20", ', "")
    assert f"{KIND} is for people, which needs every rule; not listed: R05, R20" in faults(
        configuration(tmp_path, routes=TO_PEOPLE, lines=without)
    )


def test_a_type_written_for_people_needs_every_rule_on_each_road_away(tmp_path):
    feedback = "tilbakemelding.melder.v1"
    away = configuration(tmp_path / "away", routes=f'"{feedback}" = ["fiks:kontoId"]', lines='guards = ["R01"]')
    assert f"{feedback} is for people, which needs every rule; not listed: R02" in faults(away)
    own = configuration(tmp_path / "own", routes=f'"{feedback}" = ["loopback"]', lines='guards = ["R01"]')
    assert len(roads(own).roads_of(feedback)) == 1


def test_a_road_to_people_under_every_rule_is_sound(tmp_path):
    found = roads(configuration(tmp_path, routes=TO_PEOPLE, lines=EVERY_RULE))
    assert [road.letter for road in found.roads_of(KIND)] == [False, True]


def test_the_days_of_a_rule_come_from_its_file_which_names_no_other_rule(tmp_path):
    made = configuration(tmp_path, routes="")
    rules = {"R24": Regel(lov="prøve", gyldig_fra=date(2026, 1, 1)), "R99": Regel(lov="x", gyldig_fra=date(2026, 1, 1))}
    assert "regler.toml: there is no rule R99" in faults(made.model_copy(update={"regler": rules}))
    found = roads(made.model_copy(update={"regler": {"R24": rules["R24"]}}))
    assert found.periods == {"R24": Period(date(2026, 1, 1))}


def test_the_list_of_units_names_organisations_and_their_accounts_alone(tmp_path):
    lines = 'navn = "Skolen"\ngodkjent_av = "kari"\ngodkjent = 2026-01-01\n'
    configuration(tmp_path / "first", routes="")
    text = f'["987654325"]\n{lines}["987654325/konto-1"]\n{lines}[skolen]\n{lines}'
    (tmp_path / "first" / "mottakere.toml").write_text(text, encoding="utf-8")
    found, told = config.read(tmp_path / "first" / "gateway.toml")
    assert found is not None
    assert [fault for fault in told if "mottakere" in fault] == [
        "mottakere.toml: skolen: want an organisation number, or number/account"
    ]


def test_the_shipped_route_is_no_road_where_the_loopback_adapter_is_not_listed(tmp_path):
    shipped = (ROOT / "config" / "routes.toml").read_text("utf-8")
    assert roads(configuration(tmp_path, routes=shipped, adapters=("fiks",))).roads_of(KIND) == ()


def test_every_rule_of_the_configuration_names_a_law_that_envelopes_can_name(tmp_path):
    found = roads(configuration(tmp_path, routes=""))
    assert {basis.law for basis in found.bases.values()} == {"BVL2021", "FVL", "HPL"}
    assert all("§" not in basis.paragraph for basis in found.bases.values())


def test_every_effect_has_its_handler_and_every_rule_its_texts():
    assert set(HANDLERS) == set(Effect) - {Effect.ALARM}
    assert all(any(code.startswith(f"{name.lower()}-") for code in HOLDS) for name in GUARDS)
