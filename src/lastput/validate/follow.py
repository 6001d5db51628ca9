"""The search: is a list of events a behaviour of a world?

Depth first over states, each a place for every thread, memory, and what the threads have come to that the
trace has not (their queues). An event is taken from the head of its thread's queue as soon as it is next
and its arguments agree: taking it changes nothing but that its thread may step again, so it is never too
early. A thread steps only with an empty queue. A queue that differs from its thread's next events is a
dead end at once.

A state is visited once. There, the thread whose event is next steps first; others follow only if that led
to nothing, and only those that can matter to it (`independent`). What was tried in vain is not tried again
after steps that do not interfere with it (`asleep`). Only what is known to lead nowhere counts as in vain: a
state from which the search came back to one further up the way is known when that one is.
"""

from __future__ import annotations

import gc
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from lastput.lang.errors import UsageError
from lastput.lang.world import World
from lastput.simulate.fault import Fault
from lastput.validate.asleep import Asleep, asleep, still
from lastput.validate.cells import Change
from lastput.validate.describe import event_text, spot
from lastput.validate.emit import EmittingProgram
from lastput.validate.independent import Relevant
from lastput.validate.likely import likeliest_first
from lastput.validate.live import Live
from lastput.validate.order import Order
from lastput.validate.outcome import Accepted, Effort, Matched, Refused, Schedule, Spot, Undecided, Verdict
from lastput.validate.record import Record
from lastput.validate.seen import Observable, Seen
from lastput.validate.state import State, Walker

MOST_PLACES = 12
"""How many of the states at the longest prefix are described."""
LOOK = 256
"""Turns of the search between two looks at the clock."""
DEAD = 1 << 60
"""Above all places on a way: what is known to lead nowhere does not lead back to one."""


def follow(
    world: World,
    seen: Sequence[Seen],
    observable: Observable,
    *,
    most_steps: int = 2_000_000,
    seconds: float = 900.0,
    slack: int = 0,
    program: EmittingProgram | None = None,
) -> Verdict:
    """Whether `world` can run so that exactly `seen` is seen of it, up to the last of these events.

    `observable` says of which functions every entry, or return, would have been seen. The threads' next
    entries may be late: what a thread does behind its last event is left open. Beyond `most_steps`, the same
    on every machine, or `seconds` the verdict is `Undecided`. Events of different CPUs may change places if
    their time stamps are at most `slack` ns apart. `program` is that of `world` and `observable`, for who has
    one: to make it takes longer than to follow a short trace.

    UsageError for an event that no thread can have, and for a model that is wrong.
    """
    for event in seen:
        if (event.function, event.at) not in observable:
            raise UsageError(f"event {event.number}: {event.function} ({event.at}) is not observable")
    program = program or EmittingProgram(world, observable)
    with _no_collector(), Live.opened(program, _weights(seen, len(world.threads))) as run:
        limits = _Limits(run, most_steps, time.monotonic(), seconds)

        def search(length: int) -> Verdict:
            order = Order(seen[:length], len(world.threads), slack)
            found = _Search(run, Walker(run, order), limits).verdict()
            if isinstance(found, Refused) and run.exhausted:
                # Where there was no room, how much there is matters.
                run.numbers.tell_freed(run.memory)
                return _Search(run, Walker(run, order), limits).verdict()
            return found

        found = search(len(seen))
        return _longest(search, found, len(seen)) if isinstance(found, Refused) else found


def _weights(seen: Sequence[Seen], threads: int) -> list[int]:
    """How busy each thread is: one more than its events."""
    own = Counter(event.thread for event in seen)
    return [1 + own[thread] for thread in range(threads)]


@contextmanager
def _no_collector() -> Iterator[None]:
    """Inside, CPython does not look for cycles among the millions of records, which have none."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _longest(search: Callable[[int], Verdict], refused: Refused, length: int) -> Verdict:
    """The verdict on the shortest prefix that is refused.

    A dead end is seen early, when a thread comes to what will never fit. So the first search may not have
    come as far as the trace fits.
    """
    fits, too_long = refused.position, length
    ahead = 1
    while fits + 1 < too_long:
        tried = min(fits + ahead, (fits + too_long) // 2)
        found = search(tried)
        if isinstance(found, Accepted):
            fits, ahead = tried, 2 * ahead
        elif isinstance(found, Refused):
            fits, too_long, refused = max(fits, found.position), tried, found
            ahead = 1
        else:
            # Refused it is, by the search of the whole trace; only where is not known.
            why = f"an event after the first {fits} cannot follow; {found.reason} to say which"
            return replace(refused, position=fits, why=why, effort=found.effort)
    return refused


@dataclass
class _Limits:
    """What all searches for one verdict may cost together."""

    run: Live
    most_steps: int
    began: float
    seconds: float
    turns: int = 0

    def met(self) -> str | None:
        """Why to stop, if so."""
        self.turns += 1
        if self.run.taken >= self.most_steps:
            return f"{self.most_steps:,} steps were not enough"
        if self.turns % LOOK == 0 and time.monotonic() > self.began + self.seconds:
            return f"{self.seconds:g} seconds were not enough"
        return None


class Way(NamedTuple):
    """A step, and the way before it."""

    before: Way | None
    thread: int
    record: Record
    number: int


@dataclass(slots=True)
class Visit:
    """A state on the present way: what is still to be tried there, and how to leave it."""

    state: State
    way: Way | None
    key: int
    undo: list[Change]
    """What memory was before the step that led here."""
    matched: int
    """How many events were taken before that step."""
    open: int
    """How many states were left open before it."""
    asleep: tuple[Asleep, ...]
    """Threads whose steps from here lead nowhere, as is known."""
    first: Record | None = None
    """The step that was tried first: the owner's, with its likeliest choice."""
    others: Sequence[Record] = ()
    """Its steps with other choices."""
    moves: Iterator[tuple[int, Record]] | None = None
    """What comes after it; mostly nobody asks."""
    moved: bool = False
    low: int = DEAD
    """The lowest place on the way that the search came back to, from what the present thread does next."""
    lowest: int = DEAD
    """The same, from what the threads before it do."""


