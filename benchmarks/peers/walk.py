"""A brute-force breadth-first search of the table: what Spin and Rumur say, where neither is installed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import Any

from benchmarks.peers.table import COUNTERS, DONE, FLAGS, LOCALS, PAGES, Sizes, Step, programs

SHARED = (*FLAGS, *COUNTERS, *PAGES)
Thread = tuple[str, tuple[int, ...]]
"""Position and local variables."""
State = tuple[tuple[Any, ...], tuple[Thread, ...]]


@dataclass(frozen=True)
class Walked:
    """What was found. `shortest` counts the steps to the first broken check, the breaking one included."""

    states: int
    transitions: int
    broken: int
    shortest: int | None
    levels: tuple[int, ...]


def walk(sizes: Sizes) -> Walked:
    """All reachable states; a step that breaks a check leads nowhere. RuntimeError on a deadlock."""
    kinds = [program for program in programs(sizes) for _ in range(program.count)]
    moves = _Moves(sizes)
    initial = {name: sizes.initial().get(name, 0) for name in (*FLAGS, *COUNTERS)}
    shared = (*initial.values(), *((0,) * sizes.pages for _ in PAGES))
    level: list[State] = [(shared, tuple((kind.steps[0].label, (0,) * len(LOCALS)) for kind in kinds))]
    labels = [kind.labels() for kind in kinds]
    seen, levels, transitions, broken, shortest = set(level), [], 0, 0, None
    while level:
        levels.append(len(level))
        following: list[State] = []
        for state in level:
            moved = 0
            for thread, steps in enumerate(labels):
                for step in steps.get(state[1][thread][0], ()):
                    for successor in moves.successors(step, state, thread):
                        moved += 1
                        if successor is None:
                            broken += 1
                            shortest = shortest or len(levels)
                            continue
                        transitions += 1
                        if successor not in seen:
                            seen.add(successor)
                            following.append(successor)
            if not moved and any(label != DONE for label, _ in state[1]):
                raise RuntimeError(f"deadlock: {state}")
        level = following
    return Walked(len(seen), transitions, broken, shortest, tuple(levels))


class _Moves:
    """Evaluates steps; an expression of the table is Python but for its `||`."""

    def __init__(self, sizes: Sizes) -> None:
        self._constants = {"L": sizes.pages - 1, "K": sizes.passes}
        self._pages = sizes.pages
        self._code: dict[str, CodeType] = {}

    def successors(self, step: Step, state: State, thread: int) -> Iterator[State | None]:
        """The successors of one step of one thread; None stands for a broken check."""
        for page in range(self._pages) if step.any_page else (0,):
            values = self._values(state, thread, page)
            if step.guard and not self._value(step.guard, values):
                return
            if all(self._value(check.condition, values) for check in step.checks):
                yield self._taken(step, state, thread, values)
            else:
                yield None

    def _values(self, state: State, thread: int, page: int) -> dict[str, Any]:
        values: dict[str, Any] = dict(zip(SHARED, state[0], strict=True))
        values.update({name: list(values[name]) for name in PAGES})
        values.update(zip(LOCALS, state[1][thread][1], strict=True))
        return {**values, **self._constants, "i": page}

    def _taken(self, step: Step, state: State, thread: int, values: dict[str, Any]) -> State:
        branch = next(b for b in step.branches if not b.when or self._value(b.when, values))
        for target, expression in branch.effects:
            value = self._value(expression, values)
            name, indexed, _ = target.partition("[p]")
            if indexed:
                values[name][values["p"]] = value
            else:
                values[name] = value
        shared = tuple(tuple(values[n]) if n in PAGES else values[n] for n in SHARED)
        threads = list(state[1])
        threads[thread] = (branch.then, tuple(values[name] for name in LOCALS))
        return shared, tuple(threads)

    def _value(self, expression: str, values: dict[str, Any]) -> Any:
        if expression not in self._code:
            self._code[expression] = compile(expression.replace("||", " or "), "table", "eval")
        return eval(self._code[expression], {}, values)
