"""What happened to a message: its statuses, events, deadlines, confirmation and receipts."""

from sqlalchemy import (
    BigInteger,
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

history = Table(
    "history",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("at", BigInteger),
    evidence("status", String(32)),
    UniqueConstraint("message_id", "tenant", "status", name="uq_history"),
)

case_event = Table(
    "case_event",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("type", String(64)),
    evidence("at", BigInteger),
    evidence("outcome", String(32), null=True),
    evidence("client", String(64)),
    UniqueConstraint("message_id", "tenant", "type", "at", name="uq_case_event"),
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

receipt = Table(
    "receipt",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("kind", String(16)),  # transport, application, posted, opened, shredded, case-system
    evidence("value", String(32)),
    evidence("at", BigInteger),
    evidence("entry_id", String(36), null=True),  # of the journal's entry
    UniqueConstraint("message_id", "tenant", "kind", name="uq_receipt"),
)

note = Table(
    "note",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("at", BigInteger),
    evidence("actor", String(64)),
    evidence("kind", String(24)),  # the event it explains
    evidence("sealed", LargeBinary),  # under the data key: what people write may name people
    Index("ix_note", "message_id"),
)

approval = Table(
    "approval",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("code", String(64)),  # of the stop that is released, or what else a person decided, as a road
    evidence("person", String(64)),
    evidence("at", BigInteger),
    UniqueConstraint("message_id", "tenant", "code", "person", name="uq_approval"),
)
