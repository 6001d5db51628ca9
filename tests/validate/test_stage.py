"""Every call of a script, against what real kernels were recorded to enter for it, and in which order.

The lists of functions are typed from function traces of Linux 6.1.192 and 6.12.117 of Debian (arm64, one
trace for each list, named behind it), without functions that are not in the vocabulary.
"""

from __future__ import annotations

from typing import Any

import pytest

from lastput.lang import UsageError
from lastput.validate.scene import Act
from lastput.validate.script import CALLS, Call, Role, Stage
from lastput.validate.sizes import sizes
from lastput.validate.stage import build
from tests.validate.playing import Play, calls, played, role

NEW = "create_vm; set_memory 4; create_vcpu 0; mmap_run 0"
RELEASE = ["__mmu_notifier_release", "kvm_mmu_notifier_release", "kvm_arch_flush_shadow_all"]
DESTROY_STAGE2 = ["kvm_free_stage2_pgd", "kvm_pgtable_stage2_destroy"]
GRACE_PERIOD = ["synchronize_srcu", "__synchronize_srcu"]
TEARDOWN = [
    *("unmap_vmas", "__mmu_notifier_invalidate_range_start", "__mmu_notifier_invalidate_range_end"),
    *("free_pgtables", "tlb_finish_mmu"),
]
DESTROY_VM = [
    *("kvm_destroy_vm", "kvm_destroy_vm_debugfs", "kvm_arch_pre_destroy_vm", "kvm_free_irq_routing"),
    *("mmu_notifier_unregister", "synchronize_srcu", "__synchronize_srcu"),
    *("kvm_arch_destroy_vm", "kvm_vgic_destroy", "kvm_destroy_vcpus", "kvm_arch_vcpu_destroy"),
    "kvm_free_memslots",
]
EXIT_FILES = ["sched_process_exit", "exit_files", "put_files_struct", "task_work_run"]
EXIT_MM = ["do_exit", "mmput", "exit_mmap", *RELEASE, *DESTROY_STAGE2, *GRACE_PERIOD, *TEARDOWN]
LAST_FILE = ["____fput", "__fput"]


def stage(*roles: Role, version: Any = "6.1", **rest: Any) -> Stage:
    """A stage of 4 pages and a vcpu."""
    return Stage(version, list(roles), pages=4, vcpus=1, **rest)


def there(*roles: Role, version: Any = "6.1", **rest: Any) -> Stage:
    """The same with a VM that exists, all of its pages in stage 2 and young, and files in the first table."""
    roles[0].table = 0
    rest = {"mapped": dict.fromkeys(range(4), True), "files": {0: (0, 1)}, **rest}
    return stage(*roles, version=version, created=True, **rest)


# -- one call ----------------------------------------------------------------------------------


def test_a_vm_is_made() -> None:
    with played(stage(role("vmm", NEW + "; vm_ioctl; vcpu_ioctl 0"))) as play:
        assert play.makes("vmm") == [  # a1-func
            *("kvm_dev_ioctl", "kvm_init_stage2_mmu", "mmu_notifier_register", "__mmu_notifier_register"),
        ]
        assert play.makes("vmm") == [  # a1-func
            *("kvm_vm_ioctl", "__kvm_set_memory_region", "kvm_set_memslot"),
            *("kvm_arch_prepare_memory_region", "synchronize_srcu_expedited", "__synchronize_srcu"),
            "kvm_arch_commit_memory_region",
        ]
        assert play.makes("vmm") == ["kvm_vm_ioctl"]
        assert play.makes("vmm") == []
        assert play.makes("vmm", 2) == ["kvm_vm_ioctl", "kvm_vcpu_ioctl"]
        vm, mm = play.object("kvm"), play.object("mm")
        assert play.look(lambda: vm.users_count.counter) == 2
        assert play.look(lambda: mm.mm_count.counter) == 3
        assert play.look(lambda: vm.memslots.slot[0].npages) == 4
        assert play.look(lambda: mm.kvm_run[0].vm_file.f_count.counter) == 2


def test_a_vm_is_made_in_6_12() -> None:
    with played(stage(role("vmm", NEW), version="6.12")) as play:
        play.makes("vmm")
        assert play.makes("vmm") == [  # 6.12, a1-func
            *("kvm_vm_ioctl", "kvm_set_memory_region", "kvm_set_memslot"),
            *("kvm_arch_prepare_memory_region", "synchronize_srcu_expedited", "__synchronize_srcu"),
            "kvm_arch_commit_memory_region",
        ]


