"""Is a lasso what it is said to be? Its steps are run under CPython, the loop twice, and every claim is
checked.

That the loop closes, that it is fair, and that the goal is open all along is found out here anew, from the
runs of the model's own functions: nothing is taken from the search.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lastput.lang.errors import UsageError
from lastput.lang.world import Goal, Property, World
from lastput.simulate.fault import Fault
from lastput.simulate.program import Program
from lastput.simulate.replay import able, fits
from lastput.simulate.scheduler import Scheduler
from lastput.simulate.state import StateReader


@dataclass(frozen=True)
class _Seen:
    """One state of the run: its key, who can step, who has finished, whether the conditions hold."""

    key: tuple[Any, ...]
    enabled: frozenset[int]
    finished: frozenset[int]
    when: bool
    then: bool


def objection(world: World, goal: Goal, schedule: Sequence[tuple[int, int]], begins: int) -> str:
    """What is wrong with the lasso that repeats the steps of `schedule` from `begins` on; empty if nothing
    is.

    UsageError if the schedule cannot be followed.
    """
    loop = schedule[begins:]
    seen = _states(world, goal, [*schedule, *loop, *loop])
    last = len(schedule)
    again = {seen[last + len(loop) * turn].key for turn in range(3)} | {seen[begins].key}
    if len(again) > 1:
        return "the loop does not lead back to where it began"
    around = seen[begins : last + 1]
    if not loop and around[0].enabled:
        return "the run does not end there: a thread can step"
    return _unfair(goal, around, {thread for thread, _ in loop}, len(world.threads)) or _reached(
        goal, seen[: last + 1], begins
    )


def _states(world: World, goal: Goal, schedule: Sequence[tuple[int, int]]) -> list[_Seen]:
    """The states before, between and after the steps."""
    program = Program(world)
    reader = StateReader(program)
    with Scheduler.start(program) as run:
        seen = [_look(run, reader, goal)]
        for number, (thread, choice) in enumerate(schedule, 1):
            able(run, number, thread)
            fault: Fault | None = None
            try:
                run.step(thread, choice)
            except Fault as error:
                fault = error
            fits(run, number, choice, fault, 0)
            seen.append(_look(run, reader, goal))
    return seen


def _look(run: Scheduler, reader: StateReader, goal: Goal) -> _Seen:
    threads = [thread.spec.index for thread in run.threads_run]
    return _Seen(
        reader.key(run),
        frozenset(thread for thread in threads if run.enabled(thread)),
        frozenset(thread.spec.index for thread in run.threads_run if thread.done),
        goal.when is None or _holds(run, goal.when),
        goal.then is not None and _holds(run, goal.then),
    )


def _holds(run: Scheduler, condition: Property) -> bool:
    function = run.program.rewritten(condition.function).function
    run.loops = 0
    with run.as_thread(None), run.all_at_once():
        try:
            return bool(function(*condition.args))
        except Fault as fault:
            raise UsageError(f"{condition.name} cannot be evaluated: {fault}") from None


def _unfair(goal: Goal, around: Sequence[_Seen], steps: set[int], threads: int) -> str:
    """To whom the loop is unfair; `around` are its states, `steps` the threads that step in it."""
    for thread in set(range(threads)) - steps:
        can = [thread in state.enabled for state in around]
        if goal.fairness == "weak" and all(can):
            return f"the loop is not weakly fair: thread {thread} can always step and never does"
        if goal.fairness == "strong" and any(can):
            return f"the loop is not strongly fair: thread {thread} can step again and again and never does"
    return ""


def _reached(goal: Goal, seen: Sequence[_Seen], begins: int) -> str:
    """Why the run comes to the goal after all."""
    if goal.kind == "finishes":
        return "all finish" if set(goal.threads) <= seen[begins].finished else ""
    # The last moment at which what should follow was true; only what is asked after it stays open.
    answered = max((moment for moment, state in enumerate(seen) if state.then), default=-1)
    if answered >= begins:
        return "what should happen happens in the loop"
    asked = seen[answered + 1 :] if goal.kind == "leads-to" else seen[: 1 if answered < 0 else 0]
    return "" if any(state.when for state in asked) else "what should happen happens before the loop"
