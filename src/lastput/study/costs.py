"""What a function costs: the smallest and the largest count over all executions of a scenario.

Every state of the scenario is visited in plain CPython, as in `simulate/explore.py`, and each step of the
thread that runs the function is counted (`simulate/meter.py`). Smallest and largest are then a shortest and
a longest path from the function's entry to its exit. A path that can go round for ever, doing something each
time, has no largest cost; one that never gets out has none at all.
"""

from __future__ import annotations

import hashlib
import heapq
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lastput import kept
from lastput.lang.world import World
from lastput.report.fingerprint import fingerprint
from lastput.simulate.fault import Fault
from lastput.simulate.meter import NAMES, ZERO, Meter, MeteredProgram, Vector, watching
from lastput.simulate.state import StateReader
from lastput.study.settle import own_digest

UNBOUNDED = -1
"""A count without a largest value."""

Schedule = tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class Costs:
    """Counts in the order of `NAMES`, each by itself smallest and largest over all executions.

    `executed` is False if no execution gets from the entry to the exit; the counts mean nothing then.
    """

    least: Vector = ZERO
    most: Vector = ZERO
    states: int = 0
    executed: bool = False

    def of(self, name: str) -> tuple[int, int]:
        """(smallest, largest) of one count; UNBOUNDED is no largest."""
        i = NAMES.index(name)
        return self.least[i], self.most[i]


def costs(world: World, thread: str, function: Callable[..., Any], *, max_states: int = 50_000) -> Costs:
    """What `function` costs the thread called `thread`; a ValueError if there are more states."""
    number = next(t.index for t in world.threads if t.name == thread)
    base, kept_as = kept.directory(), _digest(world, thread, function)
    path = base / f"{kept_as}.costs" if base else None
    known = kept.load(path, Costs)
    if known is None:
        graph = _Graph(world, number, function, max_states)
        known = graph.costs()
        kept.save(path, known)
    return known


def _digest(world: World, thread: str, function: Callable[..., Any]) -> str:
    name = f"{function.__module__}.{function.__qualname__}"
    options = sorted(world.configuration.items())
    parts = [world.scenario.name, world.variant, options, fingerprint(world.scenario), own_digest()]
    text = json.dumps([*parts, thread, name, repr(world.edits)])
    return hashlib.sha256(text.encode()).hexdigest()