def test_the_guest_faults_and_accesses_a_device() -> None:
    with played(stage(role("vmm", NEW + "; run 0; touch 1 1; mmio; end_run"))) as play:
        play.makes("vmm", 4)
        assert play.makes("vmm") == ["kvm_vcpu_ioctl", "kvm_arch_vcpu_ioctl_run"]
        assert play.makes("vmm") == [  # a1-func
            *("kvm_handle_guest_abort", "__gfn_to_pfn_memslot", "hva_to_pfn", "kvm_pgtable_stage2_map"),
        ]
        assert play.makes("vmm") == ["kvm_handle_guest_abort", "io_mem_abort"]  # a1-func
        mm, vcpu_file = play.object("mm"), play.object("file#1")
        assert play.look(lambda: mm.pte[1].page.secondary) == 1
        assert play.look(lambda: vcpu_file.f_count.counter) == 3  # descriptor, kvm_run, KVM_RUN
        play.end("vmm")
        assert play.look(lambda: vcpu_file.f_count.counter) == 2


def test_an_access_that_does_not_fault_is_no_touch() -> None:
    with played(there(role("vmm", "run 0; touch 1 1"), role("ager", "age 1 2", mm=False))) as play:
        vmm = play.thread("vmm")
        while play.enabled(vmm.spec.index):
            play.one_step(vmm)
        assert not vmm.done  # page 1 is mapped, and young
        play.makes("ager")
        assert play.end("vmm") == ["kvm_handle_guest_abort", "kvm_pgtable_stage2_mkyoung"]


def test_a_recording_may_begin_inside_of_kvm_run() -> None:
    inside = role("vcpu0", "touch 1 1; cow 4; touch 1 1; end_run; exit")
    inside.running = 0
    with played(there(inside, mapped={})) as play:
        vcpu_file = play.object("vcpu0_file")
        held = play.look(lambda: vcpu_file.f_count.counter)
        assert play.makes("vcpu0")[0] == "kvm_handle_guest_abort"
        assert play.makes("vcpu0")[0] == "wp_page_copy"  # rseq, on the way into the guest
        assert play.look(lambda: vcpu_file.f_count.counter) == held


def test_ageing_and_the_access_fault_after_it() -> None:
    ager = role("ager", "age 1 2; test_young 1; age 1 2; clear_young 4 4", mm=False)
    with played(there(role("vmm", "run 0; touch 1 1"), ager)) as play:
        pte = play.look(lambda: play.object("pgd").pte[0].table.pte[1])
        assert play.makes("ager") == [  # c2
            *("__mmu_notifier_clear_flush_young", "kvm_mmu_notifier_clear_flush_young"),
            *("kvm_age_gfn", "kvm_pgtable_stage2_mkold"),
        ]
        assert play.look(lambda: pte.young) is False
        assert play.makes("ager") == [  # c5
            *("__mmu_notifier_test_young", "kvm_mmu_notifier_test_young"),
            *("kvm_test_age_gfn", "kvm_pgtable_stage2_is_young"),
        ]
        assert play.makes("vmm", 2)[2:] == ["kvm_handle_guest_abort", "kvm_pgtable_stage2_mkyoung"]  # c2
        assert play.look(lambda: pte.young) is True
        play.makes("ager")
        assert play.makes("ager") == ["__mmu_notifier_clear_young", "kvm_mmu_notifier_clear_young"]


def test_damon_ages_two_pages_in_6_12() -> None:
    damon = role("kdamond", "mmget; walk_age 1 3; walk_test 1; mmput", mm=False, kthread=True)
    with played(there(role("vmm", ""), damon, version="6.12")) as play:
        assert play.makes("kdamond", 2) == [  # 6.12, c6
            *("__mmu_notifier_clear_young", "kvm_mmu_notifier_clear_young"),
            *("kvm_age_gfn", "kvm_pgtable_stage2_test_clear_young"),
        ]
        table = play.look(lambda: play.object("pgd").pte[0].table)
        assert play.look(lambda: [table.pte[i].young for i in range(4)]) == [True, False, False, True]
        assert play.end("kdamond") == [
            *("__mmu_notifier_test_young", "kvm_mmu_notifier_test_young"),
            *("kvm_test_age_gfn", "kvm_pgtable_stage2_test_clear_young", "mmput"),
        ]


