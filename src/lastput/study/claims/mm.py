"""C4: why secondary MMUs must let go before the memory of a process does."""

from __future__ import annotations

from lastput.study.claims.claim import Claim, Exhibit
from lastput.study.experiment import Run, violated

CLAIMS = (
    Claim(
        number="C4",
        who="Andrea Arcangeli",
        sentence="The release must run in exit_mmap, before guest memory is freed; and once mm_users "
        "is 0 nobody may look up a page or fault one in, whether it has a notifier "
        "registered or not.",
        verdict="confirmed",
        correction="What counts is exit_mmap, not mm_users: ksmd may still look up a page after the "
        "last mmput has counted to 0, as long as __mmput then waits for it before "
        "exit_mmap.",
        exhibits=(
            Exhibit(
                "as claimed: with the release in exit_mmap no page is freed while stage 2 maps it, "
                "and no look-up meets an address space without users",
                Run("kvm/age-vs-exit", "7e5a672289c9", {"vcpus": 1}),
            ),
            Exhibit(
                "as claimed: without it (arm before 293f29363) freed pages stay mapped",
                Run(
                    "kvm/age-vs-exit",
                    "7e5a672289c9",
                    {"release_frees": False},
                    violated("assertion", "free_page_frame", story=(("vmm", "unmap_vmas"),)),
                ),
            ),
            Exhibit(
                "as claimed, for a device that is not KVM: with a release nothing is left",
                Run("mm/events", "reclaim"),
            ),
            Exhibit(
                "as claimed: a driver without a release keeps freed pages mapped",
                Run(
                    "mm/events",
                    "reclaim",
                    {"release": False},
                    violated("invariant", story=(("", "exit_mmap"), ("", "ptep_clear_flush"))),
                ),
            ),
            Exhibit(
                "what the sentence forbids: faults served by somebody who does not hold the memory",
                Run(
                    "mm/events",
                    "reclaim",
                    {"holds_mm": "nobody"},
                    violated("assertion", "__get_user_pages_fast", "follow_page_mask"),
                ),
            ),
            Exhibit(
                "mmget_not_zero around each fault is enough",
                Run("mm/events", "reclaim", {"holds_mm": "mmget_not_zero", "devices": 1}),
            ),
            Exhibit(
                "registered or not: ksmd holds no user either, and __mmput waits for it",
                Run("mm/scan-vs-exit", "v4.12"),
            ),
            Exhibit(
                "without that wait ksmd looks up pages while exit_mmap runs",
                Run(
                    "mm/scan-vs-exit",
                    "v4.12",
                    {"exit_waits": False},
                    violated("assertion", "follow_page_mask", story=(("scanner", "ksm_test_exit"),)),
                ),
            ),
            Exhibit(
                "taken to the letter it does not hold: ksmd looks up a page with mm_users 0, before "
                "exit_mmap",
                Run(
                    "mm/scan-vs-exit",
                    "v4.12",
                    {"strict": True},
                    violated("assertion", "follow_page_mask", story=(("scanner", "ksm_test_exit"),)),
                ),
            ),
        ),
    ),
)
