"""Tokens: a logged-in session each, and every call to them one after the other.

Whoever initialises a module as python-pkcs11 does, without a word about threads, has promised to call it from one thread
at a time (PKCS#11 3.1, 5.4). So each module has a lock, a token has one session, and a process asks one thing at a time;
``run --workers`` has a session for each process. A login counts for the whole process and ends with whichever session
logs out, hence the register below: one ``Token`` for each token, whoever refers to it.

A token that fails is asked to do something that it can certainly do (a *probe*). If that works, what it was given is at
fault. If not, the session is opened again, then the module initialised again; then it is away until somebody asks later.
"""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

import pkcs11
from pkcs11.exceptions import (
    MultipleObjectsReturned,
    MultipleTokensReturned,
    NoSuchKey,
    NoSuchToken,
    PinIncorrect,
    PinInvalid,
    PinLocked,
    PKCS11Error,
)

from gateway import limits
from gateway.crypto.keys import read_private
from gateway.crypto.pkcs11_uri import KeyReference, ObjectName, TokenName
from gateway.errors import ConfigError, DecryptionError, KeyUnavailableError

Result = TypeVar("Result")
Probe = Callable[[Any], bool]
"""Whether a key does what it is for. May raise PKCS11Error."""


class NoCertificateError(PKCS11Error):
    """None was found; an error of the token, because a lost one that is back may show nothing to an old session."""


class _UnfitKeyError(PKCS11Error):
    """It answers, but not as its certificate says."""


_CAUSES: Final[dict[type[PKCS11Error], str]] = {
    NoSuchToken: "there is no such token",
    MultipleTokensReturned: "several tokens have this label; name one by its serial",
    NoSuchKey: "there is no such object",
    MultipleObjectsReturned: "several objects fit; name one by its id",
    PinIncorrect: "the PIN is wrong",
    PinInvalid: "the PIN is wrong",
    PinLocked: "the PIN is locked",
    NoCertificateError: "no certificate fits the key",
    _UnfitKeyError: "the key does not do what it is for",
}
_RANDOM_BITS: Final = 64
_WRONG_PIN: Final = (PinIncorrect, PinInvalid)


@dataclass(frozen=True, slots=True)
class WantedKey:
    """A key that somebody uses: its name, its class, and how to see that it works."""

    name: ObjectName
    kind: pkcs11.ObjectClass
    probe: Probe = field(compare=False)


class Module:
    """A maker's library in this process. ``lock`` is held around every call."""

    def __init__(self, path: Path) -> None:
        self.lock = threading.RLock()
        self._path = path

    def token(self, name: TokenName) -> pkcs11.Token:
        """Find a token. Raises PKCS11Error."""
        serial = None if name.serial is None else name.serial.encode()
        return pkcs11.lib(str(self._path)).get_token(token_label=name.label, token_serial=serial)

    def restart(self) -> None:
        """Begin anew: some modules find a token again in no other way. Every session ends. Raises PKCS11Error."""
        library = pkcs11.lib(str(self._path))
        with suppress(PKCS11Error):
            library.finalize()
        library.initialize()