def test_madvise_dontneed() -> None:
    with played(there(role("vmm", "dontneed 1 3; dontneed 4 4"))) as play:
        assert play.makes("vmm") == [  # d1
            "zap_page_range_single",
            *("__mmu_notifier_invalidate_range_start", "kvm_mmu_notifier_invalidate_range_start"),
            *("kvm_unmap_gfn_range", "__unmap_stage2_range", "kvm_pgtable_stage2_unmap"),
            *("__mmu_notifier_invalidate_range_end", "kvm_mmu_notifier_invalidate_range_end"),
            "tlb_finish_mmu",
        ]
        mm, vm = play.object("mm"), play.object("kvm")
        assert play.look(lambda: [bool(mm.pte[i].page) for i in range(4)]) == [True, False, False, True]
        assert play.look(lambda: (vm.mmu_invalidate_seq, vm.mmu_invalidate_in_progress)) == (1, 0)
        assert "kvm_unmap_gfn_range" not in play.makes("vmm")
        assert play.look(lambda: vm.mmu_invalidate_seq) == 1


def test_madvise_dontneed_in_6_12() -> None:
    with played(there(role("vmm", "dontneed 1 3"), version="6.12")) as play:
        assert play.makes("vmm") == [  # 6.12, d1
            "zap_page_range_single",
            *("__mmu_notifier_invalidate_range_start", "kvm_mmu_notifier_invalidate_range_start"),
            *("kvm_mmu_invalidate_range_add", "kvm_unmap_gfn_range"),
            *("__unmap_stage2_range", "kvm_pgtable_stage2_unmap", "kvm_nested_s2_unmap"),
            *("__mmu_notifier_invalidate_range_end", "kvm_mmu_notifier_invalidate_range_end"),
            *("kvm_mmu_invalidate_end", "tlb_finish_mmu"),
        ]


def test_the_guest_writes_after_a_fork() -> None:
    """The page is copied; stage 2 has the copy at once, read-only; the guest faults again."""
    with played(there(role("vmm", "invalidate 0 2; run 0; touch 0 0; touch 1 1; touch 1 1"))) as play:
        play.copies = True
        play.makes("vmm", 3)
        assert play.makes("vmm", 2) == [  # d4
            *("kvm_handle_guest_abort", "__gfn_to_pfn_memslot", "hva_to_pfn", "wp_page_copy"),
            *("__mmu_notifier_invalidate_range_start", "kvm_mmu_notifier_invalidate_range_start"),
            *("kvm_unmap_gfn_range", "__unmap_stage2_range", "kvm_pgtable_stage2_unmap"),
            *("__mmu_notifier_change_pte", "kvm_mmu_notifier_change_pte"),
            *("kvm_set_spte_gfn", "kvm_pgtable_stage2_map"),
            *("__mmu_notifier_invalidate_range_end", "kvm_mmu_notifier_invalidate_range_end"),
            *("kvm_handle_guest_abort", "__gfn_to_pfn_memslot", "hva_to_pfn"),
            "kvm_pgtable_stage2_relax_perms",
        ]
        pte = play.look(lambda: play.object("pgd").pte[0].table.pte[1])
        assert play.look(lambda: pte.writable) is True
        assert play.look(lambda: pte.page == play.object("mm").pte[1].page) is True


def test_a_page_comes_back_from_swap() -> None:
    """Others use it, too, the swap cache at least: it is read-only, and copied in the same fault."""
    reclaim = role("reclaim", "rmap_invalidate 1 3", mm=False)
    with played(there(role("vmm", "run 0; touch 1 1; touch 2 0"), reclaim)) as play:
        play.copies = True
        play.end("reclaim")
        play.makes("vmm")
        assert play.makes("vmm") == [  # c3, line 6101
            *("kvm_handle_guest_abort", "__gfn_to_pfn_memslot", "hva_to_pfn", "wp_page_copy"),
            *("__mmu_notifier_invalidate_range_start", "kvm_mmu_notifier_invalidate_range_start"),
            *("kvm_unmap_gfn_range", "__unmap_stage2_range", "kvm_pgtable_stage2_unmap"),
            *("__mmu_notifier_change_pte", "kvm_mmu_notifier_change_pte"),
            *("kvm_set_spte_gfn", "kvm_pgtable_stage2_map"),
            *("__mmu_notifier_invalidate_range_end", "kvm_mmu_notifier_invalidate_range_end"),
        ]
        play.makes("vmm")
        assert play.look(lambda: play.object("pgd").pte[0].table.pte[2].writable) is False


