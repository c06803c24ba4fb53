"""The first tables."""

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.columns import (
    big,
    index_where,
    integer,
    key,
    long_text,
    octets,
    of_message,
    row_id,
    tenant,
    text,
)

revision = "0001"
down_revision = None


def upgrade() -> None:
    """From nothing."""
    for make in (_messages, _told, _content, _decisions, _engine, _evidence, _access):
        make()
    if op.get_context().dialect.name == "postgresql":
        _keep_narrow()


def _messages() -> None:
    """What is known of a message."""
    op.create_table(
        "message",
        key("id", 36),
        tenant(),
        text("direction", 3),
        text("road", 64),
        text("sender", 128),
        text("sender_organisation", 9, null=True),
        text("client", 64, null=True),
        text("recipient", 64, null=True),
        text("type", 128),
        text("lane", 16),
        text("remote_id", 128, null=True),
        big("arrived_at"),
        sa.CheckConstraint("direction IN ('inn', 'ut')", name="direction_known"),
    )
    op.create_table(
        "message_state",
        key("message_id", 36),
        tenant(),
        text("direction", 3),
        text("type", 128),
        text("lane", 16),
        text("state", 16),
        big("since"),
        integer("generation"),
        integer("readback_failures", default="0"),
        integer("alarm_level", default="0"),
        text("claim_client", 64, null=True),
        big("claim_until", null=True),
        text("cause", 64, null=True),
    )
    op.create_index("ix_state", "message_state", ["tenant", "state", "message_id"])
    op.create_index("ix_state_rest", "message_state", ["state", "since"])
    index_where("ix_state_claim", "message_state", ["claim_until"], "claim_until IS NOT NULL")
    op.create_table(
        "header",
        *of_message(),
        text("name", 128),
        text("value", 512),
        sa.UniqueConstraint("message_id", "tenant", "name", name="uq_header"),
    )
    op.create_table(
        "document",
        *of_message(),
        text("name", 200),
        text("media_type", 128),
        big("size"),
        text("purpose", 216),
        text("mac", 64),
        sa.UniqueConstraint("message_id", "tenant", "name", name="uq_document"),
    )
    op.create_table(
        "warning",
        *of_message(),
        text("code", 64),
        text("detail", 256),
        sa.UniqueConstraint("message_id", "tenant", "code", "detail", name="uq_warning"),
    )
    op.create_table(
        "signer",
        key("message_id", 36),
        tenant(),
        text("organisation", 9, null=True),
        text("fingerprint", 64),
        text("trust", 32),
    )


def _told() -> None:
    """What was told of it, and to us."""
    op.create_table(
        "history",
        *of_message(),
        big("at"),
        text("status", 32),
        sa.UniqueConstraint("message_id", "tenant", "status", name="uq_history"),
    )
    op.create_table(
        "receipt",
        *of_message(),
        text("kind", 16),
        text("value", 32),
        big("at"),
        big("journal_id"),
        sa.UniqueConstraint("message_id", "tenant", "kind", name="uq_receipt"),
    )
    op.create_table(
        "case_event",
        *of_message(),
        text("type", 64),
        big("at"),
        text("outcome", 32, null=True),
        text("client", 64),
        sa.UniqueConstraint("message_id", "tenant", "type", "at", name="uq_case_event"),
    )
    op.create_table(
        "note",
        *of_message(),
        big("at"),
        text("actor", 64),
        text("kind", 24),
        octets("sealed"),
    )
    op.create_index("ix_note", "note", ["message_id"])


def _content() -> None:
    """Sealed bytes and their keys."""
    op.create_table(
        "payload_key",
        key("message_id", 36),
        tenant(),
        text("kek_id", 64),
        octets("wrapped"),
        octets("secrets"),
    )
    op.create_table(
        "payload",
        *of_message(),
        text("purpose", 216),
        big("size"),
        octets("record", null=True),
        text("file", 256, null=True),
        sa.CheckConstraint("(record IS NULL) <> (file IS NULL)", name="record_or_file"),
        sa.UniqueConstraint("message_id", "tenant", "purpose", name="uq_payload"),
    )
    op.create_table(
        "tenant_key",
        tenant(),
        text("purpose", 32),
        text("kek_id", 64),
        octets("wrapped"),
        sa.PrimaryKeyConstraint("tenant", "purpose"),
    )


def _decisions() -> None:
    """Who was here before, what was decided, what the law counts."""
    op.create_table(
        "confirmation",
        key("message_id", 36),
        tenant(),
        text("kind", 16),
        text("actor", 64),
        big("at"),
        octets("reference"),
        text("reference_mac", 64),
        text("documents_mac", 64),
    )
    op.create_table(
        "dedupe",
        tenant(),
        text("kind", 24),
        text("key", 64),
        text("message_id", 36),
        sa.PrimaryKeyConstraint("tenant", "kind", "key"),
    )
    op.create_table(
        "duplicate",
        key("message_id", 36),
        tenant(),
        text("first_id", 36),
    )
    op.create_index("ix_duplicate_first", "duplicate", ["first_id"])
    op.create_table(
        "clock",
        text("message_id", 36),
        tenant(),
        text("clock_id", 8),
        text("status", 16),
        big("start", null=True),
        big("due", null=True),
        big("stopped", null=True),
        big("next_ring", null=True),
        integer("rung", default="0"),
        sa.PrimaryKeyConstraint("message_id", "clock_id"),
    )
    op.create_index("ix_clock_due", "clock", ["tenant", "due"])
    index_where("ix_clock_ring", "clock", ["next_ring"], "next_ring IS NOT NULL")
    op.create_table(
        "clock_fact",
        key("message_id", 36),
        tenant(),
        big("sent_at", null=True),
        integer("reporter_public"),
        integer("reporter_known"),
    )
    op.create_table(
        "idempotency",
        tenant(),
        text("client", 64),
        text("key", 64),
        text("content", 64),
        text("message_id", 36),
        sa.PrimaryKeyConstraint("tenant", "client", "key"),
    )


