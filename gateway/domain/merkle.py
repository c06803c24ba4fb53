"""The Merkle tree of RFC 6962, section 2.1: hashes, inclusion proofs and consistency proofs.

A tree is a function ``(low, high) -> hash`` of its leaves ``[low, high)``: who stores the hashes decides how to find
them, and this module never holds a tree.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Final

Subtree = Callable[[int, int], bytes]

EMPTY_ROOT: Final = hashlib.sha256(b"").digest()


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256 of a zero octet and the entry."""
    return hashlib.sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of the octet 1 and the two children."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def fold(hashes: Sequence[bytes]) -> bytes:
    """The root over these neighbours, all of one height; they need not be a power of two."""
    if not hashes:
        return EMPTY_ROOT
    level = list(hashes)
    while len(level) > 1:
        odd = level[-1:] if len(level) % 2 else []
        level = [node_hash(left, right) for left, right in list(pairwise(level))[::2]] + odd
    return level[0]


def perfect(low: int, high: int) -> Iterator[tuple[int, int]]:
    """The perfect subtrees that ``[low, high)`` falls into, largest first; ``low`` begins a subtree of that size."""
    while low < high:
        step = 1 << ((high - low).bit_length() - 1)
        yield low, low + step
        low += step


def join(roots: Sequence[bytes]) -> bytes:
    """The root over the perfect subtrees of ``perfect``, in its order."""
    if not roots:
        return EMPTY_ROOT
    *rest, joined = roots
    for left in reversed(rest):
        joined = node_hash(left, joined)
    return joined


def inclusion(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The audit path of a leaf in the tree of the first ``size`` leaves, lowest sibling first."""
    if not 0 <= index < size:
        message = "no such leaf in a tree of this size"
        raise ValueError(message)
    path = []
    low, high = 0, size
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(subtree(middle, high))
            high = middle
        else:
            path.append(subtree(low, middle))
            low = middle
    return path[::-1]


def consistency(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """The proof that the tree of ``new`` leaves begins with that of ``old``; empty when either is empty or they agree."""
    if not 0 <= old <= new:
        message = "the older tree is the larger one"
        raise ValueError(message)
    if old in (0, new):
        return []
    path: list[bytes] = []
    low, high, whole = 0, new, True
    while old != high:
        middle = low + _split(high - low)
        if old <= middle:
            path.append(subtree(middle, high))
            high = middle
        else:
            path.append(subtree(low, middle))
            low, whole = middle, False
    return [*([] if whole else [subtree(low, high)]), *path[::-1]]


def root_by_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes]) -> bytes | None:
    """The root that this path leads to; None when its length does not fit (RFC 9162, section 2.1.3.2)."""
    if not 0 <= index < size:
        return None
    place, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return None
        if place % 2 or place == last:
            found = node_hash(sibling, found)
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        place, last = place >> 1, last >> 1
    return found if last == 0 else None


def consistent(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the path proves that the newer tree begins with the older (RFC 9162, section 2.1.4.2)."""
    if not 0 <= old <= new:
        return False
    if old in (0, new):
        return not path and (old == 0 or old_root == new_root)
    steps = list(path) if old & (old - 1) else [old_root, *path]
    if not steps:
        return False
    place, last = old - 1, new - 1
    while place % 2:
        place, last = place >> 1, last >> 1
    first = second = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            return False
        if place % 2 or place == last:
            first, second = node_hash(sibling, first), node_hash(sibling, second)
            while place % 2 == 0 and place:
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, sibling)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _split(count: int) -> int:
    """The largest power of two below ``count``."""
    return 1 << ((count - 1).bit_length() - 1)
