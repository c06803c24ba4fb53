"""What operators watch: a gauge goes up with what waits or rings, and down again when nothing does."""

from gateway.crashpoints import Point
from gateway.observability import metrics
from gateway.pipeline.sweeper import sweep
from gateway.pipeline.worker import Incarnation
from gateway.store import alarms
from gateway.store.alarms import AlarmCode
from tests.work import work_off

QUEUE = ("budstikke_queue", {"lane": "bekymring"})
OLDEST = ("budstikke_queue_oldest_seconds", {"lane": "bekymring"})
ALARMS = ("budstikke_alarms_open", {"code": "quarantined"})
QUARANTINED = ("budstikke_messages", {"state": "QUARANTINED"})


async def measured(env, *gauges):
    await sweep(env, Incarnation("me"))
    return [metrics.REGISTRY.get_sample_value(*gauge) for gauge in gauges]


async def test_a_gauge_shows_what_waits_and_nothing_once_it_is_done(env, intake, sender):
    delivery = sender.delivery()
    delivery.part_bytes["asice"] = sender.sealed(b"no container")
    accepted = await intake.accept(delivery)
    assert await measured(env, QUEUE, ALARMS, QUARANTINED) == [1, 0, 0]
    await work_off(env)
    assert await measured(env, QUEUE, OLDEST, ALARMS, QUARANTINED) == [0, 0, 1, 1]

    def close(conn):
        of = {"tenant": "4601-02", "subject": accepted.id, "at": env.now(), "actor": "kari"}
        return alarms.close(conn, code=AlarmCode.QUARANTINED, **of)

    assert await env.store.write(close, Point.PERSON)
    assert await measured(env, ALARMS) == [0]
