"""S04, S05, S41, S107, S108: what a configuration may not say, each fault alone and all of them at once."""

import json
import os
import subprocess
import sys

import pytest

from gateway import config, crashpoints
from gateway.cli.check import faults_of, sound
from gateway.errors import ConfigError
from gateway.testing.pki import CA_USAGE, SEALING_USAGE, Make, Pki, certificate_pem, receive_key, self_signed
from tests.conftest import ROOT
from tests.production_kit import change, command, copied, name, private, production_site

UNUSED_USER = 60321


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return production_site(tmp_path_factory.mktemp("production") / "site")


@pytest.fixture
def site(whole, tmp_path):
    return copied(whole, tmp_path / "site")


def toml(old, new):
    return lambda site: change(site.configuration, old, new)


def tenant(old, new):
    return lambda site: change(site.folder / "tenants" / "4601.toml", old, new)


def readable(key):
    return lambda site: (site.folder / "keys" / key).chmod(0o644)


def replaced(key, credential):
    return lambda site: credential().write_pem(site.folder / "keys" / key)


def top(line):
    return lambda site: change(site.configuration, 'data_dir = "var"', f'data_dir = "var"\n{line}')


def weak_key():
    return self_signed(name("Mottak"), Make(usage=SEALING_USAGE, key_bits=1024))


def root_named(common):
    def attack(site):
        root = self_signed(name(common), Make(usage=CA_USAGE, is_ca=True))
        site.ca.write_bytes(certificate_pem(root.certificate))

    return attack


def keys_in_data(site):
    (site.folder / "var").mkdir(mode=0o700)
    private(site.folder / "var" / "kek", "k" * 32)
    change(site.folder / "tenants" / "4601.toml", "file:keys/kek", "file:var/kek")


def default_password(site):
    private(site.folder / "keys" / "operations-token", "changeit")


def maskinporten(**changes):
    """A client of ours at Maskinporten, as it may be but for the changes."""
    lines = {
        "audience": '"https://maskinporten.no/"',
        "token_endpoint": '"https://maskinporten.no/token"',
        "client_id": '"oss"',
        "key": '{ key = "file:keys/signing.pem" }',
    } | changes

    def attack(site):
        section = "\n".join(f"{key} = {value}" for key, value in lines.items())
        with site.configuration.open("a") as file:
            file.write(f"\n[maskinporten.fiks]\n{section}\n")

    return attack


def throw_away_client(site):
    Pki().organisation("310000000").write_pem(site.folder / "keys" / "client.pem")
    maskinporten(key='{ key = "file:keys/client.pem" }')(site)


# What is done to an installation that production accepts, and what must then be said of it.
ATTACKS = {
    "a receive key others may read": (readable("receive.pem"), "mode 644"),
    "a key-encryption key others may read": (readable("kek"), "mode 644"),
    "a TLS key others may read": (readable("tls.pem"), "listen.partner.key: "),
    "an operations token others may read": (readable("operations-token"), "operations_token: "),
    "a missing key": (lambda site: (site.folder / "keys" / "print.pem").unlink(), "No such file"),
    "a weak key": (replaced("receive.pem", weak_key), "1024 bits"),
    "a throw-away key": (replaced("print.pem", receive_key), "throw-away certificate"),
    "no audience": (toml('audience = "https://budstikke.bergen.kommune.no/"\n', ""), "no audience (S04)"),
    "a test issuer": (toml('issuer = "https://maskinporten.no/"', 'issuer = "https://test.maskinporten.no/"'), "S05"),
    "keys of the issuer over http": (toml('jwks_uri = "https:', 'jwks_uri = "http:'), "issuers.0.jwks_uri: http:"),
    "delegations over http": (
        toml("[[issuers]]", '[[issuers]]\ndelegation_source = "http://www.altinn.no/"'),
        "delegation_source: http:",
    ),
    "a root named a test": (root_named("Utsteder Test4 Rot CA"), "test root"),
    "the loopback road": (toml("adapters = [", "adapters = ['loopback', "), "S86"),
    "a road without guards": (
        lambda site: (site.folder / "routes.toml").write_text('"prove.forsendelse.v1" = ["fiks"]\n'),
        "guards: empty",
    ),
    "no operations token": (toml('operations_token = "file:keys/operations-token"\n', ""), "S76"),
    "a default password": (default_password, "guessable password"),
    "a secret in the environment": (toml("file:keys/operations-token", "env:PATH"), "env: secrets"),
    "keys beside the data": (keys_in_data, "outside data_dir"),
    "an unknown key": (top('colour = "red"'), "colour: Extra inputs are not permitted"),
    "an unknown key of a tenant": (tenant('navn = "Bergen"', 'navn = "Bergen"\nleder = "K."'), "leder: Extra inputs"),
    "an adapter that is not installed": (toml("adapters = [", "adapters = ['duer', "), "duer is not installed"),
    "tokens from a test issuer": (
        maskinporten(audience='"https://test.maskinporten.no/"'),
        "maskinporten.fiks: https://test",
    ),
    "tokens over http": (maskinporten(token_endpoint='"http://maskinporten.no/token"'), "token_endpoint: http:"),
    "tokens for a throw-away key": (throw_away_client, "maskinporten.fiks is a throw-away certificate"),
    "tokens for a key that is not there": (
        maskinporten(key='{ key = "file:keys/client.pem" }'),
        "maskinporten.fiks: ",
    ),
    "tokens for two at once": (
        maskinporten(consumer_org='"987654325"', on_behalf_of='"987654325"'),
        "maskinporten.fiks: consumer_org and on_behalf_of exclude each other",
    ),
    "no municipality": (lambda site: (site.folder / "tenants" / "4601.toml").unlink(), "no municipality"),
}


