"""All tables and their constraints.

Every table carries the tenant, never empty; keys that must be unique start with it, so that one tenant cannot learn of
another's. Rows of the installation itself carry ``*`` and hold nothing of a tenant (``gateway.store.row_security``).
Times are UTC microseconds since 1970 as integers: equal on both stores and free of drivers' opinions.
"""

from gateway.store.tables.clients import client, client_password, client_tenant, idempotency, tenant_key, webhook
from gateway.store.tables.columns import metadata
from gateway.store.tables.course import approval, case_event, clock, clock_fact, confirmation, history, note, receipt
from gateway.store.tables.evidence import (
    alarm,
    closed_log,
    head,
    journal,
    leaf,
    leaf_pending,
    log_state,
    time_stamp,
    tree_node,
)
from gateway.store.tables.messages import (
    dedupe,
    document,
    duplicate,
    header,
    message,
    message_state,
    payload,
    payload_key,
    signer,
    warning,
)
from gateway.store.tables.work import attempt, incarnation, parcel, partner, partner_figure, queue_item, taking

__all__ = [
    "alarm",
    "approval",
    "attempt",
    "case_event",
    "client",
    "client_password",
    "client_tenant",
    "clock",
    "clock_fact",
    "closed_log",
    "confirmation",
    "dedupe",
    "document",
    "duplicate",
    "head",
    "header",
    "history",
    "idempotency",
    "incarnation",
    "journal",
    "leaf",
    "leaf_pending",
    "log_state",
    "message",
    "message_state",
    "metadata",
    "note",
    "parcel",
    "partner",
    "partner_figure",
    "payload",
    "payload_key",
    "queue_item",
    "receipt",
    "signer",
    "taking",
    "tenant_key",
    "time_stamp",
    "tree_node",
    "warning",
    "webhook",
]
