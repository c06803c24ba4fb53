"""The frozen settings tree. It loads and checks shapes; it connects to nothing and opens no key.

Order: ``config/gateway.toml`` or the file named on the command line, then environment variables named
``BUDSTIKKE__SECTION__KEY`` for deployment values. Unknown keys are refused; units stand in the names. Secrets are
references (``file:``, ``env:``, ``pkcs11:``), never values.
"""

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from gateway import limits
from gateway.errors import ConfigError

ENVIRONMENT_PREFIX: Final = "BUDSTIKKE__"
THROW_AWAY: Final = "budstikke: kun til utprøving"
"""Stands in every certificate that our own tools make for trying out; production refuses it (S05)."""
SECRET_SCHEMES: Final = ("file:", "env:", "pkcs11:")


def _secret(value: str) -> str:
    if not value.startswith(SECRET_SCHEMES):
        message = "a secret is a reference: file:PATH, env:NAME or pkcs11:URI"
        raise ValueError(message)
    return value


SecretReference = Annotated[str, AfterValidator(_secret)]
"""Where a secret is, never the secret."""


class Section(BaseModel):
    """A table of the file: frozen, no unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Store(Section):
    """Where messages live. ``sqlite`` keeps one file in ``data_dir``; else a SQLAlchemy URL without password."""

    url: str = "sqlite"
    password: SecretReference | None = None
    busy_timeout_s: float = 10.0


class Listener(Section):
    """One address of ours. Without certificate it must be loopback. ``names``: the Host names answered; empty: any."""

    host: str = "127.0.0.1"
    port: int = 0
    names: tuple[str, ...] = ()
    certificate: Path | None = None
    key: SecretReference | None = None
    client_roots: Path | None = None


class Listeners(Section):
    """Three doors, never one for all: partners, case systems, operations.

    ``shared``: several processes of this host listen on the same ports; ``run --workers`` sets it.
    """

    shared: bool = False
    partner: Listener = Listener(port=8443)
    case_system: Listener = Listener(port=8444)
    operations: Listener = Listener(port=8445)


class Issuer(Section):
    """Who makes the access tokens we accept, and which scope opens what.

    ``audience`` must be in every token, but for producers' ones where ``produsent_without_audience`` says so: KS's own
    scope carries none.
    """

    issuer: str
    jwks_uri: str
    audience: str | None = None
    produsent_without_audience: bool = False
    scope_produsent: str = "ks:fiks"
    scope_fagsystem: str | None = None
    delegation_source: str | None = None


class Intake(Section):
    """Bounds of what partners may deliver. ``bytes_per_minute`` and ``unfinished_bytes_max`` are per client.

    A client with more than ``unfinished_bytes_max`` stored here and not finished rings, and is slowed to a tenth; only
    what is no concern report is refused. Case systems that send are held to it too.
    """

    body_bytes_max: int = limits.BODY_BYTES_MAX_DEFAULT
    disk_floor_bytes: int = limits.DISK_FLOOR_BYTES
    bytes_per_minute: int = Field(default=limits.INTAKE_BYTES_PER_MINUTE, gt=0)
    unfinished_bytes_max: int = limits.UNFINISHED_BYTES_MAX
    concurrent_max: int = 64
    concurrent_per_client_max: int = 16
    idle_s_max: float = 30.0


class Engine(Section):
    """How work is done. Lanes have workers of their own that are never lent."""

    workers_concern: int = 2
    workers_ordinary: int = 2
    lease_s: float = 60.0
    poll_busy_s: float = 1.0
    poll_idle_s: float = 5.0
    sweep_s: float = 1.0
    backoff_first_s: float = 30.0
    backoff_max_s: float = 3600.0


class Flow(Section):
    """How much may be under way to one partner at once, and how long one call may last."""

    window_first: int = Field(default=3, ge=2, le=5)
    window_max: int = Field(default=20, ge=2)
    send_s_max: float = 60.0
    retry_after_s_max: float = 24 * 3600.0


class Revocation(Section):
    """Where one issuer says what it revoked. ``issuer``: its certificate, PEM."""

    issuer: Path
    crl_url: str | None = None
    ocsp_url: str | None = None


class Trust(Section):
    """Public trust anchors of one channel, intermediates that senders leave out, and where revocation is asked."""

    roots: tuple[Path, ...] = ()
    intermediates: tuple[Path, ...] = ()
    revocation: tuple[Revocation, ...] = ()


class Pkcs11(Section):
    """Keys in tokens. ``module``: the library of the token's maker, for references without ``module-path``.

    ``raw_rsa``: the token does the bare RSA operation and the padding is taken off here. For tokens without OAEP with
    SHA-256 only, such as SoftHSM: what a fault of the padding costs in time is then ours to hide, and Python hides it
    as far as Python can. Leave it off where the token can do it.
    """

    module: Path | None = None
    raw_rsa: bool = False


class CaseSystem(Section):
    """How case systems are treated. All are per client; ``bytes_per_minute`` counts what it sends and what it fetches."""

    rate_per_minute: int = Field(default=600, gt=0)
    bytes_per_minute: int = Field(default=limits.CASE_SYSTEM_BYTES_PER_MINUTE, gt=0)
    claims_max: int = 200


class TimeStamp(Section):
    """Whose clock stamps the log's heads (RFC 3161): roots of its stamps, of its server if not public, its only policy."""

    url: str = Field(pattern=r"^https://[!-?A-~]{1,1000}$")
    roots: tuple[Path, ...] = Field(min_length=1)
    tls_roots: tuple[Path, ...] = ()
    policy: str | None = Field(default=None, pattern=r"^(0|1|2)(\.(0|[1-9][0-9]{0,8}))+$")