def faults(site):
    try:
        sound(site.configuration)
    except ConfigError as error:
        return error.faults
    return ()


@pytest.mark.proves("S108")
@pytest.mark.proves("S05")
def test_control_what_production_accepts_has_no_fault(site):
    maskinporten()(site)
    assert faults(site) == ()


@pytest.mark.proves("S108")
@pytest.mark.proves("S04")
@pytest.mark.proves("S05")
@pytest.mark.parametrize("attack", ATTACKS)
def test_insecure_corpus(site, attack):
    spoil, said = ATTACKS[attack]
    spoil(site)
    found = faults(site)
    assert any(said in fault for fault in found), found


TOGETHER = (
    "a key-encryption key others may read", "an operations token others may read", "a weak key", "no audience",
    "a test issuer", "keys of the issuer over http", "delegations over http", "a root named a test", "the loopback road",
    "a road without guards", "an unknown key", "an unknown key of a tenant", "an adapter that is not installed",
)  # fmt: skip


@pytest.mark.proves("S108")
def test_every_fault_is_told_at_once_and_on_the_command_line_none_of_the_secrets(site):
    for attack in TOGETHER:
        ATTACKS[attack][0](site)
    found = command(site, "check-config")
    assert found.returncode == 2
    for attack in TOGETHER:
        assert ATTACKS[attack][1] in found.stderr, attack
    assert "9f1d7c52aa04e6b83f55" not in found.stdout + found.stderr


@pytest.mark.proves("S83")
def test_a_key_of_another_user_stops_the_start(site):
    if os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    assert faults(site) == ()  # the control
    os.chown(site.folder / "keys" / "kek", UNUSED_USER, UNUSED_USER)
    assert any("belongs to another user" in fault for fault in faults(site))


@pytest.mark.proves("S108")
def test_two_doors_on_one_port_are_a_fault(site):
    change(site.configuration, f"port = {site.operations_port}", f"port = {site.partner_port}")
    assert any("three ports" in fault for fault in faults(site))


@pytest.mark.proves("S76")
@pytest.mark.proves("S108")
def test_metrics_are_not_open_beyond_loopback_in_any_mode(site):
    change(site.configuration, 'mode = "production"\noperations_token = "file:keys/operations-token"', 'mode = "test"')
    change(site.configuration, '[listen.operations]\nhost = "127.0.0.1"', '[listen.operations]\nhost = "0.0.0.0"')
    assert any("beyond loopback it needs an operations_token" in fault for fault in faults(site))
    change(site.configuration, '[listen.operations]\nhost = "0.0.0.0"', '[listen.operations]\nhost = "127.0.0.1"')
    assert faults(site) == ()


