"""What a few cells can hold while a thread stands somewhere, and what follows for two threads.

For each thread, the pairs of a position and the values of a group are found that are possible at once:
thread-modular model checking (Flanagan and Qadeer, SPIN 2003), in which a thread's steps happen to all
others wherever they stand. Two things are added that the cells themselves do not tell. Of a plain flag the
last writer is noted too, or a thread that gives a lock back could not be told from its holder; a flag that
is 0 has no writer. And of a counter each thread's own share is followed: the sum of what it added, by
position, as a set; the value is the sum of all shares (a ghost variable each, as Owicki and Gries, Acta
Informatica 1976, have them).

So nothing is a lock by name: mutexes, read-write locks, semaphores, reader counts that somebody waits for,
and a model's own flags come out of the same two analyses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from lastput.compiler.ranges import cell_range
from lastput.compiler.reduce.footprint import Cells
from lastput.compiler.reduce.positions import Step
from lastput.compiler.reduce.project import Outcome, Projection, TooMany, Values
from lastput.lang.types import HoldersType, HolderType

MOST_VALUES = 400
"""Combinations of values, last writers included, that a group may have."""
MOST_SHARES = 16
SMALL = 64
"""Values of a cell whose shares are followed."""

State = tuple[Values, tuple[int, ...]]
"""Values of a group, and the last writer of each of its cells; -1 for nobody."""


@dataclass
class _Possible:
    """Where each thread can stand, by state of the group: positions as bits of an int."""

    threads: int
    at: list[dict[State, int]] = field(default_factory=list)
    changes: dict[State, set[tuple[State, int]]] = field(default_factory=dict)
    """Steps of a thread from one state to another."""
    work: list[tuple[int, State, int]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.at = [{} for _ in range(self.threads)]

    def add(self, thread: int, state: State, positions: int) -> None:
        """`thread` may stand at `positions` while the group is in `state`."""
        todo = [(thread, state, positions)]
        while todo:
            who, now, bits = todo.pop()
            old = self.at[who].get(now, 0)
            new = bits & ~old
            if new:
                self.at[who][now] = old | new
                self.work.append((who, now, new))
                todo += [(who, after, new) for after, by in self.changes.get(now, ()) if by != who]
                if len(self.at[who]) > MOST_VALUES:
                    raise TooMany

    def change(self, thread: int, before: State, after: State) -> None:
        """A step of `thread` turns one state into another, for all who stand anywhere."""
        known = self.changes.setdefault(before, set())
        if (after, thread) not in known:
            known.add((after, thread))
            for other in range(self.threads):
                if other != thread:
                    self.add(other, after, self.at[other].get(before, 0))


class Knowledge:
    """About one group of cells. Raises TooMany if it has too many values, or its steps too many paths."""

    def __init__(self, cells: Cells, group: tuple[int, ...], steps: list[list[Step]]) -> None:
        self.cells, self.group = cells, group
        programs = cells.layout.threads
        self._exits = [[sum(1 << e for e in step.exits) for step in of_one] for of_one in steps]
        self._aside = [[not cells.concerns(step.code, group) for step in of_one] for of_one in steps]
        """Steps that have nothing to do with the group."""
        self.projections = [Projection(cells, program, group) for program in programs]
        types = self.projections[0].types
        self._named = [isinstance(kind, (HolderType, HoldersType)) for kind in types]
        self._begin()
        self._shares: list[list[frozenset[int]]] | None = None
        self._possible: list[list[frozenset[State]]] | None = None
        try:
            self._possible = self._explore()
        except TooMany:
            self._possible = None
        if len(group) == 1 and not self._named[0]:
            self._shares = self._follow()
        if self._possible is None and self._shares is None:
            raise TooMany
        self._joint: dict[object, tuple[Values, ...]] = {}

    # -- possible values -----------------------------------------------------------------------

    def _begin(self) -> None:
        """Initial states of the group, and where threads begin."""
        world = self.cells.layout.world
        values = []
        for address in self.group:
            placed = self.cells.owner(address)
            values.append(world.memory.get(address, 0) if placed and placed.live else "unborn")
        self.states: set[State] = {(tuple(values), (-1,) * len(self.group))}  # type: ignore[arg-type]
        self.entries: list[set[int]] = []
        for thread, projection in enumerate(self.projections):
            entries, after = set(), set()
            for state in self.states:
                for outcome in projection.start(state[0]):
                    if outcome.kind == "step":
                        entries.add(outcome.exit)
                        after.add(self._after(state, outcome, thread))
            self.entries.append(entries)
            self.states = after

    def _after(self, state: State, outcome: Outcome, thread: int) -> State:
        """The state behind a step of `thread`."""
        writers = tuple(
            -1 if named or value in (0, "freed") else thread if i in outcome.written else old
            for i, (value, old, named) in enumerate(zip(outcome.after, state[1], self._named, strict=True))
        )
        return outcome.after, writers

    def _explore(self) -> list[list[frozenset[State]]]:
        found = _Possible(len(self.projections))
        for thread, entries in enumerate(self.entries):
            for state in sorted(self.states, key=repr):
                found.add(thread, state, sum(1 << p for p in entries))
        while found.work:
            thread, state, positions = found.work.pop()
            for position in bits(positions):
                if position < len(self._aside[thread]) and self._aside[thread][position]:
                    found.add(thread, state, self._exits[thread][position])
                    continue
                for outcome in self._steps(thread, position, state[0]):
                    after = self._after(state, outcome, thread)
                    found.add(thread, after, 1 << outcome.exit)
                    if after != state:
                        found.change(thread, state, after)
        return [self._by_position(t, at) for t, at in enumerate(found.at)]

    def _steps(self, thread: int, position: int, values: Values) -> Iterator[Outcome]:
        projection = self.projections[thread]
        if position < projection.program.done:
            yield from (o for o in projection.outcomes(position, values) if o.kind == "step")

    def _by_position(self, thread: int, at: dict[State, int]) -> list[frozenset[State]]:
        count = self.projections[thread].program.done
        return [frozenset(s for s, where in at.items() if where >> p & 1) for p in range(count)]

    # -- shares of a counter -------------------------------------------------------------------

    def _follow(self) -> list[list[frozenset[int]]] | None:
        """What each thread may have added in sum, by position, `done` included; None if it is no counter."""
        (address,) = self.group
        low, high = cell_range(self.projections[0].types[0], self.cells.layout.world)
        known = self.cells.layout.sets.cells[address]
        domain = (
            sorted(known) if known is not None else list(range(low, high + 1)) if high - low < SMALL else []
        )
        initial = {state[0][0] for state in self.states}
        placed = self.cells.owner(address)
        if not domain or len(initial) != 1 or placed is None or placed.base in self.cells.layout.status:
            return None
        self.initial, self.domain = initial.pop(), frozenset(domain)
        try:
            return [self._shares_of(thread, domain) for thread in range(len(self.projections))]
        except TooMany:
            return None

    def _shares_of(self, thread: int, domain: list[int]) -> list[frozenset[int]]:
        shares: list[frozenset[int]] = [frozenset()] * (self.projections[thread].program.done + 1)
        work = list(self.entries[thread])
        for position in work:
            shares[position] = frozenset((0,))
        while work:
            position = work.pop()
            for exit_, delta in self._deltas(thread, position, domain):
                more = shares[exit_] | {share + delta for share in shares[position]}
                if len(more) > MOST_SHARES:
                    raise TooMany
                if more != shares[exit_]:
                    shares[exit_] = more
                    work.append(exit_)
        return shares

    def _deltas(self, thread: int, position: int, domain: list[int]) -> set[tuple[int, int]]:
        """(position behind, what is added to the counter) of each way through a step."""
        found: set[tuple[int, int]] = set()
        if position < len(self._aside[thread]) and self._aside[thread][position]:
            return {(exit_, 0) for exit_ in bits(self._exits[thread][position])}
        for value in domain:
            for outcome in self._steps(thread, position, (value,)):
                (after,) = outcome.after
                assert isinstance(after, int)
                found.add((outcome.exit, after - value))
        return found

    def _sums(self, t: int, p: int, u: int, q: int) -> frozenset[Values]:
        """Values of the counter while `t` stands at p and `u` at q."""
        assert self._shares is not None
        assert isinstance(self.initial, int)
        others = [s for i, s in enumerate(self._shares) if i not in (t, u)]
        low = self.initial + sum(min(min(s, default=0) for s in thread) for thread in others)
        high = self.initial + sum(max(max(s, default=0) for s in thread) for thread in others)
        pairs = {a + b for a in self._shares[t][p] for b in self._shares[u][q]}
        return frozenset((v,) for v in self.domain if any(low <= v - pair <= high for pair in pairs))

    # -- two threads ---------------------------------------------------------------------------

    def joint(self, t: int, p: int, u: int, q: int) -> tuple[Values, ...]:
        """Values that the group can have while thread `t` stands at position p and `u` at q."""
        key = (
            t, u, self._possible and (self._possible[t][p], self._possible[u][q]),
            self._shares and (self._shares[t][p], self._shares[u][q]),
        )  # fmt: skip
        if key not in self._joint:
            found: frozenset[Values] | None = None
            if self._possible is not None:
                found = frozenset(state[0] for state in self._possible[t][p] & self._possible[u][q])
            if self._shares is not None:
                sums = self._sums(t, p, u, q)
                found = sums if found is None else found & sums
            assert found is not None
            self._joint[key] = tuple(sorted(found, key=repr))
        return self._joint[key]

    def stopped(self, t: int, p: int, u: int, q: int) -> bool:
        """Whether `u` at q surely cannot step, whoever else does, as long as `t` stays at p."""
        return all(
            outcome.kind == "blocked" and not outcome.may_fail
            for values in self.joint(t, p, u, q)
            for outcome in self.projections[u].outcomes(q, values)
        )

    def independent(self, t: int, p: int, u: int, q: int) -> bool:
        """Whether, as far as the group goes, the steps of `t` at p and `u` at q commute.

        Conditional independence (Katz and Peled, "Defining Conditional Independence Using Collapses",
        TCS 1992): in the states that are possible. Neither may change what the other does, and in either
        order they leave the same values. `t`'s step may make `u`'s possible: then `u`'s is tried behind it.
        """
        return all(self._commute(t, p, u, q, values) for values in self.joint(t, p, u, q))

    def _commute(self, t: int, p: int, u: int, q: int, values: Values) -> bool:
        mine, theirs = self.projections[t], self.projections[u]
        first = [o for o in mine.outcomes(p, values) if o.kind == "step"]
        second = [o for o in theirs.outcomes(q, values) if o.kind != "blocked"]
        if any(o.opaque for o in (*first, *second)):
            return False
        for a in first:
            for b in second:
                b_behind = _same(theirs.outcomes(q, a.after), b)
                if b_behind is None:
                    return False
                if b.kind == "step":
                    a_behind = _same(mine.outcomes(p, b.after), a)
                    if a_behind is None or a_behind.after != b_behind.after:
                        return False
        return True


def _same(outcomes: Iterable[Outcome], wanted: Outcome) -> Outcome | None:
    """The outcome that takes the same path."""
    return next((o for o in outcomes if (o.kind, o.path) == (wanted.kind, wanted.path)), None)


def bits(mask: int) -> Iterator[int]:
    """Numbers of the bits that are set, from the lowest up."""
    while mask:
        yield (mask & -mask).bit_length() - 1
        mask &= mask - 1
