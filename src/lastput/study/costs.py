"""What a function costs: the smallest and the largest count over all executions of a scenario.

Every state of the scenario is visited in plain CPython, as in `simulate/explore.py`, and each step of the
thread that runs the function is counted (`simulate/meter.py`). Smallest and largest are then a shortest and
a longest path from the function's entry to its exit. A path that can go round for ever, doing something each
time, has no largest cost; one that never gets out has none at all.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lastput import kept
from lastput.lang.world import World
from lastput.simulate.fault import Fault
from lastput.simulate.meter import NAMES, ZERO, Meter, MeteredProgram, Vector, Watch
from lastput.simulate.state import StateReader
from lastput.study.unchanged import digest

UNBOUNDED = -1
"""A count without a largest value."""

MAX_STATES = 50_000

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


Function = Callable[..., Any]


def costs(world: World, thread: str, function: Function, *, max_states: int = MAX_STATES) -> Costs:
    """What `function` costs the thread called `thread`."""
    return costs_of(world, [(thread, function)], max_states=max_states)[0]


def costs_of(
    world: World, paths: Sequence[tuple[str, Function]], *, max_states: int = MAX_STATES
) -> list[Costs]:
    """What each function costs its thread; all are counted in one go. ValueError for too many states."""
    base = kept.directory()
    path = base / f"{_digest(world, paths)}.costs" if base else None
    known = kept.load(path, list)
    if known is None:
        numbers = {t.name: t.index for t in world.threads}
        known = _counted(world, [(numbers[thread], function) for thread, function in paths], max_states)
        kept.save(path, known)
    return known


def _digest(world: World, paths: Sequence[tuple[str, Function]]) -> str:
    names = [[thread, f"{f.__module__}.{f.__qualname__}"] for thread, f in paths]
    return digest(world.scenario, world.variant, world.configuration, names, repr(world.edits))


def _counted(world: World, watched: list[tuple[int, Function]], max_states: int) -> list[Costs]:
    found = _Search(MeteredProgram(world, watched))
    found.run(max_states)
    return [graph.costs(len(found.seen)) for graph in found.graphs]


class _Branch(NamedTuple):
    """A step to take: of `thread`, with `choice`, in the state `before` that `schedule` leads to."""

    schedule: Schedule
    before: int
    thread: int
    choice: int


class _Search:
    """Visits every state; depth first, because a run then goes on from a new state where it stands."""

    def __init__(self, program: MeteredProgram) -> None:
        self.program = program
        self.reader = StateReader(program)
        self.graphs = [_Graph() for _ in program.watched]
        self.seen: dict[object, int] = {}
        self.todo: list[_Branch] = []

    def run(self, max_states: int) -> None:
        """Until there is nothing to do."""
        with Meter.start(self.program) as run:
            self._follow(run, self._arrive(run, (), None))
        while self.todo:
            branch = self.todo.pop()
            with Meter.start(self.program) as run:
                for thread, choice in branch.schedule:
                    run.step(thread, choice)
                self._follow(run, branch)
            if len(self.seen) > max_states:
                raise ValueError(f"more than {max_states} states")

    def _follow(self, run: Meter, branch: _Branch | None) -> None:
        """Take a step, and from a new state another one."""
        while branch is not None:
            schedule, before, thread, choice = branch
            try:
                run.step(thread, choice)
                fault = False
            except Fault:
                fault = True  # what breaks a rule is no execution to be counted
            other = run.next_choice(choice)
            if other is not None:
                self.todo.append(branch._replace(choice=other))
            branch = None if fault else self._arrive(run, (*schedule, (thread, choice)), before)

    def _arrive(self, run: Meter, schedule: Schedule, before: int | None) -> _Branch | None:
        """Record the last step; the step to go on with if the state is new."""
        count = len(self.seen)
        state = self.seen.setdefault(self.reader.key(run), count)
        for graph, watch in zip(self.graphs, run.watches, strict=True):
            graph.record(watch, before, state, not schedule or schedule[-1][0] == watch.thread)
        if state < count:
            return None
        enabled = [t.spec.index for t in run.threads_run if run.enabled(t.spec.index)]
        branches = [_Branch(schedule, state, thread, 0) for thread in enabled]
        self.todo += branches[1:]
        return branches[0] if branches else None


@dataclass
class _Graph:
    """The states in which a thread is inside a function, and the steps between them."""

    entries: list[tuple[Vector, int]] = field(default_factory=list)
    edges: dict[int, list[tuple[Vector, int]]] = field(default_factory=dict)
    exits: dict[int, list[Vector]] = field(default_factory=dict)
    through: list[Vector] = field(default_factory=list)
    """Whole executions of the function within one step."""

    def record(self, watch: Watch, before: int | None, after: int, mine: bool) -> None:
        """What the last step, from state `before` to `after`, means here; `mine`: of the thread."""
        if not mine:
            if watch.inside and before is not None:
                self.edges.setdefault(before, []).append((ZERO, after))
            return
        for stretch in watch.stretches:
            cost = tuple(stretch.cost)
            if stretch.enters and stretch.leaves:
                self.through.append(cost)
            elif stretch.enters:
                self.entries.append((cost, after))
            elif before is not None and stretch.leaves:
                self.exits.setdefault(before, []).append(cost)
            elif before is not None:
                self.edges.setdefault(before, []).append((cost, after))

    def costs(self, states: int) -> Costs:
        """The shortest and the longest path."""
        useful = self._useful()
        if not useful and not self.through:
            return Costs(states=states)
        each = range(len(NAMES))
        least = tuple(self._least(i, useful) for i in each)
        most = tuple(self._most(i, useful) for i in each)
        return Costs(least, most, states, True)

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
