"""What a partner says of our accounts with it."""

import sqlalchemy as sa
from alembic import op

from gateway.store.migrations.columns import big, integer, tenant, text

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Empty until a road that is fetched from has been asked."""
    op.create_table(
        "partner_figure",
        tenant(),
        text("adapter", 64),
        text("account", 64),
        integer("waiting"),
        integer("consumers"),
        big("at"),
        sa.PrimaryKeyConstraint("tenant", "adapter", "account"),
    )