@dataclass
class _Graph:
    """The states in which the thread is inside the function, and the steps between them."""

    world: World
    thread: int
    function: Callable[..., Any]
    max_states: int
    entries: list[tuple[Vector, int]] = field(default_factory=list)
    edges: dict[int, list[tuple[Vector, int]]] = field(default_factory=dict)
    exits: dict[int, list[Vector]] = field(default_factory=dict)
    through: list[Vector] = field(default_factory=list)
    """Whole executions of the function within one step."""
    states: int = 0

    def costs(self) -> Costs:
        """Explore, then find the shortest and the longest path."""
        self._explore()
        useful = self._useful()
        if not useful and not self.through:
            return Costs(states=self.states)
        each = range(len(NAMES))
        least = tuple(self._least(i, useful) for i in each)
        most = tuple(self._most(i, useful) for i in each)
        return Costs(least, most, self.states, True)

    # -- exploring --------------------------------------------------------------------------------

    def _explore(self) -> None:
        program = MeteredProgram(self.world, self.function)
        reader, meter = StateReader(program), watching(self.thread)
        seen: dict[object, int] = {}
        level: list[tuple[Schedule, list[int], int | None]] = []

        def attempt(schedule: Schedule, before: int | None) -> int | None:
            run: Meter | None = None
            try:
                with meter.start(program) as run:
                    for thread, choice in schedule:
                        run.step(thread, choice)
                    key = reader.key(run)
                    state = seen.setdefault(key, len(seen))
                    if state == len(seen) - 1 and state not in known:
                        known.add(state)
                        enabled = [t.spec.index for t in run.threads_run if run.enabled(t.spec.index)]
                        level.append((schedule, enabled, state))
                    self._record(run, before, state, schedule)
            except Fault:
                pass  # what breaks a rule is no execution to be counted
            return run.next_choice(schedule[-1][1]) if run and schedule else None

        known: set[int] = set()
        attempt((), None)
        while level:
            current, level = level, []
            for schedule, enabled, state in current:
                if len(seen) > self.max_states:
                    raise ValueError(f"more than {self.max_states} states")
                for thread in enabled:
                    choice: int | None = 0
                    while choice is not None:
                        choice = attempt((*schedule, (thread, choice)), state)
        self.states = len(seen)

    def _record(self, run: Meter, before: int | None, after: int, schedule: Schedule) -> None:
        """What the last step of `run`, from state `before` to `after`, means for the graph."""
        if schedule and schedule[-1][0] != self.thread:
            if run.inside and before is not None:
                self.edges.setdefault(before, []).append((ZERO, after))
            return
        for stretch in run.stretches:
            cost = tuple(stretch.cost)
            if stretch.enters and stretch.leaves:
                self.through.append(cost)
            elif stretch.enters:
                self.entries.append((cost, after))
            elif before is not None and stretch.leaves:
                self.exits.setdefault(before, []).append(cost)
            elif before is not None:
                self.edges.setdefault(before, []).append((cost, after))

    # -- paths ------------------------------------------------------------------------------------

    def _useful(self) -> set[int]:
        """The states on some way from the entry to the exit."""
        forward = _reach(
            {s for _, s in self.entries}, {a: [b for _, b in es] for a, es in self.edges.items()}
        )
        back: dict[int, list[int]] = {}
        for a, es in self.edges.items():
            for _, b in es:
                back.setdefault(b, []).append(a)
        return forward & _reach(set(self.exits), back)

    def _least(self, i: int, useful: set[int]) -> int:
        """The least of count `i`: Dijkstra's algorithm from the entries."""
        best = [cost[i] for cost in self.through]
        heap = [(cost[i], state) for cost, state in self.entries if state in useful]
        heapq.heapify(heap)
        done: set[int] = set()
        while heap:
            cost, state = heapq.heappop(heap)
            if state in done:
                continue
            done.add(state)
            best += [cost + last[i] for last in self.exits.get(state, [])]
            for more, after in self.edges.get(state, []):
                if after in useful and after not in done:
                    heapq.heappush(heap, (cost + more[i], after))
        return min(best)

    def _most(self, i: int, useful: set[int]) -> int:
        """The most of count `i`: the longest path through the strongly connected components."""
        part, order = _components(useful, {a: [b for _, b in es] for a, es in self.edges.items()})
        far: dict[int, int] = {}
        for cost, state in self.entries:
            if state in useful:
                far[part[state]] = max(far.get(part[state], 0), cost[i])
        best = [cost[i] for cost in self.through]
        for members in order:  # sources first
            here = far.get(part[members[0]])
            if here is None:
                continue
            for state in members:
                best += [here + last[i] for last in self.exits.get(state, [])]
                for more, after in self.edges.get(state, []):
                    if after not in useful:
                        continue
                    if part[after] == part[state]:
                        if more[i]:
                            return UNBOUNDED
                    else:
                        far[part[after]] = max(far.get(part[after], 0), here + more[i])
        return max(best)


def _reach(start: set[int], edges: dict[int, list[int]]) -> set[int]:
    found, todo = set(start), list(start)
    while todo:
        for after in edges.get(todo.pop(), []):
            if after not in found:
                found.add(after)
                todo.append(after)
    return found


def _components(nodes: set[int], edges: dict[int, list[int]]) -> tuple[dict[int, int], list[list[int]]]:
    """Strongly connected components (Tarjan 1972): the number of each node's, and all, sources first."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    part: dict[int, int] = {}
    found: list[list[int]] = []
    stack: list[int] = []
    for root in nodes:
        if root in index:
            continue
        work = [(root, iter(edges.get(root, [])))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while work:
            node, rest = work[-1]
            for after in rest:
                if after not in nodes:
                    continue
                if after not in index:
                    index[after] = low[after] = len(index)
                    stack.append(after)
                    work.append((after, iter(edges.get(after, []))))
                    break
                if after not in part:
                    low[node] = min(low[node], index[after])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    at = stack.index(node)
                    found.append(stack[at:])
                    part.update(dict.fromkeys(stack[at:], len(found)))
                    del stack[at:]
    return part, found[::-1]