def test_the_owner_may_not_access_the_page_either() -> None:
    with played(there(role("vmm", "munmap 1 2; invalidate 2 3; run 0; touch 1 1; touch 2 1"))) as play:
        play.makes("vmm", 3)
        play.fails = True
        assert play.makes("vmm") == ["kvm_handle_guest_abort"]  # d2, after munmap
        assert play.makes("vmm") == [  # d2, after mprotect
            *("kvm_handle_guest_abort", "__gfn_to_pfn_memslot", "hva_to_pfn"),
        ]
        assert play.look(lambda: bool(play.object("mm").pte[1].page)) is False


def test_a_huge_page_is_split_inside_of_an_invalidation() -> None:
    with played(there(role("vmm", "split 1 2 0 4"))) as play:
        start = ["__mmu_notifier_invalidate_range_start", "kvm_mmu_notifier_invalidate_range_start"]
        end = ["__mmu_notifier_invalidate_range_end", "kvm_mmu_notifier_invalidate_range_end"]
        unmap = ["kvm_unmap_gfn_range", "__unmap_stage2_range", "kvm_pgtable_stage2_unmap"]
        assert play.makes("vmm") == [  # d5
            *("zap_page_range_single", *start, *unmap, *start, *unmap, *end, *end, "tlb_finish_mmu"),
        ]
        assert play.look(lambda: play.object("kvm").mmu_invalidate_seq) == 2


def test_dirty_pages_are_logged() -> None:
    with played(
        there(role("vmm", "log_dirty 4; run 0; touch 1 1; end_run; get_dirty; run 0; touch 1 1"))
    ) as play:
        play.makes("vmm", 2)
        fault = ["kvm_handle_guest_abort", "__gfn_to_pfn_memslot", "hva_to_pfn"]
        assert play.makes("vmm") == [*fault, "kvm_pgtable_stage2_relax_perms"]  # d6
        play.makes("vmm", 3)
        assert play.makes("vmm") == [*fault, "kvm_pgtable_stage2_relax_perms"]  # d6


def test_a_copy_on_write_outside_of_the_guest() -> None:
    with played(there(role("vmm", "cow 4"))) as play:
        assert play.makes("vmm") == [  # a1-func
            "wp_page_copy",
            *("__mmu_notifier_invalidate_range_start", "kvm_mmu_notifier_invalidate_range_start"),
            *("__mmu_notifier_change_pte", "kvm_mmu_notifier_change_pte"),
            *("__mmu_notifier_invalidate_range_end", "kvm_mmu_notifier_invalidate_range_end"),
        ]


def test_a_copy_is_given_up_if_the_entry_has_changed() -> None:
    """c3-lrugen (nvhe): its access flag is cleared by reclaim meanwhile; the next fault copies it."""
    begin = ["wp_page_copy", "__mmu_notifier_invalidate_range_start"]
    with played(there(role("vmm", "cow 4; cow 1; cow 1"))) as play:
        play.fails = True
        for _page in range(2):
            entered = play.makes("vmm")
            assert entered[:2] == begin
            assert "__mmu_notifier_change_pte" not in entered
            assert entered[-1] == "kvm_mmu_notifier_invalidate_range_end"
        play.fails = False
        assert "__mmu_notifier_change_pte" in play.makes("vmm")


def test_a_copy_is_given_up_if_the_page_is_gone() -> None:
    reclaim = role("reclaim", "rmap_invalidate 1 2", mm=False)
    with played(there(role("vmm", "cow 1"), reclaim)) as play:
        play.until("vmm", "__mmu_notifier_invalidate_range_start")
        play.end("reclaim")
        assert "__mmu_notifier_change_pte" not in play.end("vmm")


def test_reclaim_leaves_a_page_that_was_copied_meanwhile() -> None:
    reclaim = role("reclaim", "rmap_invalidate 1 2", mm=False)
    with played(there(role("vmm", "cow 1"), reclaim)) as play:
        play.until("reclaim", "kvm_pgtable_stage2_unmap")
        while play.look(lambda: play.object("kvm").mmu_lock.writer):
            play.one_step(play.thread("reclaim"))
        play.until("vmm", "__mmu_notifier_invalidate_range_end")
        play.end("reclaim")
        play.end("vmm")
        assert play.look(lambda: bool(play.object("mm").pte[1].page))


