"""Kernels between expansion and store: drop what came lately, deal the rest out to owners, carry costs back.

The filter is a small direct-mapped cache of states that fits the second-level cache: most steps lead to
states that another order of the same steps has just led to, and those need not look into the big index.
It compares whole states, so that it never drops a new one.

A state's owner is made of a hash of its own, with constants that neither the index nor the filter uses:
otherwise all states of one owner would share bits of the hash that its index places them by. As in Stern and
Dill, "Parallelizing the Murphi Verifier" (CAV 1997), every state belongs to one owner, who alone stores it.
"""

# numba has no types to check the kernels against.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from lastput.engine.native import fold, native

_FILTER_SEED = np.uint64(0x9FB21C651E98DF25)
_FILTER_STEP = np.uint64(0xD6E8FEB86659FD93)
_OWNER_SEED = np.uint64(0xC2B2AE3D27D4EB4F)
_OWNER_STEP = np.uint64(0x9E3779B97F4A7C15)
_OWNER_LAST = np.uint64(0x165667B19E3779F9)
_HALF = np.uint64(32)
_ONE = np.uint64(1)


@native
def distil(rows, n, recent, bits, shape):
    """Keep, in place and in order, those of the first n rows that are not in `recent`; returns how many.

    `recent` has 2**bits places of one state each, of states that were met before."""
    words = np.uint64(len(shape))
    shift = np.uint64(64) - np.uint64(bits)
    kept = np.uint64(0)
    for i in range(np.uint64(n)):
        h = _FILTER_SEED
        for w in range(words):
            h = fold(h ^ rows[i * words + w], _FILTER_STEP)
        place = (h >> shift) * words
        new = np.uint64(0)
        for w in range(words):
            word = rows[i * words + w]
            new |= recent[place + w] ^ word
            recent[place + w] = word
            rows[kept * words + w] = word
        kept += np.uint64(new != np.uint64(0))
    return np.int64(kept)


@native
def owner(rows, at, shape, owners):
    """The owner, of `owners`, of the state at word `at`."""
    h = _OWNER_SEED
    for w in range(np.uint64(len(shape))):
        h = fold(h ^ rows[at + w], _OWNER_STEP)
    return ((fold(h ^ _OWNER_LAST, _OWNER_STEP) >> _HALF) * owners) >> _HALF


@native
def deal(rows, n, shape, owners, boxes, room, filled):
    """Put each of the first n rows into its owner's box.

    Box o has room for `room` rows, from row o * room of `boxes` on, and holds filled[o]."""
    words, owners, room = np.uint64(len(shape)), np.uint64(owners), np.uint64(room)
    for i in range(np.uint64(n)):
        o = owner(rows, i * words, shape, owners)
        to = (o * room + np.uint64(filled[o])) * words
        for w in range(words):
            boxes[to + w] = rows[i * words + w]
        filled[o] += 1


@native
def owners_of(rows, n, shape, owners, found):
    """found[i] = owner of row i, for i < n."""
    words = np.uint64(len(shape))
    for i in range(np.uint64(n)):
        found[i] = owner(rows, i * words, shape, np.uint64(owners))


@native
def relax(edges, labels, costs_there, threads_there, costs, threads, first):
    """Carry costs back over edges[k], from costs_there[k] and threads_there[k], to the states they begin in.

    costs[s] is 1 + the fewest switches from state s to the violation, 0 where there is no way; it is
    reached exactly by the threads in the bit mask threads[s], if they are also the last to have run before
    s: all others pay one switch more. Edge i begins in state first + (labels[i] >> 32)."""
    top = np.uint64(8 * threads.itemsize - 1)
    for k in range(len(edges)):
        if costs_there[k] == 0:
            continue
        label = labels[edges[k]]
        bit = _ONE << min((label >> np.uint64(16)) & np.uint64(0xFFFF), top)
        cost = np.int64(costs_there[k])
        if np.uint64(threads_there[k]) & bit == np.uint64(0):
            cost = min(cost + 1, 0xFFFF)
        state = first + np.int64(label >> _HALF)
        known = np.int64(costs[state])
        if known == 0 or cost < known:
            costs[state] = cost
            threads[state] = bit
        elif cost == known:
            threads[state] |= bit


@native
def look(found, n, low, high, costs, threads, costs_there, threads_there):
    """Costs and threads of the states found[i] that lie in low..high, for i < n; cost 0 for all others."""
    for i in range(n):
        state = found[i]
        inside = low <= state < high
        costs_there[i] = costs[state] if inside else 0
        threads_there[i] = threads[state] if inside else 0
