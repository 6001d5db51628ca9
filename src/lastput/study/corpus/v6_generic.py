"""Bugs of KVM's shared part from Linux 5.15 on: slots, pairs of start and end, cached pages.

Number 26 is in `notifier`, which tells of the list; the part of it that is KVM's is `UNPAIRED`.
"""

from __future__ import annotations

from lastput.study.corpus.entry import Entry
from lastput.study.experiment import Run, violated

SLOTS = "kvm/v6-memslots"
CACHE = "kvm/v6-pfncache"
PAIR = "kvm/v6.7-unpaired-end"

UNPAIRED = (
    Run(
        PAIR,
        "v6.7",
        expect=violated(
            "deadlock",
            story=(
                ("creator", "add_notifier"),
                ("scanner", "kvm_mmu_notifier_invalidate_range_end"),
                ("creator", "wait_for_invalidations"),
            ),
        ),
    ),
    Run(PAIR, "v6.7-slot", expect=violated("bug", "kvm_mmu_notifier_invalidate_range_end")),
    Run(PAIR, "d489ec956583"),
    Run(PAIR, "d489ec956583-slot"),
    Run(PAIR, "v6.8"),
    Run(PAIR, "v6.8-slot"),
)
"""Of number 26: what KVM of Linux 6.7 made of an end without a start, and what d489ec956583 changed."""

ENTRIES = (
    Entry(
        number=25,
        commit="52ac8b358b0c, 071064f14d87",
        subject="KVM: Block memslot updates across range_start() and range_end(); Don't take mmu_lock for "
        "range invalidation unless necessary",
        symptom="kernel BUG: mmu_invalidate_in_progress is negative",
        interleaving="An invalidation starts and finds no slot, so that it takes no lock and counts "
        "nothing; a slot is added; the end finds it, and lowers the count. The first of the two commits "
        "prepares the second: without elision nothing is wrong.",
        read="both commits; Linux 6.1 and 7.3-rc7 virt/kvm/kvm_main.c, by the field notes",
        left_out="slots_arch_lock; the INVALID slot that a deletion goes by; two address spaces of the guest",
        before=Run(
            SLOTS,
            "elided-only",
            expect=violated(
                "bug",
                "kvm_mmu_notifier_invalidate_range_end",
                story=(
                    ("zapper", "kvm_mmu_notifier_invalidate_range_start"),
                    ("updater", "kvm_swap_active_memslots"),
                    ("zapper", "kvm_mmu_invalidate_end"),
                ),
            ),
        ),
        after=Run(SLOTS, "v6.1"),
        more=(
            Run(SLOTS, "not-elided"),
            Run(
                SLOTS,
                "elided-only-delete",
                expect=violated(
                    "warning",
                    "forget_invalidations",
                    story=(
                        ("zapper", "kvm_mmu_invalidate_begin"),
                        ("updater", "kvm_swap_active_memslots"),
                        ("zapper", "kvm_mmu_notifier_invalidate_range_end"),
                    ),
                ),
            ),
            Run(
                SLOTS,
                "52ac8b358b0c-rwsem",
                expect=violated(
                    "deadlock",
                    story=(
                        ("zapper", "kvm_mmu_notifier_invalidate_range_start"),
                        ("updater", "down_write"),
                    ),
                ),
            ),
            Run(SLOTS, "52ac8b358b0c"),
            Run(SLOTS, "v7.3"),
            Run(SLOTS, "v7.3-delete"),
            Run(
                SLOTS,
                "no-reset",
                expect=violated(
                    "deadlock",
                    story=(
                        ("zapper", "kvm_mmu_notifier_invalidate_range_start"),
                        ("closer", "kvm_destroy_vm"),
                        ("closer", "wait_for_invalidations"),
                    ),
                ),
            ),
            Run(SLOTS, "v6.1-close"),
        ),
    ),
    Entry(
        number=29,
        commit="58cd407ca4c6",
        subject="KVM: Fix multiple races in gfn=>pfn cache refresh",
        symptom="use after free of a page that the kernel keeps mapped",
        interleaving="An invalidation marks the cache invalid; a refresh marks it valid, looks the page up, "
        "and sees no invalidation in progress, as that count goes up later; the page is freed, and the "
        "cache used.",
        read="the commit's message; Linux 6.1 virt/kvm/pfncache.c",
        left_out="mapping the page into the kernel; several refreshes at a time; livelock of the retry",
        before=Run(
            CACHE,
            "v5.18",
            expect=violated(
                "use-after-free",
                "kvm_gpc_use",
                story=(
                    ("balloon", "gfn_to_pfn_cache_invalidate_start"),
                    ("refresher", "mmu_invalidate_retry_gfn"),
                    ("balloon", "kvm_mmu_invalidate_begin"),
                    ("balloon", "put_page"),
                    ("refresher", "kvm_gpc_use"),
                ),
            ),
        ),
        after=Run(CACHE, "58cd407ca4c6"),
        larger=(Run(CACHE, "58cd407ca4c6", {"users": 2}),),
    ),
)
