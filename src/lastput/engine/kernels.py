"""The native kernels of the search: hash, insert, look up, rebuild.

The hash index is open addressing with linear probing over 32-bit slots, after Laarman, van de Pol and
Weber, "Boosting Multi-Core Reachability Performance with Shared Hash Tables" (FMCAD 2010), arXiv
1004.2772. A slot is (index of the state + 1) in its low `bits` bits and, in the bits above them, a tag
from the hash, so that a slot of another state is nearly always told apart without reading that state.
Departures: a slot holds an index into the array of states, which stays in breadth-first order, instead of
states living in the table. So no slot is ever locked: a thread writes a state to a place in that array which
is its own, and only then puts the place's number into an empty slot, by compare and swap; whoever loses a
slot compares with the state that won it. One thread alone needs not even that. And the kernels work on
blocks of successors in stages (hash and prefetch the slots; read the slots and prefetch the states they name;
compare or insert), so that cache misses overlap: group prefetching, Chen, Ailamaki, Gibbons and Mowry,
"Improving Hash Join Performance through Prefetching" (ICDE 2004).

The hash is a chain of folded multiplies (64 x 64 -> 128 bits, the halves xored), the mixing step of wyhash
(Wang Yi, https://github.com/wangyi-fudan/wyhash). It decides where a state lies, never whether it is new:
that is decided by comparing whole states.

`shape` tells the words of a state by its length (`native.shape_of`).
"""

# numba and llvmlite have no types to check the kernels against.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from lastput.engine.native import exchange, fold, native, prefetch

BLOCK = 64
"""Successors that go through the stages together; also the length of the scratch arrays."""

LINE = 16
"""Slots of a cache line of 64 bytes."""

_ONE = np.uint64(1)
_LINE = np.uint64(LINE)
_INSIDE = np.uint64(LINE - 1)
_WORDS = np.uint64(8)
"""Words of a cache line."""
_ZERO = np.uint32(0)
_SEED = np.uint64(0x2D358DCCAA6C78A5)
_STEP = np.uint64(0x8BB84B93962EACC9)
_LAST = np.uint64(0x4B33A62ED433D4A3)


@intrinsic
def candidates(typingctx, index, line, tag, low):
    """Bit mask of the slots of the cache line that begins at `line` that are empty or have the tag."""

    def emit(context, builder, signature, arguments):
        view = context.make_array(signature.args[0])(context, builder, arguments[0])
        lanes = ir.VectorType(ir.IntType(32), LINE)
        pointer = cgutils.gep(builder, view.data, arguments[1])
        slots = builder.load(builder.bitcast(pointer, lanes.as_pointer()), align=4, typ=lanes)
        zero = ir.Constant(lanes, None)
        empty = builder.icmp_unsigned("==", slots, zero)
        high = builder.not_(builder.or_(_spread(builder, arguments[3], lanes), zero))
        tagged = builder.icmp_unsigned("==", builder.and_(slots, high), _spread(builder, arguments[2], lanes))
        mask = builder.bitcast(builder.or_(empty, tagged), ir.IntType(LINE))
        return builder.zext(mask, ir.IntType(64))

    return types.uint64(index, types.uint64, types.uint32, types.uint32), emit


def _spread(builder, value, lanes):
    """A vector with `value` in every lane."""
    first = builder.insert_element(ir.Constant(lanes, ir.Undefined), value, ir.IntType(32)(0))
    lane_numbers = ir.VectorType(ir.IntType(32), lanes.count)
    return builder.shuffle_vector(first, first, ir.Constant(lane_numbers, None))


@intrinsic
def lowest(typingctx, mask):
    """Number of the lowest set bit; the mask is not 0."""

    def emit(context, builder, signature, arguments):
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.uint64(types.uint64), emit


@native
def _hash(rows, at, shape, keep):
    """Hash of the state at word `at`. `keep` is all ones; tests clear bits of it to force collisions."""
    h = _SEED
    for w in range(np.uint64(len(shape))):
        h = fold(h ^ rows[at + w], _STEP)
    return fold(h ^ _LAST, _STEP) & keep


@native
def _equal(rows, at, states, where, shape):
    for w in range(np.uint64(len(shape))):  # noqa: SIM110
        if rows[at + w] != states[where + w]:
            return False
    return True


@native
def _next(place, home, wrap):
    """The place after `place`: the whole line, from the home on and around its end, then the next line."""
    inside = (place + _ONE) & _INSIDE
    line = place & ~_INSIDE
    if inside == home & _INSIDE:
        line = (line + _LINE) & wrap
    return line | inside


@native
def _approach(rows, begin, end, states, index, bits, keep, shape, hashes, places):
    """Stages 1 and 2 for rows begin..end: the first place in the index that is empty or has the tag."""
    words = np.uint64(len(shape))
    shift = np.uint64(64) - bits
    wrap = (_ONE << bits) - _ONE
    low = np.uint32(wrap)
    for i in range(begin, end):
        h = _hash(rows, i * words, shape, keep)
        hashes[i - begin] = h
        prefetch(index, h >> shift)
    for i in range(end - begin):
        h = hashes[i]
        home = h >> shift
        line = home & ~_INSIDE
        start = home & _INSIDE
        mask = candidates(index, line, np.uint32(h) & ~low, low)
        while mask == np.uint64(0):
            line = (line + _LINE) & wrap
            mask = candidates(index, line, np.uint32(h) & ~low, low)
        # Bits from `start` on come first, those before it after them.
        ahead = (mask | mask << _LINE) >> start
        place = line | ((start + lowest(ahead)) & _INSIDE)
        places[i] = place
        slot = np.uint64(index[place] & low)
        prefetch(states, (max(slot, _ONE) - _ONE) * words)


