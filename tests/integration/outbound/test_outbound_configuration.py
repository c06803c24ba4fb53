"""What the configuration may say of the way out: a road away from oneself needs rules."""

from pathlib import Path

import pytest

from gateway import config
from gateway.app.parts import catalogue_of, roads_of
from gateway.config import Configuration
from gateway.domain.guards import GUARDS
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


def test_the_shipped_route_is_no_road_where_the_loopback_adapter_is_not_listed(tmp_path):
    shipped = (ROOT / "config" / "routes.toml").read_text("utf-8")
    assert roads(configuration(tmp_path, routes=shipped, adapters=("fiks",))).roads_of(KIND) == ()


def test_every_rule_of_the_configuration_names_a_law_that_envelopes_can_name(tmp_path):
    found = roads(configuration(tmp_path, routes=""))
    assert {basis.law for basis in found.bases.values()} == {"BVL2021", "HPL"}
    assert all("§" not in basis.paragraph for basis in found.bases.values())


def test_every_effect_has_its_handler_and_every_rule_its_texts():
    assert set(HANDLERS) == set(Effect) - {Effect.ALARM}
    assert all(any(code.startswith(f"{name.lower()}-") for code in HOLDS) for name in GUARDS)
