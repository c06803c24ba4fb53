"""The parts that configuration describes: offices, clocks, message types, roads, adapters. Nothing is connected."""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import aiohttp
from pydantic import ValidationError

from gateway import config
from gateway.app.keys import KeyOpener
from gateway.catalogue import Catalogue
from gateway.config import Configuration
from gateway.crypto.certificates import TrustPolicy
from gateway.crypto.notes import WITNESS, NoteKey, NoteSigner
from gateway.crypto.revocation import Fetch, RevocationCache, RevocationSource
from gateway.crypto.trust import Certificate, read_roots
from gateway.domain.deadlines import FEEDBACK_DELIVERED, ClockRule
from gateway.domain.identifiers import TenantId
from gateway.domain.message_type import Audience, Lane, MessageType
from gateway.domain.retention import RetentionPolicy, policy_faults
from gateway.errors import ConfigError
from gateway.evidence.time_stamp_client import Authority, TimeStampClient
from gateway.pipeline.heads import HeadKeeper
from gateway.pipeline.offices import Office, Offices
from gateway.pipeline.roads import Roads, configured_roads
from gateway.pipeline.shred_list import ShredList
from gateway.pipeline.stamps import Stamp
from gateway.pipeline.witnesses import Witnesses
from gateway.spi import AdapterSpec

_ADAPTERS = "gateway.adapters"
_OURS = "budstikke"


def data_dir(configuration: Configuration) -> Path:
    """Where everything of this gateway lives."""
    return config.resolve(configuration.folder, configuration.settings.data_dir)


def offices_of(configuration: Configuration) -> Offices:
    """Every office with its keys opened. Raises ConfigError naming every fault."""
    faults: list[str] = []
    offices: list[Office] = []
    for tenant in configuration.tenants.values():
        try:
            offices.extend(_offices(configuration, tenant))
        except ConfigError as error:
            faults.extend(f"tenants/{tenant.kommunenummer}.toml: {fault}" for fault in error.faults)
    if faults:
        raise ConfigError(*faults)
    return Offices(offices)


def _offices(configuration: Configuration, tenant: config.Tenant) -> list[Office]:
    keys = KeyOpener(configuration.folder, configuration.settings.pkcs11)
    receive = keys.ring(tenant.receive_keys, tenant.signing_key)
    print_part = keys.ring([tenant.print_key])
    kek = keys.key_encryption_key(tenant.key_encryption_key)
    earlier = [keys.key_encryption_key(reference) for reference in tenant.earlier_key_encryption_keys]
    if keys.faults or kek is None:
        raise ConfigError(*keys.faults)
    return [
        Office(
            tenant=TenantId(tenant.kommunenummer, bydel.nummer),
            kommunenavn=tenant.navn,
            bydelsnavn=bydel.navn,
            organisation_number=tenant.organisasjonsnummer,
            fiks_org_id=tenant.fiks_org_id,
            standard_receiver=bydel.standard_mottaker or len(tenant.bydeler) == 1,
            version=bydel.stottet_versjon,
            receive=receive,
            print_part=print_part,
            kek=kek,
            earlier_keks=tuple(each for each in earlier if each is not None),
        )
        for bydel in tenant.bydeler
    ]


def clock_rules(frister: dict[str, config.Frist], print_days: int) -> dict[str, ClockRule]:
    """The configured clocks as the domain reads them. ``print_days``: working days that a letter on paper takes."""
    return {
        name: ClockRule(
            id=name,
            law=frist.lov,
            title=frist.tittel,
            start=frist.start,
            length=timedelta(days=frist.dager, hours=frist.timer, minutes=frist.minutter),
            months=frist.maneder,
            months_extended=frist.maneder_utvidet,
            end_of_day=frist.slutt_av_dagen,
            stop=frist.stopp,
            levels_after_start=(
                *(timedelta(minutes=minutes) for minutes in frist.varsle_etter_minutter),
                *(timedelta(days=days) for days in frist.varsle_etter_dager),
            ),
            levels_before_due=tuple(timedelta(days=days) for days in frist.varsle_dager_for),
            public_reporter_only=frist.bare_offentlig_melder,
            needs_known_reporter=frist.krever_kjent_melder,
            needs_event=frist.krever_hendelse,
            print_days=print_days if frist.siste_utskriftsdag else 0,
            expires=frist.utloper,
            alarm=frist.alarm,
        )
        for name, frist in frister.items()
    }


def catalogue_of(configuration: Configuration) -> Catalogue:
    """The message types whose clocks and law stand in configuration. Raises ConfigError.

    A configuration of before a type was made lacks them and must start all the same: the type is unknown there. But a
    concern report's clocks are never missed, and what a route names is wanted.
    """
    catalogue = Catalogue.load()
    lacking = {kind.key: found for kind in catalogue.types() if (found := list(_lacking(configuration, kind)))}
    wanted = {kind.key for kind in catalogue.types() if kind.lane is Lane.CONCERN} | configuration.routes.keys()
    faults = [fault for key, found in lacking.items() if key in wanted for fault in found]
    if faults:
        raise ConfigError(*faults)
    return catalogue.without(lacking)


def _lacking(configuration: Configuration, kind: MessageType) -> Iterator[str]:
    for what, names, known in (
        ("frister", kind.frister, configuration.frister),
        ("hjemler", kind.hjemmel, configuration.hjemler),
    ):
        yield from (
            f"schemas/{kind.key}: {what} {name} is not in config/{what}.toml" for name in names if name not in known
        )
    if kind.audience is Audience.REPORTER and not _feedback_counts(configuration):
        yield f"schemas/{kind.key}: no clock of config/frister.toml stops on {FEEDBACK_DELIVERED}"


