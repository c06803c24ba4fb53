"""A log that follows a closed one: its own tree, its own first leaf, and the old one as it was."""

import json

import pytest
from sqlalchemy import select

from gateway.crashpoints import Point
from gateway.domain import merkle
from gateway.store import journal, log
from gateway.store.succession import Beginning, begin_log
from gateway.store.tables import head, leaf
from tests.integration.store.test_log import fill, hashes

BEGINNING = Beginning("test/2", "test", 300, b"r" * 32, "kari", "disk-lost", 1_000_000)


async def begin(store, beginning=BEGINNING):
    await store.write(lambda conn: begin_log(conn, beginning), Point.ADMIN)


async def test_the_new_log_counts_from_its_own_first_leaf_and_the_old_tree_stays(store):
    await fill(store, 300)
    old = await store.read(hashes)
    await begin(store)
    await fill(store, 600)

    def look(conn):
        leaves = hashes(conn)
        assert leaves[:300] == old
        assert (log.origin(conn), log.size(conn)) == ("test/2", 601)
        assert log.subtree(conn)(0, 601) == merkle.fold(leaves[300:])
        (closed,) = log.closed(conn)
        assert (closed.origin, closed.base, closed.size) == ("test", 0, 300)
        tree = log.subtree(conn, closed.base)
        assert tree(0, 300) == merkle.fold(old)
        path = merkle.consistency(299, 601, log.subtree(conn))
        assert merkle.consistent(299, 601, merkle.fold(leaves[300:599]), merkle.fold(leaves[300:]), path)

    await store.read(look)


async def test_the_first_leaf_tells_the_last_head_of_the_old_log_even_before_entries_that_waited(store):
    await fill(store, 3)
    await store.write(lambda conn: journal.write(conn, journal.Entry(journal.ARRIVED, "4601-02", 9, "x")), Point.ACCEPT)
    await begin(store)
    await store.write(journal.number_pending, Point.NUMBER)
    first = json.loads(await store.read(log.first_entry))
    assert (first["event"], first["actor"], first["code"]) == ("log-begun", "kari", "disk-lost")
    assert first["refs"] == {"origin": "test", "root": "cnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=", "size": 300}
    assert await store.read(log.size) == 2
    assert await store.read(journal.unnumbered) == 0


async def test_feeds_go_on_over_the_border(store):
    await fill(store, 3)
    await begin(store)
    await fill(store, 2)
    numbers = await store.read(lambda conn: conn.execute(select(leaf.c.index).order_by(leaf.c.index)).scalars().all())
    assert numbers[:3] == [0, 1, 2]
    assert numbers[3:] == [256**3, 256**3 + 1, 256**3 + 2]


async def test_heads_of_one_size_in_two_logs_are_two_heads(store):
    def keep(conn):
        log.keep_head(conn, 1, b"r" * 32, "old", 1)
        begin_log(conn, BEGINNING)
        assert log.newest_head(conn) is None
        base = log.span(conn).base
        log.keep_head(conn, 1, b"s" * 32, "new", 2, base=base)
        assert (log.newest_head(conn).note, log.newest_head(conn, base=0).note) == ("new", "old")
        assert log.head_of(conn, 1).note == "new"
        return len(conn.execute(select(head)).all())

    assert await store.write(keep, Point.ADMIN) == 2


@pytest.mark.parametrize("times", [2, 3])
async def test_a_log_may_be_followed_again_and_again(store, times):
    for number in range(times):
        await fill(store, 10)
        await begin(store, Beginning(f"test/{number}", "before", 0, b"r" * 32, "kari", "drill", number))
    closed = await store.read(log.closed)
    assert [one.size for one in closed] == [10, *[11] * (times - 1)]
    assert await store.read(log.span) == log.Span(f"test/{times - 1}", times * 256**3, 1)