class Evidence(Section):
    """The log that proves the journal: its name, the Ed25519 key of its heads, where they are published, their time."""

    origin: str | None = None
    key: SecretReference | None = None
    published_dir: Path | None = None
    time_stamp: TimeStamp | None = None


class Settings(Section):
    """``gateway.toml``. ``mode = "production"`` only removes abilities.

    ``adapter_origins``: distribution and version of each adapter that is not ours, as ``"name==1.2.3"``.
    """

    mode: Literal["production", "test", "demo"] = "test"
    data_dir: Path = Path("var")
    adapters: tuple[str, ...] = ("fiks",)
    adapter_origins: dict[str, str] = Field(default_factory=dict)
    store: Store = Store()
    listen: Listeners = Listeners()
    issuers: tuple[Issuer, ...] = ()
    intake: Intake = Intake()
    engine: Engine = Engine()
    flow: Flow = Flow()
    guards: tuple[str, ...] = ()
    trust: dict[str, Trust] = Field(default_factory=dict)
    case_system: CaseSystem = CaseSystem()
    pkcs11: Pkcs11 = Pkcs11()
    evidence: Evidence = Evidence()
    operations_token: SecretReference | None = None
    rest_limits_s: dict[str, tuple[float, ...]] = Field(default_factory=dict)


class Bydel(Section):
    """One office. ``stottet_versjon``: the newest report version its case system reads."""

    nummer: str = Field(pattern=r"^\d{2}$")
    navn: str
    standard_mottaker: bool = False
    stottet_versjon: Literal["V1", "V2"] = "V2"


class KeyPair(Section):
    """A private key with its certificate chain in one file, PKCS#12 or PEM; or a key in a token.

    ``certificate`` is for a key in a token: its chain as PEM. Without it the token's own certificates are used.
    """

    key: SecretReference
    password: SecretReference | None = None
    certificate: Path | None = None


class Tenant(Section):
    """``tenants/<kommunenummer>.toml``: one municipality, its offices, its keys."""

    kommunenummer: str = Field(pattern=r"^\d{4}$")
    navn: str
    organisasjonsnummer: str = Field(pattern=r"^\d{9}$")
    fiks_org_id: str
    bydeler: tuple[Bydel, ...] = Field(min_length=1)
    receive_keys: tuple[KeyPair, ...] = Field(min_length=1)
    print_key: KeyPair
    signing_key: KeyPair | None = None
    key_encryption_key: SecretReference