def _feedback_counts(configuration: Configuration) -> bool:
    """Whether a clock stops when feedback is delivered: files of before there were letters know only what is told."""
    stops = (stop for frist in configuration.frister.values() for stop in frist.stopp)
    return any(stop.partition(":")[0] == FEEDBACK_DELIVERED for stop in stops)


def roads_of(configuration: Configuration, types: Catalogue) -> Roads:
    """The way out as configured, no adapter opened. Raises ConfigError."""
    settings = configuration.settings
    law = (configuration.hjemler, configuration.regler)
    return configured_roads(configuration.routes, settings.guards, law, settings.adapters, types)


def heads_of(configuration: Configuration, origin: str) -> HeadKeeper | None:
    """Who signs the heads of the log of this name; None without a key. Raises ConfigError."""
    settings = configuration.settings.evidence
    if settings.key is None:
        return None
    signer = NoteSigner.from_file(origin, config.secret_path(configuration.folder, settings.key))
    shown = config.resolve(configuration.folder, settings.published_dir) if settings.published_dir else None
    earlier = [NoteKey.parse(text) for text in settings.earlier_keys]
    return HeadKeeper(signer, data_dir(configuration), shown, earlier)


def shred_list_of(configuration: Configuration) -> ShredList | None:
    """Where shredded messages are listed outside; None where nothing is published."""
    folder = configuration.settings.evidence.published_dir
    return ShredList(config.resolve(configuration.folder, folder)) if folder else None


def witnesses_of(configuration: Configuration) -> Witnesses | None:
    """Whose lines under our heads are waited for; None without any. Raises ConfigError."""
    settings = configuration.settings.evidence
    if not settings.witness_keys:
        return None
    if settings.key is None or settings.published_dir is None:
        message = "evidence.witness_keys: without evidence.key and evidence.published_dir there is nothing to witness"
        raise ConfigError(message)
    keys = [NoteKey.parse(text, WITNESS) for text in settings.witness_keys]
    folder = config.resolve(configuration.folder, settings.published_dir)
    return Witnesses(keys, folder, settings.witness_silence_hours)


def retention_of(configuration: Configuration, types: Catalogue) -> tuple[tuple[str, RetentionPolicy], ...]:
    """How long content is kept, by message type without version. Raises ConfigError."""
    kinds = {kind.name: kind for kind in types.types()}
    found, faults = [], []
    for name, tid in configuration.oppbevaring.typer.items():
        policy = RetentionPolicy(tid.dager, confirmed=tid.etter == "fagsystem")
        if name not in kinds:
            faults.append(f"oppbevaring.toml: {name} is no message type")
            continue
        faults += [
            f"oppbevaring.toml: {name}: {fault}"
            for fault in policy_faults(policy, kinds[name].lane, kinds[name].oppbevares_dager)
        ]
        found.append((name, policy))
    if faults:
        raise ConfigError(*faults)
    return tuple(found)


def stamp_of(configuration: Configuration, session: aiohttp.ClientSession) -> Stamp | None:
    """How a head gets its time stamp; None where no authority is configured. Raises ConfigError."""
    section = configuration.settings.evidence.time_stamp
    if section is None:
        return None
    client = TimeStampClient(session, Authority.configured(configuration.folder, section))

    async def stamp(octets: bytes) -> bytes:
        return (await client.stamp(octets)).response

    return stamp


def adapter_entry_points() -> dict[str, EntryPoint]:
    """Every adapter that is installed, ours and third parties'; only configured ones are ever imported."""
    return {entry.name: entry for entry in entry_points(group=_ADAPTERS)}


def adapter_settings(configuration: Configuration, name: str) -> tuple[AdapterSpec[Any], Any]:
    """An adapter and its section of the configuration. Raises ConfigError."""
    entry = adapter_entry_points().get(name)
    if entry is None:
        message = f"adapters: {name} is not installed"
        raise ConfigError(message)
    _require_origin(entry, configuration.settings.adapter_origins.get(name))
    spec: AdapterSpec[Any] = entry.load()
    try:
        return spec, spec.settings(**configuration.partners.get(name, {}))
    except ValidationError as error:
        faults = error.errors(include_url=False, include_input=False)
        raise ConfigError(*(f"partners/{name}.toml: {fault['loc']}: {fault['msg']}" for fault in faults)) from None


def _require_origin(entry: EntryPoint, wanted: str | None) -> None:
    """An adapter that is not ours runs only as the configuration names it: it shares our memory (S107)."""
    origin = f"{entry.dist.name}=={entry.dist.version}" if entry.dist else "unknown"
    ours = entry.dist is not None and entry.dist.name == _OURS
    if wanted != origin and not (ours and wanted is None):
        message = f"adapters: {entry.name} comes from {origin}; adapter_origins must name exactly that to allow it"
        raise ConfigError(message)


def trust_of(configuration: Configuration, channel: str, ask: Fetch) -> TrustPolicy:
    """Whom a channel believes, and who says what was revoked. Raises ConfigError."""
    trust = configuration.settings.trust.get(channel, config.Trust())
    sources = [
        RevocationSource(_certificates(configuration, (source.issuer,))[0], source.crl_url, source.ocsp_url)
        for source in trust.revocation
    ]
    return TrustPolicy(
        roots=_certificates(configuration, trust.roots),
        intermediates=_certificates(configuration, trust.intermediates),
        revocation=RevocationCache(sources, ask, lambda: datetime.now(UTC)) if sources else None,
    )


def _certificates(configuration: Configuration, files: Iterable[Path]) -> tuple[Certificate, ...]:
    return read_roots([config.resolve(configuration.folder, file) for file in files])