class _Search:
    def __init__(self, run: Live, walker: Walker, limits: _Limits) -> None:
        self.run = run
        self.order = walker.order
        self.walker = walker
        self.relevant = Relevant(walker)
        self.limits = limits
        self.visited: dict[int, int] = {}
        """By its key, of a state on the way its place there. Of one that was left: `DEAD`, or, if that is
        not known yet, the lowest place on the way that was come back to from it."""
        self.open: list[int] = []
        """Keys of those of which it is not known."""
        self.trail: list[Visit] = []
        self.matched: list[Matched] = []
        self.longest = 0
        self.due = 0
        """Place of the event that is due after the longest prefix."""
        self.ends: dict[Any, Way | None] = {}
        """States at the longest prefix from which nothing goes on, and a way to each."""
        self.more_ends = 0

    def verdict(self) -> Verdict:
        """Search. Memory is as before afterwards."""
        try:
            return self._search()
        finally:
            self._back_to_start()
            self.run.memory.take_back(self.walker.begun)

    def _search(self) -> Verdict:
        self.start, self.begun = self.walker.start()
        ended = self._arrive(self.start, None, [], self.begun[-1], range(len(self.begun)), ())
        while ended is None:
            if not self.trail:
                return self._refused()
            stop = self.limits.met()
            if stop is not None:
                return self._undecided(stop)
            ended = self._go_on()
        return ended

    def _go_on(self) -> Accepted | None:
        """Take the next step that is to be tried, or give up a state."""
        visit = self.trail[-1]
        move = self._next(visit)
        if move is None:
            self._give_up(visit)
            return None
        visit.moved = True
        thread, record = move
        sleepers = still(visit.asleep, record)
        state, undo = self.walker.take(visit.state, thread, record)
        number = 1 + (visit.way.number if visit.way else 0)
        return self._arrive(state, Way(visit.way, thread, record, number), undo, record, (thread,), sleepers)

    def _arrive(
        self,
        state: State,
        way: Way | None,
        undo: list[Change],
        record: Record,
        stepped: Sequence[int],
        sleepers: tuple[Asleep, ...],
    ) -> Accepted | None:
        """Come to a state by a step of `stepped`; take what events there are."""
        matched = len(self.matched)
        state, taken = self.walker.consume(state)
        number = way.number if way else 0
        self.matched += [Matched(self.order.seen[place], number) for place in taken]
        due = self.walker.first(state)
        if due is None:
            return self._accepted(way, record.fault)
        if len(self.matched) > self.longest:
            self.longest, self.due, self.ends, self.more_ends = len(self.matched), due, {}, 0
        if due == len(self.order.seen) - 1:
            stepped = (*stepped, self.order.seen[due].thread)
        if record.fault is not None or any(self.walker.wrong(state, t) for t in stepped):
            self._end(state, way)
        else:
            key = self.walker.key(state)
            known = self.visited.get(key)
            if known is None:
                self.visited[key] = len(self.trail)
                # An event that was taken may have looked at what a sleeper would have changed.
                kept = () if taken else sleepers
                self.trail.append(Visit(state, way, key, undo, matched, len(self.open), kept))
                return None
            self.trail[-1].low = min(self.trail[-1].low, known)
        self._leave(undo, matched)
        return None

    def _give_up(self, visit: Visit) -> None:
        """All was tried in a state. If nothing led back to before it, it is dead, and all that it led to."""
        if not visit.moved:
            self._end(visit.state, visit.way)
        self.trail.pop()
        low = min(visit.low, visit.lowest)
        if low < len(self.trail):
            self.visited[visit.key] = low
            self.open.append(visit.key)
            self.trail[-1].low = min(self.trail[-1].low, low)
        else:
            self.visited[visit.key] = DEAD
            self.visited.update(dict.fromkeys(self.open[visit.open :], DEAD))
            del self.open[visit.open :]
        self._leave(visit.undo, visit.matched)

    def _leave(self, undo: list[Change], matched: int) -> None:
        self.run.memory.take_back(undo)
        del self.matched[matched:]

    # -- what is to be tried --------------------------------------------------------------------------

    def _next(self, visit: Visit) -> tuple[int, Record] | None:
        """The next step to try in the present state."""
        if visit.moves is None:
            owner = self._owner(visit.state)
            if visit.first is None and not self._sleeps(visit, owner):
                visit.first = self.walker.first_step(visit.state, owner)
                if visit.first is not None:
                    if visit.first.next_choice is not None:
                        visit.first, *visit.others = likeliest_first(self.walker, visit.state, owner)
                    return owner, visit.first
            visit.moves = self._moves(visit, owner)
        return next(visit.moves, None)

    def _owner(self, state: State) -> int:
        """The thread whose event is next."""
        first = self.walker.first(state)
        assert first is not None
        return self.order.seen[first].thread

    def _moves(self, visit: Visit, owner: int) -> Iterator[tuple[int, Record]]:
        """What is to be tried after the first step. The state is the present one whenever this goes on."""
        before = None
        if visit.first is not None:
            before = owner
            for record in visit.others:
                yield owner, record
        for thread in self.relevant.threads(visit.state, owner):
            if self._sleeps(visit, thread):
                continue
            if before is not None:
                self._tried(visit, before)
            before = thread
            for record in self.walker.steps(visit.state, thread):
                yield thread, record

    def _sleeps(self, visit: Visit, thread: int) -> bool:
        """Whether a thread need not be tried. Then the state is no end: it would go on there, in vain."""
        sleeps = any(one.thread == thread for one in visit.asleep)
        visit.moved |= sleeps
        return sleeps

    def _tried(self, visit: Visit, thread: int) -> None:
        """All steps of a thread from the present state were tried: it sleeps, if they lead nowhere.

        That is not known of what led back to a state of which not all was tried yet. And where events may
        change places, what is seen of a step depends on more than memory.
        """
        if visit.low >= len(self.trail) and not self.order.slack:
            found = asleep(self.walker, visit.state, thread)
            visit.asleep += () if found is None else (found,)
        visit.lowest = min(visit.lowest, visit.low)
        visit.low = DEAD

    # -- verdicts -----------------------------------------------------------------------------------

    def _end(self, state: State, way: Way | None) -> None:
        """Nothing goes on from here."""
        if len(self.matched) < self.longest:
            return
        key = self.walker.key(state)
        if key in self.ends or len(self.ends) < MOST_PLACES:
            self.ends.setdefault(key, way)
        else:
            self.more_ends += 1

    def _accepted(self, way: Way | None, fault: Fault | None) -> Accepted:
        records = [*self.begun, *(step.record for step in _steps(way))]
        program = self.run.program
        marks: frozenset[int] = frozenset().union(*(record.ran for record in records))
        places = [program.marks[mark] for mark in marks - program.passed]
        passed = [program.marks[mark] for mark in marks & program.passed]
        return Accepted(
            _schedule(way),
            tuple(self.matched),
            frozenset((place.file, place.line) for place in places),
            frozenset((place.file, place.line) for place in passed),
            frozenset((place.file, place.function) for place in places),
            fault,
            self._effort(),
        )

    def _refused(self) -> Refused:
        spots = tuple(self._spot(way) for way in self.ends.values())
        why = f"{event_text(self.walker, self.order.seen[self.due])} cannot follow"
        return Refused(self.longest, why, spots, self.more_ends, self._effort())

    def _undecided(self, reason: str) -> Undecided:
        self._back_to_start()
        spots = tuple(self._spot(way) for way in self.ends.values())
        return Undecided(reason, self.longest, self._effort(), spots)

    def _back_to_start(self) -> None:
        while self.trail:
            visit = self.trail.pop()
            self._leave(visit.undo, visit.matched)

    def _spot(self, way: Way | None) -> Spot:
        """Go where a way leads, look around, and come back. A step that breaks a rule is not taken."""
        fault = (way.record if way else self.begun[-1]).fault
        state, back = self.walker.consume(self.start)[0], []
        for step in _steps(way.before if way and fault else way):
            state, undo = self.walker.take(state, step.thread, step.record)
            state, _ = self.walker.consume(state)
            back.append(undo)
        found = spot(self.walker, state, _schedule(way), fault)
        for undo in reversed(back):
            self.run.memory.take_back(undo)
        return found

    def _effort(self) -> Effort:
        spent = time.monotonic() - self.limits.began
        return Effort(self.run.taken, self.run.executed, spent)


def _steps(way: Way | None) -> list[Way]:
    found = []
    while way is not None:
        found.append(way)
        way = way.before
    return found[::-1]


def _schedule(way: Way | None) -> Schedule:
    return tuple((step.thread, step.record.choice) for step in _steps(way))
