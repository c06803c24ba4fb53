"""What is to be done, who does it, and what was handed to a partner."""

from sqlalchemy import BigInteger, Column, Index, Integer, PrimaryKeyConstraint, String, Table, UniqueConstraint, text

from gateway.store.tables.columns import RowId, evidence, metadata, operational, row_id

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
    Index("ix_queue_partner", "partner", "lane", "run_at"),
    Index(
        "ix_queue_under_way",
        "partner",
        sqlite_where=text("lease_owner IS NOT NULL"),
        postgresql_where=text("lease_owner IS NOT NULL"),
    ),
    Index("ix_queue_suspect", "lane", "run_at", sqlite_where=text("suspect = 1"), postgresql_where=text("suspect = 1")),
)

attempt = Table(
    "attempt",
    metadata,
    row_id(),
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
    operational("id", String(36), primary_key=True),
    operational("lock_key", BigInteger),
    operational("started_at", BigInteger),
    operational("ended_at", BigInteger, null=True),
    operational("tenant", String(7), server_default="*"),
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

parcel = Table(
    "parcel",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("number", Integer),  # 1 for the first road that was chosen; the highest is the one in force
    evidence("road", String(96)),  # as in config/routes.toml
    evidence("adapter", String(64)),
    evidence("recipient", String(64)),  # an organisation or account, never a person
    evidence("key", String(36)),  # what makes two attempts the same one at the partner
    evidence("at", BigInteger),
    evidence("sealed_for", String(64), null=True),  # SHA-256 of the key's SPKI; of a person's key, an HMAC of it
    UniqueConstraint("message_id", "number", name="uq_parcel_number"),
    UniqueConstraint("key", name="uq_parcel_key"),
)

taking = Table(
    "taking",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36)),
    evidence("parcel_key", String(36)),
    evidence("partner_reference", String(128)),
    evidence("at", BigInteger),
    UniqueConstraint("parcel_key", "partner_reference", name="uq_taking"),
    Index("ix_taking_reference", "partner_reference"),
    Index("ix_taking_message", "message_id"),
)

partner_figure = Table(
    "partner_figure",
    metadata,
    operational("tenant", String(7)),
    operational("adapter", String(64)),
    operational("account", String(64)),
    operational("waiting", Integer),  # messages at the partner, as it said last
    operational("consumers", Integer),
    operational("at", BigInteger),
    PrimaryKeyConstraint("tenant", "adapter", "account"),
)
