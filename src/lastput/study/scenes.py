"""Pictures for experiments: the scene of each witness, made by replaying it; kept beside the results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import as_completed
from dataclasses import replace
from pathlib import Path

from lastput import kept
from lastput.result import Scene, Violation
from lastput.study.experiment import Run
from lastput.study.pool import cores, processes
from lastput.study.registry import SCENARIOS
from lastput.study.settle import Settled, place

WORTH_A_PROCESS = 4
"""A further process begins to pay with so many replays."""


def witnesses(settled: Sequence[Settled]) -> list[Settled]:
    """Those that have something to be drawn, the same experiment once."""
    return list({one.run.words: one for one in settled if _steps(one)}.values())


def pictured(settled: Sequence[Settled], *, jobs: int | None = None) -> Iterator[Settled]:
    """Yield `witnesses(settled)` with their scenes; those that are known come first.

    `jobs` processes work at a time (default: one for each core). KeyboardInterrupt in it ends them.
    """
    todo: list[tuple[Settled, Path | None]] = []
    for one in witnesses(settled):
        path = _place(one.run)
        known = kept.load(path, Scene)
        if known is None:
            todo.append((one, path))
        else:
            yield _with(one, known)
    jobs = min(jobs or cores(), max(1, len(todo) // WORTH_A_PROCESS))
    for one, path, scene in _here(todo) if jobs == 1 else _apart(todo, jobs):
        kept.save(path, scene)
        yield _with(one, scene)


Work = Sequence[tuple[Settled, Path | None]]
Done = Iterator[tuple[Settled, Path | None, Scene]]


def _here(todo: Work) -> Done:
    for one, path in todo:
        yield one, path, _scene(one.run, _violation(one))


def _apart(todo: Work, jobs: int) -> Done:
    with processes(jobs) as pool:
        waiting = {pool.submit(_scene, one.run, _violation(one)): (one, path) for one, path in todo}
        for future in as_completed(waiting):
            yield *waiting[future], future.result()


def _scene(run: Run, violation: Violation) -> Scene:
    from lastput.checker import build_world
    from lastput.evidence.scene import scene

    return scene(build_world(SCENARIOS[run.scenario], run.variant, run.settings), violation.schedule)


def _steps(one: Settled) -> bool:
    return one.result.violation is not None and bool(one.result.violation.steps)


def _violation(one: Settled) -> Violation:
    assert one.result.violation is not None
    return one.result.violation


def _with(one: Settled, scene: Scene) -> Settled:
    return replace(one, result=replace(one.result, violation=replace(_violation(one), scene=scene)))


def _place(run: Run) -> Path | None:
    found = place(run)
    return found.with_suffix(".scene") if found else None
