"""What stands in the way of a start: every fault of a configuration, found without connecting anywhere (S108).

A fault names the place in the configuration and what is wrong there, never a secret.
"""

import ipaddress
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from gateway import config
from gateway.app.backup import backup_certificate
from gateway.app.calls import nobody
from gateway.app.doors import LOOPBACK, NAMES, tls_of
from gateway.app.keys import in_token
from gateway.app.lending import clients_of, signing_keys
from gateway.app.parts import adapter_settings, catalogue_of, offices_of, roads_of, trust_of, witnesses_of
from gateway.cli.floors import floor_faults
from gateway.cli.production import production_faults
from gateway.config import Configuration
from gateway.crypto.keys import read_private
from gateway.errors import ConfigError

_OPENED_KEY: Final = re.compile(
    r"tenants/.*\.(receive_keys\.\d+\.key|(print|signing)_key\.key|key_encryption_key)|(maskinporten|signing)\.[^.]+\.key\.key"
)
_SIGNED_BY_THEMSELVES: Final = ("crl_url", "ocsp_url")  # RFC 5280 and 6960 answers; http is their usual road


def sound(file: Path) -> Configuration:
    """The configuration, wholly checked. Raises ConfigError with every fault at once."""
    configuration, faults = config.read(file)
    faults = [*floor_faults(), *faults]
    if configuration is not None:
        faults = [*faults, *faults_of(configuration)]
    if configuration is None or faults:
        raise ConfigError(*dict.fromkeys(faults))
    return configuration


def faults_of(configuration: Configuration) -> list[str]:
    """Every fault beyond the shapes."""
    checks: list[Callable[[], object]] = [
        partial(offices_of, configuration),
        lambda: roads_of(configuration, catalogue_of(configuration)),
        *(partial(adapter_settings, configuration, name) for name in configuration.settings.adapters),
        *(partial(trust_of, configuration, channel, nobody) for channel in configuration.settings.trust),
        *(partial(tls_of, configuration, name) for name in NAMES),
        partial(backup_certificate, configuration),
        partial(clients_of, configuration),
        partial(signing_keys, configuration),
        partial(witnesses_of, configuration),
        *(partial(_secret, configuration.folder, *found) for found in secrets_of(configuration)),
    ]
    faults = [fault for check in checks for fault in _faults(check)]
    if not configuration.tenants:
        faults.append("tenants/: no municipality is configured")
    faults += _address_faults(configuration)
    faults += _listener_faults(configuration)
    if configuration.settings.mode == "production":
        faults += production_faults(configuration, dict(secrets_of(configuration)))
    return list(dict.fromkeys(faults))


def _faults(check: Callable[[], object]) -> tuple[str, ...]:
    try:
        check()
    except ConfigError as error:
        return error.faults
    return ()


def secrets_of(configuration: Configuration) -> list[tuple[str, str]]:
    """Every reference to a secret with its place."""
    return [found for found in _texts(configuration) if found[1].startswith(config.SECRET_SCHEMES)]


def _secret(folder: Path, place: str, reference: str) -> None:
    """A file must be its owner's alone, a variable must be set. Raises ConfigError."""
    try:
        if reference.startswith("file:"):
            read_private(config.secret_path(folder, reference))
        elif not (in_token(reference) and _OPENED_KEY.fullmatch(place)):  # those were opened already
            config.read_secret(folder, reference)
    except ConfigError as error:
        raise ConfigError(*(f"{place}: {fault}" for fault in error.faults)) from None


def _address_faults(configuration: Configuration) -> list[str]:
    production = configuration.settings.mode == "production"
    return [
        f"{place}: http: is for trying out on this machine only; use https:"
        for place, text in _texts(configuration)
        if text.lower().startswith("http:")
        and not place.endswith(_SIGNED_BY_THEMSELVES)
        and (production or not _is_loopback(text))
    ]


def _listener_faults(configuration: Configuration) -> list[str]:
    listeners = {name: getattr(configuration.settings.listen, name) for name in NAMES}
    ports = [listener.port for listener in listeners.values() if listener.port]
    faults = ["listen: three doors need three ports"] if len(set(ports)) != len(ports) else []
    if listeners["operations"].host not in LOOPBACK and configuration.settings.operations_token is None:
        faults.append("listen.operations: beyond loopback it needs an operations_token")
    return faults


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _texts(configuration: Configuration) -> list[tuple[str, str]]:
    """Every text of the settings, tenants and partners with its place."""
    tree: dict[str, Any] = configuration.settings.model_dump(mode="json")
    tree |= {f"tenants/{name}.toml": tenant.model_dump(mode="json") for name, tenant in configuration.tenants.items()}
    tree |= {f"partners/{name}.toml": partner for name, partner in configuration.partners.items()}
    return list(_walk("", tree))


def _walk(place: str, node: object) -> Iterator[tuple[str, str]]:
    if isinstance(node, str):
        yield place, node
    elif isinstance(node, dict):
        for name, below in node.items():
            yield from _walk(f"{place}.{name}" if place else str(name), below)
    elif isinstance(node, list | tuple):
        for number, below in enumerate(node):
            yield from _walk(f"{place}.{number}", below)
