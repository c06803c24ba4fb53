"""The shipped files are complete: each key stands there, live or as an example, and what is live is the default."""

import re
import tomllib
import typing

import pytest
from pydantic import BaseModel

from adapters.fiks.produsent_client_settings import KsProdusentSettings
from adapters.fiks.settings import FiksSettings
from adapters.loopback.settings import LoopbackSettings
from gateway.config.gateway_toml import Listener, Settings
from gateway.config.tenants_toml import KeyPair
from tests.conftest import ROOT

SHIPPED = (ROOT / "config/gateway.toml").read_text("utf-8")
EXAMPLE = re.compile(r"^# (?=\[|[\"A-Za-z0-9_-]+ = )", re.MULTILINE)
PARTNERS = {"fiks": FiksSettings, "ks-produsent": KsProdusentSettings, "loopback": LoopbackSettings}
OF_ONE_INSTALLATION = {"data_dir", "issuers", "trust"}
DOORS = ("partner", "case_system", "operations")


def models_in(annotation):
    """The settings of which a key's value is made."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in typing.get_args(annotation):
        yield from models_in(inner)


def lacking(model, given, path=""):
    """Keys of the model that do not stand in what was given; of several of a kind one shows them all."""
    for name, field in model.model_fields.items():
        place = f"{path}{name}"
        inner = next(models_in(field.annotation), None)
        if name not in given:
            yield place
        elif inner is not None and inner is not KeyPair:  # how keys are named stands in tenants/README.md
            value = given[name][0] if isinstance(given[name], list) else given[name]
            named = typing.get_origin(field.annotation) is dict
            yield from lacking(inner, next(iter(value.values())) if named else value, f"{place}.")


def test_every_key_stands_in_the_shipped_configuration_and_its_examples_are_sound():
    whole = tomllib.loads(EXAMPLE.sub("", SHIPPED))
    Settings.model_validate(whole)
    doors = {name: value for door in DOORS for name, value in whole["listen"].pop(door).items()}
    assert list(lacking(Listener, doors)) == []
    assert set(lacking(Settings, whole)) == {f"listen.{door}" for door in DOORS}


def test_what_is_live_in_the_shipped_configuration_is_the_default():
    shipped = Settings.model_validate(tomllib.loads(SHIPPED)).model_dump()
    assert {name for name, value in Settings().model_dump().items() if value != shipped[name]} == OF_ONE_INSTALLATION


@pytest.mark.parametrize("name", PARTNERS)
def test_every_key_of_a_partner_stands_in_its_shipped_file(name):
    live = (ROOT / f"config/partners/{name}.toml").read_text("utf-8")
    whole = tomllib.loads(EXAMPLE.sub("", live))
    PARTNERS[name].model_validate(whole)
    assert list(lacking(PARTNERS[name], whole)) == []


def test_control_a_key_that_is_left_out_is_told():
    without = tomllib.loads(EXAMPLE.sub("", SHIPPED).replace("sweep_s = 1.0", "").replace("crl_url", "# crl_url"))
    assert {"engine.sweep_s", "trust.revocation.crl_url"} <= set(lacking(Settings, without))
