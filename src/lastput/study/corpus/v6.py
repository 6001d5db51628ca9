"""Bugs of KVM from Linux 5.9 on: stage 2 by way of kvm_pgtable, and the shared part's later protocols."""

from __future__ import annotations

from lastput.study.corpus.entry import Entry
from lastput.study.experiment import Run, violated

UNMAP = "kvm/v6-unmap-vs-release"
FAULT = "kvm/v7.3-fault-vs-invalidate"
TABLE = "kvm/v6-table-vs-walk"
AREA = "kvm/v6-vma-vs-fault"

ENTRIES = (
    Entry(
        number=14,
        commit="-",
        subject="stage2_apply_range complains of a stage 2 that a release took away in its lock break",
        symptom="WARNING in __unmap_stage2_range, a panic with panic_on_warn",
        interleaving="An unmap of two parts drops mmu_lock between them; a release sets mmu.pgt to NULL; the "
        "unmap finds no stage 2, returns -EINVAL, and its caller warns.",
        read="Linux 6.1.192, 6.12.117 and 7.3-rc7, arch/arm64/kvm/mmu.c, by the field notes; the fix is "
        "between the first two, its commit was not found",
        left_out="TLB and cache maintenance; the parts are two pages long",
        before=Run(
            UNMAP,
            "v6.1",
            expect=violated(
                "warning",
                "__unmap_stage2_range",
                story=(
                    ("unmapper", "cond_resched_rwlock_write"),
                    ("closer", "kvm_free_stage2_pgd"),
                    ("unmapper", "stage2_apply_range"),
                ),
            ),
        ),
        after=Run(UNMAP, "v6.12"),
        more=(
            Run(UNMAP, "v6.1", {"remember_break": True}),
            Run(UNMAP, "v7.3"),
            Run(
                UNMAP,
                "no-unmap-guard",
                expect=violated(
                    "warning",
                    "__unmap_stage2_range",
                    story=(("closer", "kvm_free_stage2_pgd"), ("unmapper", "kvm_unmap_gfn_range")),
                ),
            ),
        ),
        larger=(Run(UNMAP, "v6.12", {"passes": 1}),),
    ),
    Entry(
        number=15,
        commit="34b8f4adedd5",
        subject="KVM: arm64: Mark freed S2 MMUs as invalid",
        symptom="WARNING: an unmap is passed a nested MMU that has no stage 2",
        interleaving="A release frees the stage 2 of a nested MMU, and has not come to the VM's own yet; an "
        "unmap passes the test of mmu.pgt, and picks the nested MMU, which still says that it is valid.",
        read="the commit; Linux 7.3-rc7 arch/arm64/kvm/mmu.c and nested.c, by the field notes",
        left_out="the array of nested MMUs and its life; vcpus that get and put an MMU",
        before=Run(
            UNMAP,
            "nested",
            expect=violated(
                "warning",
                "__unmap_stage2_range",
                story=(("closer", "kvm_free_stage2_pgd"), ("unmapper", "kvm_nested_s2_unmap")),
            ),
        ),
        after=Run(UNMAP, "34b8f4adedd5"),
    ),
    Entry(
        number=23,
        commit="b5331379bc62",
        subject="KVM: arm64: Only reschedule if MMU_NOTIFIER_RANGE_BLOCKABLE is not set",
        symptom="sleeping function called where blocking is forbidden",
        interleaving="The OOM reaper unmaps a victim's memory and must not block; the range has two parts, "
        "and stage 2 drops mmu_lock and reschedules between them.",
        read="the commit's subject; Linux 6.1 arch/arm64/kvm/mmu.c, where the fix lives on as `may_block`",
        left_out="the code of 5.8 that the fix changed: it is 6.1's that is run with and without it; "
        "MMF_OOM_SKIP and mmap_lock",
        before=Run(
            UNMAP,
            "reaper-blocks",
            expect=violated(
                "sleep-in-atomic",
                "stage2_apply_range",
                story=(("oom_reaper", "kvm_mmu_notifier_invalidate_range_start"),),
            ),
        ),
        after=Run(UNMAP, "b5331379bc62"),
    ),
    Entry(
        number=35,
        commit="-",
        subject="A fault under mmu_lock for reading, against an invalidation that takes it for reading, too",
        symptom="stale mapping: a page is freed while stage 2 maps it",
        interleaving="A fault tests mmu_invalidate_in_progress and mmu_invalidate_seq; an invalidation "
        "begins, finds nothing to unmap and lets the page go; the fault maps it.",
        read="Linux 7.3-rc7 arch/arm64/kvm/mmu.c, virt/kvm/kvm_main.c, by the field notes; no kernel had "
        "this bug: it is constructed, to see what the write lock is for",
        left_out="the relaxation of permissions, which was all that was shared in 5.17",
        before=Run(
            FAULT,
            "read-neighbour",
            expect=violated(
                "assertion",
                "free_page_frame",
                story=(
                    ("vcpu0", "mmu_invalidate_retry"),
                    ("balloon", "kvm_mmu_invalidate_begin"),
                    ("vcpu0", "stage2_map_walker_try_leaf"),
                ),
            ),
        ),
        after=Run(FAULT, "v7.3"),
        more=(
            Run(FAULT, "v6.1"),
            Run(FAULT, "v6.12"),
            Run(FAULT, "begin-read"),
            Run(FAULT, "read", expect=violated("use-after-free", "stage2_map_walker_try_leaf")),
            Run(FAULT, "no-seq", expect=violated("assertion", "free_page_frame")),
            Run(FAULT, "no-count", expect=violated("assertion", "free_page_frame")),
        ),
        larger=(
            Run(FAULT, "v7.3", {"vcpus": 2}),
            Run(FAULT, "v7.3", {"pages": 2}),
            Run(FAULT, "v7.3", {"touches": 2}),
        ),
    ),
    Entry(
        number=21,
        commit="13ec9308a857",
        subject="KVM: arm64: Retry fault if vma_lookup() results become invalid",
        symptom="a block of two pages maps a page of one",
        interleaving="A fault finds an area of huge pages and drops mmap_lock; the area is replaced by one "
        "of small pages, from start to end of the invalidation; only then the fault reads the sequence, "
        "and sees no change.",
        read="the commit; Linux 6.1 arch/arm64/kvm/mmu.c",
        left_out="transparent huge pages, which are looked up after the page; the area itself, but for its "
        "kind",
        before=Run(
            AREA,
            "v5.15",
            expect=violated(
                "assertion",
                "kvm_pgtable_stage2_map",
                story=(
                    ("vcpu0", "get_vma_page_shift"),
                    ("remapper", "kvm_mmu_invalidate_end"),
                    ("vcpu0", "mmu_invalidate_retry"),
                ),
            ),
        ),
        after=Run(AREA, "13ec9308a857"),
        more=(Run(AREA, "v7.3"),),
    ),
    Entry(
        number=34,
        commit="a9f0e3d5a089",
        subject="KVM: arm64: Reload PTE after invoking walker callback on preorder traversal",
        symptom="use after free of a table, in the walk that has freed it",
        interleaving="A walk replaces a table by a block before it descends, and frees the table; then it "
        "descends into what it has read before. Where tables are freed by RCU, the walk itself holds them: "
        "only the hypervisor of pKVM, which has no RCU, meets freed memory.",
        read="the merge text of 6.4; Linux 7.3-rc7 arch/arm64/kvm/hyp/pgtable.c, by the field notes",
        left_out="the hypervisor: it is the host's code that runs, with the lock for writing and without RCU",
        before=Run(TABLE, "pkvm", expect=violated("use-after-free", "__kvm_pgtable_walk")),
        after=Run(TABLE, "a9f0e3d5a089"),
        more=(
            Run(TABLE, "no-reload"),
            Run(TABLE, "v7.3"),
            Run(
                TABLE,
                "no-grace-period",
                expect=violated(
                    "use-after-free",
                    "stage2_mkyoung_walker",
                    story=(("vcpu0", "kvm_pgtable_stage2_free_unlinked"), ("vcpu1", "stage2_mkyoung_walker")),
                ),
            ),
        ),
    ),
)
