"""The native kernels of the deepening search: a stack of states, and a table of what was done already."""

# numba has no types to check the kernels against.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from lastput.engine.native import native

_HALF, _ONE = np.uint64(32), np.uint64(1)


@native
def take(top, opened, rows, words, most, states):
    """Close up to `most` states at the top of the stack and copy them. The new top, the first one, how many.

    What is at the top and closed already has had all that follows it searched, and is dropped."""
    while top > 0 and opened[top - 1] == 0:
        top -= 1
    first = top
    while first > 0 and opened[first - 1] == 1 and top - first < most:
        first -= 1
    for i in range(first, top):
        opened[i] = 0
        for w in range(words):
            states[(i - first) * words + w] = rows[i * words + w]
    return top, first, top - first


@native
def push(successors, labels, made, first, top, limit, rows, depths, parents, steps, opened, words,
         table, left):  # fmt: skip
    """Push the successors that are to be searched. The new top, -1 without room; and whether any was cut.

    A successor is left out if the table says that it was searched, or will be, with as many steps left."""
    cut = False
    slots = np.uint64(len(left))
    room = len(depths)
    for k in range(made):
        source = first + np.int64(labels[k] >> _HALF)
        below = depths[source] + 1
        if below > limit:
            cut = True
            continue
        h = np.uint64(0x2D358DCCAA6C78A5)
        for w in range(words):
            h = (h ^ successors[k * words + w]) * np.uint64(0x9E3779B97F4A7C15)
            h ^= h >> np.uint64(29)
        slot = np.int64((h * np.uint64(0xBF58476D1CE4E5B9) >> _HALF) * slots >> _HALF)
        # Stored is the number of steps left plus one; 0 is an empty slot.
        if left[slot] >= limit - below + 1:
            same = True
            for w in range(words):
                if table[slot * words + w] != successors[k * words + w]:
                    same = False
                    break
            if same:
                continue
        if top == room:
            return -1, cut
        left[slot] = limit - below + 1
        for w in range(words):
            table[slot * words + w] = successors[k * words + w]
            rows[top * words + w] = successors[k * words + w]
        depths[top], parents[top], opened[top] = below, source, 1
        steps[top] = labels[k] & np.uint64(0xFFFFFFFF)
        top += 1
    return top, cut
