"""The native kernels of the compressed store: split states, pack pairs, and a dense index of pairs.

A pair is the numbers of a state's two parts in their tables. It is packed into `width` bytes: the number of
the left part in the low `low_bits` bits, that of the right part above.

The index differs from that of `kernels` in two ways, because here it is the larger part of what a state
takes. It has any number of lines, not a power of two, so that it need not double when it grows: the line of a
hash is (hash * lines) >> 32 (Lemire, "Fast Random Integer Generation in an Interval", ACM TOMACS 29, 2019).
And a line of 16 slots is a bucket that fills from its first slot; whoever finds it full goes on to the next
line. One SIMD comparison looks at a whole line, so most slots may be taken (Fan, Andersen and
Kaminsky, "MemC3", NSDI 2013, use buckets and tags for the same reason). Stages and prefetching are those of
`kernels`.
"""

# numba and llvmlite have no types to check the kernels against.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lastput.engine.kernels import BLOCK, LINE, candidates, lowest
from lastput.engine.native import fold, native, prefetch

_ONE = np.uint64(1)
_NONE = np.uint64(0)
_BLOCK = np.uint64(BLOCK)
_LINE = np.uint64(LINE)
_LAST_SLOT = np.uint64(1 << (LINE - 1))
_HALF = np.uint64(32)
_ZERO = np.uint32(0)
_SEED = np.uint64(0xE7037ED1A0B428DB)
_STEP = np.uint64(0x8EBC6AF09C88C6E3)


@intrinsic
def _load(typingctx, memory, at):
    """The eight bytes that begin at byte `at`, wherever that is."""

    def emit(context, builder, signature, arguments):
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        word = ir.IntType(64)
        pointer = builder.bitcast(cgutils.gep(builder, view.data, arguments[1]), word.as_pointer())
        return builder.load(pointer, align=1, typ=word)

    return types.uint64(memory, types.uint64), emit


@intrinsic
def _store(typingctx, memory, at, value):
    """Store `value` to the eight bytes that begin at byte `at`, wherever that is."""

    def emit(context, builder, signature, arguments):
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        word = ir.IntType(64)
        pointer = builder.bitcast(cgutils.gep(builder, view.data, arguments[1]), word.as_pointer())
        builder.store(arguments[2], pointer, align=1)
        return context.get_dummy_value()

    return types.void(memory, types.uint64, types.uint64), emit


@native
def _ones(width):
    """The bits of `width` bytes, 1 to 8."""
    return ~_NONE >> (np.uint64(64) - np.uint64(8) * width)


@native
def split(rows, first, n, words, at, masks, part, shape):
    """part[k] of each row = its word at[k] under masks[k], for the n rows from `first` on."""
    first, words, width = np.uint64(first), np.uint64(words), np.uint64(len(shape))
    for i in range(np.uint64(n)):
        for k in range(width):
            part[i * width + k] = rows[(first + i) * words + np.uint64(at[k])] & masks[k]


@native
def join(numbers, n, words, at, states, shape, rows):
    """Add to the first n rows the words that `split` took: those of states[numbers[i]]."""
    words, width = np.uint64(words), np.uint64(len(shape))
    for i in range(np.uint64(n)):
        for k in range(width):
            rows[i * words + np.uint64(at[k])] |= states[numbers[i] * width + k]


@native
def pack(left, right, n, pairs, first, width, low_bits):
    """Write the pairs of the first n numbers behind the `first` that are there, in ascending order.

    Up to seven bytes behind the last one are overwritten."""
    first, width, low_bits = np.uint64(first), np.uint64(width), np.uint64(low_bits)
    for i in range(np.uint64(n)):
        _store(pairs, (first + i) * width, left[i] | right[i] << low_bits)


