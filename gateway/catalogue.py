"""The catalogue of message types: what ``schemas/`` declares, read strictly at start and frozen.

Each folder ``schemas/<meldingstype>/<versjon>/`` holds ``meldingstype.toml`` and the schema that it names. Adding a type
is adding a folder. A version is never edited after release; a change is a new folder.
"""

import tomllib
from collections.abc import Container, Iterator, Mapping
from dataclasses import dataclass
from importlib.abc import Traversable
from importlib.resources import files
from typing import Any, Literal

import jsonschema_rs
import orjson
from pydantic import Field, ValidationError

from gateway import limits
from gateway.config import Section
from gateway.domain.message_type import Audience, Direction, Lane, LetterForm, MessageType, TypeName
from gateway.errors import ConfigError, UnknownMessageTypeError

DECLARATION = "meldingstype.toml"


class _Kanal(Section):
    """How one channel names the type, verbatim."""

    meldingstype: str = Field(min_length=1)


class _Brev(Section):
    """How the type becomes a letter: a subject that tells nothing in each language, and templates ``brev.<språk>.typ``."""

    emne: dict[Literal["nb", "nn"], str] = Field(min_length=1)
    mal: bool


class _Declaration(Section):
    """``meldingstype.toml``. Any key that does not stand here is a fault."""

    navn: str = Field(min_length=1)
    retning: Direction
    lane: Lane
    skjema: str | None = None
    skjema_dokument: str | None = None
    documents: tuple[str, ...]
    gradering: Literal["T", "S", "G"]
    skjermes_for: tuple[str, ...]
    hjemmel: tuple[str, ...]
    oppbevares_dager: int = Field(gt=0)
    frister: tuple[str, ...]
    til: Audience = Audience.BODY
    brev: _Brev | None = None
    kanal: dict[str, _Kanal] = Field(default_factory=dict)


@dataclass(frozen=True, slots=True, order=True)
class Flaw:
    """Where and how a document breaks its schema.

    ``path`` is a JSON pointer made of indexes and of names that stand in the schema; other names are written ``*``,
    because a name can be content too. ``rule`` is the schema's keyword; ``not-json`` when the document cannot be JSON.
    """

    path: str
    rule: str


@dataclass(frozen=True, slots=True)
class _Schema:
    validator: jsonschema_rs.Validator
    names: frozenset[str]


class Catalogue:
    """Every message type of this installation."""

    def __init__(self, types: Mapping[TypeName, MessageType], schemas: Mapping[TypeName, _Schema]) -> None:
        self._types = dict(types)
        self._schemas = dict(schemas)

    @classmethod
    def load(cls, root: Traversable | None = None) -> "Catalogue":
        """Read the installed ``schemas``, or those below ``root``. Raises ConfigError naming every fault at once."""
        types: dict[TypeName, MessageType] = {}
        schemas: dict[TypeName, _Schema] = {}
        taken: set[tuple[str, str]] = set()
        faults: list[str] = []
        for name, version, folder in _folders(root or files("schemas")):
            kind, schema = _read_type(name, version, folder, faults)
            if kind is None:
                continue
            types[kind.key] = kind
            if schema is not None:
                schemas[kind.key] = schema
            for identifier in kind.channels.items():
                if identifier in taken:
                    faults.append(f"{kind.key}: another type has this name on kanal.{identifier[0]}")
                taken.add(identifier)
        if faults:
            raise ConfigError(*faults)
        return cls(types, schemas)

    def without(self, keys: Container[TypeName]) -> "Catalogue":
        """The same without these types, as if they had never been declared."""
        return Catalogue({key: kind for key, kind in self._types.items() if key not in keys}, self._schemas)

    def types(self) -> tuple[MessageType, ...]:
        """All types, by key."""
        return tuple(self._types[key] for key in sorted(self._types))

    def type(self, key: TypeName) -> MessageType:
        """The type of that name and version. Raises UnknownMessageTypeError."""
        kind = self._types.get(key)
        if kind is None:
            message = "no message type has that name and version"
            raise UnknownMessageTypeError(message)
        return kind

    def on_channel(self, channel: str) -> dict[str, TypeName]:
        """The types that a channel carries: by the name that each has there, verbatim."""
        return {kind.channels[channel]: key for key, kind in self._types.items() if channel in kind.channels}

    def flaws(self, key: TypeName, document: object) -> tuple[Flaw, ...]:
        """Where a parsed JSON document breaks the type's schema: sorted, at most ``SCHEMA_FLAWS_MAX``, empty if sound.

        A type without schema takes every document. Raises UnknownMessageTypeError.
        """
        schema = self._schemas.get(self.type(key).key)
        if schema is None:
            return ()
        try:
            if schema.validator.is_valid(document):
                return ()
            # The library makes every error before it gives the first, so that a hostile array costs seconds.
            found = {_flaw(error, schema.names) for error in schema.validator.iter_errors(_shortened(document))}
        except ValueError:  # lone surrogates, or types that JSON does not have
            return (Flaw("", "not-json"),)
        return tuple(sorted(found)[: limits.SCHEMA_FLAWS_MAX]) or (Flaw("", "beyond-searched-items"),)


