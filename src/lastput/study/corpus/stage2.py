"""Bugs of arm's stage 2 against the end of the VM (Linux 4.12 and before)."""

from __future__ import annotations

from lastput.lang.options import Value
from lastput.study.corpus.entry import Entry
from lastput.study.experiment import Run, violated

TINY = "TLB and cache maintenance; tables below the top level have one or two entries"

WRITE_PROTECT: dict[str, Value] = {
    "does": "wp",
    "runner": "foreign",
    "mm_test": False,
    "watch": "lock",
    "pages": 2,
    "ram_base": 3,
    "pgd_entries": 3,
}
"""Another process write-protects all of the VM's slot, under two pgd entries."""

ENTRIES = (
    Entry(
        number=1,
        commit="7e5a672289c9",
        subject="KVM: arm/arm64: Handle hva aging while destroying the vm",
        symptom="NULL pointer dereference while reclaim ages a guest page",
        interleaving="Release frees stage 2 and sets arch.pgd to NULL; reclaim still finds the notifier "
        "hashed and walks from NULL plus the index.",
        read="the commit; Linux 4.14 virt/kvm/arm/mmu.c; 4.12 by its earlier commit 2952a6070e07",
        left_out=TINY,
        before=Run(
            "kvm/age-vs-exit",
            "v4.12",
            expect=violated(
                "null-deref",
                "stage2_get_pmd",
                story=(("vmm", "kvm_free_stage2_pgd"), ("kswapd", "kvm_age_hva")),
            ),
        ),
        after=Run("kvm/age-vs-exit", "7e5a672289c9"),
        more=(
            Run(
                "kvm/age-vs-exit",
                "v4.12",
                {"teardown": "unregister"},
                violated(
                    "null-deref",
                    "stage2_get_pmd",
                    story=(("vmm", "mmu_notifier_unregister"), ("kswapd", "kvm_age_hva")),
                ),
            ),
            Run("kvm/age-vs-exit", "7e5a672289c9", {"teardown": "unregister"}),
        ),
        larger=(Run("kvm/age-vs-exit", "7e5a672289c9", {"pages": 2, "passes": 2, "pgd_entries": 3}),),
    ),
    Entry(
        number=2,
        commit="6c0d706b563a",
        subject="kvm: arm/arm64: Fix race in resetting stage2 PGD",
        symptom="use after free of the top-level table, or it is freed twice",
        interleaving="The exit of the process and the last put of the VM both find arch.pgd set, one after "
        "the other unmaps under mmu_lock, and both free: the second walks or frees what the first has freed.",
        read="the commit's old and new code; Linux 4.12 virt/kvm/arm/mmu.c",
        left_out=TINY + "; everything but the test and the reset of arch.pgd is as in 4.12",
        before=Run(
            "kvm/release-vs-unregister",
            "6c0d706b563a~1",
            expect=violated(
                "use-after-free",
                "free_before_6c0d706b563a",
                story=(("vmm", "free_before_6c0d706b563a"), ("foreign", "free_before_6c0d706b563a")),
            ),
        ),
        after=Run("kvm/release-vs-unregister", "7e5a672289c9"),
        more=(
            Run(
                "kvm/release-vs-unregister",
                "6c0d706b563a~1",
                {"last": "memory"},
                violated("use-after-free", "free_before_6c0d706b563a"),
            ),
            Run("kvm/release-vs-unregister", "7e5a672289c9", {"last": "memory"}),
        ),
        larger=(Run("kvm/release-vs-unregister", "7e5a672289c9", {"pgd_entries": 3, "agers": 1}),),
    ),
    Entry(
        number=3,
        commit="0c428a6a9256",
        subject="kvm: arm/arm64: Fix use after free of stage2 page table",
        symptom="use after free of the top-level table in unmap_stage2_range",
        interleaving="An invalidation breaks mmu_lock between two pgd entries; the release frees all of "
        "stage 2; the invalidation goes on with the pointer that it computed first.",
        read="the commit; Linux 4.14 virt/kvm/arm/mmu.c",
        left_out=TINY + "; the page cache's own references to the file's pages",
        before=Run(
            "kvm/unmap-vs-release",
            "0c428a6a9256~1",
            expect=violated(
                "use-after-free",
                "unmap_stage2_range",
                story=(
                    ("punch", "unmap_stage2_range"),
                    ("vmm", "kvm_free_stage2_pgd"),
                    ("punch", "unmap_stage2_range"),
                ),
            ),
        ),
        after=Run("kvm/unmap-vs-release", "v4.12"),
        more=(
            Run(
                "kvm/unmap-vs-release",
                "0c428a6a9256~1",
                {"teardown": "unregister"},
                violated("use-after-free", "unmap_stage2_range"),
            ),
            Run("kvm/unmap-vs-release", "v4.12", {"teardown": "unregister"}),
            # The same commit's test in stage2_wp_range cannot matter as long as ioctls of the VM are its own
            # process's, whose memory and file keep stage 2. It does as soon as another process's are let in.
            Run(
                "kvm/vcpu-vs-exit",
                "7e5a672289c9",
                {**WRITE_PROTECT, "wp_retest": False},
                violated(
                    "null-deref",
                    "stage2_wp_puds",
                    story=(("vmm", "kvm_free_stage2_pgd"), ("foreign", "stage2_wp_range")),
                ),
            ),
            Run("kvm/vcpu-vs-exit", "7e5a672289c9", WRITE_PROTECT),
        ),
    ),
    Entry(
        number=4,
        commit="2952a6070e07",
        subject="kvm: arm/arm64: Force reading uncached stage2 PGD",
        symptom="the top-level table is freed twice",
        interleaving="A releaser reads arch.pgd and breaks mmu_lock in the unmap; the other finishes; "
        "the compiler has kept the value from before the break.",
        read="the commit; Linux 4.12 virt/kvm/arm/mmu.c",
        left_out=TINY + "; the compiler: the model reads arch.pgd before the unmap",
        before=Run(
            "kvm/release-vs-unregister",
            "2952a6070e07~1",
            expect=violated(
                "double-free",
                "kvm_free_stage2_pgd",
                story=(("", "cond_resched_lock"), ("", "kvm_free_stage2_pgd")),
            ),
        ),
        after=Run("kvm/release-vs-unregister", "7e5a672289c9"),
    ),
    Entry(
        number=5,
        commit="8b3405e345b5",
        subject="kvm: arm/arm64: Fix locking for kvm_free_stage2_pgd",
        symptom="two tasks take the same table apart: NULL pointer dereference or use after free",
        interleaving="The release unmaps stage 2 without mmu_lock while an invalidation, or ageing, walks it "
        "under the lock.",
        read="Linux 4.4 and 4.12 virt/kvm/arm/mmu.c; the commit's message was not at hand",
        left_out=TINY
        + ". This fix alone leaves the test and the reset of arch.pgd outside of the lock, and an "
        "invalidation may walk the table between its free and the reset; after that is 4.12, which has "
        "6c0d706b563a, too",
        before=Run(
            "kvm/unmap-vs-release",
            "8b3405e345b5~1",
            expect=violated(
                "null-deref",
                "unmap_stage2_range",
                story=(("punch", "unmap_stage2_range"), ("vmm", "unmap_stage2_range")),
            ),
        ),
        after=Run("kvm/unmap-vs-release", "v4.12"),
        more=(
            Run(
                "kvm/unmap-vs-release",
                "v4.12",
                {"free_together": False},
                violated(
                    "use-after-free",
                    "kvm_unmap_hva_range",
                    story=(("vmm", "free_before_6c0d706b563a"), ("punch", "kvm_unmap_hva_range")),
                ),
            ),
            Run(
                "kvm/age-vs-exit",
                "7e5a672289c9",
                {"free_locked": False, "free_together": False},
                violated(
                    "use-after-free",
                    "kvm_age_hva",
                    story=(("vmm", "free_before_6c0d706b563a"), ("kswapd", "kvm_age_hva")),
                ),
            ),
        ),
    ),
    Entry(
        number=12,
        commit="eda2beda8356",
        subject="KVM: take kvm->srcu in the release callback of the notifier (our words)",
        symptom="suspicious RCU usage: the release looks at memory slots outside of kvm->srcu",
        interleaving="None is needed for the report. A change of the slots frees the old array under the "
        "release only if it comes from another address space than the VM's, which ioctls refuse.",
        read="the commit's diff; Linux 4.14 arch/x86/kvm/mmu.c (arm's release does not look at slots)",
        left_out="the lists of active and zapped shadow pages are arrays; see x86/age-vs-exit",
        before=Run(
            "kvm/memslot-vs-release",
            "eda2beda8356~1",
            expect=violated("rcu-misuse", "kvm_mmu_notifier_release", story=(("", "arch_flush_shadow_all"),)),
        ),
        after=Run("kvm/memslot-vs-release", "eda2beda8356"),
        more=(
            Run(
                "kvm/memslot-vs-release",
                "eda2beda8356~1",
                {"slots_check": False, "mm_test": False},
                violated(
                    "use-after-free",
                    "kvm_mmu_notifier_release",
                    story=(("foreign", "install_new_memslots"), ("vmm", "gfn_to_rmap")),
                ),
            ),
            Run("kvm/memslot-vs-release", "eda2beda8356", {"slots_check": False, "mm_test": False}),
            Run("kvm/memslot-vs-release", "eda2beda8356~1", {"slots_check": False}),
        ),
    ),
    Entry(
        number=18,
        commit="d6dbdd3c8558",
        subject="KVM: arm/arm64: Handle possible NULL stage2 pud when ageing pages",
        symptom="NULL pointer dereference while reclaim ages a page that the guest has not touched",
        interleaving="None is needed: with four levels an empty pgd entry has no table of puds, and "
        "stage2_get_pud returns NULL where it may not add one.",
        read="Linux 4.14 virt/kvm/arm/mmu.c",
        left_out=TINY + "; the warning around the test of the pgd entry, which every first fault would trip",
        before=Run(
            "kvm/age-untouched",
            "d6dbdd3c8558~1",
            expect=violated("null-deref", "stage2_get_pmd", story=(("kswapd", "stage2_get_pud"),)),
        ),
        after=Run("kvm/age-untouched", "d6dbdd3c8558"),
    ),
)
