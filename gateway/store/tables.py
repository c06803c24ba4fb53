"""All tables and their constraints, on one page.

Each column is declared *evidence* (an edit is a lie that ``verify`` finds) or *operational* (an edit can only delay).
Every table carries the tenant; keys that must be unique start with it, so that one tenant cannot learn of another's.
Times are UTC microseconds since 1970 as integers: equal on both stores and free of drivers' opinions.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.types import TypeEngine

metadata = MetaData()

RowId = BigInteger().with_variant(Integer, "sqlite")


def evidence(
    name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], *, null: bool = False, **more: Any
) -> Column[Any]:
    """A column that is never changed after it was written."""
    return Column(name, kind, nullable=null, info={"kind": "evidence"}, **more)


def operational(
    name: str, kind: TypeEngine[Any] | type[TypeEngine[Any]], *, null: bool = False, **more: Any
) -> Column[Any]:
    """A column that the engine changes, and can rebuild from the journal."""
    return Column(name, kind, nullable=null, info={"kind": "operational"}, **more)


def _id() -> Column[Any]:
    return evidence("id", RowId, primary_key=True, autoincrement=True)


message = Table(
    "message",
    metadata,
    evidence("id", String(36), primary_key=True),
    evidence("tenant", String(7)),
    evidence("direction", String(3)),
    evidence("road", String(64)),
    evidence("sender", String(128)),  # fiksOrgId, account or, outbound, the case system's client
    evidence("sender_organisation", String(9), null=True),
    evidence("client", String(64), null=True),
    evidence("recipient", String(64), null=True),  # outbound only: an organisation or account, never a person
    evidence("type", String(128)),
    evidence("lane", String(16)),
    evidence("remote_id", String(128), null=True),
    evidence("arrived_at", BigInteger),
    CheckConstraint("direction IN ('inn', 'ut')", name="direction_known"),
    CheckConstraint("tenant <> ''", name="tenant_given"),
)

message_state = Table(
    "message_state",
    metadata,
    operational("message_id", String(36), primary_key=True),
    operational("tenant", String(7)),
    operational("direction", String(3)),
    operational("type", String(128)),
    operational("lane", String(16)),
    operational("state", String(16)),
    operational("since", BigInteger),
    operational(
        "generation", Integer
    ),  # grows with each transition; one live queue item per (message, effect, generation)
    operational("readback_failures", Integer, server_default="0"),
    operational("alarm_level", Integer, server_default="0"),
    operational("claim_client", String(64), null=True),
    operational("claim_until", BigInteger, null=True),
    operational("cause", String(64), null=True),  # a code
    Index("ix_state", "tenant", "state", "message_id"),
    Index(
        "ix_state_claim",
        "claim_until",
        sqlite_where=text("claim_until IS NOT NULL"),
        postgresql_where=text("claim_until IS NOT NULL"),
    ),
)

payload_key = Table(
    "payload_key",
    metadata,
    evidence("message_id", String(36), primary_key=True),
    evidence("tenant", String(7)),
    operational("kek_id", String(64)),
    operational("wrapped", LargeBinary),
    evidence("secrets", LargeBinary),  # sealed under the data key: the commitment salt and what else must go with it
)

payload = Table(
    "payload",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("purpose", String(216)),  # part:asice, document:bekymringsmelding.pdf; bound into the seal
    evidence("size", BigInteger),  # octets of the sealed record
    evidence("record", LargeBinary, null=True),
    evidence("file", String(256), null=True),  # relative to the payload folder
    UniqueConstraint("tenant", "message_id", "purpose", name="uq_payload"),
    CheckConstraint("(record IS NULL) <> (file IS NULL)", name="record_or_file"),
)

header = Table(
    "header",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("name", String(128)),
    evidence("value", String(512)),  # ids of the road; never shown, never logged
    UniqueConstraint("tenant", "message_id", "name", name="uq_header"),
)

document = Table(
    "document",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("name", String(200)),
    evidence("media_type", String(128)),
    evidence("size", BigInteger),
    evidence("purpose", String(216)),
    evidence("mac", String(64)),  # of its SHA-256 under the tenant's index key: what read-back is held against
    UniqueConstraint("tenant", "message_id", "name", name="uq_document"),
)

warning = Table(
    "warning",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("code", String(64)),
    evidence("detail", String(256)),  # a field path or a count; never content
    UniqueConstraint("tenant", "message_id", "code", "detail", name="uq_warning"),
)

signer = Table(
    "signer",
    metadata,
    evidence("message_id", String(36), primary_key=True),
    evidence("tenant", String(7)),
    evidence("organisation", String(9), null=True),
    evidence("fingerprint", String(64)),
    evidence("trust", String(32)),
)

history = Table(
    "history",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("at", BigInteger),
    evidence("status", String(32)),
    UniqueConstraint("tenant", "message_id", "status", name="uq_history"),
)

case_event = Table(
    "case_event",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("type", String(64)),
    evidence("at", BigInteger),
    evidence("client", String(64)),
    UniqueConstraint("tenant", "message_id", "type", "at", name="uq_case_event"),
)

clock = Table(
    "clock",
    metadata,
    operational("message_id", String(36)),
    operational("tenant", String(7)),
    operational("clock_id", String(8)),
    operational("status", String(16)),
    operational("start", BigInteger, null=True),
    operational("due", BigInteger, null=True),
    operational("stopped", BigInteger, null=True),
    operational("next_ring", BigInteger, null=True),
    operational("rung", Integer, server_default="0"),
    PrimaryKeyConstraint("message_id", "clock_id"),
    Index(
        "ix_clock_ring",
        "next_ring",
        sqlite_where=text("next_ring IS NOT NULL"),
        postgresql_where=text("next_ring IS NOT NULL"),
    ),
    Index("ix_clock_due", "tenant", "due"),
)

clock_fact = Table(
    "clock_fact",
    metadata,
    evidence("message_id", String(36), primary_key=True),
    evidence("tenant", String(7)),
    evidence("sent_at", BigInteger, null=True),
    evidence("reporter_public", Integer),
    evidence("reporter_known", Integer),
)

confirmation = Table(
    "confirmation",
    metadata,
    evidence("message_id", String(36), primary_key=True),
    evidence("tenant", String(7)),
    evidence("kind", String(16)),  # readback or person
    evidence("actor", String(64)),
    evidence("at", BigInteger),
    evidence("reference", LargeBinary),  # sealed under the data key
    evidence("reference_mac", String(64)),  # under the tenant's index key: the same confirm again gives the same answer
    evidence("documents_mac", String(64)),
)

note = Table(
    "note",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("at", BigInteger),
    evidence("actor", String(64)),
    evidence("kind", String(24)),  # the event it explains
    evidence("sealed", LargeBinary),  # under the data key: what people write may name people
    Index("ix_note", "message_id"),
)

dedupe = Table(
    "dedupe",
    metadata,
    evidence("tenant", String(7)),
    evidence("kind", String(24)),
    evidence("key", String(64)),  # HMAC under the tenant's index key
    evidence("message_id", String(36)),
    PrimaryKeyConstraint("tenant", "kind", "key"),
)

duplicate = Table(
    "duplicate",
    metadata,
    evidence("message_id", String(36), primary_key=True),
    evidence("tenant", String(7)),
    evidence("first_id", String(36)),
    Index("ix_duplicate_first", "first_id"),
)

receipt = Table(
    "receipt",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("kind", String(16)),  # transport, application, case-system
    evidence("value", String(32)),
    evidence("at", BigInteger),
    evidence("journal_id", BigInteger),
    UniqueConstraint("tenant", "message_id", "kind", name="uq_receipt"),
)

queue_item = Table(
    "queue_item",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True, info={"kind": "operational"}),
    operational("tenant", String(7)),
    operational("message_id", String(36)),
    operational("effect", String(24)),
    operational("generation", Integer),
    operational("lane", String(16)),
    operational("partner", String(64)),
    operational("run_at", BigInteger),
    operational("attempt", Integer, server_default="0"),
    operational("lease_owner", String(36), null=True),
    operational("lease_until", BigInteger, null=True),
    operational("suspect", Integer, server_default="0"),  # was in work when a process died: runs alone
    operational("deaths", Integer, server_default="0"),  # deaths while it ran alone
    operational("parked", String(64), null=True),  # a code: waits for a person, not for time
    UniqueConstraint("message_id", "effect", "generation", name="uq_queue_live"),
    Index("ix_queue_run", "lane", "run_at"),
)

attempt = Table(
    "attempt",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("effect", String(24)),
    evidence("generation", Integer),
    evidence("number", Integer),
    evidence("phase", String(8)),  # begun or ended
    evidence("code", String(64), null=True),
    evidence("owner", String(36)),
    evidence("at", BigInteger),
    UniqueConstraint("message_id", "effect", "generation", "number", "phase", name="uq_attempt"),
)

incarnation = Table(
    "incarnation",
    metadata,
    evidence("id", String(36), primary_key=True),
    evidence("lock_key", BigInteger),
    evidence("started_at", BigInteger),
    operational("ended_at", BigInteger, null=True),
    Column("tenant", String(7), nullable=False, server_default="*", info={"kind": "evidence"}),
)

journal = Table(
    "journal",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36), null=True),
    evidence("event", String(64)),
    evidence("at", BigInteger),
    evidence("entry", Text),  # RFC 8785 JSON; what the leaf hash covers
    Index("ix_journal_message", "message_id"),
)

leaf_pending = Table(
    "leaf_pending",
    metadata,
    Column("journal_id", BigInteger, primary_key=True, autoincrement=False, info={"kind": "operational"}),
    operational("tenant", String(7)),
)

leaf = Table(
    "leaf",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False, info={"kind": "evidence"}),
    evidence("tenant", String(7)),
    evidence("journal_id", BigInteger, unique=True),
    evidence("hash", LargeBinary),
    Index("ix_leaf_tenant", "tenant", "index"),
)

alarm = Table(
    "alarm",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("code", String(64)),  # a runbook's file name
    evidence("subject", String(128)),  # an id of ours
    operational("level", Integer),
    evidence("opened_at", BigInteger),
    operational("seen_by", String(64), null=True),
    operational("closed_at", BigInteger, null=True),
    operational("closed_by", String(64), null=True),
    Index(
        "uq_alarm_open",
        "code",
        "subject",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)

client = Table(
    "client",
    metadata,
    evidence("id", String(64), primary_key=True),
    evidence("tenant", String(7)),  # "*": a client of its own tenants, listed in client_tenant
    evidence("kind", String(16)),  # produsent or fagsystem
    operational("fiks_org_id", String(64), null=True),
    operational("organisations", Text),  # organisation numbers, space between
    operational("rights", Text),  # names, space between
    operational("certificate", String(64), null=True),  # SHA-256 fingerprint for mutual TLS
    operational("revoked_at", BigInteger, null=True),
    evidence("created_at", BigInteger),
)

client_tenant = Table(
    "client_tenant",
    metadata,
    operational("client_id", String(64)),
    operational("tenant", String(7)),
    PrimaryKeyConstraint("client_id", "tenant"),
)

client_password = Table(
    "client_password",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("client_id", String(64)),
    evidence("salt", LargeBinary),
    evidence("digest", LargeBinary),
    operational("valid_until", BigInteger, null=True),
    Index("ix_client_password", "client_id"),
)

webhook = Table(
    "webhook",
    metadata,
    operational("client_id", String(64), primary_key=True),
    operational("tenant", String(7)),
    operational("url", String(1024)),
    operational("kek_id", String(64)),
    operational("wrapped", LargeBinary),  # the data key that the secret is sealed under
    operational("secret", LargeBinary),  # sealed
)

idempotency = Table(
    "idempotency",
    metadata,
    evidence("tenant", String(7)),
    evidence("client", String(64)),
    evidence("key", String(64)),  # HMAC of the header
    evidence("content", String(64)),  # HMAC of what came with it
    evidence("message_id", String(36)),
    PrimaryKeyConstraint("tenant", "client", "key"),
)

parcel = Table(
    "parcel",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("number", Integer),  # 1 for the first road that was chosen; the highest is the one in force
    evidence("road", String(96)),  # as in config/routes.toml
    evidence("adapter", String(64)),
    evidence("recipient", String(64)),  # an organisation or account, never a person
    evidence("key", String(36)),  # what makes two attempts the same one at the partner
    evidence("at", BigInteger),
    UniqueConstraint("message_id", "number", name="uq_parcel_number"),
    UniqueConstraint("key", name="uq_parcel_key"),
)

taking = Table(
    "taking",
    metadata,
    _id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("parcel_key", String(36)),
    evidence("partner_reference", String(128)),
    evidence("at", BigInteger),
    UniqueConstraint("parcel_key", "partner_reference", name="uq_taking"),
    Index("ix_taking_reference", "partner_reference"),
)

partner = Table(
    "partner",
    metadata,
    operational("name", String(64), primary_key=True),
    operational("tenant", String(7), server_default="*"),
    operational("window", Integer),  # how many parcels may be under way at once
    operational("failures", Integer, server_default="0"),  # in a row
    operational("probes", Integer, server_default="0"),  # failed ones since it is down
    operational("down_until", BigInteger, null=True),
    operational("reason", String(64), null=True),  # a code
)

tenant_key = Table(
    "tenant_key",
    metadata,
    evidence("tenant", String(7)),
    evidence("purpose", String(32)),
    operational("kek_id", String(64)),
    operational("wrapped", LargeBinary),
    PrimaryKeyConstraint("tenant", "purpose"),
)

log_state = Table(
    "log_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, info={"kind": "operational"}),
    operational("tenant", String(7), server_default="*"),
    operational("origin", String(128)),
    operational("size", BigInteger),
    operational("shifted_at", BigInteger),  # when a jump of the clock was last made good, by the new clock
    operational("shifted_by", BigInteger),  # and by how much
)
