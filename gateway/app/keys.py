"""References become keys: files and tokens, as the configuration names them. Faults are gathered, not raised one by one."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from gateway import config
from gateway.crypto.at_rest import KeyEncryptionKey
from gateway.crypto.keys import (
    DecryptionKey,
    FixedKeyRing,
    KeyFile,
    SigningKey,
    SoftwareKey,
    read_key,
    read_key_encryption_key,
)
from gateway.crypto.pkcs11_uri import SCHEME, KeyReference, parse
from gateway.errors import ConfigError
from gateway.pipeline.offices import Office, Offices

Opened = TypeVar("Opened")


class KeyOpener:
    """Opens the keys of one configuration. ``faults`` is what stood in the way, one line each."""

    def __init__(self, folder: Path, settings: config.Pkcs11) -> None:
        self.faults: list[str] = []
        self._folder = folder
        self._settings = settings

    def ring(self, receive: Sequence[config.KeyPair], signing: config.KeyPair | None = None) -> FixedKeyRing:
        """A ring of those that could be opened."""
        keys = [self._noted(partial(self._decryption_key, pair)) for pair in receive]
        return FixedKeyRing(
            [key for key in keys if key is not None],
            self._noted(partial(self._signing_key, signing)) if signing is not None else None,
        )

    def key_encryption_key(self, reference: str) -> KeyEncryptionKey | None:
        """The office's key that wraps data keys; None when it could not be opened."""
        return self._noted(partial(self._key_encryption_key, reference))

    def _noted(self, opening: Callable[[], Opened]) -> Opened | None:
        try:
            return opening()
        except ConfigError as fault:
            self.faults.extend(fault.faults)
            return None

    def _decryption_key(self, pair: config.KeyPair) -> DecryptionKey:
        if not in_token(pair.key):
            return self._from_file(pair)
        key: DecryptionKey = _library().decryption_key(
            self._reference(pair.key), self._certificates(pair), raw_rsa=self._settings.raw_rsa
        )
        return key

    def _signing_key(self, pair: config.KeyPair) -> SigningKey:
        if not in_token(pair.key):
            return self._from_file(pair)
        key: SigningKey = _library().signing_key(self._reference(pair.key), self._certificates(pair))
        return key

    def _key_encryption_key(self, reference: str) -> KeyEncryptionKey:
        if not in_token(reference):
            return read_key_encryption_key(config.secret_path(self._folder, reference))
        key: KeyEncryptionKey = _library().key_encryption_key(self._reference(reference))
        return key

    def _from_file(self, pair: config.KeyPair) -> SoftwareKey:
        if pair.certificate is not None:
            message = f"{pair.key}: the certificate of a key file stands in that file"
            raise ConfigError(message)
        password = config.read_secret(self._folder, pair.password) if pair.password else None
        return read_key(KeyFile(config.secret_path(self._folder, pair.key), password))

    def _reference(self, uri: str) -> KeyReference:
        return parse(uri, self._folder, self._settings.module)

    def _certificates(self, pair: config.KeyPair) -> Path | None:
        if pair.password is not None:
            message = "pkcs11: a token has a pin-source and no password"
            raise ConfigError(message)
        return config.resolve(self._folder, pair.certificate) if pair.certificate is not None else None


def in_token(reference: str) -> bool:
    """Whether a reference names a key in a token."""
    return reference.startswith(SCHEME)


def missing_keys(offices: Offices) -> list[str]:
    """The offices' keys in tokens that are away, by the names of token and object. Blocks."""
    library = sys.modules.get("gateway.crypto.pkcs11")
    if library is None:  # then no key of ours is in a token
        return []
    keys = (key for office in offices.all() for key in _keys(office))
    missing: list[str] = library.missing_keys(key for key in keys if isinstance(key, library.TokenKey))
    return missing


def _keys(office: Office) -> Iterator[object]:
    yield from office.receive.decryption_keys()
    yield from office.print_part.decryption_keys()
    yield office.kek
    yield from office.earlier_keks
    with suppress(ConfigError):
        yield office.receive.signing_key()


def _library() -> ModuleType:
    """The optional part that speaks to tokens. Raises ConfigError when it is not installed."""
    try:
        from gateway.crypto import pkcs11  # noqa: PLC0415  optional
    except ImportError:
        message = "pkcs11: keys in a token need the extra: pip install 'budstikke[pkcs11]'"
        raise ConfigError(message) from None
    return pkcs11
