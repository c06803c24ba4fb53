"""The keys of the configuration files, from their models."""

import re
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from gateway import config
from parts.text import table

_FILES: Final[tuple[tuple[str, str, type[BaseModel]], ...]] = (
    ("gateway.toml", "", config.Settings),
    ("tenants/(kommunenummer).toml", "", config.Tenant),
    ("frister.toml", "(clock id)", config.Frist),
    ("hjemler.toml", "(id)", config.Hjemmel),
    ("brev.toml", "", config.Brev),
    ("regler.toml", "(rule)", config.Regel),
    ("mottakere.toml", "(unit)", config.Mottaker),
)
_BOUNDS: Final = ("ge", "le", "min_length", "pattern")
_WORDS: Final = {
    r"^dict\[str, tuple\[float": "table of lists of numbers",
    r"^dict\[str, str": "table of texts",
    r"^(tuple|frozenset)\[str": "list of texts",
    r"^tuple\[float": "list of numbers",
    r"^(tuple|frozenset)\[int": "list of whole numbers",
    r"^tuple\[.*Path": "list of paths",
    r"Path": "path",
    r"^bool": "true or false",
    r"^int": "whole number",
    r"^float": "number",
    r"^date$": "date",
    r"str": "text",
}
"""The first pattern that a type's name matches says how it is told."""


def keys() -> str:
    """Every file, table by table."""
    parts: list[str] = []
    for file, prefix, model in _FILES:
        parts.append(f"## `{file}`")
        parts.extend(section(prefix, model))
    return "\n\n".join(parts)


def section(prefix: str, model: type[BaseModel], given: object = None) -> Iterator[str]:
    """The table of a model's keys, then the tables inside it. ``given``: defaults that the place has, not the model."""
    if prefix:
        yield f"#### `[{prefix}]`"
    yield " ".join((model.__doc__ or "").replace("``", "`").split())
    rows, inner = [], []
    for name, field in model.model_fields.items():
        below = _model_in(field.annotation)
        default = getattr(given, name, field.get_default(call_default_factory=True))
        if below is not None:
            inner.append((_place(prefix, name, field), below, default))
            continue
        shown = "needed" if default is PydanticUndefined else f"`{_toml(default)}`"
        rows.append((f"`{name}`", _type(field), shown))
    if rows:
        yield table(("key", "type", "default"), rows)
    for place, below, default in inner:
        yield from section(place, below, default)


def _place(prefix: str, name: str, field: FieldInfo) -> str:
    """The table's name; of one of many with a place for its name, of a list as TOML writes lists."""
    place = f"{prefix}.{name}" if prefix else name
    origin = getattr(field.annotation, "__origin__", None)
    if origin is tuple:
        return f"[{place}]"
    return f"{place}.(name)" if origin is dict else place


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_in(part) for part in getattr(annotation, "__args__", ()))
    return next((model for model in found if model is not None), None)


def _type(field: FieldInfo) -> str:
    """How a field's type is told to people."""
    text = field.annotation.__name__ if isinstance(field.annotation, type) else str(field.annotation)
    optional = "None" in text or "Optional" in text
    if "_secret" in f"{field.annotation}{field.metadata}":
        text = "secret"
    elif (choices := _enum_in(field.annotation)) is not None:
        text = "one of " + ", ".join(f"`{choice.value}`" for choice in choices)
    elif (closed := re.search(r"Literal\[(.*?)\]", text)) is not None:
        text = "one of " + closed[1].replace("'", "`")
    else:
        text = next(words for pattern, words in _WORDS.items() if re.search(pattern, text))
    bounds = [f"{name} {getattr(rule, name)}" for rule in field.metadata for name in _BOUNDS if hasattr(rule, name)]
    told = [f"`{bound}`" for bound in bounds if not bound.endswith(" None")]
    return ", ".join([text + (" or none" if optional else ""), *told])


def _enum_in(annotation: Any) -> type[StrEnum] | None:
    kinds = (annotation, *getattr(annotation, "__args__", ()))
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, StrEnum)), None)


def _toml(default: object) -> str:
    match default:
        case None:
            return "none"
        case bool():
            return str(default).lower()
        case str() | Path():
            return f'"{default}"'
        case tuple():
            return "[" + ", ".join(_toml(each) for each in default) + "]"
        case _:
            return str(default)