def test_ksm_makes_a_page_read_only() -> None:
    ksmd = role("ksmd", "change_pte 1", mm=False, kthread=True)
    with played(there(role("vmm", ""), ksmd)) as play:
        assert play.makes("ksmd") == [  # d3, write_protect_page
            *("__mmu_notifier_invalidate_range_start", "kvm_mmu_notifier_invalidate_range_start"),
            *("kvm_unmap_gfn_range", "__unmap_stage2_range", "kvm_pgtable_stage2_unmap"),
            *("__mmu_notifier_change_pte", "kvm_mmu_notifier_change_pte"),
            *("kvm_set_spte_gfn", "kvm_pgtable_stage2_map"),
            *("__mmu_notifier_invalidate_range_end", "kvm_mmu_notifier_invalidate_range_end"),
        ]
        pte = play.look(lambda: play.object("pgd").pte[0].table.pte[1])
        assert play.look(lambda: (bool(pte.page), pte.writable)) == (True, False)


def test_reclaim_and_the_oom_reaper_unmap() -> None:
    reaper = role("reaper", "rmap_invalidate 0 1; reap 1 4", mm=False)
    with played(there(role("vmm", ""), reaper)) as play:
        assert play.makes("reaper") == [  # c3, try_to_unmap_one
            *("__mmu_notifier_invalidate_range_start", "kvm_mmu_notifier_invalidate_range_start"),
            *("kvm_unmap_gfn_range", "__unmap_stage2_range", "kvm_pgtable_stage2_unmap"),
            *("__mmu_notifier_invalidate_range_end", "kvm_mmu_notifier_invalidate_range_end"),
        ]
        assert play.makes("reaper")[-1] == "tlb_finish_mmu"  # b6
        mm = play.object("mm")
        assert not any(play.look(lambda: [bool(mm.pte[i].page) for i in range(4)]))
        assert play.look(lambda: bool(play.object("pgd").pte[0].table)) is False  # an empty table goes


def test_a_slot_is_deleted() -> None:
    with played(there(role("vmm", "set_memory 0; run 0; touch 1 1"))) as play:
        assert play.makes("vmm") == [  # d6
            *("kvm_vm_ioctl", "__kvm_set_memory_region", "kvm_set_memslot"),
            *("synchronize_srcu_expedited", "__synchronize_srcu"),
            *("kvm_arch_flush_shadow_memslot", "__unmap_stage2_range", "kvm_pgtable_stage2_unmap"),
            *("kvm_arch_prepare_memory_region", "synchronize_srcu_expedited", "__synchronize_srcu"),
            "kvm_arch_commit_memory_region",
        ]
        assert play.makes("vmm", 2)[2:] == ["kvm_handle_guest_abort", "io_mem_abort"]


# -- the end -----------------------------------------------------------------------------------


def test_a_process_exits() -> None:
    with played(stage(role("vmm", NEW + "; run 0; touch 1 1; mmio; end_run; exit"))) as play:
        play.makes("vmm", 8)
        assert play.end("vmm") == [  # a1-func
            *(*EXIT_MM, *EXIT_FILES),
            *(*LAST_FILE, "kvm_vcpu_release", *LAST_FILE, "kvm_vm_release", *DESTROY_VM),
        ]
        assert not play.memory.leaked()


def test_a_process_exits_in_6_12() -> None:
    free = DESTROY_STAGE2
    with played(stage(role("vmm", NEW + "; run 0; touch 1 1; end_run; exit"), version="6.12")) as play:
        play.makes("vmm", 7)
        assert play.end("vmm") == [  # 6.12, a1-func
            *("do_exit", "mmput", "exit_mmap", *RELEASE, "kvm_uninit_stage2_mmu", *free, *GRACE_PERIOD),
            *(*TEARDOWN, *EXIT_FILES),
            *(*LAST_FILE, "kvm_vcpu_release", *LAST_FILE, "kvm_vm_release"),
            *(*DESTROY_VM, "kvm_disable_virtualization"),
        ]
        assert not play.memory.leaked()


def closing(play: Play) -> list[list[str]]:
    """What each of the calls of `test_everything_is_closed` enters."""
    return [play.makes("vmm") for _call in range(4)] + [play.end("vmm")]