class Token:
    """One token, as long as the process lives."""

    def __init__(self, module: Module, name: TokenName, pin: Path) -> None:
        self.name = name
        self.pin = pin
        self._module = module
        self._session: pkcs11.Session | None = None
        self._keys: dict[WantedKey, Any] = {}
        self._refused_pin: bytes | None = None
        self._missed: dict[WantedKey, float] = {}  # keys that failed, and when each is tried again

    def read(self, work: Callable[[pkcs11.Session], Result]) -> Result:
        """Look into the token. Raises ConfigError saying what is wrong."""
        with self._module.lock:
            return self._recovering(lambda: work(self._live_session()))

    def admit(self, wanted: WantedKey) -> None:
        """See that a key is there and works. Raises ConfigError saying what is wrong."""
        with self._module.lock:
            self._recovering(lambda: self._prove(wanted))

    def use(self, wanted: WantedKey, work: Callable[[Any], Result]) -> Result:
        """Let a key work. Blocks.

        Raises DecryptionError when the key works but not with what it was given, KeyUnavailableError when it does not work.
        """
        with self._module.lock:
            if time.monotonic() < self._missed.get(wanted, 0.0):
                raise _away(self, wanted)
            with suppress(PKCS11Error, ConfigError):
                return work(self._key(wanted))
            if not self.works(wanted):
                raise _away(self, wanted)
            try:
                return work(self._key(wanted))
            except PKCS11Error:
                msg = "the token refuses what it was given"
                raise DecryptionError(msg) from None

    def works(self, wanted: WantedKey) -> bool:
        """Whether a key works, after all was tried to make it work. Blocks."""
        with self._module.lock:
            try:
                self._recovering(lambda: self._prove(wanted))
            except ConfigError:
                self._missed[wanted] = time.monotonic() + limits.TOKEN_RETRY_S
                return False
            self._missed.pop(wanted, None)
            return True

    def missing(self, keys: Sequence[WantedKey]) -> list[str]:
        """Which of these keys do not work: asks those that failed last, else the first for all. Blocks."""
        with self._module.lock:
            asked = [wanted for wanted in keys if wanted in self._missed] or keys[:1]
            return [f"{self.name}/{wanted.name}" for wanted in asked if not self.works(wanted)]

    def _recovering(self, attempt: Callable[[], Result]) -> Result:
        """Attempt it with more and more force. Raises ConfigError with the last cause."""
        cause = ""
        for step in (_nothing, self._end_session, self._restart):
            try:
                step()
                return attempt()
            except PKCS11Error as error:
                # A module's own text is not ours to show.
                cause = _CAUSES.get(type(error), f"the module answers {type(error).__name__}")
        raise ConfigError(cause)

    def _prove(self, wanted: WantedKey) -> None:
        if not wanted.probe(self._key(wanted)):
            raise _UnfitKeyError

    def _key(self, wanted: WantedKey) -> Any:
        if wanted not in self._keys:
            self._keys[wanted] = find(self._live_session(), wanted.name, wanted.kind)
        return self._keys[wanted]

    def _live_session(self) -> pkcs11.Session:
        """A session that may be searched: in a dead one python-pkcs11 begins a search that it cannot end."""
        session = self._open_session()
        session.generate_random(_RANDOM_BITS)
        return session

    def _open_session(self) -> pkcs11.Session:
        if self._session is None:
            pin = read_private(self.pin).strip()
            if pin == self._refused_pin:
                raise PinIncorrect  # unasked: each try brings the token nearer to locking itself
            try:
                self._session = self._module.token(self.name).open(user_pin=pin.decode("utf-8", "replace"))
            except _WRONG_PIN:
                self._refused_pin = pin
                raise
        return self._session

    def _end_session(self) -> None:
        session, self._session = self._session, None
        self._keys.clear()
        if session is not None:
            with suppress(PKCS11Error):
                session.close()

    def _restart(self) -> None:
        self._end_session()
        self._module.restart()


def find(session: pkcs11.Session, name: ObjectName, kind: pkcs11.ObjectClass) -> Any:
    """The one key of that name and class. Raises PKCS11Error."""
    return session.get_key(object_class=kind, label=name.label, id=name.id)


def _nothing() -> None:
    return


def _away(token: Token, wanted: WantedKey) -> KeyUnavailableError:
    msg = f"the key {token.name}/{wanted.name} is away"
    return KeyUnavailableError(msg)


# A module is initialised, and a token logged in to, for the process as a whole.
_lock: Final = threading.Lock()
_modules: Final[dict[Path, Module]] = {}
_tokens: Final[dict[tuple[Path, bytes], Token]] = {}


def token_of(reference: KeyReference) -> Token:
    """The process's one Token for a token, by whichever name. Raises ConfigError."""
    name = reference.token
    read_private(reference.pin)  # that others may not, whether it is needed now or not
    with _lock:
        module = _modules.setdefault(name.module, Module(name.module))
        with module.lock:
            serial = _serial(module, name)
        token = _tokens.setdefault((name.module, serial), Token(module, name, reference.pin))
    if token.pin != reference.pin:
        msg = "one token has one PIN: name the same pin-source everywhere; another one needs a restart"
        raise ConfigError(msg)
    return token


def _serial(module: Module, name: TokenName) -> bytes:
    """Find the token itself. Raises ConfigError."""
    try:
        with suppress(PKCS11Error):
            return module.token(name).serial
        module.restart()  # it may have come, or come back, after the module was initialised
        return module.token(name).serial
    except PKCS11Error as error:
        raise ConfigError(_CAUSES.get(type(error), "the module cannot be loaded, or does not answer")) from None
