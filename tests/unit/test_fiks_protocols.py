"""The protocols over Fiks IO: our data agree with KS's own, and data that contradict themselves are not loaded."""

import json

import pytest

from adapters.fiks import protocols
from adapters.fiks.protocols import PLATFORM_RECEIPTS, Payload, Way
from gateway.catalogue import Catalogue
from gateway.spi import CODE, ConfigError, Fate

SOUND = """
name = "no.prove.v1"
ttl_s = 60
errors = ["serverfeil"]
[[types]]
name = "no.prove.v1.sporsmal"
way = "out"
payload = "required"
files = ["payload.json"]
answered_by = ["no.prove.v1.svar"]
[[types]]
name = "no.prove.v1.svar"
way = "in"
payload = "allowed"
files = ["payload.json"]
"""


@pytest.fixture
def load(tmp_path, monkeypatch):
    monkeypatch.setattr(protocols, "_ROOT", tmp_path)
    protocols.load.cache_clear()

    def loaded(text, name="no.prove.v1"):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "protocol.toml").write_text(text)
        return protocols.load(name)

    yield loaded
    protocols.load.cache_clear()


@pytest.mark.parametrize("name", protocols.names())
def test_every_protocol_here_can_be_loaded(name):
    assert protocols.load(name).name == name


def test_payloads_are_required_where_ks_requires_them(reference):
    spoken = [protocols.load(name) for name in protocols.names() if "bekymringsmelding" in name]
    kinds = {kind.name: kind for protocol in spoken for kind in protocol.types}
    files = sorted((reference / "fiks" / "bekymringsmelding-protokoll").glob("no.*/*.metadata.json"))
    told = [json.loads(file.read_text()) for file in files]
    rows = [row for rows in told for row in (rows if isinstance(rows, list) else [rows])]
    assert len(rows) == len(kinds) == 6
    for row in rows:
        assert (kinds[row["meldingstype"]].payload is Payload.REQUIRED) == (row.get("body") == "required")


def test_what_comes_in_by_a_protocol_of_reports_is_a_message_type_of_ours_with_the_same_files():
    ours = {kind.channels.get("fiks"): kind for kind in Catalogue.load().types()}
    for name in ("no.ks.fiks.bekymringsmelding.v1", "no.ks.fiks.bekymringsmelding.v2"):
        for kind in protocols.load(name).types:
            if kind.way is Way.IN:
                assert ours[kind.name].documents == kind.files


def test_no_receipt_is_answered():
    for name in protocols.names():
        protocol = protocols.load(name)
        outgoing = {kind.name for kind in protocol.types if kind.receipt is not None}
        for receipt in outgoing | PLATFORM_RECEIPTS.keys() | {f"{name}.feilmelding.{code}" for code in protocol.errors}:
            assert protocol.find(receipt, Way.IN) is None


def test_what_went_wrong_has_a_code_of_ours():
    assert set(PLATFORM_RECEIPTS.values()) == {"tidsavbrudd", "serverfeil", "ugyldigforespoersel", "ikkefunnet"}
    assert all(CODE.fullmatch(code) for code in PLATFORM_RECEIPTS.values())
    protocol = protocols.load("no.ks.fiks.bekymringsmelding.v1")
    assert protocol.error("no.ks.fiks.bekymringsmelding.v1.feilmelding.serverfeil") == "serverfeil"
    for other in (
        "serverfeil",
        "no.ks.fiks.bekymringsmelding.v1.feilmelding.noe",
        "no.ks.fiks.arkiv.v1.feilmelding.serverfeil",
    ):
        assert protocol.error(other) is None


def test_both_versions_of_reports_have_the_same_receipts():
    one, two = (protocols.load(f"no.ks.fiks.bekymringsmelding.{version}") for version in ("v1", "v2"))
    assert [one.receipt(fate) for fate in Fate] == [two.receipt(fate) for fate in Fate]


def test_control_sound_data_are_loaded(load):
    protocol = load(SOUND)
    assert protocol.answers("no.prove.v1.svar")
    assert not protocol.answers("no.prove.v1.sporsmal")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('name = "no.prove.v1"', 'name = "no.annet.v1"'),
        ('payload = "allowed"', 'payload = "maybe"'),
        ('payload = "allowed"', 'payload = "none"'),
        ('files = ["payload.json"]\nanswered_by', "answered_by"),
        ('way = "in"', 'way = "sideways"'),
        ('way = "in"', 'way = "in"\nreceipt = "mottatt"'),
        ('way = "in"', 'way = "out"'),
        ('name = "no.prove.v1.svar"', 'name = "no.prove.v1.sporsmal"'),
        ("ttl_s = 60", 'ttl_s = "lenge"'),
        ("ttl_s = 60", "ttl_s = 60\ncolour = 1"),
        ("ttl_s = 60", "ttl_s = "),
    ],
)
def test_data_that_contradict_themselves_are_not_loaded(load, old, new):
    with pytest.raises(ConfigError):
        load(SOUND.replace(old, new, 1))


@pytest.mark.parametrize("name", ["", "no.finnes.ikke", "..", "../../etc", "no/../no.prove.v1", "__pycache__"])
def test_only_the_name_of_a_protocol_loads_one(name):
    with pytest.raises(ConfigError):
        protocols.load(name)