@native
def unpack(pairs, first, n, width, low_bits, left, right):
    """The numbers of the n pairs from `first` on."""
    first, width, low_bits = np.uint64(first), np.uint64(width), np.uint64(low_bits)
    ones, low = _ones(width), (_ONE << low_bits) - _ONE
    for i in range(np.uint64(n)):
        pair = _load(pairs, (first + i) * width) & ones
        left[i] = pair & low
        right[i] = pair >> low_bits


@native
def unpack_some(pairs, which, n, width, low_bits, left, right):
    """The numbers of the pairs that the first n of `which` name."""
    width, low_bits = np.uint64(width), np.uint64(low_bits)
    ones, low = _ones(width), (_ONE << low_bits) - _ONE
    for i in range(np.uint64(n)):
        pair = _load(pairs, which[i] * width) & ones
        left[i] = pair & low
        right[i] = pair >> low_bits


@native
def repack(pairs, count, width, low_bits, new_width, new_low_bits):
    """Give all pairs, in place, as many bytes or more, and other bits to their halves. Last ones first, so
    that none is overwritten before it is read."""
    width, low_bits = np.uint64(width), np.uint64(low_bits)
    new_width, new_low_bits = np.uint64(new_width), np.uint64(new_low_bits)
    ones, low, new_ones = _ones(width), (_ONE << low_bits) - _ONE, _ones(new_width)
    i = np.uint64(count)
    while i > _NONE:
        i -= _ONE
        pair = _load(pairs, i * width) & ones
        behind = _load(pairs, i * new_width) & ~new_ones
        _store(pairs, i * new_width, behind | (pair & low) | (pair >> low_bits) << new_low_bits)


@native
def _hash(left, right, keep):
    """Hash of a pair of numbers, whatever their packing. Tests clear bits of `keep`."""
    return fold(fold((left | right << _HALF) ^ _SEED, _STEP) ^ _STEP, _SEED) & keep


@native
def _place(index, hash_, lines, low, pairs, width, ones, pair):
    """The place in the index whose slot is the one of `pair`, or the empty one where it belongs."""
    tag = np.uint32(hash_) & ~low
    line = ((hash_ >> _HALF) * lines) >> _HALF
    while True:
        mask = candidates(index, line * _LINE, tag, low)
        while mask != _NONE:
            place = line * _LINE + lowest(mask)
            slot = index[place]
            if slot == _ZERO:
                return place
            if _load(pairs, (np.uint64(slot & low) - _ONE) * width) & ones == pair:
                return place
            mask &= mask - _ONE
        line += _ONE
        if line == lines:
            line = _NONE


@native
def _approach(left, right, begin, end, pairs, index, lines, low, width, keep, hashes, places):
    """Stages 1 and 2 for the pairs begin..end: places[i] is that of the first candidate in the line of each,
    or any in it if there is none; the pair that it names is on its way to the cache."""
    for i in range(begin, end):
        h = _hash(left[i], right[i], keep)
        hashes[i - begin] = h
        prefetch(index, (((h >> _HALF) * lines) >> _HALF) * _LINE)
    for i in range(end - begin):
        h = hashes[i]
        line = (((h >> _HALF) * lines) >> _HALF) * _LINE
        mask = candidates(index, line, np.uint32(h) & ~low, low)
        if mask == _NONE:
            prefetch(index, line + _LINE)
        place = line + lowest(mask | _LAST_SLOT)
        places[i] = place
        prefetch(pairs, (max(np.uint64(index[place] & low), _ONE) - _ONE) * width)


