"""What arrived on a day, and who has an id, are found without reading everything."""

from alembic import op

from gateway.store.migrations.columns import index_where

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Indexes alone: no row changes."""
    op.create_index("ix_message_arrived", "message", ["arrived_at"])
    index_where("ix_message_remote", "message", ["remote_id"], "remote_id IS NOT NULL")
    index_where("ix_header_report", "header", ["value"], "name = 'bekymringsmelding-id'")
    index_where("ix_journal_arrived", "journal", ["at"], "event = 'arrived'")
    index_where("ix_journal_portal_list", "journal", ["at"], "event = 'portal-list'")
