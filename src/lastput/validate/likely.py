"""Which of a thread's choices to try first: one after which it comes, on its own, to its next event.

The trace says it, often a few steps ahead: whether a page was copied, whether an optional call was made. A
wrong guess would be found out only by a dead end, and what the other threads can do on the way there would be
tried before the choice is. It is an order and nothing more: every choice is tried before a state is given up.
"""

from __future__ import annotations

from lastput.validate.record import Record
from lastput.validate.state import State, Walker, same

MOST_STEPS = 64
"""Steps that are looked ahead from one state, all choices together."""

FITS, UNKNOWN, DOES_NOT = range(3)


def likeliest_first(walker: Walker, state: State, thread: int) -> list[Record]:
    """A thread's steps in a state, one for each choice."""
    records = list(walker.steps(state, thread))
    look = _Look(walker, thread)
    return sorted(records, key=lambda record: look.after(state, record))


class _Look:
    def __init__(self, walker: Walker, thread: int) -> None:
        self.walker = walker
        self.thread = thread
        self.left = MOST_STEPS

    def after(self, state: State, record: Record) -> int:
        """Whether the thread, alone, can come to its next event after a step. Memory is as before then."""
        if record.emissions:
            place = self.walker.order.next_of(state.counts, self.thread)
            if place is None:
                return UNKNOWN
            return FITS if same(record.emissions[0], self.walker.order.seen[place]) else DOES_NOT
        if record.fault is not None:
            return DOES_NOT
        if record.next is None or self.left == 0:
            return UNKNOWN
        self.left -= 1
        state, undo = self.walker.take(state, self.thread, record)
        ways = (self.after(state, step) for step in self.walker.steps(state, self.thread))
        best = min(ways, default=UNKNOWN)
        self.walker.run.memory.take_back(undo)
        return best