def test_everything_is_closed_first() -> None:
    script = "munmap_run 0; close 1; close 0; munmap 0 4; exit"
    with played(there(role("vmm", script), kvm_run=(0,))) as play:
        unmapped, vcpu, vm, memory, end = closing(play)
        assert unmapped == [  # a2-func
            *("unmap_vmas", "__mmu_notifier_invalidate_range_start"),
            *("kvm_mmu_notifier_invalidate_range_start", "__mmu_notifier_invalidate_range_end"),
            *("kvm_mmu_notifier_invalidate_range_end", "free_pgtables", "tlb_finish_mmu"),
        ]
        # The release is on the way to user space: where the next call begins.
        assert vcpu == []
        assert vm == ["task_work_run", *LAST_FILE, "kvm_vcpu_release"]  # a2-func
        assert (
            memory
            == [  # a2-func: nobody is left to be told
                *("task_work_run", *LAST_FILE, "kvm_vm_release"),
                *(*DESTROY_VM[:5], *RELEASE[1:], *DESTROY_STAGE2, *DESTROY_VM[5:]),
                *TEARDOWN,
            ]
        )
        assert end == [  # a2-func
            *("do_exit", "mmput", "exit_mmap", "__mmu_notifier_release", *TEARDOWN),
            *EXIT_FILES,
        ]
        assert not play.memory.leaked()


def test_everything_is_closed_first_in_6_12() -> None:
    script = "munmap_run 0; close 1; close 0; munmap 0 4; exit"
    with played(there(role("vmm", script), kvm_run=(0,), version="6.12")) as play:
        _, vcpu, vm, _, _ = closing(play)
        assert vcpu == ["__fput_sync", "__fput", "kvm_vcpu_release"]  # 6.12, a2-func
        assert (
            vm
            == [  # 6.12, a2-func
                *("__fput_sync", "__fput", "kvm_vm_release", *DESTROY_VM[:5]),
                *(*RELEASE[1:], "kvm_uninit_stage2_mmu", *DESTROY_STAGE2, *DESTROY_VM[5:]),
                "kvm_disable_virtualization",
            ]
        )


@pytest.mark.parametrize("closes", [True, False])
def test_exec(closes: bool) -> None:
    script = f"exec {int(closes)}; vm_ioctl; exit"
    with played(there(role("vmm", script))) as play:
        assert play.makes("vmm") == [  # a4-func, a5
            *("begin_new_exec", "do_close_on_exec", "mmput", "exit_mmap", *RELEASE, *DESTROY_STAGE2),
            *(*GRACE_PERIOD, *TEARDOWN),
        ]
        released = [*LAST_FILE, "kvm_vcpu_release", *LAST_FILE, "kvm_vm_release", *DESTROY_VM]
        # a4-func: released on the way to the new program; a5: -EIO for an ioctl, released at the end
        assert play.makes("vmm") == (["task_work_run", *released] if closes else ["kvm_vm_ioctl"])
        end = play.end("vmm")
        assert end[:5] == ["do_exit", "mmput", "exit_mmap", "unmap_vmas", "free_pgtables"]
        assert end[10:] == ([] if closes else released)
        assert not play.memory.leaked()


def test_a_killed_process_with_vcpus_in_the_guest() -> None:
    """a3: whoever of the threads is the last user lets go of memory, and whoever is the last of the files."""
    main = role("main", NEW + "; fork 1 1 1; exit")
    vcpu = role("vcpu0", "run 0; touch 1 1; end_run; exit", forked=True)
    with played(stage(main, vcpu)) as play:
        play.makes("main", 5)
        play.makes("vcpu0", 2)
        assert play.end("main") == [  # a3-func
            *("do_exit", "mmput", *EXIT_FILES),
        ]
        end = play.end("vcpu0")
        assert end[: len(EXIT_MM)] == EXIT_MM
        assert end[-len(DESTROY_VM) :] == DESTROY_VM
        assert not play.memory.leaked()


# -- files that outlive the address space -----------------------------------------------------


def test_a_child_keeps_the_files() -> None:
    owner = role("owner", NEW + "; fork 1 0 0; exit")
    child = role("child", "run 0; end_run; munmap_run 0; close 1; close 0; exit", forked=True)
    with played(stage(owner, child)) as play:
        play.makes("owner", 5)
        assert play.makes("child") == ["kvm_vcpu_ioctl"]  # b1: -EIO
        vm = play.object("kvm")
        assert play.look(lambda: play.object("mm").kvm_run[0].vm_file.f_count.counter) == 4
        assert play.end("owner")[-1] == "task_work_run"
        assert play.look(lambda: bool(vm.arch.arm64.mmu.pgt)) is False
        play.makes("child", 2)
        assert play.makes("child") == []
        assert play.makes("child") == ["task_work_run", *LAST_FILE, "kvm_vcpu_release"]  # b1
        assert play.end("child")[: 4 + len(DESTROY_VM)] == [  # b1
            *("task_work_run", *LAST_FILE, "kvm_vm_release", *DESTROY_VM),
        ]


