"""Which threads matter to the next event, and which can be left where they are.

In a state, the next event of the trace is one thread's, its owner's: until the owner has come to it, no
other thread gets past what it comes to first itself. So what the others may still read and write is little,
and can be found by letting them run ahead. The search then tries only the steps of a set of threads that
contains the owner and is closed: if a step of a thread in it reads or writes what a thread outside may yet
write, or writes what that may yet read, the other is in it too; and if a thread in it waits, whoever may
write what its condition reads.

That is a persistent set of steps (P. Godefroid, Partial-Order Methods for the Verification of Concurrent
Systems, LNCS 1032, 1996): of a run that leads to the event, the first step by a thread of the set can as
well come first, as no step before it interferes. The run is then one step shorter, whence nothing is put
off for ever, and no condition on cycles is needed. Departures: what others may do is not estimated from
their text, but found by running them, each alone, and together those that interfere with each other; and
each time the owner is in the set, so that a state from which no thread of it can step is a dead end.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from lastput.validate.cells import GONE, Change
from lastput.validate.state import State, Walker

MOST_AHEAD = 2_000
"""States that are visited to find out what some threads may do; beyond, they may do anything."""


@dataclass
class Reach:
    """What a thread may read and write before it comes to something that can be seen."""

    looked: set[int] = field(default_factory=set)
    touched: set[int] = field(default_factory=set)
    waits: set[int] = field(default_factory=set)
    """What conditions read that it may wait for."""
    anything: bool = False

    def meets(self, looked: Iterable[int], touched: Iterable[int]) -> bool:
        """Whether its steps interfere with one that does this."""
        return self.anything or not (
            self.touched.isdisjoint(looked)
            and self.touched.isdisjoint(touched)
            and self.looked.isdisjoint(touched)
        )

    def affects(self, other: Reach) -> bool:
        """Whether it may change what another does."""
        return (
            self.anything
            or other.anything
            or not (self.touched.isdisjoint(other.looked) and self.touched.isdisjoint(other.waits))
        )


@dataclass
class _Known:
    """What some threads may do from where they stand, if memory has these values."""

    found: dict[int, Any]
    reach: dict[int, Reach]


class Relevant:
    """Finds the threads whose steps are to be tried."""

    def __init__(self, walker: Walker) -> None:
        self.walker = walker
        self.run = walker.run
        self._known: dict[tuple[int, ...], list[_Known]] = {}

    def threads(self, state: State, owner: int) -> list[int]:
        """The threads to try in the present state, the owner of the next event apart; the best first."""
        others = [
            t
            for t, place in enumerate(state.places)
            if t != owner and place is not None and not state.queues[t]
        ]
        if self.walker.order.slack:
            # An event of another thread may come first: nobody's reach ends at what it comes to.
            return others
        reach = self._reach(state, others)
        chosen = self._closed(state, owner, reach)
        return sorted(chosen, key=lambda t: self._rank(state, owner, t))

    def _rank(self, state: State, owner: int, thread: int) -> tuple[bool, int]:
        """Those first that the owner waits for, then those whose event is soon."""
        place = state.places[owner]
        waited = 0 if place is None or state.queues[owner] else self.run.waits_for(place)
        event = self.walker.order.next_of(state.counts, thread)
        return not waited >> thread & 1, len(self.walker.order.seen) if event is None else event

    # -- the closed set -----------------------------------------------------------------------------

    def _closed(self, state: State, owner: int, reach: dict[int, Reach]) -> list[int]:
        """Threads of `reach` that are to be tried with the owner."""
        chosen: list[int] = []
        if state.queues[owner]:
            # It has come to its event, with other arguments: whoever writes what they depend on.
            wrong = self.walker.disagreements(state, owner)
            looked: frozenset[int] = frozenset().union(*(numbers for _, numbers in wrong))
            todo = [t for t, r in reach.items() if r.meets(looked, ())]
        else:
            todo = self._drawn_in(state, owner, reach)
        while todo:
            thread = todo.pop()
            if thread not in chosen:
                chosen.append(thread)
                todo += self._drawn_in(state, thread, reach)
        return chosen

    def _drawn_in(self, state: State, thread: int, reach: dict[int, Reach]) -> list[int]:
        """Threads that may interfere with the next step of `thread`, or make it possible."""
        place = state.places[thread]
        if place is None:
            return []
        if not self.run.can_step(place):
            looked = frozenset(a for a, _ in self.run.condition(place))
            return [t for t, r in reach.items() if t != thread and r.meets(looked, ())]
        records = list(self.walker.steps(state, thread))
        if any(record.fault is not None for record in records):
            # What it has come to is seen then or never: with the arguments that memory gives right there.
            return [t for t in reach if t != thread]
        looked = frozenset().union(*(r.looked for r in records))
        touched: frozenset[int] = frozenset().union(*(r.touched for r in records))
        return [t for t, r in reach.items() if t != thread and r.meets(looked, touched)]

    # -- running ahead ------------------------------------------------------------------------------

    def _reach(self, state: State, threads: list[int]) -> dict[int, Reach]:
        """What each of `threads` may do while the others of them do what they like."""
        groups: list[_Group] = [((t,), self._ahead(state, (t,))) for t in threads]
        while True:
            pair = next(_interfering(groups), None)
            if pair is None:
                return {t: r for _, reach in groups for t, r in reach.items()}
            together = tuple(sorted((*pair[0], *pair[1])))
            groups = [group for group in groups if group[0] not in pair]
            groups.append((together, self._ahead(state, together)))

    def _ahead(self, state: State, threads: tuple[int, ...]) -> dict[int, Reach]:
        """What `threads` may do, by running them ahead in every order."""
        places = tuple(place.mark for t in threads if (place := state.places[t]) is not None)
        values = self.run.memory.values
        known = self._known.setdefault(places, [])
        for entry in known:
            if all(values.get(a, GONE) == v for a, v in entry.found.items()):
                return entry.reach
        run = _Ahead(self.walker, threads)
        run.explore(state)
        known.append(_Known(run.found, run.reach))
        return run.reach


_Group = tuple[tuple[int, ...], dict[int, Reach]]
"""Threads that were run ahead together, and what each may do."""


def _interfering(groups: list[_Group]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Pairs of groups of which one may change what the other does."""
    for number, (threads, reach) in enumerate(groups):
        for others, theirs in groups[:number]:
            if any(a.affects(b) or b.affects(a) for a in reach.values() for b in theirs.values()):
                yield threads, others


