"""What the thread says of architectures other than arm."""

from __future__ import annotations

from lastput.lang.options import Value
from lastput.study.claims.claim import Claim, Exhibit
from lastput.study.experiment import Run, violated

BOTH: dict[str, Value] = {"fd": "handed", "pins": 1, "passes": 0}
"""The last reference to the VM and the last user of the memory may go at the same time."""

CLAIMS = (
    Claim(
        number="C9",
        who="Andrea Arcangeli",
        sentence="Other architectures need no special test: they look guest pages up through reverse maps, "
        "and find nothing after kvm_mmu_notifier_release.",
        verdict="in part",
        exhibits=(
            Exhibit("as claimed: x86, the process exits", Run("x86/age-vs-exit", "v4.14")),
            Exhibit(
                "as claimed: x86, the VM is closed while its process lives on",
                Run("x86/age-vs-exit", "v4.14", {"teardown": "unregister"}),
            ),
            Exhibit(
                "as claimed: x86, two pages under two entries of the root, aged twice",
                Run("x86/age-vs-exit", "v4.14", {"pages": 2, "passes": 2}),
            ),
            Exhibit(
                "it hangs on the reverse maps: leave an entry in one, and ageing follows it",
                Run(
                    "x86/age-vs-exit",
                    "v4.14",
                    {"zap_clears_rmap": False},
                    expect=violated(
                        "use-after-free",
                        "mmu_spte_age",
                        story=(("vmm", "kvm_mmu_commit_zap_page"), ("kswapd", "kvm_age_hva")),
                    ),
                ),
            ),
            Exhibit(
                "as claimed, without reverse maps: a root that stays until the VM is destroyed",
                Run("loongarch/age-vs-exit", "flush-locked"),
            ),
            Exhibit(
                "as claimed, the same when the VM is closed first",
                Run("loongarch/age-vs-exit", "flush-locked", {"teardown": "unregister"}),
            ),
            Exhibit(
                "as claimed, with roots that are walked without a lock: x86's TDP MMU of 7.3, where release "
                "keeps the root, too, and RCU the tables",
                Run("x86/tdp-age-vs-exit", "v7.3"),
            ),
            Exhibit(
                "without RCU it would not be",
                Run(
                    "x86/tdp-age-vs-exit",
                    "no-rcu",
                    expect=violated("use-after-free", "kvm_tdp_mmu_age_gfn_range"),
                ),
            ),
            Exhibit(
                "no test of the root is not no rule: LoongArch and MIPS freed the tables below it without "
                "mmu_lock until 2026, and ageing reads a freed table",
                Run(
                    "loongarch/age-vs-exit",
                    "v7.1",
                    expect=violated(
                        "use-after-free",
                        "kvm_age_gfn",
                        "kvm_populate_gpa",
                        story=(("kswapd", "kvm_age_gfn"), ("vmm", "kvm_flush_range")),
                    ),
                ),
            ),
            Exhibit(
                "nor do two releases at once exclude each other there",
                Run(
                    "loongarch/age-vs-exit",
                    "v7.1",
                    BOTH,
                    expect=violated("use-after-free", "flush_table", story=(("", "kvm_flush_range"),)),
                ),
            ),
            Exhibit(
                "an architecture whose release frees the root needs the tests, whatever its name",
                Run(
                    "loongarch/age-vs-exit",
                    "frees-root",
                    expect=violated(
                        "null-deref",
                        "kvm_populate_gpa",
                        story=(("vmm", "free_root"), ("kswapd", "kvm_age_gfn")),
                    ),
                ),
            ),
        ),
        correction="True of every architecture but arm in 2017, as far as tests of the root go. What matters "
        "is that release does not free the root that callbacks walk from: reverse maps (x86) and a root kept "
        "until the VM is destroyed (MIPS, LoongArch) have that property alike. A port that frees its root in "
        "release, as arm64 and RISC-V do today, needs the tests in every callback. And tables below the root "
        "still need mmu_lock in release.",
    ),
)
