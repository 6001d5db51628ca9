"""Native kernels over sorted rows: what of one sorted array is in another, and where a row is."""

# numba has no types to check the kernels against.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from lastput.engine.native import native


@native
def mark_known(rows, at, known, mask):
    """Set mask[i] for each row i from `at` on that is among `known`; both are sorted and without doubles.

    Returns the first row that is greater than all of `known`: where to go on with what follows them."""
    words = rows.shape[1]
    i, k = at, 0
    while i < rows.shape[0] and k < known.shape[0]:
        order = 0
        for w in range(words):
            if rows[i, w] != known[k, w]:
                order = -1 if rows[i, w] < known[k, w] else 1
                break
        if order == 0:
            mask[i] = True
            i += 1
            k += 1
        elif order < 0:
            i += 1
        else:
            k += 1
    return i


@native
def mark_doubles(rows, mask):
    """Set mask[i] for each row of sorted `rows` that equals the one before."""
    for i in range(1, rows.shape[0]):
        same = True
        for w in range(rows.shape[1]):
            if rows[i, w] != rows[i - 1, w]:
                same = False
                break
        mask[i] = same


@native
def places_of(wanted, known, low, high, found):
    """found[i] = index of wanted[i] among the sorted rows known[low:high]; unchanged if it is not there."""
    words = np.int64(wanted.shape[1])
    for i in range(wanted.shape[0]):
        a, b = low, high
        while a < b:
            middle = (a + b) // 2
            less = False
            for w in range(words):
                if known[middle, w] != wanted[i, w]:
                    less = known[middle, w] < wanted[i, w]
                    break
            if less:
                a = middle + 1
            else:
                b = middle
        if a < high:
            same = True
            for w in range(words):
                if known[a, w] != wanted[i, w]:
                    same = False
                    break
            if same:
                found[i] = a
