"""New code runs with the configuration of the day an operator wrote it: each kept one loads, is sound, and starts."""

import asyncio
import secrets
import shutil
import tomllib
from pathlib import Path

import pytest

from gateway import config
from gateway.app import running
from gateway.app.parts import catalogue_of, data_dir
from gateway.cli.check import faults_of
from gateway.domain.lifecycle import State
from gateway.errors import ConfigError
from gateway.pipeline.accept import Intake
from gateway.store import migrate
from gateway.testing.pki import certificate_pem, receive_key
from gateway.testing.site import Site, free_port, write_keys
from tests.conftest import ROOT
from tests.production_kit import change
from tests.reports import Sender
from tests.work import state_of

KEPT = sorted((ROOT / "tests" / "vectors").glob("config-*"))


@pytest.fixture(params=KEPT, ids=[folder.name for folder in KEPT])
def kept(request, tmp_path) -> Path:
    """The folder as it lay on a host, with keys."""
    folder = tmp_path / "config"
    shutil.copytree(request.param, folder)
    return folder


def with_keys(folder: Path) -> Site:
    """Throw-away keys where this configuration has them, and free ports."""
    pki = write_keys(folder / "keys")
    (folder / "keys" / "operations-token").touch(mode=0o600)
    (folder / "keys" / "operations-token").write_text(secrets.token_hex(16))
    (folder / "trust").mkdir()
    (folder / "trust" / "ca.pem").write_bytes(certificate_pem(pki.root.certificate))
    (folder / "trust" / "backup-certificate.pem").write_bytes(certificate_pem(receive_key("Kopi").certificate))
    (folder.parent / "published").mkdir()
    sender = pki.organisation("987654325", "Prøveskolen")
    ports = [free_port() for _ in range(3)]
    return Site(folder, folder / "trust" / "ca.pem", pki, sender, folder / "keys" / "sender.pem", *ports)


def load(site: Site) -> config.Configuration:
    ports = {"PARTNER": site.partner_port, "CASE_SYSTEM": site.case_system_port, "OPERATIONS": site.operations_port}
    environment = {f"BUDSTIKKE__LISTEN__{name}__PORT": str(port) for name, port in ports.items()}
    return config.load(site.configuration, environment)


async def test_each_configuration_that_was_ever_right_loads_starts_and_takes_a_report(kept):
    site = with_keys(kept)
    configuration = load(site)
    assert faults_of(configuration) == []
    migrate.create_sqlite(data_dir(configuration), origin="test")
    async with running(configuration) as gateway:
        env = gateway.env
        accepted = await Intake(env).accept(Sender(site, env).delivery(1))
        async with asyncio.timeout(30):
            while await state_of(env, accepted.id) is State.RECEIVED:
                await asyncio.sleep(0.02)
        assert await state_of(env, accepted.id) is State.READY


def test_a_type_made_since_is_unknown_there_but_a_concern_report_s_clock_is_never_missed(kept):
    """What the law asks of a type stands in the operator's files; a type that they know nothing of cannot be sent or got."""
    site = with_keys(kept)

    def keys():
        return {kind.key for kind in catalogue_of(config.load(site.configuration, {})).types()}

    known = keys()
    assert {"bekymringsmelding.offentlig.v2", "prove.forsendelse.v1"} <= known
    since = {"bvr.innrapportering.v1", "vedtak.v1", "plan.v1", "innkalling.v1", "tilbakemelding.melder.v1"}
    assert known.isdisjoint(since), "made after these configurations"
    with (kept / "routes.toml").open("a", encoding="utf-8") as routes:
        routes.write('"bvr.innrapportering.v1" = ["loopback"]\n')
    with pytest.raises(ConfigError, match="hjemler bvr-rapportering is not in config/hjemler"):
        keys()  # a route names it, so somebody wants it
    (kept / "routes.toml").write_text("")
    change(kept / "frister.toml", "[F01]", "[F91]")
    with pytest.raises(ConfigError, match=r"frister F01 is not in config/frister\.toml"):
        keys()


def test_feedback_is_not_sent_where_no_clock_would_hear_of_its_delivery(kept):
    """An old frister.toml and a new route: F03 would ring for ever at an office that has answered."""
    site = with_keys(kept)
    with (kept / "routes.toml").open("a", encoding="utf-8") as routes:
        routes.write('"tilbakemelding.melder.v1" = ["loopback"]\n')
    with pytest.raises(ConfigError, match=r"no clock of config/frister\.toml stops on tilbakemelding_levert"):
        catalogue_of(config.load(site.configuration, {}))
    change(kept / "frister.toml", 'stopp = ["tilbakemelding_sendt"]', 'stopp = ["tilbakemelding_levert"]')
    assert "tilbakemelding.melder.v1" in {
        kind.key for kind in catalogue_of(config.load(site.configuration, {})).types()
    }


def test_what_is_set_in_it_is_what_the_gateway_goes_by(kept):
    """No key is taken silently and forgotten: each value stands in the settings under its name."""
    site = with_keys(kept)
    written = tomllib.loads((kept / "gateway.toml").read_text("utf-8"))
    settings = config.load(site.configuration, {}).settings.model_dump(mode="json")
    assert differing(written, settings) == []


def differing(written, settings, place=""):
    """Where the settings hold something else than was written."""
    if isinstance(written, dict):
        return [found for key, value in written.items() for found in differing(value, settings[key], f"{place}.{key}")]
    if isinstance(written, list):
        pairs = zip(written, settings, strict=True)
        return [
            found for number, (one, other) in enumerate(pairs) for found in differing(one, other, f"{place}.{number}")
        ]
    return [] if written == settings else [f"{place}: {written!r} became {settings!r}"]


def test_the_kept_ones_are_found():
    assert {folder.name for folder in KEPT} >= {"config-0001", "config-0002"}
