"""The roads out of this installation: which are configured for a type, under which rules, and which are open now."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

from gateway.config import Hjemmel, Regel
from gateway.domain.guards import GUARDS, LegalBasis, Period
from gateway.domain.message_type import Audience, Direction, MessageType
from gateway.domain.routing import LOOPBACK, Road
from gateway.errors import ConfigError
from gateway.pipeline.open_registers import OpenRegisters
from gateway.spi import Adapter, Blobs, Directory, Outbound, PersonKeys, Seal


@dataclass(frozen=True, slots=True)
class OpenRoad:
    """An adapter that sends, opened. ``notices``: every word of ours that it lets show outside of a letter.

    ``turn``: who prepares or settles an attempt holds it, never during the call. Letters of one carrier take turns: many that
    were answered at once would otherwise stand between a concern report and the processor.
    """

    adapter: str
    outbound: Outbound
    directory: Directory | None
    seal: Seal
    notices: Sequence[str] = ()
    person_keys: PersonKeys | None = None
    turn: AbstractAsyncContextManager[None] = field(default_factory=nullcontext, repr=False)


@dataclass(frozen=True, slots=True)
class Roads:
    """What is configured, and the adapters as they are opened and closed. ``periods``: the days on which rules are asked."""

    routes: Mapping[str, tuple[Road, ...]] = field(default_factory=dict)
    guards: tuple[str, ...] = ()
    bases: Mapping[str, LegalBasis] = field(default_factory=dict)
    periods: Mapping[str, Period] = field(default_factory=dict)
    _open: dict[str, OpenRoad] = field(default_factory=dict, repr=False)
    _blobs: dict[str, Blobs] = field(default_factory=dict, repr=False)
    registers: OpenRegisters = field(default_factory=OpenRegisters, repr=False)

    def open(self, name: str, adapter: Adapter) -> None:
        """An adapter of this name is ready. Raises ConfigError for a second register of a kind."""
        self.registers.open(name, adapter)
        if adapter.outbound is not None:
            turn = asyncio.Semaphore(1) if adapter.seal is Seal.LETTER else nullcontext()
            self._open[name] = OpenRoad(
                name, adapter.outbound, adapter.directory, adapter.seal, adapter.notices, adapter.person_keys, turn
            )
        if adapter.blobs is not None:
            self._blobs[name] = adapter.blobs

    def blobs_of(self, road: str) -> Blobs | None:
        """Where the adapter of a delivery's road has what did not come with it: a road is named after its adapter."""
        return self._blobs.get(road.partition("-")[0])

    def names(self) -> tuple[str, ...]:
        """The adapters that send now."""
        return tuple(self._open)

    def find(self, adapter: str) -> OpenRoad | None:
        """The open road of this adapter."""
        return self._open.get(adapter)

    def turn_of(self, adapter: str) -> AbstractAsyncContextManager[None]:
        """See ``OpenRoad.turn``; of a road that is not open, nothing to wait for."""
        road = self._open.get(adapter)
        return nullcontext() if road is None else road.turn

    def roads_of(self, message_type: str) -> tuple[Road, ...]:
        """The ordered roads of a message type; empty when it cannot be sent from here."""
        return self.routes.get(message_type, ())

    def bases_of(self, kind: MessageType) -> tuple[LegalBasis, ...]:
        """What a type may be sent under."""
        return tuple(self.bases[name] for name in kind.hjemmel if name in self.bases)


class KnownTypes(Protocol):
    """The catalogue, as far as the routes need it."""

    def types(self) -> Iterable[MessageType]:
        """All types."""
        ...


def configured_roads(
    routes: Mapping[str, tuple[str, ...]],
    guards: tuple[str, ...],
    law: tuple[Mapping[str, Hjemmel], Mapping[str, Regel]],
    adapters: Iterable[str],
    types: KnownTypes,
) -> Roads:
    """What the configuration says of the way out. ``law``: ``hjemler.toml`` and ``regler.toml``. Raises ConfigError with every fault.

    Without any guard the road ``loopback`` alone is allowed (decisions 6.9). A road to a person needs them all, and so does
    every other road of a type that is written for parties or reporters. A route over loopback may stand there although the
    adapter is not listed: then there is no such road, as in production.
    """
    hjemler, regler = law
    faults = [f"guards: there is no rule {name}" for name in guards if name not in GUARDS]
    faults += [f"regler.toml: there is no rule {name}" for name in regler if name not in GUARDS]
    sendable = {kind.key: kind.audience for kind in types.types() if kind.direction is Direction.OUT}
    found: dict[str, tuple[Road, ...]] = {}
    opened = frozenset(adapters)
    for key, texts in routes.items():
        if key not in sendable:
            faults.append(f"routes.toml: {key}: no message type that goes out has this name and version")
        roads = [Road.parse(text) for text in texts]
        good = [road for road in roads if road is not None]
        if len(good) != len(roads) or len(set(good)) != len(good):
            faults.append(
                f"routes.toml: {key}: a road is an adapter, or adapter:orgnr|kontoId|herId|bydel|fodselsnummer|post, each once"
            )
        about_people = sendable.get(key, Audience.BODY) is not Audience.BODY
        faults.extend(_faults(key, good, opened, guards, about_people=about_people))
        found[key] = tuple(road for road in good if road.adapter in opened)
    bases: dict[str, LegalBasis] = {}
    for name, hjemmel in hjemler.items():
        basis = _basis(name, hjemmel, faults)
        if basis is not None:
            bases[name] = basis
    if faults:
        raise ConfigError(*faults)
    periods = {name: Period(regel.gyldig_fra, regel.gyldig_til) for name, regel in regler.items()}
    return Roads(found, guards, bases, periods)


def _faults(
    key: str, roads: Sequence[Road], opened: frozenset[str], guards: Iterable[str], *, about_people: bool
) -> list[str]:
    away = [road for road in roads if road.adapter != LOOPBACK]
    faults = [
        f"routes.toml: {key}: {road.adapter} is not among adapters" for road in away if road.adapter not in opened
    ]
    if not guards:
        faults += [f"guards: empty, which allows loopback alone, but {key} goes over {road}" for road in away]
    missing = [name for name in GUARDS if name not in guards]
    if missing and (any(road.letter for road in roads) or (about_people and away)):
        faults.append(f"guards: {key} is for people, which needs every rule; not listed: {', '.join(missing)}")
    return faults


def _basis(name: str, hjemmel: Hjemmel, faults: list[str]) -> LegalBasis | None:
    if hjemmel.kode is None:
        return None
    try:
        begin = date.fromisoformat(hjemmel.gyldig_fra)
        end = date.fromisoformat(hjemmel.gyldig_til) if hjemmel.gyldig_til else date.max
    except ValueError:
        faults.append(f"hjemler.toml: {name}: gyldig_fra and gyldig_til are dates like 2023-01-01")
        return None
    return LegalBasis(hjemmel.kode, hjemmel.paragraf.removeprefix("§").strip(), begin, end)
