"""Which key of the recipient's a parcel was sealed for; and suspects are found without reading a long queue."""

from alembic import op

from gateway.store.migrations.columns import index_where, text

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Of parcels that are there already nobody knows."""
    op.add_column("parcel", text("sealed_for", 64, null=True))
    index_where("ix_queue_suspect", "queue_item", ["lane", "run_at"], "suspect = 1")
