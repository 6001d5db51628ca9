"""What each design of notifier removal costs, path by path, counted.

A path runs while whatever else its scenario has runs, too: so ageing is counted with the address space
alive, going and gone. In `notifier/designs` the secondary MMU behind the notifier is a small one: a lock,
a root, one level. In `kvm/designs` it is KVM/arm's: there the tests of arch.pgd are counted with the rest.
A page fault does not enter the notifier core; it is counted in KVM, where D5's test is on its way.
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
from lastput.kvm.arm64.fault import kvm_handle_guest_abort
from lastput.lang.options import Value
from lastput.simulate.setup import build
from lastput.study.costs import Costs, costs_of
from lastput.study.notifier_user import user_destroy
from lastput.study.pool import cores, processes
from lastput.study.registry import SCENARIOS


@dataclass(frozen=True)
class Path:
    """A function of a thread, in a scenario with some settings."""

    name: str
    scenario: str
    thread: str
    function: Callable[..., Any]
    settings: tuple[tuple[str, Value], ...]


@dataclass(frozen=True)
class Row:
    """One path under one design."""

    design: str
    path: Path
    costs: Costs


CORE, KVM = "notifier/designs", "kvm/designs"

_AGED = (("removal", "exit"), ("age", True), ("invalidate", False))
_CLOSED = (("removal", "unregister"), ("age", True), ("invalidate", False))
_TRUNCATED = (("removal", "exit"), ("age", False), ("invalidate", True))
_KVM_AGED = (("vcpus", 0),)
_KVM_FAULTS = (("vcpus", 1), ("passes", 0))

PATHS = (
    Path("aging", CORE, "kswapd", mmu_notifier_clear_flush_young, _AGED),
    Path("invalidation, start", CORE, "truncate", mmu_notifier_invalidate_range_start, _TRUNCATED),
    Path("invalidation, end", CORE, "truncate", mmu_notifier_invalidate_range_end, _TRUNCATED),
    Path("exit", CORE, "exit", mmu_notifier_release, _AGED),
    Path("unregister, after exit", CORE, "exit", user_destroy, _AGED),
    Path("unregister, before exit", CORE, "close", user_destroy, _CLOSED),
    Path("KVM/arm: aging", KVM, "kswapd", mmu_notifier_clear_flush_young, _KVM_AGED),
    Path("KVM/arm: a fault", KVM, "vcpu0", kvm_handle_guest_abort, _KVM_FAULTS),
)


def rows(scenario: str, design: str) -> list[Row]:
    """The costs of `scenario`'s paths under `design`. Takes seconds, unless they are kept."""
    mine = [path for path in PATHS if path.scenario == scenario]
    found = {}
    for settings in dict.fromkeys(path.settings for path in mine):
        paths = [path for path in mine if path.settings == settings]
        world = build(SCENARIOS[scenario], design, dict(settings))
        counted = costs_of(world, [(path.thread, path.function) for path in paths])
        found.update({path: Row(design, path, costs) for path, costs in zip(paths, counted, strict=True)})
    return [found[path] for path in mine]


def table(jobs: int | None = None) -> Iterator[Row]:
    """Every path under every design, as they are counted; `jobs` processes at a time (default: cores)."""
    asked = [(scenario, design) for scenario in (CORE, KVM) for design in SCENARIOS[scenario].variants]
    with processes(jobs or cores()) as pool:
        # No pool.map: where a process is killed it cancels what the pool then fails to call failed.
        for counted in [pool.submit(rows, *pair) for pair in asked]:
            yield from counted.result()
