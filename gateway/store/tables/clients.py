"""Who may call, and what is kept for them."""

from sqlalchemy import BigInteger, Index, LargeBinary, PrimaryKeyConstraint, String, Table, Text

from gateway.store.tables.columns import evidence, metadata, operational, row_id

client = Table(
    "client",
    metadata,
    evidence("id", String(64), primary_key=True),
    evidence("tenant", String(7)),  # "*": a client of its own tenants, listed in client_tenant
    evidence("kind", String(16)),  # produsent or fagsystem
    evidence("fiks_org_id", String(64), null=True),
    evidence("organisations", Text),  # organisation numbers, space between
    evidence("rights", Text),  # names, space between
    evidence("certificate", String(64), null=True),  # SHA-256 fingerprint for mutual TLS
    operational("revoked_at", BigInteger, null=True),
    evidence("created_at", BigInteger),
)

client_tenant = Table(
    "client_tenant",
    metadata,
    evidence("client_id", String(64)),
    evidence("tenant", String(7)),
    PrimaryKeyConstraint("client_id", "tenant"),
)

client_password = Table(
    "client_password",
    metadata,
    row_id(),
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
    operational("tenant", String(7)),  # one row for each office of the client, sealed under that office's own key
    operational("client_id", String(64)),
    operational("url", String(1024)),
    operational("kek_id", String(64)),
    operational("wrapped", LargeBinary),  # the data key that the secret is sealed under
    operational("secret", LargeBinary),  # sealed
    PrimaryKeyConstraint("tenant", "client_id"),
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
    Index("ix_idempotency_message", "message_id"),
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
