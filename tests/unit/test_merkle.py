"""The Merkle tree against RFC 6962 written out as its recursive definition, and its proofs against every change."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain import merkle

SIZES = st.integers(1, 300)


def defined(leaves):
    """RFC 6962, section 2.1, word by word."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1
    while split * 2 < len(leaves):
        split *= 2
    return hashlib.sha256(b"\x01" + defined(leaves[:split]) + defined(leaves[split:])).digest()


def leaves(count):
    return [merkle.leaf_hash(str(number).encode()) for number in range(count)]


ALL = leaves(300)


def subtree(low, high):
    return defined(ALL[low:high])


@given(size=st.integers(0, 300))
def test_folded_and_joined_roots_are_the_defined_one(size):
    expected = defined(ALL[:size])
    assert merkle.fold(ALL[:size]) == expected
    assert merkle.join([subtree(low, high) for low, high in merkle.perfect(0, size)]) == expected


@given(st.data(), SIZES)
def test_each_leaf_s_path_leads_to_the_root_and_to_no_other(data, size):
    index = data.draw(st.integers(0, size - 1))
    path = merkle.inclusion(index, size, subtree)
    root = defined(ALL[:size])
    assert merkle.root_by_inclusion(ALL[index], index, size, path) == root
    assert merkle.root_by_inclusion(ALL[index], index, size, [*path, root]) is None
    if size > 1:
        assert merkle.root_by_inclusion(ALL[index], index, size, path[:-1]) is None
        assert merkle.root_by_inclusion(ALL[index - 1], index, size, path) != root
        assert merkle.root_by_inclusion(ALL[index], (index + 1) % size, size, path) != root


@given(st.data(), SIZES)
def test_a_tree_that_grew_is_consistent_and_a_rewritten_one_is_not(data, size):
    old = data.draw(st.integers(0, size))
    path = merkle.consistency(old, size, subtree)
    before, after = defined(ALL[:old]), defined(ALL[:size])
    assert merkle.consistent(old, size, before, after, path)
    if old > 0:
        other = defined([merkle.leaf_hash(b"other"), *ALL[1:old]])
        assert not merkle.consistent(old, size, other, after, path)
    if 0 < old < size:
        assert not merkle.consistent(old, size, before, before, path)
        assert not merkle.consistent(old, size, before, after, [*path, after])
        assert not merkle.consistent(old, size, before, after, path[:-1])


def test_a_leaf_beyond_the_tree_has_no_proof():
    with pytest.raises(ValueError, match="no such leaf"):
        merkle.inclusion(5, 5, subtree)
    with pytest.raises(ValueError, match="larger"):
        merkle.consistency(6, 5, subtree)
    assert merkle.root_by_inclusion(ALL[0], 5, 5, []) is None
    assert not merkle.consistent(6, 5, ALL[0], ALL[0], [])


@given(st.integers(0, 2**40), st.integers(0, 2**20))
def test_perfect_subtrees_lie_side_by_side_and_shrink(low_step, count):
    low = low_step << 20
    parts = list(merkle.perfect(low, low + count))
    assert sum(high - low for low, high in parts) == count
    for (_, end), (start, _) in pairwise(parts):
        assert end == start
    sizes = [high - low for low, high in parts]
    assert sizes == sorted(sizes, reverse=True)
    assert all(size & (size - 1) == 0 for size in sizes)
