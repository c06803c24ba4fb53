"""Reads the configuration folder and names every fault at once."""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from gateway import limits
from gateway.config.brev_toml import Brev, Regel
from gateway.config.gateway_toml import Settings
from gateway.config.mottakere_toml import Mottaker, address_faults
from gateway.config.rules_toml import Frist, Hjemmel, Oppbevaring
from gateway.config.tenants_toml import Tenant
from gateway.config.values import Section
from gateway.errors import ConfigError

ENVIRONMENT_PREFIX: Final = "BUDSTIKKE__"


class Configuration(Section):
    """Everything read from the configuration folder."""

    folder: Path
    settings: Settings
    tenants: dict[str, Tenant]
    frister: dict[str, Frist]
    hjemler: dict[str, Hjemmel]
    oppbevaring: Oppbevaring
    brev: Brev
    regler: dict[str, Regel]
    mottakere: dict[str, Mottaker]
    partners: dict[str, dict[str, Any]]
    routes: dict[str, tuple[str, ...]]


def load(file: Path, environment: Mapping[str, str] = os.environ) -> Configuration:
    """Read ``gateway.toml`` and the files beside it. Raises ConfigError naming every fault at once."""
    configuration, faults = read(file, environment)
    if configuration is None or faults:
        raise ConfigError(*faults)
    return configuration


def read(file: Path, environment: Mapping[str, str] = os.environ) -> tuple[Configuration | None, list[str]]:
    """The same, for those who look for more faults. None when the rest cannot be judged; unknown keys are left out."""
    faults: list[str] = []
    folder = file.resolve().parent
    raw = _read(file, faults)
    _overlay(raw, environment, faults)
    settings = _model(Settings, raw, file.name, faults)
    tenants = {
        path.stem: _model(Tenant, _read(path, faults), f"tenants/{path.name}", faults)
        for path in sorted((folder / "tenants").glob("*.toml"))
    }
    frister = _models(Frist, folder / "frister.toml", faults)
    hjemler = _models(Hjemmel, folder / "hjemler.toml", faults)
    oppbevaring = _model(
        Oppbevaring, _read(folder / "oppbevaring.toml", faults, needed=False), "oppbevaring.toml", faults
    )
    brev = _model(Brev, _read(folder / "brev.toml", faults, needed=False), "brev.toml", faults)
    regler = _models(Regel, folder / "regler.toml", faults, needed=False)
    mottakere = _models(Mottaker, folder / "mottakere.toml", faults, needed=False)
    faults += address_faults(mottakere)
    partners = {path.stem: _read(path, faults) for path in sorted((folder / "partners").glob("*.toml"))}
    routes = _routes(folder / "routes.toml", faults)
    for name, tenant in tenants.items():
        if tenant is not None and tenant.kommunenummer != name:
            faults.append(f"tenants/{name}.toml: kommunenummer is not the file's name")
    rules = (*frister.values(), *hjemler.values(), *regler.values(), *mottakere.values())
    if settings is None or oppbevaring is None or brev is None or None in rules:
        return None, faults
    configuration = Configuration.model_construct(
        folder=folder,
        settings=settings,
        tenants={name: tenant for name, tenant in tenants.items() if tenant is not None},
        frister=frister,
        hjemler=hjemler,
        oppbevaring=oppbevaring,
        brev=brev,
        regler=regler,
        mottakere=mottakere,
        partners=partners,
        routes=routes,
    )
    return configuration, faults


def _read(path: Path, faults: list[str], *, needed: bool = True) -> dict[str, Any]:
    if not needed and not path.exists():
        return {}
    try:
        with path.open("rb") as file:
            content = file.read(limits.CONFIGURATION_BYTES_MAX + 1)
        if len(content) > limits.CONFIGURATION_BYTES_MAX:
            faults.append(f"{path.name}: larger than {limits.CONFIGURATION_BYTES_MAX} octets")
            return {}
        return tomllib.loads(content.decode())
    except FileNotFoundError:
        faults.append(f"{path.name}: the file is missing")
    except (OSError, UnicodeDecodeError):
        faults.append(f"{path.name}: the file cannot be read")
    except tomllib.TOMLDecodeError as error:
        faults.append(f"{path.name}: not TOML: {error}")
    except (ValueError, RecursionError):  # what the library says of endless numbers and nests
        faults.append(f"{path.name}: no TOML that can be read")
    return {}


def _routes(path: Path, faults: list[str]) -> dict[str, tuple[str, ...]]:
    found = {}
    for name, roads in _read(path, faults, needed=False).items():
        if not isinstance(roads, list) or not all(isinstance(road, str) for road in roads):
            faults.append(f"{path.name}: {name}: want a list of roads")
            continue
        found[name] = tuple(roads)
    return found


def _overlay(raw: dict[str, Any], environment: Mapping[str, str], faults: list[str]) -> None:
    """Lay ``BUDSTIKKE__LISTEN__PARTNER__PORT=1`` over the file."""
    for name, value in environment.items():
        if not name.startswith(ENVIRONMENT_PREFIX):
            continue
        *tables, key = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        table: Any = raw
        for part in tables:
            table = table.setdefault(part, {}) if isinstance(table, dict) else None
        if isinstance(table, dict):
            table[key] = value
        else:
            faults.append(f"{name}: there is no such table")


def _model(model: type[Any], raw: dict[str, Any], name: str, faults: list[str]) -> Any:
    """The model; without the unknown keys when those are all that is wrong; else None."""
    try:
        return model.model_validate(raw)
    except ValidationError as error:
        found = error.errors(include_url=False, include_input=False)
    for fault in found:
        place = ".".join(str(step) for step in fault["loc"])
        faults.append(f"{name}: {place}: {fault['msg']}")
    if any(fault["type"] != "extra_forbidden" for fault in found):
        return None
    for fault in found:
        _drop(raw, fault["loc"])
    return model.model_validate(raw)


def _drop(raw: Any, place: tuple[int | str, ...]) -> None:
    *tables, key = place
    for step in tables:
        raw = raw[step]
    del raw[key]


def _models(model: type[Any], path: Path, faults: list[str], *, needed: bool = True) -> dict[str, Any]:
    read = _read(path, faults, needed=needed)
    return {key: _model(model, raw, f"{path.name}: {key}", faults) for key, raw in read.items()}
