"""``gateway.toml``: how one gateway runs. Every default that is written here is described in ``docs/configuration.md``."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from gateway import limits
from gateway.config.tenants_toml import KeyPair
from gateway.config.values import SecretReference, Section


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
    """How much may be under way to one partner at once, and how long one call may last.

    ``letters_per_s_max``: how many letters are begun each second over one carrier, once ten have left, and ten times fewer while
    concern reports come; more of them take the processor from those.
    """

    window_first: int = Field(default=3, ge=2, le=5)
    window_max: int = Field(default=20, ge=2)
    send_s_max: float = 60.0
    letters_per_s_max: float = Field(default=1.0, gt=0)
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
    """The log that proves the journal: its name, the Ed25519 key of its heads, where they are published, their time.

    ``witness_keys``: of outside parties that sign heads, too; it rings when one leaves a head so many hours without its line.
    """

    origin: str | None = None
    key: SecretReference | None = None
    earlier_keys: tuple[str, ...] = ()
    published_dir: Path | None = None
    witness_keys: tuple[str, ...] = Field(default=(), max_length=limits.WITNESSES_MAX)
    witness_silence_hours: float = Field(default=24.0, gt=0)
    time_stamp: TimeStamp | None = None


class Maskinporten(Section):
    """A client of ours at Maskinporten, whose tokens an adapter names by this section.

    ``audience`` is the issuer's name. ``key`` signs grants. ``kid``: it is registered there under this id, and no
    certificate is sent unless ``chain`` asks for it; else the key's own is, or with ``full`` its chain. A supplier names
    whom it acts for as ``consumer_org``, or in the older way as ``on_behalf_of``, never both. ``tls_roots``: of the
    endpoint, where no public issuer made its certificate.
    """

    audience: str
    token_endpoint: str = Field(pattern=r"^https?://[!-?A-~]{1,1000}$")
    client_id: str = Field(min_length=1)
    key: KeyPair
    kid: str | None = None
    chain: Literal["leaf", "full"] | None = None
    consumer_org: str | None = Field(default=None, pattern=r"^\d{9}$")
    on_behalf_of: str | None = Field(default=None, pattern=r"^\d{9}$")
    tls_roots: tuple[Path, ...] = ()


class Signing(Section):
    """A key that signs our requests to one partner; its adapter names it by this section."""

    key: KeyPair


class Backup(Section):
    """Backups are sealed for ``certificate``, whose key is kept elsewhere; without one a passphrase is asked for.

    ``database_user`` logs in to PostgreSQL for them: a role that reads everything and that row-level security does not bind.
    """

    certificate: Path | None = None
    database_user: str | None = None
    database_password: SecretReference | None = None


class Reconcile(Section):
    """The portal's list of a day, as an operator hands it in: its columns, by their names in its first line.

    ``road``: the one that the portal delivers over. Without ``separator`` it is whichever of ; tab , stands in the first
    line; without ``time_format`` (as strptime has it) times are ISO 8601, Norwegian ones where they say no offset.
    """

    road: str = "fiks-io"
    separator: Literal[";", "\t", ","] | None = None
    encoding: Literal["utf-8", "windows-1252"] = "utf-8"
    report_id: str = "bekymringsmelding-id"
    melding_id: str = "melding-id"
    time: str = "tidspunkt"
    time_format: str = ""
    status: str = "status"


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
    backup: Backup = Backup()
    reconcile: Reconcile = Reconcile()
    maskinporten: dict[str, Maskinporten] = Field(default_factory=dict)
    signing: dict[str, Signing] = Field(default_factory=dict)
    operations_token: SecretReference | None = None
    rest_limits_s: dict[str, tuple[float, ...]] = Field(default_factory=dict)
