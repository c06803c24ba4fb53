"""Whoever does other work gives way to a concern report that is in hand, and is never stopped by one."""

import asyncio

import pytest

from gateway.crashpoints import Point
from gateway.pipeline.right_of_way import GivingStore, RightOfWay


class Diary:
    """A store that notes what is done with it."""

    def __init__(self):
        self.units = []

    async def write(self, work, point, lane):
        self.units.append((point, lane))

    async def read(self, work):
        self.units.append("read")

    def for_tenants(self, tenants):
        return self


async def settled():
    """Everything that can go on has gone on."""
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def right_of_way(monkeypatch):
    monkeypatch.setattr("gateway.pipeline.right_of_way.GIVE_WAY_S_MAX", 3600.0)
    return RightOfWay()


async def test_nobody_waits_where_no_report_is_in_hand(right_of_way):
    async with asyncio.timeout(1):
        await right_of_way.give()


async def test_other_work_waits_until_the_last_of_several_reports_is_done(right_of_way):
    with right_of_way.report():
        with right_of_way.report():
            waiting = asyncio.ensure_future(right_of_way.give())
            await settled()
            assert not waiting.done()
        await settled()
        assert not waiting.done()
    await settled()
    assert waiting.done()


async def test_a_report_that_fails_is_no_longer_in_hand(right_of_way):
    with pytest.raises(ZeroDivisionError), right_of_way.report():
        raise ZeroDivisionError
    async with asyncio.timeout(1):
        await right_of_way.give()


async def test_a_report_that_hangs_holds_other_work_up_but_does_not_stop_it(monkeypatch):
    monkeypatch.setattr("gateway.pipeline.right_of_way.GIVE_WAY_S_MAX", 0.0)
    right_of_way = RightOfWay()
    with right_of_way.report():
        async with asyncio.timeout(1):
            await right_of_way.give()


@pytest.mark.parametrize("of_offices", [False, True])
async def test_a_unit_of_other_work_begins_when_the_report_is_done(right_of_way, of_offices):
    diary = Diary()
    store = GivingStore(diary, right_of_way)
    store = store.for_tenants(["4601-02"]) if of_offices else store
    with right_of_way.report():
        units = [asyncio.ensure_future(store.read(None)), asyncio.ensure_future(store.write(None, Point.ADMIN))]
        await settled()
        assert diary.units == []
    await asyncio.gather(*units)
    assert len(diary.units) == 2


def test_reports_come_while_one_is_in_hand_and_for_a_moment_after(monkeypatch):
    right_of_way, now = RightOfWay(), 1000.0
    monkeypatch.setattr("gateway.pipeline.right_of_way.time.monotonic", lambda: now)
    assert not right_of_way.reports_come()
    with right_of_way.report():
        assert right_of_way.reports_come()
    assert right_of_way.reports_come()
    now += 60
    assert not right_of_way.reports_come()
