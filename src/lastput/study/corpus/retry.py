"""The retry protocol between a guest's fault and the host's notifiers, and what each part of it is for."""

from __future__ import annotations

from lastput.lang.options import Value
from lastput.study.corpus.entry import Entry
from lastput.study.experiment import Expectation, Run, violated

STALE = "assertion"
"""A page is given back to the allocator while stage 2 maps it: free_page_frame asserts the opposite."""

TWO: dict[str, Value] = {"pages": 2, "reclaimers": 2}
"""Two tasks reclaim, each its own page."""

LOST_UPDATE = (
    ("direct", "kvm_mmu_notifier_invalidate_page"),
    ("vcpu0", "get_user_pages"),
    ("kswapd", "kvm_mmu_notifier_invalidate_page"),
    ("direct", "kvm_mmu_notifier_invalidate_page"),
    ("vcpu0", "stage2_set_pte"),
)
"""One task has read mmu_notifier_seq, and stores its old value plus one after another has raised it twice."""


def fault(settings: dict[str, Value], event: str, expect: Expectation) -> Run:
    """A fault against an event of the host, one vcpu: enough for every mutation."""
    return Run("kvm/fault-vs-invalidate", "e930bffe95e1", {"vcpus": 1, "event": event, **settings}, expect)


def mutation(settings: dict[str, Value], event: str) -> Run:
    """A part of the protocol is taken away: the page is freed while stage 2 maps it."""
    host, begin = ("kswapd", "try_to_unmap") if event == "reclaim" else ("balloon", "zap_page_range")
    story = (("vcpu0", "user_mem_abort"), (host, begin), ("vcpu0", "stage2_set_pte"))
    return fault(settings, event, violated(STALE, "put_page", story=story))


ENTRIES = (
    Entry(
        number=19,
        commit="e930bffe95e1",
        subject="KVM: Synchronize guest physical memory map to host virtual memory map",
        symptom="a freed page stays mapped in stage 2",
        interleaving="A fault looks the page up; the host unmaps it everywhere; the fault maps it. Each "
        "mutation takes one part of mmu_notifier_seq and mmu_notifier_count away.",
        read="Linux 4.12 virt/kvm/kvm_main.c, include/linux/kvm_host.h; virt/kvm/arm/mmu.c for the fault",
        left_out="barriers: memory is sequentially consistent. Raising mmu_notifier_seq in front of the "
        "section of invalidate_page, without the lock, does no harm with one task that reclaims: the primary "
        "entry has gone before, so a fault that reads the new number looks another page up. With two it "
        "does: the second's store takes the number back to what the fault has read",
        before=mutation({"retry_count": False, "retry_seq": False}, "reclaim"),
        after=Run("kvm/fault-vs-invalidate", "e930bffe95e1"),
        more=(
            Run("kvm/fault-vs-invalidate", "e930bffe95e1", {"event": "dontneed"}),
            mutation({"retry_count": False}, "dontneed"),
            mutation({"retry_seq": False}, "reclaim"),
            mutation({"retry_seq": False}, "dontneed"),
            mutation({"page_seq": "after"}, "reclaim"),
            mutation({"end_seq": "after"}, "dontneed"),
            mutation({"retry_locked": False}, "reclaim"),
            mutation({"retry_locked": False}, "dontneed"),
            mutation({"seq_first": False}, "reclaim"),
            mutation({"seq_first": False}, "dontneed"),
            Run("kvm/fault-vs-invalidate", "e930bffe95e1", {"vcpus": 1, "page_seq": "before"}),
            fault({**TWO, "page_seq": "before"}, "reclaim", violated(STALE, "put_page", story=LOST_UPDATE)),
            Run("kvm/fault-vs-invalidate", "e930bffe95e1", {"vcpus": 1, **TWO}),
        ),
        larger=(
            Run("kvm/fault-vs-invalidate", "e930bffe95e1", {"vcpus": 1, "pages": 2}),
            Run("kvm/fault-vs-invalidate", "e930bffe95e1", {"vcpus": 1, "pages": 2, "event": "dontneed"}),
            Run("kvm/fault-vs-invalidate", "e930bffe95e1", {"vcpus": 1, "touches": 2}),
        ),
    ),
)
