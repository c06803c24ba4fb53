# ruff: noqa: INP001  docs/ holds pages and this script; it is no package
"""Writes the parts of pages that are derived from code: ``python docs/generate.py``.

A part stands between two comments that name it; the rest of the page is written by hand. With ``--check`` nothing is
written, and the exit code is 1 when a page differs.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

DOCS: Final = Path(__file__).resolve().parent
sys.path[:0] = [str(DOCS), str(DOCS.parent)]

from parts import configuration, errors, lifecycle, messages, operations, requirements  # noqa: E402  found by the lines above

PARTS: Final[dict[str, dict[str, Callable[[], str]]]] = {
    "lifecycle.md": {"inbound": lifecycle.inbound, "outbound": lifecycle.outbound, "states": lifecycle.states},
    "configuration.md": {"keys": configuration.keys},
    "errors.md": {"tree": errors.tree, "codes": errors.codes},
    "messages.md": {
        "types": messages.types,
        "clocks": messages.clocks,
        "laws": messages.laws,
        "warnings": messages.warnings,
        "holds": messages.holds,
        "rules": messages.rules,
    },
    "operations/README.md": {"metrics": operations.metrics, "simulators": operations.simulators},
    "security.md": {"promises": requirements.promises, "requirements": requirements.requirements},
}


def page(name: str) -> str:
    """The page as it should be: by hand, with each part made anew. Raises LookupError where a part has no place."""
    text = (DOCS / name).read_text("utf-8")
    for part, make in PARTS[name].items():
        begin, end = f"<!-- {part}: written by docs/generate.py -->", f"<!-- end of {part} -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not found or not closed:
            message = f"{name} has no place for {part}"
            raise LookupError(message)
        text = f"{before}{begin}\n\n{make()}\n\n{end}{after}"
    return text


def main(arguments: list[str]) -> int:
    """Write what differs, or only say so."""
    check = "--check" in arguments
    differing = [name for name in PARTS if page(name) != (DOCS / name).read_text("utf-8")]
    for name in differing:
        sys.stdout.write(f"docs/{name}: {'differs' if check else 'written'}\n")
        if not check:
            (DOCS / name).write_text(page(name), encoding="utf-8")
    return 1 if differing and check else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