def test_a_file_is_sent() -> None:
    owner = role("owner", "send 0; send 1; exit")
    receiver = role("receiver", "receive 0; vm_ioctl; drop_message; close 0; exit", mm=False)
    with played(there(owner, receiver)) as play:
        assert play.end("owner")[-1] == "task_work_run"
        assert play.makes("receiver", 2) == ["kvm_vm_ioctl"]  # b2: -EIO
        assert play.look(lambda: play.object("kvm").users_count.counter) == 2
        play.makes("receiver")
        assert play.makes("receiver") == ["task_work_run", *LAST_FILE, "kvm_vcpu_release"]  # b3
        assert play.end("receiver")[4 : 4 + len(DESTROY_VM)] == DESTROY_VM  # b2


def test_files_of_statistics_keep_the_vm() -> None:
    script = (
        "open_stats 0 0; open_stats 1 1; open_stats 2 2; close 0; close 1; close 3; close 2; close 4; exit"
    )
    with played(there(role("vmm", script), stats=3)) as play:
        assert play.makes("vmm", 3) == ["kvm_vm_ioctl", "kvm_vcpu_ioctl"]
        assert play.look(lambda: play.object("kvm").users_count.counter) == 5
        play.makes("vmm", 3)
        assert play.makes("vmm") == ["task_work_run", *LAST_FILE, "kvm_vcpu_stats_release"]  # b5
        assert play.makes("vmm") == ["task_work_run", *LAST_FILE, "kvm_vm_stats_release"]  # b5
        assert play.makes("vmm")[:3] == ["task_work_run", *LAST_FILE]
        assert play.entered[-1] != ("vmm", "kvm_put_kvm")


def test_the_last_mapping_of_kvm_run() -> None:
    with played(there(role("vmm", "close 0; close 1; munmap_run 0; exit"), kvm_run=(0,))) as play:
        play.makes("vmm", 2)
        play.makes("vmm")
        assert (
            play.end("vmm")[: 4 + len(DESTROY_VM) - 2]
            == [  # b7
                *("task_work_run", *LAST_FILE, "kvm_vcpu_release", *DESTROY_VM[:5]),
                *(*RELEASE[1:], *DESTROY_STAGE2, *DESTROY_VM[5:]),
            ][: 4 + len(DESTROY_VM) - 2]
        )


# -- strangers ---------------------------------------------------------------------------------


def test_a_stranger_is_the_last_user() -> None:
    """b9: who reads smaps of the dead lets go of memory, and of the VM, by way of kvm_run."""
    victim = role("victim", "close 0; close 1; exit")
    reader = role("smapsreader", "mmget; mmput; mmget; mmput; exit", mm=False)
    with played(there(victim, reader, kvm_run=(0,))) as play:
        play.makes("smapsreader")
        assert play.end("victim")[-5:] == ["mmput", *EXIT_FILES]
        assert play.makes("smapsreader") == EXIT_MM[1:]  # b9
        assert play.makes("smapsreader") == [  # b9, and there is nothing left to get
            *("task_work_run", *LAST_FILE, "kvm_vcpu_release", *DESTROY_VM),
        ]
        assert play.makes("smapsreader") == []


def test_a_kernel_thread_is_the_last_user() -> None:
    """m6: what DAMON puts last a worker releases."""
    victim = role("victim", "close 0; close 1; exit")
    damon = role("kdamond", "mmget; mmput", mm=False, kthread=True)
    worker = role("kworker", "delayed_fput", mm=False, kthread=True)
    with played(there(victim, damon, worker, kvm_run=(0,))) as play:
        play.makes("kdamond")
        play.end("victim")
        assert play.end("kdamond") == EXIT_MM[1:]
        assert play.end("kworker") == ["delayed_fput", "__fput", "kvm_vcpu_release", *DESTROY_VM]


