"""Does every fair run come to what the scenario says it does? Asked after the search found nothing wrong.

Every lasso that the search for loops finds is run under CPython before it is reported (`simulate/lasso.py`):
the loop must close, be as fair as is said, and never come to the goal.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace

from lastput.evidence.lasso import lasso_of, words_of
from lastput.lang.errors import UsageError
from lastput.lang.scenario import Fairness, known_fairness
from lastput.lang.world import Goal, World
from lastput.result import Progress, Violation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from lastput.engine.model import NativeModel
    from lastput.engine.outcome import Limits
    from lastput.lasso.seek import Sought


class WrongLasso(Exception):
    """The search for loops and the replay contradict each other: lastput is wrong, whatever the model."""


@dataclass(frozen=True)
class Outlook:
    """What is known of a world's goals. `reason` is what stopped the search for loops, as in Result."""

    progress: tuple[Progress, ...]
    violation: Violation | None = None
    reason: str = ""
    bytes: int = 0
    seconds: float = 0.0


def unknown(world: World, reason: str = "") -> Outlook:
    """Nothing: something else was found before, or a limit was reached."""
    told = (replace(_progress(world, goal, "unknown"), stopped=reason) for goal in world.goals)
    return Outlook(tuple(told), reason=reason)


def outlook(
    world: World, model: NativeModel, limits: Limits, seen: frozenset[str], *, bounded: bool
) -> Outlook:
    """Search for a loop against each goal. `model` is without reductions.

    `seen` names what was true somewhere. `bounded`: some executions ended at a bound of the model, so that no
    loop is no proof.
    """
    from lastput.lasso.graph import TooLarge
    from lastput.lasso.seek import prepare, seek

    prepare()
    began = time.monotonic()
    try:
        sought = seek(world, model, limits)
    except TooLarge as stopped:
        return unknown(world, str(stopped))
    except KeyboardInterrupt:
        return unknown(world, "interrupt")
    except (MemoryError, OSError):  # address space is limited more tightly than memory
        return unknown(world, "max-memory")
    told = _told(world, sought, seen, "unknown" if bounded else "holds")
    return replace(told, seconds=time.monotonic() - began)


def _told(world: World, sought: Sought, seen: frozenset[str], without: str) -> Outlook:
    """What was found; `without` is the verdict on a goal that no loop was found against."""
    verdicts = [without if found is None else "violated" for found in sought.lassos]
    progress = [_progress(world, *pair) for pair in zip(world.goals, verdicts, strict=True)]
    for number, goal in enumerate(world.goals):
        if goal.when is not None and goal.when.name not in seen:
            progress[number] = replace(progress[number], never=goal.when.name)
    first = next((number for number, found in enumerate(sought.lassos) if found is not None), None)
    violation = None if first is None else _confirmed(world, first, sought)
    return Outlook(tuple(progress), violation, bytes=sought.bytes)


def _confirmed(world: World, number: int, sought: Sought) -> Violation:
    found = sought.lassos[number]
    assert found is not None
    wrong = wrong_with(world, world.goals[number], found.schedule, found.begins)
    if wrong:
        where = f"the loop of {list(found.schedule)} from step {found.begins + 1} on"
        raise WrongLasso(f"{words_of(world, world.goals[number])}: {where}: {wrong}")
    return lasso_of(world, number, found.schedule, found.begins)


def wrong_with(world: World, goal: Goal, schedule: tuple[tuple[int, int], ...], begins: int) -> str:
    """Why a lasso is none, by running it; empty if it is one. UsageError if it cannot be followed."""
    from lastput.simulate.lasso import objection

    return objection(world, goal, schedule, begins)


def _progress(world: World, goal: Goal, verdict: str) -> Progress:
    return Progress(goal.kind, words_of(world, goal), goal.fairness, verdict)


def ask(world: World, *, finishes: bool, fairness: Fairness | None) -> None:
    """Ask of `world`, besides its own goals, that every thread but daemons finishes; all under `fairness`.

    None leaves each goal its own, weak for the one that is added. UsageError if nothing is asked.
    """
    from lastput.simulate.setup import threads_named

    if finishes:
        goal = Goal("finishes", "weak", threads_named(world, ()))
        if not any((g.kind, g.threads) == (goal.kind, goal.threads) for g in world.goals):
            world.goals.append(goal)
    if fairness is None:
        return
    known_fairness("fairness", fairness)
    if not world.goals:
        raise UsageError(
            f"fairness {fairness}: {world.scenario.name} states no progress property; --progress adds one"
        )
    world.goals[:] = [replace(goal, fairness=fairness) for goal in world.goals]
