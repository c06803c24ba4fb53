"""The journal, its numbered leaves, and alarms."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, Text, text

from gateway.store.tables.columns import evidence, metadata, operational, row_id

journal = Table(
    "journal",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("message_id", String(36), null=True),
    evidence("event", String(64)),
    evidence("at", BigInteger),
    evidence("entry", Text),  # RFC 8785 JSON; what the leaf hash covers
    Index("ix_journal_message", "message_id"),
    *(
        Index(name, "at", sqlite_where=text(f"event = '{event}'"), postgresql_where=text(f"event = '{event}'"))
        for name, event in (("ix_journal_arrived", "arrived"), ("ix_journal_portal_list", "portal-list"))
    ),
)

leaf_pending = Table(
    "leaf_pending",
    metadata,
    Column("journal_id", BigInteger, primary_key=True, autoincrement=False, info={"kind": "operational"}),
    operational("tenant", String(7)),
)

leaf = Table(
    "leaf",
    metadata,
    Column("index", BigInteger, primary_key=True, autoincrement=False, info={"kind": "evidence"}),
    evidence("tenant", String(7)),
    evidence("journal_id", BigInteger, unique=True),
    evidence("hash", LargeBinary),
    Index("ix_leaf_tenant", "tenant", "index"),
)

tree_node = Table(
    "tree_node",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False, info={"kind": "evidence"}),
    Column("index", BigInteger, primary_key=True, autoincrement=False, info={"kind": "evidence"}),
    evidence("tenant", String(7), server_default="*"),
    evidence("hash", LargeBinary),  # the root over 256 ** level leaves
)

head = Table(
    "head",
    metadata,
    Column("base", BigInteger, primary_key=True, autoincrement=False, info={"kind": "evidence"}),  # of its log
    Column("size", BigInteger, primary_key=True, autoincrement=False, info={"kind": "evidence"}),
    evidence("tenant", String(7), server_default="*"),
    evidence("root", LargeBinary),
    evidence("note", Text),  # signed, as it was published
    operational("at", BigInteger),  # for people: the note has no time
)

time_stamp = Table(
    "time_stamp",
    metadata,
    Column("base", BigInteger, primary_key=True, autoincrement=False, info={"kind": "evidence"}),
    Column("size", BigInteger, primary_key=True, autoincrement=False, info={"kind": "evidence"}),
    evidence("tenant", String(7), server_default="*"),
    evidence("response", LargeBinary),  # RFC 3161, over the head of this size
    evidence("at", BigInteger),
)

log_state = Table(
    "log_state",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False, info={"kind": "operational"}),
    operational("tenant", String(7), server_default="*"),
    operational("origin", String(128)),
    operational("base", BigInteger),  # the number of the present log's first leaf
    operational("size", BigInteger),  # the next leaf's number: leaves of all logs are numbered through, for the feeds
    operational("shifted_at", BigInteger),  # when a jump of the clock was last made good, by the new clock
    operational("shifted_by", BigInteger),  # and by how much
    operational("payload_mark", String(36), null=True),  # of the folder that the payloads lie in
)

closed_log = Table(
    "closed_log",
    metadata,
    evidence("origin", String(128), primary_key=True),  # never signs again
    evidence("tenant", String(7), server_default="*"),
    evidence("base", BigInteger),
    evidence("size", BigInteger),  # how many leaves it has, signed for or not
    evidence("closed_at", BigInteger),
)

alarm = Table(
    "alarm",
    metadata,
    row_id(),
    evidence("tenant", String(7)),
    evidence("code", String(64)),  # a runbook's file name
    evidence("subject", String(128)),  # an id of ours
    operational("level", Integer),
    evidence("opened_at", BigInteger),
    operational("seen_by", String(64), null=True),
    operational("closed_at", BigInteger, null=True),
    operational("closed_by", String(64), null=True),
    Index(
        "uq_alarm_open",
        "tenant",
        "code",
        "subject",
        unique=True,
        sqlite_where=text("closed_at IS NULL"),
        postgresql_where=text("closed_at IS NULL"),
    ),
)
