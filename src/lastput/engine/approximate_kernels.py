"""The native kernels of the approximate stores: ask and mark, note where a new state came from, trace back.

Both stores look into one cache line for each state: 16 tags of 32 bits, or 512 bits of a filter. The line is
asked for a block of states beforehand, as in `kernels`.

`odds` adds up, for each new state, the odds p / (1 - p) that a new state that met what this one met would
have been taken for a known one. A state that was stored stands for 1 / (1 - p) states of which p / (1 - p)
were left out, so the sum estimates how many were (Horvitz and Thompson 1952), from what really was in the
lines.
"""

# numba and llvmlite have no types to check the kernels against.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from lastput.engine.kernels import BLOCK, LINE, candidates, lowest
from lastput.engine.native import fold, native, prefetch

HASHES = 4
"""Bits of the filter that a state sets."""
COUNT, FAMILY, CLOSED = 0, 1, 2
"""What `where` has: states stored; bits of `families` written; parents that are behind us."""

_ONE = np.uint64(1)
_NONE = np.uint64(0)
_BLOCK = np.uint64(BLOCK)
_LINE = np.uint64(LINE)
_HALF = np.uint64(32)
_WORD = np.uint64(63)
_SIX = np.uint64(6)
_SEED = np.uint64(0xA0761D6478BD642F)
_STEP = np.uint64(0xE7037ED1A0B428DB)
_OTHER = np.uint64(0x589965CC75374CC3)


@native
def _hash(rows, at, shape):
    h = _SEED
    for w in range(np.uint64(len(shape))):
        h = fold(h ^ rows[at + w], _STEP)
    return fold(h ^ _OTHER, _STEP)


@native
def _bits_of(word):
    """How many bits are set."""
    word -= (word >> _ONE) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + ((word >> np.uint64(2)) & np.uint64(0x3333333333333333))
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@native
def _tagged(table, lines, h):
    """Enter a state's tag into a table of tags: the odds if it is new, below 0 if it is there already."""
    tag = np.uint32(max(h & np.uint64(0xFFFFFFFF), _ONE))
    line = ((h >> _HALF) * lines) >> _HALF
    compared = _NONE
    while True:
        # No bits of a slot are an index: all are the tag.
        mask = candidates(table, line * _LINE, tag, np.uint32(0))
        if mask != _NONE:
            place = lowest(mask)
            if table[line * _LINE + place] == tag:
                return -1.0
            table[line * _LINE + place] = tag
            met = np.float64(compared + place) / 4294967295.0
            return met / (1.0 - met)
        compared += _LINE
        line += _ONE
        if line == lines:
            line = _NONE


@native
def _filtered(table, lines, h):
    """Set a state's bits in a filter: the odds if some were not set, below 0 if all were."""
    line = (((h >> _HALF) * lines) >> _HALF) * np.uint64(8)
    places = fold(h ^ _OTHER, _STEP)
    known = True
    before = _NONE
    for w in range(np.uint64(8)):
        before += _bits_of(table[line + w])
    for k in range(np.uint64(HASHES)):
        place = (places >> (np.uint64(9) * k)) & np.uint64(511)
        bit = _ONE << (place & _WORD)
        known &= table[line + (place >> _SIX)] & bit != _NONE
        table[line + (place >> _SIX)] |= bit
    if known:
        return -1.0
    met = (np.float64(before) / 512.0) ** HASHES
    return met / (1.0 - met)


@native
def add(rows, n, labels, first, shape, filtering, table, lines, frontier, base, limit, where, families,
        ordinals, ordinal_bits, odds, hashes):  # fmt: skip
    """Append to `frontier`, whose first state has number `base`, those of n successors that seem new.

    labels[i] tells which of the states from `first` on row i came from. For each new state a bit is set in
    `families`, after one that is not set for each state that ends there: states and their children, in order;
    and `ordinals` has its number among its parent's successors. Returns how many rows were dealt with; stops
    before one that might make more than `limit` states."""
    n, first, lines, words = np.uint64(n), np.uint64(first), np.uint64(lines), np.uint64(len(shape))
    base, limit, ordinal_bits = np.uint64(base), np.uint64(limit), np.uint64(ordinal_bits)
    per_line = np.uint64(8) if filtering else _LINE
    count, family, closed = where[COUNT], where[FAMILY], where[CLOSED]
    total = 0.0
    parent, ordinal = ~_NONE, _NONE
    done = n
    begin = _NONE
    while begin < done:
        end = min(n, begin + _BLOCK)
        for i in range(begin, end):
            h = _hash(rows, i * words, shape)
            hashes[i - begin] = h
            prefetch(table, (((h >> _HALF) * lines) >> _HALF) * per_line)
        for i in range(begin, end):
            source = labels[i] >> _HALF
            ordinal = ordinal + _ONE if source == parent else _NONE
            parent = source
            if count == limit:
                done = i
                break
            h = hashes[i - begin]
            met = _filtered(table, lines, h) if filtering else _tagged(table, lines, h)
            if met < 0.0:
                continue
            total += met
            for w in range(words):
                frontier[(count - base) * words + w] = rows[i * words + w]
            family += first + source - closed
            closed = first + source
            families[family >> _SIX] |= _ONE << (family & _WORD)
            family += _ONE
            at = (count - _ONE) * ordinal_bits
            ordinals[at >> _SIX] |= ordinal << (at & _WORD)
            count += _ONE
        begin = end
    where[COUNT], where[FAMILY], where[CLOSED] = count, family, closed
    odds[0] += total
    return np.int64(done)


@native
def plant(row, shape, filtering, table, lines, frontier, where):
    """Store the initial state, as number 0."""
    h = _hash(row, _NONE, shape)
    if filtering:
        _filtered(table, np.uint64(lines), h)
    else:
        _tagged(table, np.uint64(lines), h)
    for w in range(np.uint64(len(shape))):
        frontier[w] = row[w]
    where[COUNT] = _ONE


@native
def trace(state, where, families, ordinals, ordinal_bits, steps):
    """Write to `steps` which successor of its parent a state is, then which its parent is, and so on back to
    the initial state. Returns how many they are.

    The k-th bit that is set is state k; those not set before it are the states that ended: its parent's
    number."""
    state, ordinal_bits = np.uint64(state), np.uint64(ordinal_bits)
    position, ones = where[FAMILY], where[COUNT] - _ONE
    low = (_ONE << ordinal_bits) - _ONE
    n = 0
    while state > _NONE:
        while True:
            start = (position - _ONE) & ~_WORD
            word = families[start >> _SIX] & (~_NONE >> (_WORD - (position - _ONE - start)))
            here = _bits_of(word)
            if ones - here < state:
                break
            position, ones = start, ones - here
        bit = _WORD
        while True:
            if word >> bit & _ONE:
                if ones == state:
                    break
                ones -= _ONE
            bit -= _ONE
        position, ones = start + bit, ones - _ONE
        at = ones * ordinal_bits
        steps[n] = ordinals[at >> _SIX] >> (at & _WORD) & low
        n += 1
        state = position - ones
    return n
