"""From a lasso to a Violation: who gets nowhere in it, and in which words a report says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lastput.checks.kinds import KINDS
from lastput.evidence.trace import path_of
from lastput.lang.world import Goal, Property, World
from lastput.result import Lasso, Task, Violation

_FAIR = {"none": "without fairness", "weak": "under weak fairness", "strong": "under strong fairness"}


def lasso_of(world: World, number: int, schedule: Sequence[tuple[int, int]], begins: int) -> Violation:
    """The violation of the world's goal `number` by a run that repeats the schedule from `begins` on.

    UsageError if the schedule cannot be followed.
    """
    goal = world.goals[number]
    path = path_of(world, schedule)
    steps = {thread for thread, _ in schedule[begins:]}
    idle = [task for task in path.tasks if task.state != "finished" and task.index not in steps]
    told = Lasso(
        begins, goal.kind, words_of(world, goal), number, goal.fairness, goal.threads, _indexes(idle)
    )
    late = [task for task in path.tasks if task.index in goal.threads and task.state != "finished"]
    # Whoever takes no step has the stronger case than whoever runs in vain.
    culprit = next((task for task in late if task in idle), late[0] if late else None)
    kind = KINDS["never-happens" if culprit is None else "starvation" if culprit in idle else "livelock"]
    top = next((f for f in culprit.frames if f.function == culprit.function), None) if culprit else None
    return replace(
        path,
        kind=kind.id,
        family=kind.family,
        headline=_headline(world, goal, kind.headline, culprit),
        message=_message(told, len(schedule)),
        function=top.function if top else "",
        file=top.file if top else "",
        line=top.line if top else 0,
        lasso=told,
        shortest=False,
    )


def words_of(world: World, goal: Goal) -> str:
    """A goal in a few words: `writer and reader finish`, `is_waiting leads to is_served`."""
    if goal.kind == "finishes":
        names = [world.threads[thread].name for thread in goal.threads]
        listed = " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))
        return f"{listed} finish{'es' * (len(names) == 1)}"
    name = _name(goal.then)
    return f"{_name(goal.when)} leads to {name}" if goal.when is not None else f"eventually {name}"


def under(fairness: str) -> str:
    """`under weak fairness`, and the like."""
    return _FAIR[fairness]


def _name(condition: Property | None) -> str:
    assert condition is not None
    return condition.name


def _indexes(tasks: Sequence[Task]) -> tuple[int, ...]:
    return tuple(task.index for task in tasks)


def _headline(world: World, goal: Goal, kind: str, culprit: Task | None) -> str:
    if culprit is None:
        return f"{kind}: {_name(goal.then)}"
    return kind.replace("task", f"task {culprit.name}:{culprit.index}")


def _message(told: Lasso, steps: int) -> str:
    loop = steps - told.begins
    if not loop:
        return f"Not every run comes to this: {told.what}. After {told.begins} steps nobody can step any more"
    return (
        f"Not every run comes to this, {under(told.fairness)}: {told.what}. "
        f"After {told.begins} steps, the next {loop} can go on for ever"
    )
