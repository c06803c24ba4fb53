"""The tree in the store: its blocks grow with the leaves and give the roots and proofs of RFC 6962."""

import pytest
from sqlalchemy import select

from gateway.crashpoints import Point
from gateway.domain import merkle
from gateway.store import journal, log
from gateway.store.tables import head, leaf, tree_node


async def fill(store, count):
    """This many entries, each numbered."""

    def write(conn):
        for number in range(count):
            journal.write(conn, journal.Entry(journal.ARRIVED, "4601-02", number, "x"))
        journal.settle(conn)
        while journal.number_pending(conn):
            pass

    await store.write(write, Point.ACCEPT)


def hashes(conn):
    return [bytes(value) for value in conn.execute(select(leaf.c.hash).order_by(leaf.c.index)).scalars()]


@pytest.mark.parametrize("steps", [(1,), (255, 1, 1), (256,), (300, 500)])
async def test_roots_and_proofs_from_the_stored_blocks_are_those_of_the_leaves(store, steps):
    for count in steps:
        await fill(store, count)
    size = sum(steps)
    leaves = await store.read(hashes)
    assert await store.read(log.size) == size == len(leaves)

    def proofs(conn):
        tree = log.subtree(conn)
        root = tree(0, size)
        assert root == merkle.fold(leaves)
        for index in {0, size // 2, size - 1}:
            path = merkle.inclusion(index, size, tree)
            assert merkle.root_by_inclusion(leaves[index], index, size, path) == root
        for old in {1, size // 3, size}:
            path = merkle.consistency(old, size, tree)
            assert merkle.consistent(old, size, merkle.fold(leaves[:old]), root, path)

    await store.read(proofs)
    assert await store.read(lambda conn: len(conn.execute(select(tree_node)).all())) == size // 256


async def test_blocks_of_blocks_are_kept_too(store):
    """256 blocks of 256 leaves, laid down without their entries: 65 536 entries would prove no more."""
    leaves = [merkle.leaf_hash(str(number).encode()) for number in range(65_536 + 300)]

    def lay(conn):
        rows = [{"index": n, "tenant": "4601-02", "journal_id": n + 1, "hash": value} for n, value in enumerate(leaves)]
        conn.execute(leaf.insert(), rows)
        for low in range(0, len(leaves), 1000):
            log.grow(conn, low, min(low + 1000, len(leaves)))

    await store.write(lay, Point.ADMIN)

    def look(conn):
        counts = [len(conn.execute(select(tree_node).where(tree_node.c.level == level)).all()) for level in (1, 2, 3)]
        return counts, log.subtree(conn)(0, len(leaves))

    assert await store.read(look) == ([257, 1, 0], merkle.fold(leaves))


async def test_a_head_is_kept_once_and_found_by_size_and_before_another(store):
    def keep(conn):
        for size in (3, 5, 5, 9):
            log.keep_head(conn, size, b"r" * 32, f"note {size}", 1)
        assert log.newest_head(conn).size == 9
        assert log.newest_head(conn, below=9).size == 5
        assert log.newest_head(conn, below=3) is None
        assert log.head_of(conn, 4) is None
        assert log.head_of(conn, 5).note == "note 5"
        return len(conn.execute(select(head)).all())

    assert await store.write(keep, Point.ADMIN) == 3
