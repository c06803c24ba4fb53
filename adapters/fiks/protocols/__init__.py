"""What each protocol over Fiks IO allows: data in ``<protocol>/protocol.toml``, no code (decisions 6.3).

A protocol names its message types, which way they go, what they carry and what answers them (fiks.md 4.6, 6.7 and 9).
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib.abc import Traversable
from importlib.resources import files
from types import MappingProxyType
from typing import Any, Final

from pydantic import ConfigDict, TypeAdapter, ValidationError

from gateway.spi import ConfigError, Fate

_FILE: Final = "protocol.toml"
_NAME: Final = re.compile(r"[a-z0-9]+(\.[a-z0-9]+)+")
_ROOT: Final = files(__name__)


class Way(StrEnum):
    """Which way a message type goes, seen from us."""

    IN = "in"
    OUT = "out"


class Payload(StrEnum):
    """Whether a message carries a sealed container."""

    REQUIRED = "required"
    ALLOWED = "allowed"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class ProtocolType:
    """One message type, by its name on the wire.

    ``files``: the documents of its container. ``answered_by``: types that the other side answers with; where there are
    none, that the platform took a message is all that will ever be heard of it. ``receipt``: it is our receipt, and says this.
    """

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    way: Way
    payload: Payload
    files: tuple[str, ...] = ()
    answered_by: tuple[str, ...] = ()
    receipt: Fate | None = None


@dataclass(frozen=True, slots=True)
class Protocol:
    """What may be said between two accounts of this protocol. ``ttl_s``: how long what we send may wait there."""

    __pydantic_config__ = ConfigDict(extra="forbid")

    name: str
    ttl_s: int
    types: tuple[ProtocolType, ...]
    errors: tuple[str, ...] = ()

    def find(self, name: str, way: Way) -> ProtocolType | None:
        """The type of that name, if it goes that way; names are compared exactly."""
        return next((kind for kind in self.types if kind.name == name and kind.way is way), None)

    def receipt(self, fate: Fate) -> ProtocolType | None:
        """Our receipt that says so; None in a protocol without receipts."""
        return next((kind for kind in self.types if kind.receipt is fate), None)

    def answers(self, name: str) -> bool:
        """Whether what comes under this name can be the answer to something that we sent."""
        return any(name in kind.answered_by for kind in self.types)

    def error(self, name: str) -> str | None:
        """The code of the protocol's own error of that name (``<protocol>.feilmelding.<code>``); None if it is none."""
        prefix = f"{self.name}.feilmelding."
        code = name.removeprefix(prefix)
        return code if name.startswith(prefix) and code in self.errors else None


_READER: Final = TypeAdapter(Protocol)


@cache
def load(name: str) -> Protocol:
    """The protocol of that name. Raises ConfigError."""
    if _NAME.fullmatch(name) is None or not (_ROOT / name).is_dir():
        message = f"there is no protocol {name}"
        raise ConfigError(message)
    try:
        protocol = _READER.validate_python(_table(_ROOT / name / _FILE))
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
        raise ConfigError(*(f"{name}/{_FILE}: {fault['loc']}: {fault['msg']}" for fault in found)) from None
    if faults := list(_faults(name, protocol)):
        raise ConfigError(*faults)
    return protocol


def names() -> tuple[str, ...]:
    """Every protocol that is here."""
    return tuple(sorted(entry.name for entry in _ROOT.iterdir() if entry.is_dir() and (entry / _FILE).is_file()))


def _table(file: Traversable) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        message = f"{file.name}: missing, or not TOML"
        raise ConfigError(message) from None


def _faults(name: str, protocol: Protocol) -> Iterator[str]:
    known = [kind.name for kind in protocol.types]
    if protocol.name != name:
        yield f"{name}/{_FILE}: name is not the folder's"
    if len(set(known)) != len(known):
        yield f"{name}/{_FILE}: a type is there twice"
    for kind in protocol.types:
        if any(protocol.find(answer, Way.IN) is None for answer in kind.answered_by):
            yield f"{name}/{_FILE}: {kind.name}: an answer is no type that comes in"
        if kind.receipt is not None and kind.way is not Way.OUT:
            yield f"{name}/{_FILE}: {kind.name}: a receipt of ours goes out"
        if (kind.payload is Payload.NONE) != (not kind.files):
            yield f"{name}/{_FILE}: {kind.name}: files and payload go together"


PLATFORM_RECEIPTS: Final[Mapping[str, str]] = MappingProxyType(_table(_ROOT / "plattform.toml")["receipts"])
"""The platform's own receipts: their code by the type's name (fiks.md 4.6)."""
