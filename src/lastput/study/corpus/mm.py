"""Bugs between the host's changes of memory and the secondary MMUs that must hear of them."""

from __future__ import annotations

from lastput.study.corpus.entry import Entry
from lastput.study.experiment import Run, violated

ENTRIES = (
    Entry(
        number=6,
        commit="293f29363",
        subject="kvm-arm: Unmap shadow pagetables properly",
        symptom="pages that went back to the allocator are still mapped in stage 2",
        interleaving="The process exits. The release of KVM's notifier does nothing on arm, exit_mmap"
        " clears the primary entries and frees the pages; stage 2 holds no reference to "
        "them, and stays.",
        read="the field notes; Linux 4.14 virt/kvm/arm/mmu.c and virt/kvm/kvm_main.c for the rest",
        left_out="that stage 2 was freed in kvm_arch_destroy_vm then: the frame is reused before",
        before=Run(
            "kvm/age-vs-exit",
            "7e5a672289c9",
            {"release_frees": False},
            violated(
                "assertion",
                "free_page_frame",
                story=(("vmm", "__mmu_notifier_release"), ("vmm", "unmap_vmas")),
            ),
        ),
        after=Run("kvm/age-vs-exit", "7e5a672289c9"),
    ),
    Entry(
        number=11,
        commit="85db06e51442",
        subject="KVM: mmu_notifiers release method",
        symptom="use after free of an inode by the last put of a huge page",
        interleaving="Without a release callback the shadow page table keeps its references to pages "
        "of hugetlbfs through exit_mmap. The file goes with its mapping. When the VM is "
        "destroyed the last put of a page looks for the quota in the inode.",
        read="the commit; the destructor of huge pages as in Linux 2.6.26 by memory, its source was not read",
        left_out="everything of KVM but one entry for each page, with a reference; huge pages of "
        "several frames",
        before=Run(
            "mm/release-vs-hugetlb",
            "v2.6.26",
            expect=violated(
                "use-after-free",
                "free_huge_page",
                story=(("", "exit_mmap"), ("", "iput"), ("", "drop_range")),
            ),
        ),
        after=Run("mm/release-vs-hugetlb", "85db06e51442"),
    ),
    Entry(
        number=17,
        commit="cf2d23e0bac9",
        subject="KVM: arm/arm64: Fix young bit from mmu notifier",
        symptom="khugepaged is never told of a guest's accesses",
        interleaving="Sequential: kvm_test_age_hva walks the slots over an empty range, so that the "
        "walk finds no page to ask. A process that exits meanwhile makes no difference "
        "to it.",
        read="Linux 4.14 and 5.4 virt/kvm/arm/mmu.c by the field notes",
        left_out="what khugepaged does with the answer besides looking for one young page",
        before=Run(
            "kvm/test-young",
            "v4.13",
            expect=violated("assertion", "khugepaged", story=(("khugepaged", "mmu_notifier_test_young"),)),
        ),
        after=Run("kvm/test-young", "cf2d23e0bac9"),
        more=(
            Run(
                "kvm/test-young",
                "cf2d23e0bac9",
                {"age_guard": False},
                violated(
                    "null-deref",
                    "stage2_get_pmd",
                    story=(("vmm", "kvm_free_stage2_pgd"), ("khugepaged", "kvm_test_age_hva")),
                ),
            ),
        ),
        larger=(Run("kvm/test-young", "cf2d23e0bac9", {"pages": 2}),),
    ),
    Entry(
        number=27,
        commit="57128468080a",
        subject="kvm: Fix page ageing bugs",
        symptom="accesses that nobody hears of; an entry made behind the back of a removal",
        interleaving="(i) Reclaim ages a huge page of the host and asks the secondary MMU for its "
        "first page only: the others, mapped one by one, stay young. (ii) Hardware "
        "without an accessed bit has its entry removed instead; a fault that has looked "
        "the page up before does not notice, and maps it.",
        read="the commit's own text and the model of 4.12; x86 KVM of 3.17 by memory",
        left_out="the shadow MMU's reverse maps; a device with a lock, a count and a sequence number "
        "stands for it",
        before=Run(
            "mm/ageing",
            "v3.17",
            expect=violated("assertion", "age_twice", story=(("host", "pmdp_clear_flush_young_notify"),)),
        ),
        after=Run("mm/ageing", "57128468080a"),
        more=(
            Run(
                "mm/ageing",
                "57128468080a",
                {"accessed_bit": False, "age_seq": False},
                violated(
                    "assertion",
                    "mirror_fault",
                    story=(("", "get_user_pages_fast"), ("host", "mirror_age"), ("", "mirror_fault")),
                ),
            ),
            Run("mm/ageing", "57128468080a", {"accessed_bit": False}),
        ),
    ),
    Entry(
        number=28,
        commit="fb1522e099f0",
        subject="KVM: update to new mmu_notifier semantic v2",
        symptom="a callback sleeps under the page-table lock; then, freed pages stay mapped",
        interleaving="Since c7ab0d2fdc84 (4.11) try_to_unmap_one calls invalidate_page under the "
        "page-table lock, where KVM on arm may break mmu_lock. aac2fea94f7a (4.13-rc) "
        "calls invalidate_range outside of it instead, which KVM does not have: nobody "
        "unmaps the page, and reclaim frees it. 369ea8242c0f has start and end.",
        read="texts of 785373b4c387 (the revert) and of the commit that removed invalidate_page; "
        "mm/rmap.c of 3.14 and the field notes' 4.4 and 4.14",
        left_out="huge pages mapped by several entries, for which one address was not enough",
        before=Run(
            "mm/reclaim",
            "v4.12",
            expect=violated(
                "sleep-in-atomic",
                "mirror_invalidate_page",
                story=(("host", "try_to_unmap_one"), ("host", "mmu_notifier_invalidate_page")),
            ),
        ),
        after=Run("mm/reclaim", "369ea8242c0f"),
        more=(
            Run(
                "mm/reclaim",
                "aac2fea94f7a",
                expect=violated(
                    "invariant",
                    story=(("host", "ptep_clear_flush"), ("host", "mmu_notifier_invalidate_range")),
                ),
            ),
            Run("mm/reclaim", "v4.10"),
        ),
    ),
)