def _engine() -> None:
    """Owed effects and who works on them."""
    op.create_table(
        "queue_item",
        *of_message(),
        text("effect", 24),
        integer("generation"),
        text("lane", 16),
        text("partner", 64),
        big("run_at"),
        integer("attempt", default="0"),
        text("lease_owner", 36, null=True),
        big("lease_until", null=True),
        integer("suspect", default="0"),
        integer("deaths", default="0"),
        text("parked", 64, null=True),
        sa.UniqueConstraint("message_id", "effect", "generation", name="uq_queue_live"),
    )
    op.create_index("ix_queue_run", "queue_item", ["lane", "run_at"])
    op.create_table(
        "attempt",
        *of_message(),
        text("effect", 24),
        integer("generation"),
        integer("number"),
        text("phase", 8),
        text("code", 64, null=True),
        text("owner", 36),
        big("at"),
        sa.UniqueConstraint("message_id", "effect", "generation", "number", "phase", name="uq_attempt"),
    )
    op.create_table(
        "incarnation",
        key("id", 36),
        big("lock_key"),
        big("started_at"),
        big("ended_at", null=True),
        tenant(default="*"),
    )
    op.create_table(
        "partner",
        key("name", 64),
        tenant(default="*"),
        integer("window"),
        integer("failures", default="0"),
        integer("probes", default="0"),
        big("down_until", null=True),
        text("reason", 64, null=True),
    )
    op.create_table(
        "parcel",
        *of_message(),
        integer("number"),
        text("road", 96),
        text("adapter", 64),
        text("recipient", 64),
        text("key", 36),
        big("at"),
        sa.UniqueConstraint("key", name="uq_parcel_key"),
        sa.UniqueConstraint("message_id", "number", name="uq_parcel_number"),
    )
    op.create_table(
        "taking",
        *of_message(),
        text("parcel_key", 36),
        text("partner_reference", 128),
        big("at"),
        sa.UniqueConstraint("parcel_key", "partner_reference", name="uq_taking"),
    )
    op.create_index("ix_taking_reference", "taking", ["partner_reference"])


def _evidence() -> None:
    """The journal, its numbering, and alarms."""
    op.create_table(
        "journal",
        row_id(),
        tenant(),
        text("message_id", 36, null=True),
        text("event", 64),
        big("at"),
        long_text("entry"),
    )
    op.create_index("ix_journal_message", "journal", ["message_id"])
    op.create_table("leaf_pending", big("journal_id"), tenant(), sa.PrimaryKeyConstraint("journal_id"))
    op.create_table(
        "leaf",
        big("index"),
        tenant(),
        big("journal_id"),
        octets("hash"),
        sa.PrimaryKeyConstraint("index"),
        sa.UniqueConstraint("journal_id"),
    )
    op.create_index("ix_leaf_tenant", "leaf", ["tenant", "index"])
    op.create_table(
        "log_state",
        integer("id"),
        tenant(default="*"),
        text("origin", 128),
        big("base"),
        big("size"),
        big("shifted_at"),
        big("shifted_by"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_table("closed_log", key("origin", 128), tenant(default="*"), big("base"), big("size"), big("closed_at"))
    op.create_table(
        "alarm",
        row_id(),
        tenant(),
        text("code", 64),
        text("subject", 128),
        integer("level"),
        big("opened_at"),
        text("seen_by", 64, null=True),
        big("closed_at", null=True),
        text("closed_by", 64, null=True),
    )
    index_where("uq_alarm_open", "alarm", ["tenant", "code", "subject"], "closed_at IS NULL", unique=True)


def _access() -> None:
    """Who may call."""
    op.create_table(
        "client",
        key("id", 64),
        tenant(),
        text("kind", 16),
        text("fiks_org_id", 64, null=True),
        long_text("organisations"),
        long_text("rights"),
        text("certificate", 64, null=True),
        big("revoked_at", null=True),
        big("created_at"),
    )
    op.create_table("client_tenant", text("client_id", 64), tenant(), sa.PrimaryKeyConstraint("client_id", "tenant"))
    op.create_table(
        "client_password",
        row_id(),
        tenant(),
        text("client_id", 64),
        octets("salt"),
        octets("digest"),
        big("valid_until", null=True),
    )
    op.create_index("ix_client_password", "client_password", ["client_id"])
    op.create_table(
        "webhook",
        tenant(),
        text("client_id", 64),
        text("url", 1024),
        text("kek_id", 64),
        octets("wrapped"),
        octets("secret"),
        sa.PrimaryKeyConstraint("tenant", "client_id"),
    )


def _keep_narrow() -> None:
    """Rows that change or go all the time: room for updates in place, and cleaning by count instead of by share."""
    for table in ("queue_item", "leaf_pending", "message_state"):
        op.execute(
            f"ALTER TABLE {table} SET (fillfactor = 75, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000)"
        )