class Frist(Section):
    """One clock of ``frister.toml``; lengths in days, hours or months as its law says."""

    lov: str
    tittel: str
    start: str
    dager: float = 0
    timer: float = 0
    minutter: float = 0
    maneder: int = 0
    maneder_utvidet: int = 0
    slutt_av_dagen: bool = True
    stopp: tuple[str, ...] = ()
    varsle_etter_minutter: tuple[float, ...] = ()
    varsle_etter_dager: tuple[float, ...] = ()
    varsle_dager_for: tuple[float, ...] = ()
    bare_offentlig_melder: bool = False
    krever_kjent_melder: bool = False


class Hjemmel(Section):
    """One legal basis of ``hjemler.toml``. ``kode`` is the law as envelopes name it (``barnevern.md`` 5)."""

    lov: str
    kode: str | None = None
    paragraf: str
    gyldig_fra: str
    gyldig_til: str | None = None
    bekreftet: bool = False


class Tid(Section):
    """How long the content of one message type is kept: ``dager`` after the case system's confirmation or the end."""

    dager: int = Field(ge=1)
    etter: Literal["fagsystem", "slutt"] = "fagsystem"


class Oppbevaring(Section):
    """``oppbevaring.toml``. Without ``typer`` nothing is ever shredded; with them two people and a reason must stand."""

    besluttet_av: tuple[str, ...] = ()
    begrunnelse: str = ""
    typer: dict[str, Tid] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _decided(self) -> Self:
        if self.typer and (len(set(self.besluttet_av)) < 2 or not self.begrunnelse.strip()):  # noqa: PLR2004
            message = "deleting needs two different people in besluttet_av and a begrunnelse"
            raise ValueError(message)
        return self


class Configuration(Section):
    """Everything read from the configuration folder."""

    folder: Path
    settings: Settings
    tenants: dict[str, Tenant]
    frister: dict[str, Frist]
    hjemler: dict[str, Hjemmel]
    oppbevaring: Oppbevaring
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
    partners = {path.stem: _read(path, faults) for path in sorted((folder / "partners").glob("*.toml"))}
    routes = _routes(folder / "routes.toml", faults)
    for name, tenant in tenants.items():
        if tenant is not None and tenant.kommunenummer != name:
            faults.append(f"tenants/{name}.toml: kommunenummer is not the file's name")
    if settings is None or oppbevaring is None or None in frister.values() or None in hjemler.values():
        return None, faults
    configuration = Configuration.model_construct(
        folder=folder,
        settings=settings,
        tenants={name: tenant for name, tenant in tenants.items() if tenant is not None},
        frister=frister,
        hjemler=hjemler,
        oppbevaring=oppbevaring,
        partners=partners,
        routes=routes,
    )
    return configuration, faults


def resolve(folder: Path, path: Path) -> Path:
    """A path from the configuration: relative ones count from the configuration folder."""
    return path if path.is_absolute() else folder / path


def secret_path(folder: Path, reference: str) -> Path:
    """The file a ``file:`` reference names. Raises ConfigError for another scheme."""
    scheme, _, rest = reference.partition(":")
    if scheme != "file":
        message = f"{scheme}: only file: references can be used for this"
        raise ConfigError(message)
    return resolve(folder, Path(rest))


def read_secret(folder: Path, reference: str, environment: Mapping[str, str] = os.environ) -> bytes:
    """The octets a reference stands for. Raises ConfigError."""
    scheme, _, rest = reference.partition(":")
    if scheme == "env":
        if rest not in environment:
            message = f"env:{rest}: the variable is not set"
            raise ConfigError(message)
        return environment[rest].encode()
    try:
        return secret_path(folder, reference).read_bytes().strip()
    except OSError as error:
        message = f"{reference}: {error.strerror}"
        raise ConfigError(message) from None


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


def _models(model: type[Any], path: Path, faults: list[str]) -> dict[str, Any]:
    return {key: _model(model, raw, f"{path.name}: {key}", faults) for key, raw in _read(path, faults).items()}
