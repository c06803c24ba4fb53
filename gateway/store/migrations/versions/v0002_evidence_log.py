"""The Merkle tree over the leaves, its signed heads and their time stamps."""

import sqlalchemy as sa
from alembic import op

from gateway.domain import merkle
from gateway.store.migrations.columns import big, integer, long_text, octets, tenant, text

revision = "0002"
down_revision = "0001"

_SPAN = 256


def upgrade() -> None:
    """Beside the leaves, which are there already."""
    op.create_table(
        "tree_node",
        integer("level"),
        big("index"),
        tenant(default="*"),
        octets("hash"),
        sa.PrimaryKeyConstraint("level", "index"),
    )
    for name, columns in (
        ("head", (octets("root"), long_text("note"))),
        ("time_stamp", (octets("response"),)),
    ):
        op.create_table(
            name,
            big("base"),
            big("size"),
            tenant(default="*"),
            *columns,
            big("at"),
            sa.PrimaryKeyConstraint("base", "size"),
        )
    op.add_column("log_state", text("payload_mark", 36, null=True))
    _grow()


def _grow() -> None:
    """Blocks of leaves, and blocks of blocks, as far as they are full."""
    conn = op.get_bind()
    children = sa.text('SELECT hash FROM leaf WHERE "index" >= :low AND "index" < :high ORDER BY "index"')
    full = conn.execute(sa.text("SELECT count(*) FROM leaf")).scalar_one() // _SPAN
    level = 1
    while full:
        for index in range(full):
            span = {"level": level - 1, "low": index * _SPAN, "high": (index + 1) * _SPAN}
            root = merkle.fold([bytes(row.hash) for row in conn.execute(children, span)])
            conn.execute(
                sa.text('INSERT INTO tree_node (level, "index", hash) VALUES (:level, :index, :hash)'),
                {"level": level, "index": index, "hash": root},
            )
        children = sa.text(
            'SELECT hash FROM tree_node WHERE level = :level AND "index" >= :low AND "index" < :high ORDER BY "index"'
        )
        full //= _SPAN
        level += 1
