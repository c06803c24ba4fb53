"""References to keys in a token: URIs of RFC 7512, the part of it that says which key, where, and where its PIN lies.

    pkcs11:token=budstikke;object=4601-receive;id=%01?pin-source=file:/etc/budstikke/pin&module-path=/usr/lib/token.so

Needed are ``token`` or ``serial``, ``object`` or ``id``, and ``pin-source``; ``module-path`` where the configuration has
no module of its own. A PIN in the reference (``pin-value``) is refused: a secret never stands in a configuration.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote_to_bytes

from gateway.errors import ConfigError

SCHEME: Final = "pkcs11:"
_PATH: Final = ("token", "serial", "object", "id", "type")
_QUERY: Final = ("pin-source", "module-path")
_TYPES: Final = (b"private", b"secret-key")  # of keys; RFC 7512 has more that are none


@dataclass(frozen=True, slots=True)
class TokenName:
    """Which token, through which library of its maker. A ``label`` may stand on several tokens; a serial may not."""

    module: Path
    label: str | None
    serial: str | None

    def __str__(self) -> str:
        return self.label or self.serial or ""


@dataclass(frozen=True, slots=True)
class ObjectName:
    """Which object of a token."""

    label: str | None
    id: bytes | None

    def __str__(self) -> str:
        return self.label or (self.id or b"").hex()


@dataclass(frozen=True, slots=True)
class KeyReference:
    """A key in a token, and the file that holds the token's PIN."""

    token: TokenName
    object: ObjectName
    pin: Path

    def __str__(self) -> str:
        return f"pkcs11:token={self.token};object={self.object}"


def parse(uri: str, folder: Path, module: Path | None = None) -> KeyReference:
    """Read a reference. Relative paths count from ``folder``. Raises ConfigError naming every fault."""
    path, _, query = uri.removeprefix(SCHEME).partition("?")
    faults: list[str] = []
    where = _attributes(path, ";", _PATH, faults)
    how = _attributes(query, "&", _QUERY, faults)
    library = Path(how["module-path"].decode()) if "module-path" in how else module
    if "token" not in where and "serial" not in where:
        faults.append("it names no token")
    if "object" not in where and "id" not in where:
        faults.append("it names no object")
    if "pin-source" not in how:
        faults.append("it has no pin-source")
    if library is None or not library.is_absolute():
        faults.append("it needs the absolute path of the token's module")
    if where.get("type", b"private") not in _TYPES:
        faults.append("its type is no key")
    if faults or library is None:
        raise ConfigError(*(f"pkcs11: {fault}" for fault in faults))
    texts = {name: value.decode() for name, value in where.items() if name != "id"}
    return KeyReference(
        TokenName(library, texts.get("token"), texts.get("serial")),
        ObjectName(texts.get("object"), where.get("id")),
        folder / how["pin-source"].decode().removeprefix("file:"),
    )


def _attributes(text: str, separator: str, known: tuple[str, ...], faults: list[str]) -> Mapping[str, bytes]:
    """Each attribute once, decoded; what is wrong is told by name and never by value. Only an ``id`` may be no text."""
    found: dict[str, bytes] = {}
    for pair in filter(None, text.split(separator)):
        name, _, value = pair.partition("=")
        octets = unquote_to_bytes(value)
        if name not in known:
            faults.append("a PIN is a file, pin-source=file:PATH" if name == "pin-value" else "an unknown attribute")
        elif name in found or not octets or not (name == "id" or _is_text(octets)):
            faults.append(f"{name} is doubled, empty or no text")
        else:
            found[name] = octets
    return found


def _is_text(octets: bytes) -> bool:
    try:
        return octets.decode().isprintable()
    except UnicodeDecodeError:
        return False