def test_a_worker_comes_twice() -> None:
    """What is put when the worker has begun is for its next round; a round too many waits."""
    keeper, other = role("keeper", "close 0; exit", table=1), role("other", "close 1; exit", table=2)
    worker = role("kworker", "delayed_fput; delayed_fput; delayed_fput", mm=False, kthread=True)
    for one in (keeper, other):
        one.kthread, one.mm = True, False
    stage = there(role("victim", "exit", table=0), keeper, other, worker)
    stage.files = {1: (0,), 2: (1,)}
    with played(stage) as play:
        play.makes("keeper")
        assert play.makes("kworker") == ["delayed_fput", "__fput", "kvm_vm_release"]
        play.makes("other")
        again = play.makes("kworker")
        assert again[:4] == ["delayed_fput", "__fput", "kvm_vcpu_release", "kvm_destroy_vm"]
        waiting = play.thread("kworker")
        play.one_step(waiting)
        assert not play.enabled(waiting.spec.index)


def test_ageing_across_a_release() -> None:
    """m2: a callback that began before a release looks for stage 2 after it, and finds none."""
    ager = role("ager", "age 1 2", mm=False)
    with played(there(role("victim", "exit"), ager)) as play:
        play.until("ager", "kvm_mmu_notifier_clear_flush_young")
        play.until("victim", "synchronize_srcu")
        assert play.end("ager") == ["kvm_age_gfn"]
        assert play.end("victim")[-1] == "kvm_free_memslots"


def test_a_call_that_may_not_happen() -> None:
    with played(there(role("vmm", "close? 0; close? 1"))) as play:
        files = play.object("files0")
        play.makes("vmm", skip=True)
        play.makes("vmm")
        assert play.look(lambda: (bool(files.fd[0]), bool(files.fd[1]))) == (True, False)


# -- scripts -----------------------------------------------------------------------------------


def test_acts_are_the_calls() -> None:
    assert [act.name for act in Act] == list(CALLS)
    assert [act.value for act in Act] == list(range(len(CALLS)))


def test_a_call_that_is_none() -> None:
    with pytest.raises(ValueError, match="there is no call jump"):
        Call("jump")
    with pytest.raises(ValueError, match="touch takes"):
        Call("touch", (1,))


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (Stage("6.1", [Role("a")], pages=5000), "5000 pages of guest memory"),
        (Stage("6.1", [Role(f"t{i}") for i in range(64)]), "64 tasks: the model has room for 63"),
        (Stage("6.1", [role("a", "fork 7 0 0")]), "a: fork makes no role 7"),
        (Stage("6.1", [role("a", "touch 99999 1")]), "an argument is out of range"),
        (Stage("6.1", [Role("a")], created=True, files={3: (0,)}), "files are in table 3, which no role has"),
        (Stage("5.10", [Role("a")]), "version 5.10: use one of 6.1, 6.12"),  # type: ignore[arg-type]
        (Stage("6.1", [Role("a")], options={"gard": True}), "has no option gard"),
    ],
)
def test_what_is_too_large_or_wrong(wrong: Stage, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        build(wrong)


def test_the_model_is_as_large_as_the_stage() -> None:
    tasks = [role(f"t{i}", "touch 0 1") for i in range(5)]
    made = sizes(Stage("6.1", tasks, pages=600, vcpus=3, stats=2, hardware_af=True))
    assert {k: made[k] for k in ("pages", "vcpus", "ptrs_per_pte", "tops", "batch")} == {
        "pages": 600,
        "vcpus": 3,
        "ptrs_per_pte": 512,
        "tops": 2,
        "batch": 2,  # 512 pages for a table
    }
    assert {k: made[k] for k in ("tasks", "threads", "grace_periods", "nr_open")} == {
        "tasks": 5,
        "threads": 5,
        "grace_periods": 5,
        "nr_open": 6,
    }
    # A table counts itself and each of its entries.
    assert {k: made[k] for k in ("limit", "hardware_af")} == {"limit": 514, "hardware_af": True}


@pytest.mark.parametrize("hardware_af", [False, True])
def test_who_sets_access_flags(hardware_af: bool) -> None:
    """An access of an old page faults only if software has to set the flag."""
    script = "run 0; touch 1 1"
    with played(there(role("vmm", script), mapped={1: False}, hardware_af=hardware_af)) as play:
        play.makes("vmm")
        thread = play.thread("vmm")
        while thread.operation and thread.operation.kind != "await":
            play.one_step(thread)
        assert play.enabled(0) is not hardware_af


def test_scripts_are_read_as_written() -> None:
    assert calls("close? 1; touch 2 1") == [Call("close", (1,), True), Call("touch", (2, 1))]
