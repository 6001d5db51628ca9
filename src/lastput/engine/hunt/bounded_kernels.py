"""The native kernels of the bounded search: rows of a state and the thread that ran last."""

# numba has no types to check the kernels against.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from lastput.engine.native import native

_HALF, _SIXTEEN, _THREAD = np.uint64(32), np.uint64(16), np.uint64(0xFFFF)


@native
def unpack(stored, first, n, words, states, lasts):
    """The states and the last words of the rows first..first+n, apart."""
    for i in range(n):
        at = (first + i) * (words + 1)
        for w in range(words):
            states[i * words + w] = stored[at + w]
        lasts[i] = np.int64(stored[at + words])


@native
def note_able(labels, n, lasts, able):
    """able[i] = 1 where the labels have a step of the thread that ran last in state i."""
    for k in range(n):
        i = np.int64(labels[k] >> _HALF)
        if np.int64((labels[k] >> _SIXTEEN) & _THREAD) + 1 == lasts[i]:
            able[i] = 1


@native
def costs(labels, n, lasts, able, switches, cost):
    """cost[k] = 1 if step k is a context switch that counts, else 0.

    With `switches` every change of the thread counts; without, only one away from a thread that is able to go
    on. The first step of all counts nothing."""
    for k in range(n):
        i = np.int64(labels[k] >> _HALF)
        thread = np.int64((labels[k] >> _SIXTEEN) & _THREAD) + 1
        same = lasts[i] == 0 or lasts[i] == thread
        cost[k] = 0 if same or not (switches or able[i]) else 1


@native
def pack(rows, labels, made, words, cost, wanted, out, origin):
    """The successors of cost `wanted`, as rows; origin[j] is the successor that row j is. Their number."""
    found = 0
    for k in range(made):
        if cost[k] != wanted:
            continue
        for w in range(words):
            out[found * (words + 1) + w] = rows[k * words + w]
        out[found * (words + 1) + words] = ((labels[k] >> _SIXTEEN) & _THREAD) + np.uint64(1)
        origin[found] = k
        found += 1
    return found


@native
def same_row(rows, n, target, words):
    """The first of n rows that is `target`, or -1."""
    for j in range(n):
        equal = True
        for w in range(words):
            if rows[j * words + w] != target[w]:
                equal = False
                break
        if equal:
            return j
    return -1


@native
def put_last(states, n, words, thread, out):
    """Rows of n states, all with the same last word."""
    for i in range(n):
        for w in range(words):
            out[i * (words + 1) + w] = states[i * words + w]
        out[i * (words + 1) + words] = np.uint64(thread)
