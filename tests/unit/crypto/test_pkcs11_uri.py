"""References to keys in tokens: what RFC 7512 allows and we need, and nothing that leaks or surprises."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.crypto.pkcs11_uri import KeyReference, ObjectName, TokenName, parse
from gateway.errors import ConfigError

FOLDER, MODULE = Path("/etc/budstikke"), Path("/usr/lib/module.so")
WHERE = "pkcs11:token=budstikke;object=4601"


def test_a_reference_names_token_object_module_and_pin():
    uri = "pkcs11:token=V%C3%A5r%20token;serial=00ff;object=4601-mottak;id=%00%FF%01;type=private?pin-source=file:/run/pin"
    assert parse(uri + "&module-path=/opt/m.so", FOLDER, MODULE) == KeyReference(
        TokenName(Path("/opt/m.so"), "Vår token", "00ff"), ObjectName("4601-mottak", b"\0\xff\1"), Path("/run/pin")
    )


def test_paths_count_from_the_folder_and_the_module_may_stand_in_the_configuration():
    reference = parse(WHERE + "?pin-source=file:../keys/pin", FOLDER, MODULE)
    assert reference.token.module == MODULE
    assert reference.pin == Path("/etc/budstikke/../keys/pin")
    assert parse(WHERE + "?pin-source=keys/pin", FOLDER, MODULE).pin == FOLDER / "keys/pin"


@pytest.mark.parametrize(
    ("uri", "fault"),
    [
        ("pkcs11:object=a?pin-source=file:p", "no token"),
        ("pkcs11:token=a?pin-source=file:p", "no object"),
        (WHERE, "no pin-source"),
        (WHERE + "?pin-source=", "pin-source is doubled"),
        (WHERE + "?pin-value=hemmelig", "a PIN is a file"),
        (WHERE + ";token=b?pin-source=file:p", "token is doubled"),
        (WHERE + ";slot-id=1?pin-source=file:p", "unknown attribute"),
        (WHERE + "?pin-source=file:p%00", "no text"),
        (WHERE + "?pin-source=file:p&module-path=m%FF", "no text"),
        (WHERE + "?pin-source=file:p&module-path=m.so", "absolute path"),
        (WHERE + ";type=cert?pin-source=file:p", "type is no key"),
    ],
)
def test_a_reference_that_says_too_little_or_too_much_is_refused(uri, fault):
    with pytest.raises(ConfigError, match=fault) as caught:
        parse(uri, FOLDER, MODULE)
    assert "hemmelig" not in str(caught.value)


def test_without_any_module_it_is_refused():
    with pytest.raises(ConfigError, match="module"):
        parse(WHERE + "?pin-source=file:p", FOLDER)


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_nothing_but_our_own_error_comes_out(text):
    with contextlib.suppress(ConfigError):
        parse("pkcs11:" + text, FOLDER, MODULE)
