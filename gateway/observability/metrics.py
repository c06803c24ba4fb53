"""Metrics: names and labels from a closed list. No label holds an id, a tenant's message type or anything from outside."""

from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

REGISTRY: Final = CollectorRegistry()

RECEIVED: Final = Counter(
    "budstikke_received", "Messages stored, by lane and whether repeated.", ["lane", "repeated"], registry=REGISTRY
)
EFFECTS: Final = Counter(
    "budstikke_effects", "Effects performed, by outcome code.", ["effect", "outcome"], registry=REGISTRY
)
EFFECT_SECONDS: Final = Histogram(
    "budstikke_effect_seconds", "Time to perform an effect.", ["effect"], registry=REGISTRY
)
ACCEPT_SECONDS: Final = Histogram(
    "budstikke_accept_seconds", "From the first byte to after COMMIT.", ["lane"], registry=REGISTRY
)
THROTTLED: Final = Counter(
    "budstikke_throttled",
    "Requests answered 429 or 503 by a cap of their client or of all.",
    ["cap"],
    registry=REGISTRY,
)
STATES: Final = Gauge("budstikke_messages", "Messages by state.", ["state"], registry=REGISTRY)
QUEUE: Final = Gauge("budstikke_queue", "Owed effects by lane.", ["lane"], registry=REGISTRY)
OLDEST_SECONDS: Final = Gauge(
    "budstikke_queue_oldest_seconds", "Age of the oldest due effect by lane.", ["lane"], registry=REGISTRY
)
ALARMS: Final = Gauge("budstikke_alarms_open", "Open alarms by code.", ["code"], registry=REGISTRY)
UNNUMBERED: Final = Gauge("budstikke_journal_unnumbered", "Journal entries without a leaf number.", registry=REGISTRY)
DROPPED_LOG_FIELDS: Final = Counter(
    "budstikke_log_fields_dropped", "Log fields that were not on the list.", registry=REGISTRY
)
DROPPED_PARTS: Final = Counter("budstikke_parts_dropped", "Multipart parts nobody asked for.", registry=REGISTRY)
POLLS: Final = Counter("budstikke_polls", "Polls of lists, feed and clocks.", ["route"], registry=REGISTRY)
