"""The native kernels of the walks: random numbers, the choice of a step, the turn-over of walkers.

Random numbers come from a counter, not from a stream: Philox4x32-10, Salmon, Moraes, Dror and Shaw, "Parallel
Random Numbers: As Easy as 1, 2, 3" (SC 2011). The key is the seed; the counter is (step, purpose, walk). So
what a walk does depends on seed and number of the walk alone, whoever walks beside it. A number below n is
the upper half of a 32-bit word times n: one of n < 2^16 values is off by less than one part in 2^16.
"""

# numba has no types to check the kernels against.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from lastput.engine.native import native

FINISHED, CUT, BLOCKED, FOUND = 1, 2, 3, 4
"""How a walk ended: all was done; at its limit; all that could go on met limits of the model; a find."""

REGISTERS = 4096
"""Of the estimate of distinct states."""

STEP, PRIORITY, CHANGE = 0, 1, 2
"""What a random number is for: the second word of its counter."""

_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)
_M0, _M1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_W0, _W1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_THREAD = np.uint64(0xFFFF)
_SIXTEEN = np.uint64(16)


@native
def philox(c0, c1, c2, c3, k0, k1):
    """Four random words of 32 bits, for a counter of four and a key of two; each in a uint64."""
    for _ in range(10):
        p0, p1 = _M0 * c0, _M1 * c2
        c0, c2 = (p1 >> _HALF) ^ c1 ^ k0, (p0 >> _HALF) ^ c3 ^ k1
        c1, c3 = p1 & _LOW, p0 & _LOW
        k0, k1 = (k0 + _W0) & _LOW, (k1 + _W1) & _LOW
    return c0, c1, c2, c3


@native
def _random(seed, purpose, walk, step):
    seed, walk = np.uint64(seed), np.uint64(walk)
    return philox(np.uint64(step), np.uint64(purpose), walk & _LOW, walk >> _HALF, seed & _LOW, seed >> _HALF)


@native
def _below(word, n):
    """A number from 0 to n - 1, from 32 random bits."""
    return np.int64(word * np.uint64(n) >> _HALF)


@native
def _thread(label):
    return np.int64((label >> _SIXTEEN) & _THREAD)


@native
def begin(slot, walk, seed, initial, states, numbers, lengths, priorities, changes, span):
    """Put a new walk into a slot. Without priorities and change points their arrays have no columns."""
    words = len(initial)
    for w in range(words):
        states[slot * words + w] = initial[w]
    numbers[slot], lengths[slot] = walk, 0
    threads, points = priorities.shape[1], changes.shape[1]
    for t in range(threads):  # Fisher and Yates, from the inside out
        other = _below(_random(seed, PRIORITY, walk, t)[0], t + 1)
        priorities[slot, t] = priorities[slot, other]
        priorities[slot, other] = points + 1 + t
    for i in range(points):
        changes[slot, i] = 1 + _below(_random(seed, CHANGE, walk, i)[0], span)


@native
def pick_random(labels, made, n, seed, numbers, lengths, chosen):
    """chosen[i] = where walker i goes, -1 for nowhere: any thread that can step, any of its choices."""
    at = 0
    for i in range(n):
        first, threads, last = at, 0, -1
        while at < made and np.int64(labels[at] >> _HALF) == i:
            if _thread(labels[at]) != last:
                last = _thread(labels[at])
                threads += 1
            at += 1
        chosen[i] = -1
        if at > first:
            r0, r1, _, _ = _random(seed, STEP, numbers[i], lengths[i])
            left = _below(r0, threads)
            start = first
            while left > 0:
                start += 1
                left -= _thread(labels[start]) != _thread(labels[start - 1])
            chosen[i] = _any_choice(labels, start, at, r1)


@native
def _any_choice(labels, start, end, word):
    """One of the successors of the thread whose first one is at `start`."""
    stop = start + 1
    while stop < end and _thread(labels[stop]) == _thread(labels[start]):
        stop += 1
    return start + _below(word, stop - start)


@native
def pick_priority(labels, made, n, seed, numbers, lengths, priorities, changes, chosen):
    """chosen[i] as in `pick_random`, of the thread of highest priority; its priority may change then."""
    at = 0
    for i in range(n):
        best, start = -1, -1
        first = at
        while at < made and np.int64(labels[at] >> _HALF) == i:
            t = _thread(labels[at])
            if best < 0 or priorities[i, t] > priorities[i, best]:
                best, start = t, at
            at += 1
        chosen[i] = -1
        if at > first:
            word = _random(seed, STEP, numbers[i], lengths[i])[1]
            chosen[i] = _any_choice(labels, start, at, word)
            for c in range(changes.shape[1]):
                if changes[i, c] == lengths[i] + 1:
                    priorities[i, best] = c + 1


@native
def move(rows, chosen, n, words, states, lengths, limit, hits, ended):
    """Take the chosen steps; ended[i] says how a walk ended, 0 while it goes on.

    hits[i] is on entry FOUND or BLOCKED for a walker that met a violation or a limit of the model."""
    for i in range(n):
        if hits[i] == FOUND:
            ended[i] = FOUND
        elif chosen[i] < 0:
            ended[i] = BLOCKED if hits[i] == BLOCKED else FINISHED
        elif lengths[i] == limit:
            ended[i] = CUT
        else:
            ended[i] = 0
            for w in range(words):
                states[i * words + w] = rows[chosen[i] * words + w]
            lengths[i] += 1


@native
def turn_over(n, following, last, first, seed, initial, states, numbers, lengths, priorities, changes, span,
              ended, ends, steps):  # fmt: skip
    """Write down the walks that ended, and put the next ones below `last` into their slots.

    ends and steps have one entry per walk, from walk `first` on. A slot without a next walk is filled with
    the last one. Returns the number of slots in use, and the next walk."""
    words = len(initial)
    i = 0
    while i < n:
        if ended[i] == 0 and numbers[i] < last:
            i += 1
            continue
        if ended[i] != 0:
            ends[numbers[i] - first] = ended[i]
            steps[numbers[i] - first] = lengths[i]
        if following < last:
            begin(i, following, seed, initial, states, numbers, lengths, priorities, changes, span)
            following += 1
            i += 1
            continue
        n -= 1
        ended[i], numbers[i], lengths[i] = ended[n], numbers[n], lengths[n]
        priorities[i], changes[i] = priorities[n], changes[n]
        for w in range(words):
            states[i * words + w] = states[n * words + w]
    return n, following


@native
def note(states, n, words, registers):
    """Note states in the registers of `distinct`: the longest run of leading zeros of their hashes."""
    for i in range(n):
        h = np.uint64(0x9E3779B97F4A7C15)
        for w in range(words):
            h = _mixed(h ^ states[i * words + w])
        rank = 1
        rest = h << np.uint64(12)
        while rank < 52 and rest >> np.uint64(63) == 0:
            rest <<= np.uint64(1)
            rank += 1
        place = h >> np.uint64(52)
        registers[place] = max(registers[place], rank)


@native
def _mixed(h):
    """The finaliser of SplitMix64 (Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators",
    OOPSLA 2014)."""
    h = (h + np.uint64(0x9E3779B97F4A7C15)) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))
