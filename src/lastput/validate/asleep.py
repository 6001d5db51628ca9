"""Threads that need not be tried again: sleep sets.

All steps of a thread were tried in a state, and none leads to the end of the trace. Then a run in which
others step first, and nothing that they do interferes with that thread's step, leads nowhere either once it
steps: it could as well have stepped first. So it is left asleep until somebody has interfered.

Source: P. Godefroid, Partial-Order Methods for the Verification of Concurrent Systems, LNCS 1032, 1996,
chapter 5. Departures: a thread sleeps as a whole, with all of its choices; and as the search ends with the
first run that shows the trace, what was tried before is known to lead nowhere, so that a state which was left
is dead, whoever slept there, and no sleep sets are kept with states.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from lastput.validate.record import Record
from lastput.validate.state import State, Walker


class Asleep(NamedTuple):
    """A thread, and what its steps depend on and change; what the events that they bring do, too."""

    thread: int
    looked: set[int]
    touched: set[int]


def asleep(walker: Walker, state: State, thread: int) -> Asleep | None:
    """A thread whose steps from the present state were tried in vain; None if it cannot be left asleep.

    One that waits may yet be woken, and what breaks a rule ends the run: nothing can come after it.
    """
    looked: set[int] = set()
    touched: set[int] = set()
    records = list(walker.steps(state, thread))
    if not records or any(record.fault is not None for record in records):
        return None
    for record in records:
        looked |= record.looked
        touched |= record.touched
        walker.asked.clear()
        after, undo = walker.take(state, thread, record)
        walker.consume(after)
        looked |= walker.asked
        walker.run.memory.take_back(undo)
    return Asleep(thread, looked, touched)


def still(sleepers: Sequence[Asleep], record: Record) -> tuple[Asleep, ...]:
    """Of threads that slept, those that still do after a step that brought no event."""
    if not sleepers or record.emissions:
        return ()
    looked, touched = record.looked, record.touched
    return tuple(
        one
        for one in sleepers
        if one.touched.isdisjoint(looked)
        and one.touched.isdisjoint(touched)
        and one.looked.isdisjoint(touched)
    )