def _folders(root: Traversable) -> Iterator[tuple[str, str, Traversable]]:
    for kind in sorted(root.iterdir(), key=lambda entry: entry.name):
        if not kind.is_dir() or kind.name.startswith(("_", ".")):
            continue
        for version in sorted(kind.iterdir(), key=lambda entry: entry.name):
            if version.is_dir():
                yield kind.name, version.name, version


def _read_type(
    name: str, version: str, folder: Traversable, faults: list[str]
) -> tuple[MessageType | None, _Schema | None]:
    place = f"{name}/{version}"
    try:
        declared = _Declaration.model_validate(tomllib.loads((folder / DECLARATION).read_text("utf-8")))
    except ValidationError as error:
        faults.extend(
            f"{place}: {'.'.join(str(step) for step in fault['loc'])}: {fault['msg']}"
            for fault in error.errors(include_url=False, include_input=False)
        )
        return None, None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        faults.append(f"{place}: {DECLARATION} is missing or not TOML")
        return None, None
    if declared.skjema_dokument is not None and declared.skjema_dokument not in declared.documents:
        faults.append(f"{place}: skjema_dokument is not among documents")
    if declared.retning is Direction.OUT and not (declared.documents and declared.hjemmel):
        faults.append(f"{place}: what goes out needs documents and hjemmel")
    if (declared.skjema is None) != (declared.skjema_dokument is None):
        faults.append(f"{place}: skjema and skjema_dokument go together")
    if declared.brev is not None and declared.brev.mal and declared.skjema is None:
        faults.append(f"{place}: what is written from a template needs a schema")
    schema = _read_schema(place, folder / declared.skjema, faults) if declared.skjema else None
    letter = _read_letter(place, folder, declared.brev, faults) if declared.brev else None
    return _message_type(name, version, declared, letter), schema


def _read_letter(place: str, folder: Traversable, declared: _Brev, faults: list[str]) -> LetterForm:
    templates: dict[str, str] = {}
    for language in declared.emne if declared.mal else ():
        try:
            templates[language] = (folder / f"brev.{language}.typ").read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            faults.append(f"{place}: brev.{language}.typ is missing or not UTF-8")
    return LetterForm({str(language): subject for language, subject in declared.emne.items()}, templates)


def _message_type(name: str, version: str, declared: _Declaration, letter: LetterForm | None) -> MessageType:
    return MessageType(
        name=name,
        version=version,
        navn=declared.navn,
        direction=declared.retning,
        lane=declared.lane,
        gradering=declared.gradering,
        hjemmel=declared.hjemmel,
        frister=declared.frister,
        skjermes_for=declared.skjermes_for,
        oppbevares_dager=declared.oppbevares_dager,
        documents=declared.documents,
        schema_document=declared.skjema_dokument,
        channels={channel: kanal.meldingstype for channel, kanal in declared.kanal.items()},
        audience=declared.til,
        letter=letter,
    )


def _read_schema(place: str, file: Traversable, faults: list[str]) -> _Schema | None:
    try:
        source = orjson.loads(file.read_bytes())
        # The linear engine only (S34): a pattern that needs another one does not compile. No schema is ever fetched.
        validator = jsonschema_rs.validator_for(source, pattern_options=jsonschema_rs.RegexOptions(), offline=True)
    except (OSError, ValueError):
        faults.append(f"{place}: {file.name} is missing, not JSON or not a schema that can be used")
        return None
    return _Schema(validator, frozenset(_names(source)))


def _names(schema: Any) -> Iterator[str]:
    """Every property name that stands in a schema."""
    if isinstance(schema, dict):
        properties = schema.get("properties")
        if isinstance(properties, dict):
            yield from properties
        for part in schema.values():
            yield from _names(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from _names(part)


def _flaw(error: jsonschema_rs.ValidationError, names: frozenset[str]) -> Flaw:
    steps = list(error.instance_path)
    if isinstance(error.kind, jsonschema_rs.ValidationErrorKind.Required):
        steps.append(error.kind.property)  # points at what is missing
    pointer = "".join(f"/{step if isinstance(step, int) or step in names else '*'}" for step in steps)
    return Flaw(pointer, error.kind.name)


def _shortened(document: Any, depth: int = 0) -> Any:
    """The document with long arrays cut and what lies deeper than any document may go left out."""
    if depth > limits.JSON_DEPTH_MAX:
        return None
    match document:
        case dict():
            return {name: _shortened(value, depth + 1) for name, value in document.items()}
        case list():
            return [_shortened(item, depth + 1) for item in document[: limits.SCHEMA_ITEMS_MAX]]
        case _:
            return document
