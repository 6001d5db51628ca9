"""Parts of the models that no known bug lacks: each taken away is missed, or it is said why not.

What entries of the corpus and claims take away is theirs; these are the rest.
"""

from __future__ import annotations

import pytest

from lastput.checker import check
from lastput.study.experiment import Run, unexpected, violated
from lastput.study.registry import SCENARIOS

SLOTS = "kvm/memslot-vs-fault"
SCAN = "mm/scan-vs-exit"
PUT = "users/get-put"
EXEC = "kvm/exec"

RUNS = (
    # Memory slots. Without KVM_MEMSLOT_INVALID the array in force itself is changed, and freed.
    Run(SLOTS, "v4.12"),
    Run(SLOTS, "v4.12", {"move": True}),
    Run(
        SLOTS,
        "v4.12",
        {"slots_invalid": False, "vcpus": 1},
        violated("invalid-free", "__kvm_set_memory_region"),
    ),
    Run(SLOTS, "v4.12", {"slots_wait": False, "vcpus": 1}, violated("use-after-free", "first_memslot")),
    # Dirty pages.
    Run("kvm/dirty-log", "v4.12"),
    Run(
        "kvm/dirty-log",
        "unprotected",
        expect=violated("final", story=(("log", "kvm_vm_ioctl_get_dirty_log"),)),
    ),
    # Making a VM: before a3ca3bfd01b7 what arm had made was lost when the notifier was not registered.
    Run("kvm/create", "v4.12", expect=violated("leak")),
    Run("kvm/create", "a3ca3bfd01b7"),
    # The grace period at the end of __mmu_notifier_release is without use since release comes before
    # unhashing (3ad3d901bbcf): whoever finds the list empty finds every release done.
    Run("notifier/designs", "D0", {"property": "order", "invalidate": False, "release_waits": False}),
    # Designs and today's arm64 without the test.
    Run("kvm/designs", "D1", expect=violated("null-deref", "stage2_get_pmd")),
    Run("kvm/v7.3-age-vs-release", "no-age-guard", expect=violated("null-deref")),
    # exec lets go of the old memory as exit does, whatever comes first.
    Run(EXEC, "v4.12", expect=violated("null-deref", "stage2_get_pmd", story=(("vmm", "exec_mmap"),))),
    Run(EXEC, "7e5a672289c9", {"siblings": 1}),
    Run(EXEC, "7e5a672289c9", {"keep": True}),
    Run(EXEC, "7e5a672289c9", {"mm_first": False}),
    # Today's arm64 with more of everything.
    Run("kvm/v7.3-age-vs-release", "v7.3", {"zaps": 1}),
    Run("kvm/v7.3-age-vs-release", "v7.3", {"passes": 2}),
    # x86: a root that a vcpu uses is freed under it.
    Run(
        "x86/age-vs-exit",
        "v4.14",
        {"keep_used_roots": False, "vcpus": 1},
        violated("use-after-free", "mmu_free_roots"),
    ),
    # ksmd and khugepaged.
    Run(SCAN, "v4.12", {"exit_first": False}, violated("assertion", "follow_page_mask")),
    Run(SCAN, "v4.12", {"scanner": "khugepaged"}),
    Run(SCAN, "v4.12", {"visits": 2}),
    # A device that does more.
    Run("mm/reclaim", "369ea8242c0f", {"reads": True}),
    Run("mm/reclaim", "369ea8242c0f", {"touches": 2}),
    # One notifier for all devices of a process.
    Run(PUT, "v7.3"),
    Run(PUT, "v7.3", {"free_by_srcu": False}, violated("use-after-free", "invalidate_range_start")),
    Run(PUT, "v7.3", {"put_locked": False}, violated("warning", "mmu_notifier_put")),
    # The bound of commands is on large ranges only.
    Run("users/sva", "v6.5", {"size": 2}),
    Run("users/sva", "d5afb4b47e13", {"limit": 3}),
)
"""The rest."""


@pytest.mark.long
@pytest.mark.parametrize("run", RUNS, ids=[run.words.removeprefix("lastput check ") for run in RUNS])
def test_a_part_is_missed_or_not(run: Run) -> None:
    result = check(SCENARIOS[run.scenario], run.variant, settings=run.settings)
    assert unexpected(run.expect, result) == ""
