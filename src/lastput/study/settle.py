"""Run experiments, several at a time, and reuse the results of those that nothing has changed.

A result is kept under a digest of the model's source, of all of lastput that is no model, and of the
configuration: it is used again only where a new run would be the same run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, as_completed
from dataclasses import dataclass
from pathlib import Path

from lastput import kept
from lastput.result import Result
from lastput.study.experiment import Run, unexpected
from lastput.study.pool import cores, processes
from lastput.study.registry import SCENARIOS
from lastput.study.unchanged import digest

TIMEOUT = 600.0
"""Seconds of search after which an experiment is given up as incomplete."""


@dataclass(frozen=True)
class Settled:
    """An experiment that has been run. `wrong` says what is not as expected; empty if nothing."""

    run: Run
    result: Result
    reused: bool

    @property
    def wrong(self) -> str:
        return unexpected(self.run.expect, self.result)


def settle(runs: Sequence[Run], *, jobs: int | None = None, fresh: bool = False) -> Iterator[Settled]:
    """Yield every experiment of `runs` as it is settled; those whose results are known come first.

    `jobs` processes work at a time (default: one for each core). `fresh` reuses nothing. Leaving the
    iteration early, or an exception such as KeyboardInterrupt in it, ends the processes.
    """
    todo: dict[Path | None, list[Run]] = {}
    alone: list[Run] = []
    for run in runs:
        path = place(run)
        known = None if fresh else kept.load(path, Result)
        if known is not None:
            yield Settled(run, known, True)
        elif path is None:
            alone.append(run)
        else:
            todo.setdefault(path, []).append(run)
    groups: list[tuple[Path | None, list[Run]]] = [*todo.items(), *((None, [run]) for run in alone)]
    yield from _worked_off(groups, jobs or cores())


def _worked_off(groups: list[tuple[Path | None, list[Run]]], jobs: int) -> Iterator[Settled]:
    if not groups:
        return
    jobs = min(jobs, len(groups))
    with processes(jobs) as pool:
        waiting: dict[Future[Result], tuple[Path | None, list[Run]]] = {
            pool.submit(_check, same[0], jobs): (path, same) for path, same in groups
        }
        for future in as_completed(waiting):
            path, same = waiting[future]
            result = future.result()
            if result.verdict != "incomplete":
                kept.save(path, result)
            for run in same:
                yield Settled(run, result, False)


def _check(run: Run, jobs: int) -> Result:
    from lastput.checker import check
    from lastput.engine.memory import available

    room = available() // (jobs + 1)
    return check(
        SCENARIOS[run.scenario], run.variant, settings=run.settings, max_memory=room, timeout=TIMEOUT
    )


def place(run: Run) -> Path | None:
    """Where the result of `run` is kept; None without a cache."""
    base = kept.directory()
    if base is None:
        return None
    scenario = SCENARIOS[run.scenario]
    values = scenario.configure(run.variant, run.settings)
    return base / f"{digest(scenario, run.variant, values)}.result"
