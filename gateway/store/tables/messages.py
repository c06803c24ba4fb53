"""What came or goes: the message, where it stands, what it holds, and what was said about it."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)

from gateway.store.tables.columns import evidence, metadata, operational, row_id


def where_known(name: str, column: str) -> Index:
    """An index over an office's messages that have this column."""
    known = text(f"{column} IS NOT NULL")
    return Index(name, "tenant", column, sqlite_where=known, postgresql_where=known)


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
    evidence("row_salt", LargeBinary, null=True),  # for what the journal has of rows that stay; NULL: from before 0005
    # Outbound only. The first two are HMACs under the tenant's index key: of a recipient's number, of the case's reference.
    evidence("person", String(64), null=True),
    evidence("case_reference", String(64), null=True),
    evidence("follows", String(36), null=True),  # the envelope's id of the message that this one follows, and how
    evidence("relation", String(32), null=True),
    CheckConstraint("direction IN ('inn', 'ut')", name="direction_known"),
    Index("ix_message_arrived", "arrived_at"),
    Index(
        "ix_message_remote",
        "remote_id",
        sqlite_where=text("remote_id IS NOT NULL"),
        postgresql_where=text("remote_id IS NOT NULL"),
    ),
    where_known("ix_message_person", "person"),
    where_known("ix_message_recipient", "recipient"),
    where_known("ix_message_case", "case_reference"),
    where_known("ix_message_follows", "follows"),
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
    Index("ix_state_rest", "state", "since"),
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
    evidence("row_salt", LargeBinary, null=True),  # for what the journal has of rows that go with it; NULL: as above
)

payload = Table(
    "payload",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("purpose", String(216)),  # part:asice, document:bekymringsmelding.pdf; bound into the seal
    evidence("size", BigInteger),  # octets of the sealed record
    evidence("record", LargeBinary, null=True),
    evidence("file", String(256), null=True),  # relative to the payload folder
    UniqueConstraint("message_id", "tenant", "purpose", name="uq_payload"),
    CheckConstraint("(record IS NULL) <> (file IS NULL)", name="record_or_file"),
)

header = Table(
    "header",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("name", String(128)),
    evidence("value", String(512)),  # ids of the road; never shown, never logged
    UniqueConstraint("message_id", "tenant", "name", name="uq_header"),
    Index(
        "ix_header_report",
        "value",
        sqlite_where=text("name = 'bekymringsmelding-id'"),
        postgresql_where=text("name = 'bekymringsmelding-id'"),
    ),
)

document = Table(
    "document",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("name", String(200)),
    evidence("media_type", String(128)),
    evidence("size", BigInteger),
    evidence("purpose", String(216)),
    evidence("mac", String(64)),  # of its SHA-256 under the tenant's index key: what read-back is held against
    UniqueConstraint("message_id", "tenant", "name", name="uq_document"),
    Index("ix_document_mac", "tenant", "mac"),
)

warning = Table(
    "warning",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("code", String(64)),
    evidence("detail", String(256)),  # a field path or a count; never content
    UniqueConstraint("message_id", "tenant", "code", "detail", name="uq_warning"),
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

dedupe = Table(
    "dedupe",
    metadata,
    evidence("tenant", String(7)),
    evidence("kind", String(24)),
    evidence("key", String(64)),  # HMAC under the tenant's index key
    evidence("message_id", String(36)),
    PrimaryKeyConstraint("tenant", "kind", "key"),
    Index("ix_dedupe_message", "message_id"),
)

duplicate = Table(
    "duplicate",
    metadata,
    evidence("message_id", String(36), primary_key=True),
    evidence("tenant", String(7)),
    evidence("first_id", String(36)),
    Index("ix_duplicate_first", "first_id"),
)