@pytest.mark.proves("S108")
def test_a_door_beyond_loopback_needs_tls(site):
    text = site.configuration.read_text()
    head, door, rest = text.partition("[listen.partner]")
    rest = rest.replace('certificate = "keys/tls.pem"\n', "", 1).replace('key = "file:keys/tls.pem"\n', "", 1)
    site.configuration.write_text(head + door + rest)
    assert faults(site) == ()
    change(site.configuration, '[listen.partner]\nhost = "127.0.0.1"', '[listen.partner]\nhost = "::"')
    assert any("loopback only" in fault for fault in faults(site))


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        ("BUDSTIKKE__MODE__X", "1", "no such table"),
        ("BUDSTIKKE__LISTEN__PARTNER__PORT", "http", "listen.partner.port"),
        ("BUDSTIKKE__COLOUR", "red", "colour: Extra inputs"),
    ],
)
def test_a_wrong_environment_variable_is_a_fault_and_never_a_traceback(site, variable, value, said):
    with pytest.raises(ConfigError, match=said):
        config.load(site.configuration, {variable: value})
    assert config.load(site.configuration, {"BUDSTIKKE__LISTEN__PARTNER__PORT": "1"}).settings.listen.partner.port == 1


@pytest.mark.parametrize("text", ["x = 5", '"prove.forsendelse.v1" = "loopback"', "a = [1]", "= ="])
def test_odd_routes_are_a_fault_and_never_a_traceback(site, text):
    (site.folder / "routes.toml").write_text(text)
    with pytest.raises(ConfigError):
        sound(site.configuration)


@pytest.mark.proves("S41")
@pytest.mark.parametrize(
    ("python", "environment"),
    [(("-X", "dev"), {}), ((), {"PYTHONDEVMODE": "1"}), ((), {"PYTHONASYNCIODEBUG": "1"})],
    ids=["-X dev", "PYTHONDEVMODE", "PYTHONASYNCIODEBUG"],
)
def test_production_refuses_development_modes(site, python, environment):
    refused = command(site, "run", python=python, **environment)
    assert refused.returncode == 2
    assert "(S41)" in refused.stderr
    assert command(site, "check-config").returncode == 0  # the control: the configuration is not to blame


@pytest.mark.proves("S86")
def test_production_refuses_crash_points(site):
    configuration = config.load(site.configuration)
    crashpoints.install(lambda _point, _side: None)
    try:
        assert any("crash points" in fault for fault in faults_of(configuration))
    finally:
        crashpoints.install(None)
    assert faults_of(configuration) == []


STRANGER = """
import pathlib
pathlib.Path(__file__).with_name("was-imported").touch()
from adapters.fiks import ADAPTER
"""


@pytest.fixture
def stranger(tmp_path):
    """A distribution that offers an adapter, as somebody else's package would."""
    folder = tmp_path / "packages"
    about = folder / "stranger_adapter-3.1.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: stranger-adapter\nVersion: 3.1\n")
    (about / "entry_points.txt").write_text("[gateway.adapters]\nstranger = stranger_adapter:ADAPTER\n")
    (folder / "stranger_adapter.py").write_text(STRANGER)
    return folder


@pytest.mark.proves("S107")
def test_stranger_is_not_imported(site, stranger):
    found = ("check-config", "--json")
    path = f"{stranger}{os.pathsep}{ROOT}"
    imported = stranger / "was-imported"

    shown = command(site, *found, PYTHONPATH=path)
    assert json.loads(shown.stdout)["adapters"]["stranger"] == {
        "origin": "stranger-adapter", "version": "3.1", "imported": False
    }  # fmt: skip
    change(site.configuration, "adapters = ['fiks']", "adapters = ['fiks', 'stranger']")
    for origin in (None, "stranger-adapter==3.0", "budstikke==3.1", "stranger-adapter"):
        if origin:
            set_origin(site, origin)
        refused = command(site, *found, PYTHONPATH=path)
        assert (refused.returncode, "adapter_origins must name exactly that" in refused.stderr) == (2, True), origin
    assert not imported.exists()

    set_origin(site, "stranger-adapter==3.1")
    assert command(site, *found, PYTHONPATH=path).returncode == 0
    assert imported.exists()


def set_origin(site, origin):
    text = site.configuration.read_text().partition("\n[adapter_origins]")[0]
    site.configuration.write_text(f'{text}\n[adapter_origins]\nstranger = "{origin}"\n')


@pytest.mark.proves("S81")
def test_no_command_takes_a_secret_as_an_option():
    names = subprocess.run(
        [sys.executable, "-c", LIST_OPTIONS], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    assert "--person" in names  # the control: these are the options
    suspicious = ("password", "passord", "secret", "token", "key", "pin", "credential")
    assert [one for one in names if any(word in one for word in suspicious)] == []


LIST_OPTIONS = """
import typer.main
from gateway.cli import app
def walk(command):
    for parameter in command.params:
        print(*parameter.opts, sep="\\n")
    for below in getattr(command, "commands", {}).values():
        walk(below)
walk(typer.main.get_command(app))
"""
