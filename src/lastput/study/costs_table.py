"""What each design of notifier removal costs, path by path: `notifier/designs`, counted.

A path runs while whatever else the scenario has runs, too: so ageing is counted with the address space
alive, going and gone. The secondary MMU behind the notifier is the scenario's: a lock, a root, one level.
A page fault is no row: it does not enter the notifier core. Only D5's test is on its way, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from lastput.kernel.mmu_notifier import (
    mmu_notifier_clear_flush_young,
    mmu_notifier_invalidate_range_end,
    mmu_notifier_invalidate_range_start,
    mmu_notifier_release,
)
from lastput.lang.options import Value
from lastput.simulate.setup import build
from lastput.study.costs import Costs, costs_of
from lastput.study.notifier_designs import designs
from lastput.study.notifier_user import user_destroy
from lastput.study.pool import cores, processes


@dataclass(frozen=True)
class Path:
    """A function of a thread, in the scenario with some settings."""

    name: str
    thread: str
    function: Callable[..., Any]
    settings: tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Row:
    """One path under one design."""

    design: str
    path: Path
    costs: Costs


_AGED = (("removal", "exit"), ("age", True), ("invalidate", False))
_CLOSED = (("removal", "unregister"), ("age", True), ("invalidate", False))
_TRUNCATED = (("removal", "exit"), ("age", False), ("invalidate", True))

PATHS = (
    Path("aging", "kswapd", mmu_notifier_clear_flush_young, _AGED),
    Path("invalidation, start", "truncate", mmu_notifier_invalidate_range_start, _TRUNCATED),
    Path("invalidation, end", "truncate", mmu_notifier_invalidate_range_end, _TRUNCATED),
    Path("exit", "exit", mmu_notifier_release, _AGED),
    Path("unregister, after exit", "exit", user_destroy, _AGED),
    Path("unregister, before exit", "close", user_destroy, _CLOSED),
)

DESIGNS = tuple(designs.variants)


def rows(design: str) -> list[Row]:
    """The costs of every path under `design`. Seconds where they are not known from an earlier run."""
    found = {}
    for settings in dict.fromkeys(path.settings for path in PATHS):
        paths = [path for path in PATHS if path.settings == settings]
        world = build(designs, design, dict(settings))
        counted = costs_of(world, [(path.thread, path.function) for path in paths])
        found.update({path: Row(design, path, costs) for path, costs in zip(paths, counted, strict=True)})
    return [found[path] for path in PATHS]


def table(jobs: int | None = None) -> Iterator[Row]:
    """Every path under every design, as they are counted; `jobs` processes at a time (default: cores)."""
    with processes(jobs or cores()) as pool:
        for counted in pool.map(rows, DESIGNS):
            yield from counted
