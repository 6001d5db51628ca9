"""Make a schedule that walks found fit to be read: fewer context switches, fewer steps, the same violation.

First parts of the schedule are left out and what is left is run again, as in Zeller and Hildebrandt,
"Simplifying and Isolating Failure-Inducing Input" (IEEE Transactions on Software Engineering 28, 2002);
departures: a part is a number of steps in a row, steps that are then not possible are passed over, and the
run ends where the violation shows first. Then runs of steps of one thread are moved together. At last an
exhaustive search, which only goes so far, looks for a schedule with fewer preemptions. All of it is counted
in runs and states, not in seconds, so that the result is the same everywhere.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby, pairwise

from lastput.engine.expander import Expander
from lastput.engine.hunt.bounded import bounded
from lastput.engine.hunt.found import Deadline, Found, Schedule, extended, thread_of, worst_first
from lastput.engine.model import STATE_EVENT, NativeModel

MOST_RUNS = 1500
"""Schedules tried."""
MOST_ROWS = 200_000
"""Rows of the exhaustive search."""


def shorten(model: NativeModel, found: Found, deadline: Deadline) -> Found:
    """A schedule to the same event code, with at most as many context switches, then steps, as `found`."""
    schedule = _Shortening(model, found.code, deadline).run(found.schedule)
    better = _exhaustive(model, found.code, switches(schedule), deadline)
    return Found(found.code, min([schedule, *better], key=_rank))


def switches(schedule: Schedule) -> int:
    """How often another thread goes on than the one before."""
    return sum(a != b for (a, _), (b, _) in pairwise(schedule))


def _rank(schedule: Schedule) -> tuple[int, int]:
    return switches(schedule), len(schedule)


def _exhaustive(model: NativeModel, code: int, most: int, deadline: Deadline) -> list[Schedule]:
    """The schedule of the fewest preemptions that ends in this code, if it is found soon."""
    codes = range(1 << 16)
    only = replace(model, bounds=frozenset(codes) - {code})
    search = bounded(only, "preemptions", most, deadline, max_states=MOST_ROWS, count_states=False)
    if search.found is None:
        return []
    schedule = follow(model, Expander(model, 1), search.found.schedule, code)
    return [schedule] if schedule else []


class _Shortening:
    def __init__(self, model: NativeModel, code: int, deadline: Deadline) -> None:
        self.model, self.code, self.deadline = model, code, deadline
        self.expander = Expander(model, 1)
        self.runs = 0

    def run(self, schedule: Schedule) -> Schedule:
        """The best schedule that leaving out and moving together leads to."""
        while self._may_go_on():
            better = self._moved(self._less(schedule))
            if _rank(better) >= _rank(schedule):
                break
            schedule = better
        return schedule

    def _may_go_on(self) -> bool:
        return self.runs < MOST_RUNS and self.deadline.passed() is None

    def _less(self, schedule: Schedule) -> Schedule:
        """Leave out parts: halves, quarters, ..., single steps."""
        size = len(schedule) // 2
        while size and self._may_go_on():
            at = 0
            while at < len(schedule) and self._may_go_on():
                better = self._try(schedule[:at] + schedule[at + size :], schedule)
                if better is None:
                    at += size
                else:
                    schedule = better
            size //= 2
        return schedule

    def _moved(self, schedule: Schedule) -> Schedule:
        """Move a thread's next run of steps up to the one before, or that one down to it."""
        i = 0
        while self._may_go_on():
            parts = [list(steps) for _, steps in groupby(schedule, key=lambda step: step[0])]
            if i >= len(parts):
                return schedule
            j = next((j for j in range(i + 1, len(parts)) if parts[j][0][0] == parts[i][0][0]), None)
            better = None
            if j is not None:
                between = [step for part in parts[i + 1 : j] for step in part]
                before = [step for part in parts[:i] for step in part]
                after = [step for part in parts[j + 1 :] for step in part]
                better = self._try([*before, *parts[i], *parts[j], *between, *after], schedule)
                better = better or self._try([*before, *between, *parts[i], *parts[j], *after], schedule)
            if better is None:
                i += 1
            else:
                schedule = better
        return schedule

    def _try(self, schedule: Schedule, known: Schedule) -> Schedule | None:
        """What running `schedule` comes to, if that is better than what is known."""
        self.runs += 1
        found = follow(self.model, self.expander, schedule, self.code)
        return found if found is not None and _rank(found) < _rank(known) else None


def follow(model: NativeModel, expander: Expander, schedule: Schedule, code: int) -> Schedule | None:
    """The steps of `schedule` that are possible, up to where an event of `code` shows.

    None if none does, or if a state on the way there breaks another rule: a replay would end in it."""
    state, taken = model.initial, list[tuple[int, int]]()
    for step in [*schedule, None]:
        made, events = expander.run(state, 0, 1)
        broken = expander.events[:events].tolist()
        rows = [(label, c) for label, c in broken if c == code]
        of_states = {c for label, c in broken if thread_of(label) == STATE_EVENT} - model.bounds
        if of_states - {code} and not (rows and code in of_states):
            return None
        if rows:
            return extended(taken, min(rows, key=worst_first)[0])
        steps = [(thread_of(label), label & 0xFFFF) for label in expander.labels[:made].tolist()]
        if step in steps:
            at = steps.index(step) * model.words
            state = expander.rows[at : at + model.words].copy()
            taken.append(step)
    return None
