"""Which key of the recipient's a parcel was sealed for."""

from alembic import op

from gateway.store.migrations.columns import text

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Of parcels that are there already nobody knows."""
    op.add_column("parcel", text("sealed_for", 64, null=True))
