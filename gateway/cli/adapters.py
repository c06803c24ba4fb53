"""new-adapter: a partner of one's own, begun as a copy of the smallest whole adapter."""

import re
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from gateway.cli.options import AsJson, show
from gateway.errors import ConfigError

_TEMPLATE: Final = "adapters.loopback"
_NAME: Final = re.compile(r"[a-z][a-z0-9]{1,29}")

_STEPS: Final = (
    "settings.py: what the operator must tell you; secrets as references (file:, env:, pkcs11:), never values",
    "road.py: one attempt each; map the partner's answer to Taken, TryLater, Refused or Uncertain",
    "road.py: idempotent only if the partner promises it; status() answers None where the partner cannot be asked",
    "__init__.py: give a Directory that knows the recipients' certificates; without one nothing is sealed",
    "the test: for HTTP, subclass HttpAdapterContract and give it a fake partner (gateway.testing.partner)",
    "install it beside Budstikke: pip install -e .",
    "config: its name in adapters, its origin in adapter_origins, partners/{name}.toml, routes.toml, a rule in guards",
)

_PROJECT: Final = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "budstikke-{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["budstikke"]

[project.entry-points."gateway.adapters"]
{name} = "budstikke_{name}:ADAPTER"

[tool.hatch.build.targets.wheel]
packages = ["budstikke_{name}"]

[tool.pytest.ini_options]
asyncio_mode = "auto"
"""

_TEST: Final = '''\
"""The {name} adapter keeps every adapter's promises."""

from budstikke_{name} import ADAPTER
from gateway.testing.contract import AdapterContract


class Test{title}(AdapterContract):
    spec = ADAPTER
'''

_README: Final = """\
# {name}

Begun as a copy of Budstikke's loopback adapter: it still keeps its parcels and gives their receipts itself. To do:

{steps}
"""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("new-adapter")(new_adapter)


def new_adapter(
    name: Annotated[str, typer.Argument(help="The partner's name: small letters and digits.")],
    into: Annotated[Path, typer.Option("--into", help="The folder of the new package; made if it is not there.")],
    as_json: AsJson = False,
) -> None:
    """Copy the smallest whole adapter, with a test, into a package of its own."""
    if _NAME.fullmatch(name) is None or name == _TEMPLATE.rpartition(".")[2]:
        message = "new-adapter: a name is 2 to 30 small letters and digits, a letter first, and not loopback"
        raise ConfigError(message)
    steps = [step.format(name=name) for step in _STEPS]
    made = _write(into, name, _files(name, steps))
    lines = [*(f"made {path}" for path in made), "next:", *(f"  {n}. {step}" for n, step in enumerate(steps, 1))]
    show({"made": [str(path) for path in made], "next": steps}, as_json=as_json, line="\n".join(lines))


def _files(name: str, steps: list[str]) -> dict[str, str]:
    package = f"budstikke_{name}"
    listed = "\n".join(f"{number}. {step}" for number, step in enumerate(steps, 1))
    return {
        **{f"{package}/{path.name}": _renamed(path.read_text("utf-8"), name) for path in _template()},
        f"{package}/py.typed": "",
        f"tests/test_{name}.py": _TEST.format(name=name, title=name.capitalize()),
        "pyproject.toml": _PROJECT.format(name=name),
        "README.md": _README.format(name=name, steps=listed),
    }


def _template() -> list[Path]:
    """The modules of the adapter that is copied; it is not imported."""
    found = find_spec(_TEMPLATE)
    if found is None or not found.submodule_search_locations:
        message = f"{_TEMPLATE} is not installed"
        raise ConfigError(message)
    return sorted(Path(found.submodule_search_locations[0]).glob("*.py"))


def _renamed(text: str, name: str) -> str:
    own = text.replace(_TEMPLATE, f"budstikke_{name}")
    return own.replace("loopback", name).replace("Loopback", name.capitalize())


def _write(into: Path, name: str, files: dict[str, str]) -> list[Path]:
    taken = [path for path in files if (into / path).exists()]
    if taken:
        message = f"new-adapter: {taken[0]} is there already; nothing was written for {name}"
        raise ConfigError(message)
    made = []
    for path, text in files.items():
        file = into / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        made.append(file)
    return made
