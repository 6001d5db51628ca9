"""Each removal tried: the scenario is searched without it.

needed       a rule is broken then; the witness is confirmed by the replay, as every violation is
redundant    none is, in any interleaving of this model
incomplete   a limit or a bound was reached
not tried    it cannot be removed, and why
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from lastput import checker, kept
from lastput.engine.memory import available
from lastput.evidence.scene import scene
from lastput.lang.edits import Edits
from lastput.lang.errors import ModelError
from lastput.lang.options import Value
from lastput.lang.scenario import Scenario
from lastput.lang.world import World
from lastput.needed.removals import Ran, Removal, find
from lastput.result import Limits, Result
from lastput.study.pool import cores, processes
from lastput.study.unchanged import digest

Answer = Literal["needed", "redundant", "incomplete", "not tried"]

WORTH_A_PROCESS = 3
"""A further process begins to pay with so many trials: it takes a second to get going."""


@dataclass(frozen=True)
class Trial:
    """A removal and what came of it. `why` explains all but `needed`, whose `result` has the witness."""

    answer: Answer
    why: str = ""
    result: Result | None = None
    idle: bool = False
    """It was not searched: in the whole model it never has an effect."""


@dataclass(frozen=True)
class Subject:
    """The scenario that things are removed from. `target` is how to find it again in another process."""

    target: str
    scenario: Scenario
    variant: str
    settings: Mapping[str, Value]
    timeout: float | None = None
    """Seconds of search for each removal."""


@dataclass(frozen=True)
class Whole:
    """The scenario with everything in place, and what could be removed from it."""

    result: Result
    removals: tuple[Removal, ...]


def whole(subject: Subject, **how: object) -> Whole:
    """Search the scenario as it is; `how` are progress and phase of `checker.check`."""
    began = time.perf_counter()
    world = checker.build_world(subject.scenario, subject.variant, subject.settings)
    limits = Limits(timeout=subject.timeout)
    checked = checker.check_world(world, limits, began=began, **how)  # type: ignore[arg-type]
    removals = find(world, Ran(checked)) if checked.result.holds else []
    return Whole(checked.result, tuple(removals))


def attempt(subject: Subject, removal: Removal, room: int | None = None) -> Trial:
    """Remove it and search. `room` is the memory that the search may take, in bytes."""
    known = known_before(removal)
    if known:
        return known
    try:
        result = _without(subject, removal.edits + removal.aside + removal.breaks, room)
        if removal.breaks and not _breaks_a_rule(result):
            # A lock break may have been what showed that the lock is gone; others need it, too.
            result = _without(subject, removal.edits + removal.aside, room)
    except ModelError as error:
        return Trial("not tried", f"what is left is not in the language: {error.message}")
    return _judged(result)


def pictured(subject: Subject, removal: Removal, trial: Trial) -> Trial:
    """`trial` with the scene of its witness; the same if it has none."""
    if trial.answer != "needed" or trial.result is None or trial.result.violation is None:
        return trial
    found = trial.result.violation
    for edits in (removal.edits + removal.aside + removal.breaks, removal.edits + removal.aside):
        world = _world(subject, edits)
        shown = checker.replayed(world, found.schedule, found.kind)
        if shown is not None and shown.violation == found:
            picture = scene(world, found.schedule)
            return replace(trial, result=replace(trial.result, violation=replace(found, scene=picture)))
    return trial


def known_before(removal: Removal) -> Trial | None:
    """The answer where nothing needs to be searched."""
    if removal.refused:
        return Trial("not tried", removal.refused)
    return Trial("redundant", f"{removal.idle} here", idle=True) if removal.idle else None


def _without(subject: Subject, edits: Edits, room: int | None) -> Result:
    return checker.check_world(_world(subject, edits), Limits(None, room, subject.timeout)).result


def _world(subject: Subject, edits: Edits) -> World:
    world = checker.build_world(subject.scenario, subject.variant, subject.settings)
    world.edits = edits
    return world


def _breaks_a_rule(result: Result) -> bool:
    return result.violation is not None and result.violation.kind != "unreachable"


def _judged(result: Result) -> Trial:
    if result.verdict == "incomplete":
        # A function is compiled once for each of its callers, and so is the bound in it.
        bounds = dict.fromkeys(f"{b.kind}: {b.message} in {b.function}" for b in result.bounds)
        return Trial("incomplete", "; ".join(bounds) or result.reason, result)
    if _breaks_a_rule(result):
        return Trial("needed", "", result)
    # What the scenario wants to see happen may be the effect of what was removed.
    lost = (
        f"no rule is broken, but this never happens: {result.violation.message}" if result.violation else ""
    )
    return Trial("redundant", lost, result)


def settle(
    subject: Subject, removals: Sequence[Removal], *, jobs: int | None = None, fresh: bool = False
) -> Iterator[tuple[int, Trial]]:
    """Yield (index, trial) for each removal, as they are settled; those that are known come first.

    `jobs` processes work at a time (default: one for each core). `fresh` reuses nothing.
    KeyboardInterrupt in it, or leaving it early, ends them.
    """
    todo: dict[int, Path | None] = {}
    base = None if kept.directory() is None else _digest(subject)
    for i, removal in enumerate(removals):
        path = _place(base, removal)
        known = known_before(removal) or (None if fresh else kept.load(path, Trial))
        if known is not None:
            yield i, known
        else:
            todo[i] = path
    jobs = min(jobs or cores(), max(1, len(todo) // WORTH_A_PROCESS))
    done = _here(subject, removals, todo) if jobs == 1 else _apart(subject, removals, todo, jobs)
    for i, trial in done:
        if trial.answer != "incomplete":
            kept.save(todo[i], trial)
        yield i, trial


def _here(
    subject: Subject, removals: Sequence[Removal], todo: Mapping[int, Path | None]
) -> Iterator[tuple[int, Trial]]:
    for i in todo:
        trial = attempt(subject, removals[i])
        if trial.result is not None and trial.result.reason == "interrupt":
            raise KeyboardInterrupt
        yield i, trial


def _apart(
    subject: Subject, removals: Sequence[Removal], todo: Mapping[int, Path | None], jobs: int
) -> Iterator[tuple[int, Trial]]:
    room = available() // (jobs + 1)
    with processes(
        jobs, _prepare, subject.target, subject.variant, dict(subject.settings), subject.timeout
    ) as pool:
        waiting = {pool.submit(_attempt_there, removals[i], room): i for i in todo}
        for future in as_completed(waiting):
            yield waiting[future], future.result()


_subject: list[Subject] = []
"""In a process that only tries: what it tries it on."""


def _prepare(target: str, variant: str, settings: dict[str, Value], timeout: float | None) -> None:
    from lastput.target import find as scenario_of

    _subject[:] = [Subject(target, scenario_of(target), variant, settings, timeout)]


def _attempt_there(removal: Removal, room: int) -> Trial:
    return attempt(_subject[0], removal, room)


def _digest(subject: Subject) -> str:
    """Digest of all that a trial depends on but for what is removed."""
    scenario = subject.scenario
    values = scenario.configure(subject.variant, subject.settings)
    return digest(scenario, subject.variant, values)


def _place(base: str | None, removal: Removal) -> Path | None:
    """Where the trial of `removal` is kept; None without a cache."""
    directory = kept.directory()
    if base is None or directory is None:
        return None
    text = json.dumps([base, asdict(removal)])
    return directory / f"{hashlib.sha256(text.encode()).hexdigest()}.trial"
