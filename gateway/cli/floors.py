"""The oldest release of each library that this program may run with, and why: the start refuses less (S106)."""

import re
from collections.abc import Callable, Mapping
from importlib import metadata
from typing import Final

_TRIED: Final = "the oldest release that the tests have run with"

FLOORS: Final[dict[str, tuple[str, str]]] = {
    "aio-pika": ("10.2.1", "how it and its parts end a connection and refuse a login was tried in this release"),
    "aiohttp": (
        "3.14.5",
        "3.14.1 and 3.14.2 take a body behind a websocket upgrade for a request (GHSA-mfx4-hv73-q22v)",
    ),
    "alembic": ("1.20", _TRIED),
    "asyncpg": ("0.32", "how it tells that a commit was lost is tried from this release on"),
    "cryptography": ("50.0.2", "its wheel carries the OpenSSL that opens envelopes; older ones were not tried"),
    "jsonschema-rs": ("0.60", "its patterns run in linear time as configured here; older ones were not tried (S34)"),
    "jwcrypto": ("1.6.1", "what it refuses in a token's header was tried member by member in this release (S06)"),
    "lxml": ("6.1.3", "stops entity bombs and loads no external entity by default, tried in this release (S21)"),
    "orjson": ("3.13", "refuses NaN, endless numbers and lone surrogates, tried in this release (S32)"),
    "pikepdf": ("10.17", "what its qpdf makes of hostile PDFs was tried in this release (S33)"),
    "prometheus-client": ("0.26", _TRIED),
    "pydantic": ("2.14", "its errors hide what was sent, as told to, tried in this release (S88)"),
    "pydantic-settings": ("2.16", _TRIED),
    "pypdfium2": ("5.15", "what its PDFium reads of a page, and refuses to, was tried in this release (S33)"),
    "pyyaml": ("6.0.3", _TRIED),
    "reportlab": ("5.1", _TRIED),
    "rfc8785": ("0.1.4", "writes the canonical form that the journal's hashes cover; older ones were not tried"),
    "sqlalchemy": ("2.1.9", "leaves BEGIN and COMMIT on SQLite to the store, tried in this release"),
    "structlog": ("26.1", _TRIED),
    "tenacity": ("9.2", _TRIED),
    "typer": ("0.29", _TRIED),
    "typst": ("0.15", _TRIED),
    "typing-extensions": ("4.16", _TRIED),
    "tzdata": ("2026.1", "deadlines are counted in Norwegian time by its rules"),
    "uuid-utils": ("1.2", _TRIED),
}
"""By distribution: the lowest release and the reason. ``pyproject.toml`` asks for the same."""

_RELEASE: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9}){0,5})(?:\.post[0-9]{1,9})?(?:\+[a-z0-9.]{1,64})?")


def floor_faults(
    floors: Mapping[str, tuple[str, str]] = FLOORS, installed: Callable[[str], str] = metadata.version
) -> list[str]:
    """A fault for each library that is too old, absent, or of a version that is no release."""
    return [
        f"libraries: {name} {found or 'is absent'}, at least {floor} is needed: {reason} (S106)"
        for name, (floor, reason) in floors.items()
        if (found := _found(name, installed)) is None or not _reaches(found, floor)
    ]


def _found(name: str, installed: Callable[[str], str]) -> str | None:
    try:
        return installed(name)
    except metadata.PackageNotFoundError:
        return None


def _reaches(found: str, floor: str) -> bool:
    """Whether a release is the floor or younger. What is before a release (a1, rc1, dev0) reaches nothing."""
    release = _RELEASE.fullmatch(found)
    return release is not None and _numbers(release[1]) >= _numbers(floor)


def _numbers(release: str) -> tuple[int, ...]:
    """Comparable: 1.2 is 1.2.0."""
    numbers = [int(number) for number in release.split(".")]
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)
