"""Plain references for the bounded searches: graphs as dictionaries, one state at a time."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lastput.engine.model import STATE_EVENT, NativeModel
from lastput.lang.world import World
from lastput.simulate.fault import Fault
from lastput.simulate.program import Program
from lastput.simulate.scheduler import Scheduler
from lastput.simulate.state import StateReader

from ..engine.toys import _expand

Node = Hashable
Row = tuple[Node, int | None]
"""A state, and the thread that ran last."""


@dataclass
class Graph:
    """`steps` has (thread, state) for each state; `broken` the threads whose steps break a rule there.

    `wrong` are states that break one. `able` has the threads that can step, whatever comes of it.
    """

    initial: Node
    steps: dict[Node, list[tuple[int, Node]]] = field(default_factory=dict)
    broken: dict[Node, list[int]] = field(default_factory=dict)
    able: dict[Node, set[int]] = field(default_factory=dict)
    wrong: set[Node] = field(default_factory=set)


def of_toy(model: NativeModel) -> Graph:
    """The graph of a toy, which is expanded one state at a time."""
    graph = Graph(tuple(model.initial.tolist()))
    todo: list[Any] = [graph.initial]
    coverage = np.zeros(max(1, model.coverage), np.uint8)
    while todo:
        state = todo.pop()
        if state in graph.steps:
            continue
        successors, events = _expand(model, state, coverage)
        graph.steps[state] = [(thread, to) for thread, _, to in successors]
        real = [(thread, code) for thread, _, code in events if code not in model.bounds]
        graph.broken[state] = [thread for thread, _ in real if thread != STATE_EVENT]
        graph.able[state] = {thread for thread, _, _ in (*successors, *events)} - {STATE_EVENT}
        if any(thread == STATE_EVENT for thread, _ in real):
            graph.wrong.add(state)
        todo += [to for _, to in graph.steps[state]]
    return graph


def of_world(world: World) -> Graph:
    """The graph of a scenario, by running every schedule's prefix in plain CPython, as brute force does."""
    program = Program(world)
    reader = StateReader(program)
    ways: list[tuple[tuple[int, int], ...]] = [()]
    with Scheduler.start(program) as run:
        graph = Graph(reader.key(run))
    while ways:
        way = ways.pop()
        with Scheduler.start(program) as run:
            for thread, choice in way:
                run.step(thread, choice)
            state = reader.key(run)
            threads = [t.spec.index for t in run.threads_run if run.enabled(t.spec.index)]
        if state in graph.steps:
            continue
        graph.steps[state], graph.broken[state], graph.able[state] = [], [], set(threads)
        for thread in threads:
            ways += _taken(graph, program, reader, way, state, thread)
    return graph


def _taken(
    graph: Graph, program: Program, reader: StateReader, way: Any, state: Node, thread: int
) -> Iterable[Any]:
    """Take a thread's step with each of its choices; the ways that go on."""
    choice: int | None = 0
    while choice is not None:
        longer = (*way, (thread, choice))
        try:
            with Scheduler.start(program) as run:
                for step in longer:
                    run.step(*step)
                graph.steps[state].append((thread, reader.key(run)))
                yield longer
        except Fault:
            graph.broken[state].append(thread)
        choice = run.next_choice(choice)


def costs(graph: Graph, *, switches: bool) -> dict[Row, tuple[int, int]]:
    """Of each row the fewest preemptions or switches, and with those the fewest steps.

    Bellman and Ford's way: improve until nothing improves any more.
    """
    best: dict[Row, tuple[int, int]] = {(graph.initial, None): (0, 0)}
    todo: list[Row] = list(best)
    while todo:
        state, last = todo.pop()
        spent, depth = best[state, last]
        for thread, to in graph.steps[state]:
            cost = (spent + price(graph, state, last, thread, switches), depth + 1)
            if cost < best.get((to, thread), (1 << 60, 0)):
                best[to, thread] = cost
                todo.append((to, thread))
    return best


def price(graph: Graph, state: Node, last: int | None, thread: int, switches: bool) -> int:
    """1 for a context switch that counts."""
    return int(last not in (None, thread) and (switches or last in graph.able[state]))


def first_violation(graph: Graph, *, switches: bool) -> tuple[int, int] | None:
    """The fewest preemptions or switches of any violation, and with those the fewest steps."""
    found = []
    for (state, last), (spent, depth) in costs(graph, switches=switches).items():
        if state in graph.wrong:
            found.append((spent, depth))
        for thread in graph.broken[state]:
            found.append((spent + price(graph, state, last, thread, switches), depth + 1))
    return min(found, default=None)