@native
def _claim(index, place, slot, beside):
    """Fill an empty place. Returns 0, or the slot that another thread has put there first."""
    if beside is None:
        index[place] = slot
        return _ZERO
    return exchange(index, place, _ZERO, slot)


@native
def insert(rows, first, n, states, count, limit, index, bits, keep, shape, hashes, places, numbers, beside):
    """Append the rows first..n that are not among the states yet, at place `count` of the states.

    Returns the number of rows dealt with and the new count. Stops before the first new row that would need
    place `limit`. `numbers[i]` is set to the index of the state that is row i; None: nobody asks (Numba
    compiles that to nothing). `beside`: whether other threads insert at the same time, each at places of its
    own; True or None."""
    first, n, count, limit = np.uint64(first), np.uint64(n), np.uint64(count), np.uint64(limit)
    bits, keep = np.uint64(bits), np.uint64(keep)
    words = np.uint64(len(shape))
    shift = np.uint64(64) - bits
    wrap = (_ONE << bits) - _ONE
    low = np.uint32(wrap)
    begin = first
    while begin < n:
        end = min(n, begin + np.uint64(BLOCK))
        if beside is not None:
            # An exchange waits for the writes before it.
            for w in range(np.uint64(0), np.uint64(BLOCK) * words, _WORDS):
                prefetch(states, (count + np.uint64(BLOCK)) * words + w)
        _approach(rows, begin, end, states, index, bits, keep, shape, hashes, places)
        for i in range(begin, end):
            tag = np.uint32(hashes[i - begin]) & ~low
            place = places[i - begin]
            while True:
                slot = index[place]
                if slot == _ZERO:
                    if count == limit:
                        return np.int64(i), np.int64(count)
                    for w in range(words):
                        states[count * words + w] = rows[i * words + w]
                    slot = _claim(index, place, tag | np.uint32(count + _ONE), beside)
                    if slot == _ZERO:
                        if numbers is not None:
                            numbers[i] = count
                        count += _ONE
                        break
                if slot & ~low == tag:
                    state = np.uint64(slot & low) - _ONE
                    if _equal(rows, i * words, states, state * words, shape):
                        if numbers is not None:
                            numbers[i] = state
                        break
                place = _next(place, hashes[i - begin] >> shift, wrap)
        begin = end
    return np.int64(n), np.int64(count)


@native
def lookup(rows, n, states, index, bits, keep, shape, hashes, places, found):
    """found[i] = index of the state that is row i, or -1, for i < n."""
    n, bits, keep = np.uint64(n), np.uint64(bits), np.uint64(keep)
    words = np.uint64(len(shape))
    shift = np.uint64(64) - bits
    wrap = (_ONE << bits) - _ONE
    low = np.uint32(wrap)
    begin = np.uint64(0)
    while begin < n:
        end = min(n, begin + np.uint64(BLOCK))
        _approach(rows, begin, end, states, index, bits, keep, shape, hashes, places)
        for i in range(begin, end):
            tag = np.uint32(hashes[i - begin]) & ~low
            place = places[i - begin]
            found[i] = -1
            slot = index[place]
            while slot != _ZERO:
                if slot & ~low == tag:
                    state = np.uint64(slot & low) - _ONE
                    if _equal(rows, i * words, states, state * words, shape):
                        found[i] = np.int64(state)
                        break
                place = _next(place, hashes[i - begin] >> shift, wrap)
                slot = index[place]
        begin = end


@native
def rebuild(states, begin, end, index, bits, keep, shape, hashes, beside):
    """Put the states begin..end, which are known to differ, into an index that has none of them."""
    begin, last, bits, keep = np.uint64(begin), np.uint64(end), np.uint64(bits), np.uint64(keep)
    words = np.uint64(len(shape))
    shift = np.uint64(64) - bits
    wrap = (_ONE << bits) - _ONE
    low = np.uint32(wrap)
    while begin < last:
        end = min(last, begin + np.uint64(BLOCK))
        for i in range(begin, end):
            h = _hash(states, i * words, shape, keep)
            hashes[i - begin] = h
            prefetch(index, h >> shift)
        for i in range(begin, end):
            h = hashes[i - begin]
            slot = (np.uint32(h) & ~low) | np.uint32(i + _ONE)
            place = h >> shift
            while index[place] != _ZERO or _claim(index, place, slot, beside) != _ZERO:
                place = _next(place, h >> shift, wrap)
        begin = end


@native
def renumber(states, old, new, n, index, bits, keep, shape):
    """Move the states old..old+n to new..new+n, where there are none; the index follows."""
    old, new, bits, keep = np.uint64(old), np.uint64(new), np.uint64(bits), np.uint64(keep)
    words = np.uint64(len(shape))
    shift = np.uint64(64) - bits
    wrap = (_ONE << bits) - _ONE
    low = np.uint32(wrap)
    for i in range(np.uint64(n)):
        h = _hash(states, (old + i) * words, shape, keep)
        tag = np.uint32(h) & ~low
        place = h >> shift
        while index[place] != tag | np.uint32(old + i + _ONE):
            place = _next(place, h >> shift, wrap)
        index[place] = tag | np.uint32(new + i + _ONE)
        for w in range(words):
            states[(new + i) * words + w] = states[(old + i) * words + w]
