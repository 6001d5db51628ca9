"""Bugs of x86's TDP MMU, and of the release of architectures that keep their root."""

from __future__ import annotations

from lastput.study.corpus.entry import Entry
from lastput.study.experiment import Run, violated

UNMAP = "x86/tdp-unmap-vs-fast-zap"
AGE = "x86/tdp-age-vs-exit"
TABLES = "Huge pages, dirty logging, TLB flushes as steps of their own; a root has two entries, a table one."

ENTRIES = (
    Entry(
        number=20,
        commit="a355aa54f1d2",
        subject="KVM: Add barriers to allow mmu_notifier_retry to be used locklessly",
        symptom="a page is freed while the guest's page table maps it",
        interleaving="A fault holds the lock of its reverse map only; it reads the sequence, an invalidation "
        "ends, and it reads the count: the old sequence and a count of 0.",
        read="Linux 3.3 include/linux/kvm_host.h, arch/powerpc/kvm/book3s_64_mmu_hv.c; the notes on the "
        "commit",
        left_out="Weak memory: the reads, or the stores, are swapped in the model, which is what a missing "
        "barrier permits. The hashed table but for one entry for each guest page.",
        before=Run(
            "ppc/lockless-retry",
            "reads-unordered",
            expect=violated(
                "assertion",
                "free_page_frame",
                story=(
                    ("truncate", "kvm_mmu_notifier_invalidate_range_start"),
                    ("vcpu", "mmu_notifier_retry"),
                    ("truncate", "kvm_mmu_notifier_invalidate_range_end"),
                    ("vcpu", "mmu_notifier_retry"),
                    ("vcpu", "put_page"),
                ),
            ),
        ),
        after=Run("ppc/lockless-retry", "a355aa54f1d2"),
        more=(
            Run(
                "ppc/lockless-retry",
                "stores-unordered",
                expect=violated(
                    "assertion",
                    "free_page_frame",
                    story=(
                        ("truncate", "kvm_mmu_notifier_invalidate_range_end"),
                        ("vcpu", "mmu_notifier_retry"),
                    ),
                ),
            ),
            Run("ppc/lockless-retry", "mmu-lock"),
        ),
        larger=(Run("ppc/lockless-retry", "a355aa54f1d2", {"faults": 2}),),
    ),
    Entry(
        number=30,
        commit="d62007edf01f",
        subject="KVM: x86/mmu: Zap _all_ roots when unmapping gfn range in TDP MMU",
        symptom="a page is freed while an invalid root still maps it",
        interleaving="Deleting a slot marks every root invalid and drops mmu_lock; before it zaps them, "
        "the file behind guest memory is truncated, and the unmap passes invalid roots by.",
        read="Linux 6.9 arch/x86/kvm/mmu/tdp_mmu.c; the notes on the commit, and on its preparation "
        "04dc4e6ce274",
        left_out=f"{TABLES} The interleaving is reconstructed: the commit's own text was not read.",
        before=Run(
            UNMAP,
            "before-d62007edf01f",
            expect=violated(
                "assertion",
                "free_page_frame",
                story=(
                    ("vmm", "kvm_tdp_mmu_invalidate_all_roots"),
                    ("truncate", "kvm_tdp_mmu_unmap_gfn_range"),
                    ("truncate", "zap_pte"),
                ),
            ),
        ),
        after=Run(UNMAP, "v7.3"),
        larger=(Run(UNMAP, "v7.3", {"vcpus": 1}),),
    ),
    Entry(
        number=31,
        commit="7533377215b6",
        subject="KVM: x86/mmu: Use yield-safe TDP MMU root iter in MMU notifier unmapping",
        symptom="use after free of a root",
        interleaving="An unmap drops mmu_lock in the middle of a root to which it holds no reference; "
        "deleting a slot gives the root up, zaps it and puts the last reference; after a grace period it "
        "is freed, and the unmap goes on with its next entry.",
        read="Linux 6.9 arch/x86/kvm/mmu/tdp_mmu.c, with the walk of the commit's parent",
        left_out=f"{TABLES} Roots are counted as in 7.3, where the TDP MMU holds a reference of its own.",
        before=Run(
            UNMAP,
            "before-7533377215b6",
            expect=violated(
                "use-after-free",
                "tdp_mmu_zap_leafs",
                "unmap_unheld",
                story=(
                    ("truncate", "tdp_mmu_iter_cond_resched"),
                    ("vmm", "kvm_tdp_mmu_put_root"),
                    ("rcu", "tdp_mmu_free_sp_rcu_callback"),
                    ("truncate", "tdp_mmu_zap_leafs"),
                ),
            ),
        ),
        after=Run(UNMAP, "v7.3"),
    ),
    Entry(
        number=32,
        commit="a889ea54b3da",
        subject="KVM: x86/mmu: Ensure TDP MMU roots are freed after yield",
        symptom="a root is never freed; destroying the VM warns of it",
        interleaving="A walk drops mmu_lock while it holds a reference to a root; everybody else puts "
        "theirs; the walk's own put lowers the count to 0, and does not look whether it did.",
        read="Linux 6.9 arch/x86/kvm/mmu/tdp_mmu.c, with the put of the commit's parent",
        left_out=f"{TABLES} Roots are counted as in 7.3, so that it takes a deleted slot to drop the others.",
        before=Run(
            UNMAP,
            "before-a889ea54b3da",
            expect=violated(
                "warning",
                "kvm_mmu_uninit_tdp_mmu",
                story=(
                    ("vmm", "kvm_tdp_mmu_zap_invalidated_roots"),
                    ("", "put_walked_root"),
                    ("", "kvm_mmu_uninit_tdp_mmu"),
                ),
            ),
        ),
        after=Run(UNMAP, "v7.3"),
    ),
    Entry(
        number=33,
        commit="3a0f64de479c",
        subject="KVM: x86/mmu: Don't advance iterator after restart due to yielding",
        symptom="pages are freed that the TDP MMU still maps",
        interleaving="The process exits; zapping everything drops mmu_lock between two top-level entries, "
        "and goes on behind the one that it has not visited.",
        read="Linux 6.9 arch/x86/kvm/mmu/tdp_mmu.c, tdp_iter.c, with the restart of the commit's parent",
        left_out=TABLES,
        before=Run(
            AGE,
            "before-3a0f64de479c",
            {"passes": 0},
            expect=violated(
                "assertion",
                "free_page_frame",
                story=(("vmm", "tdp_mmu_iter_cond_resched"), ("vmm", "unmap_vmas")),
            ),
        ),
        after=Run(AGE, "v7.3"),
        more=(
            Run(
                AGE,
                "no-rcu",
                expect=violated(
                    "use-after-free",
                    "kvm_tdp_mmu_age_gfn_range",
                    story=(("vmm", "kvm_tdp_mmu_zap_all"), ("kswapd", "kvm_tdp_mmu_age_gfn_range")),
                ),
            ),
            Run(
                AGE,
                "free-at-once",
                expect=violated(
                    "use-after-free",
                    "kvm_tdp_mmu_age_gfn_range",
                    story=(("vmm", "kvm_tdp_mmu_zap_all"), ("kswapd", "kvm_tdp_mmu_age_gfn_range")),
                ),
            ),
        ),
        larger=(Run(AGE, "v7.3", {"teardown": "unregister"}),),
    ),
    Entry(
        number=55,
        commit="-",
        subject="KVM: loongarch: Grab MMU lock in kvm_arch_flush_shadow_all()",
        symptom="use after free of a page table",
        interleaving="The release empties the guest's page tables and frees them without mmu_lock; "
        "reclaim has found a table under mmu_lock, and tests its entry after it was freed. Two releases "
        "at once do the same to each other. MIPS had the same since b62091108633 (2017).",
        read="Linux 6.9 to 7.1 arch/loongarch/kvm/mmu.c, arch/mips/kvm/mmu.c; the patch, sent 2026-05-04, "
        "and its sibling for MIPS",
        left_out="Huge pages, dirty logging. The generic code below is that of 4.12. The patch says that "
        "two releases may run at once; that ageing alone runs into it is what the model adds. Whether and "
        "as what the patch was merged is not known here. Not in the list of bugs that this corpus began "
        "with.",
        before=Run(
            "loongarch/age-vs-exit",
            "v7.1",
            expect=violated(
                "use-after-free",
                "kvm_age_gfn",
                story=(("kswapd", "kvm_age_gfn"), ("vmm", "kvm_flush_range"), ("kswapd", "kvm_age_gfn")),
            ),
        ),
        after=Run("loongarch/age-vs-exit", "flush-locked"),
        more=(
            Run(
                "loongarch/age-vs-exit",
                "v7.1",
                {"fd": "handed", "pins": 1, "passes": 0},
                expect=violated("use-after-free", "flush_table", story=(("", "kvm_flush_range"),)),
            ),
            Run("loongarch/age-vs-exit", "flush-locked", {"fd": "handed", "pins": 1, "passes": 0}),
        ),
    ),
)
