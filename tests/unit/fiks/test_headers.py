"""Header tables of Fiks IO: the recorded ones are read, and whatever else comes is a fault and never an exception."""

import json
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.fiks.headers import (
    HEADERS_MAX,
    MALFORMED,
    MISSING,
    NAME_CHARS_MAX,
    OVERSIZED,
    UNREADABLE,
    VALUE_CHARS_MAX,
    read_headers,
)

ID, OTHER = "AAAAAAAA-0000-4000-8000-000000000001", "22222222-2222-4222-8222-222222222222"
TABLE = {"melding-id": ID, "type": "no.ks.fiks.bekymringsmelding.offentlig.v2", "avsender-id": OTHER}
CUSTOM = "egendefinert-header."
IDENTIFIERS = ("melding-id", "avsender-id", "svar-til", "dokumentlager-id")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=700) | st.binary(max_size=700),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from([*TABLE, "svar-til", "dokumentlager-id", "avsender-navn", "bekymringsmelding-id"]) | st.text(
    string.ascii_letters + ".-æ\x00\ud800", max_size=300
)
TABLES = st.dictionaries(NAMES | NAMES.map(lambda name: CUSTOM + name), VALUES, max_size=12)


def recorded(reference):
    return json.loads((reference / "fiks/fiksio-kvittering/delivery-fixtures.json").read_text())["deliveries"]


def test_every_recorded_delivery_is_read_without_a_fault(reference):
    for delivery in recorded(reference):
        as_octets = {name: value.encode() for name, value in delivery["headers"].items()}
        found = read_headers(delivery["headers"], delivery["properties"].get("expiration"))
        assert found == read_headers(as_octets, delivery["properties"].get("expiration"))
        assert found.fault is None, delivery["name"]
        assert found.values["type"] == delivery["headers"]["type"]
        assert found.values.get("ttl-ms") == delivery["properties"].get("expiration")


def test_the_portals_headers_and_both_spellings_of_the_correlation_come_under_one_name(reference):
    prefixed, bare = (read_headers(delivery["headers"], None).values for delivery in recorded(reference)[:2])
    for name in ("bydel-ressurs-id", "bekymringsmelding-id"):
        assert prefixed[name] == bare[name]
    assert bare["klientKorrelasjonsId"] == "dialog-1"
    both = TABLE | {f"{CUSTOM}klientKorrelasjonId": "gammel", f"{CUSTOM}klientKorrelasjonsId": "rett"}
    assert read_headers(both, None).values["klientKorrelasjonsId"] == "rett"


def test_the_raw_text_of_klientMeldingId_is_kept_although_it_is_no_uuid():  # noqa: N802  the header's own spelling
    assert read_headers(TABLE | {f"{CUSTOM}klientMeldingId": "nr. 7"}, None).values["klientMeldingId"] == "nr. 7"


def test_identifiers_are_in_lower_case():
    assert read_headers(TABLE, None).values["melding-id"] == ID.lower()


@pytest.mark.proves("S24")
@pytest.mark.parametrize(
    "name", ["melding-id", "svar-til", "avsender-id", "client-id", "organisation-number", "account"]
)
def test_a_senders_own_header_never_passes_for_the_platforms_or_ours(name):
    found = read_headers(TABLE | {CUSTOM + name: OTHER, name + " ": "x"}, None)
    assert found.values.get(name) == read_headers(TABLE, None).values.get(name)
    assert found.values[CUSTOM + name] == OTHER
    assert found.fault is None


@pytest.mark.parametrize("name", TABLE)
def test_a_required_header_that_is_missing_or_misspelt_is_a_fault(name):
    rest = {key: value for key, value in TABLE.items() if key != name}
    assert read_headers(rest, None).fault == MISSING
    assert read_headers(rest | {name.upper(): TABLE[name]}, None).fault == MISSING


@pytest.mark.parametrize("name", IDENTIFIERS)
@pytest.mark.parametrize("text", ["nei", f"{{{ID}}}", f"urn:uuid:{ID}", ID.replace("-", ""), f"{ID}\n", f" {ID}"])
def test_an_identifier_that_is_no_uuid_is_a_fault_and_its_text_is_kept_aside(name, text):
    found = read_headers(TABLE | {name: text}, None)
    assert found.fault == UNREADABLE
    assert name not in found.values
    assert found.values.get(MALFORMED + name) == (None if "\n" in text else text)


@pytest.mark.parametrize("value", [7, 1.5, True, [ID], {"id": ID}, b"\xff\xfe", "a\x00b", "\ud800"])
def test_a_header_of_ours_that_is_no_text_is_a_fault_and_a_strangers_is_left_out(value):
    assert read_headers(TABLE | {f"{CUSTOM}klientMeldingId": value}, None).fault == UNREADABLE
    strange = read_headers(TABLE | {f"{CUSTOM}noe": value, "x-delivery-count": value}, None)
    assert strange == read_headers(TABLE, None)


def test_a_header_that_is_too_long_is_a_fault():
    assert read_headers(TABLE | {"avsender-navn": "n" * VALUE_CHARS_MAX}, None).fault is None
    assert read_headers(TABLE | {"avsender-navn": "n" * (VALUE_CHARS_MAX + 1)}, None).fault == OVERSIZED


@pytest.mark.parametrize("expiration", ["-1", "1e3", "1" * 16, 7, "٣", b"\xff"])
def test_a_time_to_live_that_is_no_number_of_milliseconds_is_none(expiration):
    assert "ttl-ms" not in read_headers(TABLE, expiration).values


@pytest.mark.proves("S33")
@given(table=TABLES | VALUES, expiration=VALUES)
def test_whatever_comes_is_read_within_bounds_or_is_a_fault(table, expiration):
    found = read_headers(table, expiration)
    assert len(found.values) <= HEADERS_MAX + 20
    for name, value in found.values.items():
        assert 0 < len(name) <= NAME_CHARS_MAX
        assert len(value) <= VALUE_CHARS_MAX
        assert value.encode().decode() == value
        assert not any(ord(char) < 32 for char in name + value)
    sound = all(name in found.values for name in TABLE)
    assert sound or found.fault is not None


def test_a_table_of_a_hundred_thousand_headers_is_read_up_to_a_bound():
    table = TABLE | {f"{CUSTOM}{number}": "x" for number in range(100_000)}
    assert len(read_headers(table, None).values) == len(TABLE) + HEADERS_MAX
