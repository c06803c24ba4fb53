"""Letters to people: whom a message is for without saying who, what it follows, who released what; many wait at a time."""

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.columns import big, index_where, row_id, tenant, text

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Rows that are there already have none of it."""
    op.add_column("message", text("person", 64, null=True))
    op.add_column("message", text("case_reference", 64, null=True))
    op.add_column("message", text("follows", 36, null=True))
    op.add_column("message", text("relation", 32, null=True))
    index_where("ix_message_person", "message", ["tenant", "person"], "person IS NOT NULL")
    index_where("ix_message_recipient", "message", ["tenant", "recipient"], "recipient IS NOT NULL")
    index_where("ix_message_case", "message", ["tenant", "case_reference"], "case_reference IS NOT NULL")
    index_where("ix_message_follows", "message", ["tenant", "follows"], "follows IS NOT NULL")
    op.create_index("ix_queue_partner", "queue_item", ["partner", "lane", "run_at"])
    index_where("ix_queue_under_way", "queue_item", ["partner"], "lease_owner IS NOT NULL")
    op.create_index("ix_document_mac", "document", ["tenant", "mac"])
    op.create_table(
        "approval",
        row_id(),
        tenant(),
        text("message_id", 36),
        text("code", 64),
        text("person", 64),
        big("at"),
        sa.UniqueConstraint("message_id", "tenant", "code", "person", name="uq_approval"),
    )
