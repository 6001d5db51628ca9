"""Brute force: every state of a model, visited by the interpreter."""

from __future__ import annotations

from dataclasses import dataclass

from lastput.promela.interpreter import Interpreter
from lastput.promela.state import State
from lastput.promela.tree import Model


@dataclass
class Explored:
    """What there is. `levels`: states first reached by 0, 1, ... steps. `faults`: steps that break a rule,
    by kind; `deadlocks`: states without steps that are no valid end. `shortest`: steps to the nearest."""

    states: int
    transitions: int
    levels: list[int]
    faults: dict[str, int]
    deadlocks: int
    shortest: int | None
    complete: bool


def explore(model: Model, most: int | None = None) -> Explored:
    """Visit all states, breadth first; stop after `most` of them."""
    interpreter = Interpreter(model)
    first = interpreter.initial()
    seen = {first.key()}
    level: list[State] = [first]
    found = Explored(0, 0, [], {}, 0, None, True)
    while level:
        found.levels.append(len(level))
        following: list[State] = []
        for state in level:
            steps = interpreter.steps(state)
            if not steps and interpreter.stuck(state):
                found.deadlocks += 1
                found.shortest = min(found.shortest or len(found.levels), len(found.levels) - 1)
            for step in steps:
                if step.state is None:
                    kind = step.fault.kind if step.fault else ""
                    found.faults[kind] = found.faults.get(kind, 0) + 1
                    if found.shortest is None:
                        found.shortest = len(found.levels)
                    continue
                found.transitions += 1
                key = step.state.key()
                if key not in seen:
                    seen.add(key)
                    following.append(step.state)
        if most is not None and len(seen) > most and following:
            found.complete = False
            break
        level = following
    found.states = len(seen)
    return found