class _Ahead:
    """All runs of some threads up to what can be seen of each. Memory is as before afterwards."""

    def __init__(self, walker: Walker, threads: tuple[int, ...]) -> None:
        self.walker = walker
        self.threads = threads
        self.reach = {t: Reach() for t in threads}
        self.found: dict[int, Any] = {}
        """What was read that none of the threads had written, with the values."""
        self._seen: set[Any] = set()

    def explore(self, start: State) -> None:
        """Depth first."""
        memory = self.walker.run.memory
        stack: list[tuple[Iterator[tuple[State, list[Change], frozenset[int]]], list[Change]]] = []
        stack.append((self._after(start, frozenset()), []))
        while stack:
            move = next(stack[-1][0], None)
            if move is None:
                memory.take_back(stack.pop()[1])
            elif len(self._seen) > MOST_AHEAD:
                for reach in self.reach.values():
                    reach.anything = True
                memory.take_back(move[1])
                while stack:
                    memory.take_back(stack.pop()[1])
            else:
                state, undo, wrote = move
                stack.append((self._after(state, wrote), undo))

    def _after(
        self, state: State, wrote: frozenset[int]
    ) -> Iterator[tuple[State, list[Change], frozenset[int]]]:
        key = (state.places, state.memory, tuple(map(bool, state.queues)))
        if key in self._seen:
            return
        self._seen.add(key)
        for thread in self.threads:
            place = state.places[thread]
            if place is None or state.queues[thread]:
                continue
            reach = self.reach[thread]
            waited = self.walker.run.condition(place)
            reach.waits.update(a for a, _ in waited)
            self._note(waited, wrote)
            for record in self.walker.steps(state, thread):
                reach.looked |= record.looked
                reach.touched |= record.touched
                self._note(record.reads, wrote)
                if record.fault is None:
                    after, undo = self.walker.take(state, thread, record)
                    yield after, undo, wrote | record.touched

    def _note(self, reads: Iterable[Change], wrote: frozenset[int]) -> None:
        self.found.update((a, v) for a, v in reads if a not in wrote)
