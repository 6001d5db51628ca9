"""Bugs of arm's stage 2 against the end of the VM (Linux 4.12 and before)."""

from __future__ import annotations

from lastput.study.corpus.entry import Entry
from lastput.study.experiment import Run, violated

ENTRIES = (
    Entry(
        number=1,
        commit="7e5a672289c9",
        subject="KVM: arm/arm64: Handle hva aging while destroying the vm",
        symptom="NULL pointer dereference while reclaim ages a guest page",
        interleaving="Release frees stage 2 and sets arch.pgd to NULL; reclaim still finds the notifier hashed "
        "and walks from NULL plus the index.",
        read="the commit; Linux 4.14 virt/kvm/arm/mmu.c; 4.12 by its earlier commit 2952a6070e07",
        left_out="TLB and cache maintenance; page-table levels below the pmd are two entries wide",
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
    ),
)
