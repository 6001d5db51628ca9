"""What to hold, and until what: found from the schedule, checked by running the model with it.

The pairs expected here were chosen by hand for the lab's first captures (experiments m1, m2 and m4), and gave
the windows on real kernels, before there was a command to find them.
"""

from __future__ import annotations

import pytest

from lastput.confirm import window
from lastput.confirm.forced import Point, Race, Run, TellingProgram, followed, forced
from lastput.confirm.kernel import observable
from lastput.confirm.window import Window, conflicts, windows

from .conftest import Search


def found(search: Search, name: str, variant: str, version: str = "6.1") -> list[Window]:
    return list(windows(*search(name, variant), version))


def pair(one: Window) -> tuple[str, tuple[str, str], str, tuple[str, str]]:
    race = one.race
    return one.names[race.holder], race.hold, one.names[race.other], race.until


def test_a_callback_is_held_across_the_release(search: Search) -> None:
    (one,) = found(search, "kvm/age-vs-exit", "v4.12")
    assert pair(one) == (
        "kswapd", ("kvm_mmu_notifier_clear_flush_young", "enter"), "vmm", ("kvm_free_stage2_pgd", "return")
    )  # fmt: skip
    assert (one.conflict.cell, one.in_order) == ("kvm.arch.pgd", False)
    assert one.nearest == "kvm_age_gfn"


def test_the_release_is_held_until_a_page_was_aged(search: Search) -> None:
    first, second = found(search, "kvm/v7.3-age-vs-release", "v6.1-no-guard")
    assert pair(first) == (
        "vmm", ("kvm_pgtable_stage2_destroy", "enter"), "kswapd", ("kvm_age_gfn", "return")
    )  # fmt: skip
    assert (first.in_order, second.in_order) == (True, False)


def test_a_fault_is_held_between_lookup_and_lock(search: Search) -> None:
    (one,) = found(search, "kvm/v7.3-fault-vs-invalidate", "no-seq")
    holder, hold, other, until = pair(one)
    assert (holder, hold) == ("vcpu0", ("__gfn_to_pfn_memslot", "return"))
    assert (other, until) == ("balloon", ("kvm_mmu_notifier_invalidate_range_end", "return"))


def test_every_window_leads_to_the_violation_in_the_model(search: Search) -> None:
    world, violation = search("kvm/v7.3-age-vs-release", "v6.1-no-guard")
    for one in windows(world, violation, "6.12"):
        run = one.run
        assert run.fault is not None
        assert (run.fault.kind, run.fault.thread) == (violation.kind, violation.thread)
        held = run.told[run.held]
        assert isinstance(held, Point)
        assert (held.thread, held.place) == (one.race.holder, one.race.hold)
        frozen = run.told[run.held + 1 : run.met] if run.met >= 0 else run.told[run.held + 1 :]
        assert all(told.thread != one.race.holder for told in frozen)


def test_a_hold_that_is_too_early_leads_nowhere(search: Search) -> None:
    """Held where the fault begins, the vcpu looks the page up after the invalidation: no violation."""
    world, violation = search("kvm/v7.3-fault-vs-invalidate", "no-seq")
    early = Race(
        0, ("kvm_handle_guest_abort", "enter"), 1, 1, ("kvm_mmu_notifier_invalidate_range_end", "return")
    )
    run = forced(TellingProgram(world, observable("6.1")), violation.schedule, early, None, "")
    assert run.held >= 0
    assert run.met > run.held
    assert run.fault is None


def test_a_hold_under_a_lock_that_the_other_needs_does_not_meet(search: Search) -> None:
    """kvm_age_gfn is entered with mmu_lock held: the release cannot come before it is left."""
    world, violation = search("kvm/v7.3-age-vs-release", "v6.1-no-guard")
    names = {task.name: task.index for task in violation.tasks}
    locked = Race(
        names["kswapd"], ("kvm_age_gfn", "enter"), 1, names["vmm"], ("kvm_free_stage2_pgd", "return")
    )
    run = forced(TellingProgram(world, observable("6.1")), violation.schedule, locked, 0, "")
    assert run.held >= 0
    assert run.met == -1
    assert run.fault is None


def test_a_hold_that_is_never_reached_ends(search: Search) -> None:
    world, violation = search("kvm/v7.3-fault-vs-invalidate", "no-seq")
    never = Race(0, ("exit_mmap", "enter"), 1, 1, ("kvm_unmap_gfn_range", "enter"))
    for lead in (None, 0):
        run = forced(TellingProgram(world, observable("6.1")), violation.schedule, never, lead, "")
        assert run.held == -1


def test_points_are_those_of_the_schedule(search: Search) -> None:
    world, violation = search("kvm/age-vs-exit", "v4.12")
    points = followed(TellingProgram(world, observable("6.1")), violation.schedule)
    told = [(one.function, one.at) for one in points]
    assert told.index(("exit_mmap", "enter")) < told.index(("kvm_mmu_notifier_release", "enter"))
    assert told.index(("kvm_mmu_notifier_release", "enter")) < told.index(("kvm_free_stage2_pgd", "enter"))
    assert ("kvm_free_stage2_pgd", "return") not in told  # vmm stands in it when kswapd crashes
    step = next(one.step for one in points if one.function == "kvm_free_stage2_pgd")
    stack = [frame.function for frame in violation.steps[step].frames]
    assert "kvm_free_stage2_pgd" in stack
    assert "kvm_free_stage2_pgd" not in [frame.function for frame in violation.steps[step - 1].frames]


def test_a_conflict_is_a_write_and_a_later_read(search: Search) -> None:
    _, violation = search("kvm/age-vs-exit", "v4.12")
    first = conflicts(violation)[0]
    written, read = violation.steps[first.write - 1], violation.steps[first.read - 1]
    assert written.thread != read.thread == violation.thread
    assert ("store", first.cell) in [(access.kind, access.place) for access in written.accesses]
    assert ("load", first.cell, "NULL") in [(a.kind, a.place, a.value) for a in read.accesses]


def test_what_no_kernel_can_trace_has_no_window(search: Search) -> None:
    assert found(search, "users/hmm", "v5.2") == []


def test_a_run_counts_only_if_it_ends_the_same(search: Search) -> None:
    _, violation = search("kvm/age-vs-exit", "v4.12")
    assert not window._same(Run([], None, 0, 0), violation)


@pytest.mark.parametrize("version", ["6.1", "6.12"])
def test_points_are_of_functions_that_experiments_are_about(version: str) -> None:
    names = {name for name, _ in observable(version)}
    assert "kvm_pgtable_walk" not in names  # anybody's
    assert {"kvm_free_stage2_pgd", "kvm_age_gfn", "kvm_handle_guest_abort"} <= names
