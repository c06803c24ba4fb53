"""What production refuses: ``mode = "production"`` only ever removes abilities (security.md 5)."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

from gateway import config, crashpoints
from gateway.app.calls import nobody
from gateway.app.doors import NAMES
from gateway.app.keys import in_token
from gateway.app.lending import clients_of, signing_keys
from gateway.app.parts import data_dir, offices_of, trust_of
from gateway.config import Configuration
from gateway.crypto.pkcs11_uri import parse
from gateway.crypto.trust import Certificate, is_throw_away, names_a_test, read_roots
from gateway.domain.routing import LOOPBACK
from gateway.errors import ConfigError

_SECRET_BYTES_MIN: Final = 12
_TEST_ISSUERS: Final = ("test.", "//test", "-test", "ver2.", "localhost", "127.0.0.1", "[::1]", ".example", ".invalid")


def production_faults(configuration: Configuration, secrets: Mapping[str, str]) -> list[str]:
    """Everything that production may not have. ``secrets``: each reference by its place."""
    settings = configuration.settings
    faults = [f"issuers: {one.issuer} has no audience (S04)" for one in settings.issuers if one.audience is None]
    faults += [
        f"issuers: {one.issuer} is a test issuer (S05)"
        for one in settings.issuers
        if any(mark in f"{one.issuer} {one.jwks_uri}".lower() for mark in _TEST_ISSUERS)
    ]
    faults += [
        f"maskinporten.{name}: {one.audience} is a test issuer (S05)"
        for name, one in settings.maskinporten.items()
        if any(mark in f"{one.audience} {one.token_endpoint}".lower() for mark in _TEST_ISSUERS)
    ]
    if LOOPBACK in settings.adapters:
        faults.append("adapters: loopback is for tests only (S86)")
    if settings.operations_token is None:
        faults.append("operations_token: production needs one (S76)")
    faults += _process_faults()
    faults += _secret_faults(configuration, secrets)
    return faults + _certificate_faults(configuration)


def _process_faults() -> list[str]:
    """How this process was started (S41, S86)."""
    faults = []
    if sys.flags.dev_mode:
        faults.append("python: development mode (-X dev, PYTHONDEVMODE) shows too much (S41)")
    if not sys.flags.ignore_environment and os.environ.get("PYTHONASYNCIODEBUG"):
        faults.append("python: asyncio's debug mode (PYTHONASYNCIODEBUG) shows too much (S41)")
    if crashpoints.armed():
        faults.append("python: crash points are armed (S86)")
    return faults


def _secret_faults(configuration: Configuration, secrets: Mapping[str, str]) -> list[str]:
    faults = []
    data = data_dir(configuration).resolve()
    for place, reference in secrets.items():
        if reference.startswith("env:"):
            faults.append(f"{place}: env: secrets are for demo and tests only")
            continue
        try:
            if in_token(reference):
                pin = parse(reference, configuration.folder, configuration.settings.pkcs11.module).pin
                faults += _inside(place, pin, data)
                continue  # a token counts wrong PINs, so a short one is no fault
            path = config.secret_path(configuration.folder, reference)
            secret = config.read_secret(configuration.folder, reference)
        except ConfigError:
            continue  # told by the check of every mode
        faults += _inside(place, path, data)
        if len(secret) < _SECRET_BYTES_MIN:
            faults.append(f"{place}: under {_SECRET_BYTES_MIN} octets; a default or guessable password (S05)")
    return faults


def _inside(place: str, path: Path, data: Path) -> list[str]:
    return [f"{place}: keys lie outside data_dir and outside its backup"] if path.resolve().is_relative_to(data) else []


def _certificate_faults(configuration: Configuration) -> list[str]:
    """Throw-away keys and test roots open nothing in production (S05, S86)."""
    faults = []
    for channel in configuration.settings.trust:
        try:
            roots = trust_of(configuration, channel, nobody).roots
        except ConfigError:
            continue
        faults += [
            f"trust.{channel}: {root.subject.rfc4514_string()} is a test root (S05)"
            for root in roots
            if is_throw_away(root) or names_a_test(root)
        ]
    faults += [
        f"{place} is a throw-away certificate, {certificate.subject.rfc4514_string()} (S05)"
        for place, certificate in _own_certificates(configuration)
        if is_throw_away(certificate)
    ]
    return faults


def _own_certificates(configuration: Configuration) -> Iterator[tuple[str, Certificate]]:
    """Of the listeners, the offices, our clients at Maskinporten and what signs requests, as far as they can be read; what cannot is told by the check of every mode."""
    for name in NAMES:
        listener: config.Listener = getattr(configuration.settings.listen, name)
        if listener.certificate is not None:
            with suppress(ConfigError):
                yield f"listen.{name}", read_roots([config.resolve(configuration.folder, listener.certificate)])[0]
    with suppress(ConfigError):
        for office in offices_of(configuration).all():
            for ring in (office.receive, office.print_part):
                yield from ((f"tenants: {office.tenant}", key.certificate) for key in ring.decryption_keys())
            yield f"tenants: {office.tenant}", office.receive.signing_key().chain[0]
    with suppress(ConfigError):
        for name, client in clients_of(configuration).items():
            yield f"maskinporten.{name}", client.signer.key.chain[0]
    with suppress(ConfigError):
        for name, key in signing_keys(configuration).items():
            yield f"signing.{name}", key.chain[0]
