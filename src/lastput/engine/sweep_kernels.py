"""The native kernel of a sweep (see `sweep`): batch after batch, without coming back to Python."""

# numba has no types to check the kernel against.
# mypy: ignore-errors

from __future__ import annotations

import numpy as np

from lastput.engine import kernels, routing
from lastput.engine.native import expand_at, native, take

NEXT, END, TOP, LIMIT, CHUNK, HANDS, STOP, BOARD = range(8)
"""The words of the board, which all threads share: the first state that nobody has taken, the end of those
to be taken; the first place that nobody has taken, the end of those to be taken, how many to take at once;
how many threads there are; whether to stop."""
AT, TO, MADE, DONE, KEPT, OWN = range(6)
"""The words of a thread: its next place, the end of those it has taken; successors made so far; of the last
batch, successors that were dealt with, and how many there were after the filter."""
NOTHING_LEFT, EVENTS, NO_ROOM, MORE = range(4)
"""Why the kernel returns: no state is to be taken; the last batch has events; there were no places for what
is left of the last batch, which may have events; so many batches are done."""
_LEAST = 256
"""States that a thread expands at once, when little is left."""


@native
def sweep(
    board, own, batches, batch, expand, base, addresses, event_count, rows, recent, filter_bits, states,
    index, bits, keep, shape, hashes, places, beside,
):  # fmt: skip
    """Take up to `batches` batches, expand them, store what is new. Addresses are those of `expand`, of the
    states (`base`) and of the buffers; the rest is as for `kernels.insert` and `routing.distil`."""
    words = len(shape)
    for _ in range(batches):
        n = min(batch, max(min(_LEAST, batch), (board[END] - board[NEXT]) // (2 * board[HANDS])))
        if board[STOP]:
            return NOTHING_LEFT
        first = take(board, np.uint64(NEXT), np.int64(n))
        if first >= board[END]:
            return NOTHING_LEFT
        n = min(n, board[END] - first)
        event_count[0] = 0
        made = expand_at(
            expand, base + first * words * 8, n, addresses[0], addresses[1], addresses[2], addresses[3],
            addresses[4],
        )  # fmt: skip
        own[MADE] += made
        own[DONE], own[KEPT] = 0, routing.distil(rows, made, recent, filter_bits, shape)
        while True:
            own[DONE], own[AT] = kernels.insert(
                rows, own[DONE], own[KEPT], states, own[AT], own[TO], index, bits, keep, shape, hashes,
                places, None, beside,
            )  # fmt: skip
            if own[DONE] == own[KEPT]:
                break
            at = take(board, np.uint64(TOP), board[CHUNK])
            if at + board[CHUNK] > board[LIMIT]:
                board[STOP] = 1
                return NO_ROOM
            own[AT], own[TO] = at, at + board[CHUNK]
        if event_count[0]:
            return EVENTS
    return MORE
