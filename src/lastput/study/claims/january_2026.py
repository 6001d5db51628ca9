"""What was said of arm64's guards in January 2026, on linux-arm-kernel."""

from __future__ import annotations

from lastput.study.claims.claim import Claim, Exhibit
from lastput.study.experiment import Run, violated

WHERE = "kvm/v7.3-age-vs-release"
UNMAP = "kvm/v6-unmap-vs-release"

AFTER_RELEASE = (("vmm", "kvm_free_stage2_pgd"), ("kswapd", "kvm_age_gfn"))
"""A release has taken stage 2 away when ageing looks for it."""

CLAIMS = (
    Claim(
        number="C13",
        who="the author of a series on protected VMs; a reviewer objected, and he agreed",
        sentence="The tests of mmu.pgt in arm64's notifier callbacks are redundant, because a notifier is "
        "registered only after stage 2 exists.",
        verdict="refuted",
        exhibits=(
            Exhibit(
                "without the tests, ageing after a release follows a NULL pointer",
                Run(
                    WHERE,
                    "no-guard",
                    expect=violated("null-deref", "kvm_pgtable_stage2_test_clear_young", story=AFTER_RELEASE),
                ),
            ),
            Exhibit(
                "in Linux 6.1, too",
                Run(
                    WHERE,
                    "v6.1-no-guard",
                    expect=violated("null-deref", "kvm_pgtable_stage2_test_clear_young", story=AFTER_RELEASE),
                ),
            ),
            Exhibit(
                "without the test in kvm_unmap_gfn_range, an unmap after a release warns",
                Run(UNMAP, "no-unmap-guard", expect=violated("warning", "__unmap_stage2_range")),
            ),
            Exhibit("with the tests it holds: a release may run beside other notifiers", Run(WHERE, "v7.3")),
            Exhibit("with the tests Linux 6.12 holds", Run(WHERE, "v6.12")),
            Exhibit("with the tests Linux 6.1 holds", Run(WHERE, "v6.1")),
            Exhibit("with the tests 6.12 holds where LRU_GEN is on, too", Run(WHERE, "v6.12-lru-gen")),
            Exhibit(
                "without them LRU_GEN's look around a page follows a NULL pointer as well",
                Run(
                    WHERE,
                    "v6.12-lru-gen-no-guard",
                    expect=violated(
                        "null-deref",
                        "kvm_pgtable_stage2_test_clear_young",
                        story=(("vmm", "kvm_free_stage2_pgd"), ("kswapd", "lru_gen_look_around")),
                    ),
                ),
            ),
            Exhibit(
                "6.12 does not ask for private pages of an exiting process, but looks for that too early",
                Run(
                    WHERE,
                    "v6.12-lru-gen-no-guard",
                    {"skip_exiting": True},
                    violated(
                        "null-deref",
                        "kvm_pgtable_stage2_test_clear_young",
                        story=(
                            ("kswapd", "folio_referenced_one"),
                            ("vmm", "kvm_free_stage2_pgd"),
                            ("kswapd", "lru_gen_look_around"),
                        ),
                    ),
                ),
            ),
            Exhibit(
                "LRU_GEN's walk of page tables is a user of the address space, so exit_mmap comes later; but "
                "the process goes on to close the VM",
                Run(
                    WHERE,
                    "v6.12-lru-gen-walk",
                    {"age_guard": False},
                    violated(
                        "null-deref",
                        "kvm_pgtable_stage2_test_clear_young",
                        story=(
                            ("vmm", "mmu_notifier_unregister"),
                            ("vmm", "kvm_free_stage2_pgd"),
                            ("kswapd", "walk_pte_range"),
                        ),
                    ),
                ),
            ),
            Exhibit("with the tests the walk is safe", Run(WHERE, "v6.12-lru-gen-walk")),
            Exhibit(
                "the test alone is not enough: without mmu_lock (lockless ageing) stage 2 goes after it",
                Run(
                    WHERE,
                    "lockless",
                    expect=violated(
                        "null-deref",
                        "kvm_pgtable_stage2_test_clear_young",
                        story=(
                            ("kswapd", "kvm_age_gfn"),
                            ("vmm", "kvm_free_stage2_pgd"),
                            ("kswapd", "kvm_age_gfn"),
                        ),
                    ),
                ),
            ),
            Exhibit(
                "without mmu_lock, and with mmu.pgt read once, ageing walks freed tables",
                Run(
                    WHERE,
                    "lockless-once",
                    expect=violated(
                        "use-after-free",
                        "kvm_pgtable_stage2_test_clear_young",
                        story=(("kswapd", "kvm_age_gfn"), ("vmm", "kvm_pgtable_stage2_destroy")),
                    ),
                ),
            ),
        ),
        correction="They are for the other end: a release takes stage 2 away while the notifier is still "
        "called.",
    ),
)