@native
def insert(
    left, right, first, n, pairs, count, limit, index, lines, bits, width, low_bits, keep, hashes, places,
    numbers,
):  # fmt: skip
    """Append those of the pairs first..n that are not among the `count` yet.

    Returns the number of pairs dealt with and the new count. Stops before the first new one that would make
    more than `limit`. The lines must have an empty slot. `numbers[i]` is set to the index of pair i; None:
    nobody asks (Numba compiles that to nothing)."""
    first, n, count, limit = np.uint64(first), np.uint64(n), np.uint64(count), np.uint64(limit)
    lines, width, low_bits, keep = np.uint64(lines), np.uint64(width), np.uint64(low_bits), np.uint64(keep)
    low = np.uint32((_ONE << np.uint64(bits)) - _ONE)
    ones = _ones(width)
    begin = first
    while begin < n:
        end = min(n, begin + _BLOCK)
        _approach(left, right, begin, end, pairs, index, lines, low, width, keep, hashes, places)
        for i in range(begin, end):
            h = hashes[i - begin]
            pair = left[i] | right[i] << low_bits
            place = places[i - begin]
            slot = index[place]
            # Lines are filled from their first slot on: if this one is empty, all before it were looked at.
            if slot != _ZERO and _load(pairs, (np.uint64(slot & low) - _ONE) * width) & ones != pair:
                place = _place(index, h, lines, low, pairs, width, ones, pair)
                slot = index[place]
            if slot == _ZERO:
                if count == limit:
                    return np.int64(i), np.int64(count)
                _store(pairs, count * width, pair)
                count += _ONE
                slot = (np.uint32(h) & ~low) | np.uint32(count)
                index[place] = slot
            if numbers is not None:
                numbers[i] = np.uint64(slot & low) - _ONE
        begin = end
    return np.int64(n), np.int64(count)


@native
def lookup(left, right, n, pairs, index, lines, bits, width, low_bits, keep, hashes, places, found):
    """found[i] = index of pair i, or -1, for i < n. Numbers below 0, or too wide to be packed, are of no
    pair."""
    n, lines, width, low_bits = np.uint64(n), np.uint64(lines), np.uint64(width), np.uint64(low_bits)
    keep, low = np.uint64(keep), np.uint32((_ONE << np.uint64(bits)) - _ONE)
    ones = _ones(width)
    begin = _NONE
    while begin < n:
        end = min(n, begin + _BLOCK)
        _approach(left, right, begin, end, pairs, index, lines, low, width, keep, hashes, places)
        for i in range(begin, end):
            found[i] = -1
            if left[i] >> low_bits != _NONE or right[i] > ones >> low_bits:
                continue
            pair = left[i] | right[i] << low_bits
            slot = index[places[i - begin]]
            if slot != _ZERO and _load(pairs, (np.uint64(slot & low) - _ONE) * width) & ones != pair:
                slot = index[_place(index, hashes[i - begin], lines, low, pairs, width, ones, pair)]
            if slot != _ZERO:
                found[i] = np.int64(slot & low) - 1
        begin = end


@native
def rebuild(pairs, count, index, lines, bits, width, low_bits, keep, hashes):
    """Fill an empty index with the first `count` pairs, which are known to differ."""
    count, lines, width, low_bits = np.uint64(count), np.uint64(lines), np.uint64(width), np.uint64(low_bits)
    keep, low = np.uint64(keep), np.uint32((_ONE << np.uint64(bits)) - _ONE)
    ones, left_ones = _ones(width), (_ONE << low_bits) - _ONE
    begin = _NONE
    while begin < count:
        end = min(count, begin + _BLOCK)
        for i in range(begin, end):
            pair = _load(pairs, i * width) & ones
            h = _hash(pair & left_ones, pair >> low_bits, keep)
            hashes[i - begin] = h
            prefetch(index, (((h >> _HALF) * lines) >> _HALF) * _LINE)
        for i in range(begin, end):
            h = hashes[i - begin]
            line = ((h >> _HALF) * lines) >> _HALF
            place = _first_empty(index, line, lines)
            index[place] = (np.uint32(h) & ~low) | np.uint32(i + _ONE)
        begin = end


@native
def _first_empty(index, line, lines):
    """The first empty slot from `line` on."""
    while True:
        # Where no bits are an index, all are the tag, and only an empty slot has tag 0.
        mask = candidates(index, line * _LINE, _ZERO, _ZERO)
        if mask != _NONE:
            return line * _LINE + lowest(mask)
        line += _ONE
        if line == lines:
            line = _NONE
