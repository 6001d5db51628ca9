"""Bugs of users of mmu notifiers other than KVM, and of the interval notifiers that they use."""

from __future__ import annotations

from lastput.study.corpus.entry import Entry
from lastput.study.experiment import HOLDS, Run, violated

ENTRIES = (
    Entry(
        number=43,
        commit="6d7c3cde93c1",
        subject="mm/hmm: fix use after free with struct hmm in the mmu notifiers",
        symptom="A callback takes a reference in freed memory.",
        interleaving="A walk of the notifier list is about to call HMM's callback; the last mirror goes, the "
        "notifier is unhashed without waiting for walks, and struct hmm is freed at once.",
        read="the patch as posted (June 2019, v4); Linux 5.2 and 5.3 mm/hmm.c",
        left_out="mm->hmm, by which callbacks found the struct before the fix: they find it by container_of "
        "in both variants; ranges and their sequence count. The reference that struct hmm holds to the mm "
        "(8a9320b7ec5d of the same series) is in both variants.",
        before=Run(
            "users/hmm",
            "v5.2",
            {"releases": False},
            expect=violated(
                "use-after-free",
                "hmm_invalidate_range_start",
                "hmm_release",
                "mmu_notifier_invalidate_range_start",
                "__mmu_notifier_release",
                story=(("", "walk_begin"), ("driver0", "hmm_free")),
            ),
        ),
        after=Run("users/hmm", "6d7c3cde93c1", {"releases": False}),
        larger=(Run("users/hmm", "6d7c3cde93c1", {"releases": False, "drivers": 2, "pages": 2}),),
    ),
    Entry(
        number=44,
        commit="14331726a3c4",
        subject="mm/hmm: Remove confusing comment and logic from hmm_release",
        symptom="hmm_release calls the release operation of a mirror that its driver has freed.",
        interleaving="hmm_release takes the mirror off the list and drops the lock; the driver unregisters "
        "the mirror, which finds nothing to do, and frees it.",
        read="the patch as posted (June 2019, v4); Linux 5.2 and 5.3 mm/hmm.c",
        left_out="as 43; that a release operation may no longer unregister a mirror",
        before=Run(
            "users/hmm",
            "6d7c3cde93c1",
            expect=violated(
                "use-after-free",
                "device_release",
                story=(
                    ("", "release_one_by_one"),
                    ("driver0", "hmm_mirror_unregister"),
                    ("driver0", "driver"),
                    ("", "release_one_by_one"),
                ),
            ),
        ),
        after=Run("users/hmm", "14331726a3c4"),
        larger=(Run("users/hmm", "14331726a3c4", {"drivers": 2}),),
    ),
    Entry(
        number=48,
        commit="f27a0d50a4bc",
        subject="RDMA/umem: Use umem->owning_mm inside ODP",
        symptom="Three tasks block for ever: one in the removal of the notifier, one in a callback, one on "
        "the lock of the regions.",
        interleaving="The last region goes: its task removes the notifier while it holds umem_rwsem for "
        "reading. A new region wants the lock for writing, and the queue is fair: callbacks, for which the "
        "removal waits and of which it calls one itself, wait behind it.",
        read="Linux 4.14 to 4.19 and 5.0 drivers/infiniband/core/umem_odp.c",
        left_out="finding the owner's mm, from which the fix has its name; the adapter's fault and "
        "invalidate_range_end; mmu_notifier_register's own locks",
        before=Run(
            "users/odp",
            "v4.19",
            expect=violated(
                "deadlock",
                story=(
                    ("dereg", "downgrade_write"),
                    ("dereg", "mmu_notifier_unregister"),
                    ("reg", "down_write"),
                ),
            ),
        ),
        after=Run("users/odp", "f27a0d50a4bc"),
        more=(
            Run(
                "users/odp",
                "v4.19",
                {"fair": False},
                expect=violated("lock-recursion", "ib_umem_notifier_release"),
            ),
        ),
    ),
    Entry(
        number=54,
        commit="319561669a59",
        subject="mm/mmu_notifier.c: fix race in mmu_interval_notifier_remove()",
        symptom="The end of an invalidation takes a freed notifier off the deferred list.",
        interleaving="A removal is put off and waits; the last end makes the number even and is about to "
        "work through the list; the waiter sees the number without the lock, returns, and its caller frees "
        "the notifier.",
        read="the patch (April 2022); Linux 7.x mm/mmu_notifier.c, lib/test_hmm.c (Linux 5.8)",
        left_out="the interval tree's shape (a list here); non-blocking invalidations; the wait queue: those "
        "who wait look at the number itself. Not an entry of the notes: found while reading.",
        before=Run(
            "users/interval",
            "v5.5",
            expect=violated(
                "use-after-free",
                "mn_itree_inv_end",
                story=(
                    ("", "mmu_interval_notifier_remove"),
                    ("", "mn_itree_inv_end"),
                    ("", "dmirror_fops_release"),
                    ("", "mn_itree_inv_end"),
                ),
            ),
        ),
        after=Run("users/interval", "v7.3"),
        more=(
            Run("users/interval", "v7.3", {"opens": True}),
            Run(
                "users/interval",
                "v7.3",
                {"begin_waits": False},
                expect=violated("assertion", "free_page_frame"),
            ),
            Run(
                "users/interval",
                "v7.3",
                {"sets_seq": False},
                expect=violated("use-after-free", "dmirror_do_fault"),
            ),
            Run(
                "users/interval",
                "v7.3",
                {"retries": False},
                expect=violated("use-after-free", "dmirror_do_fault"),
            ),
            Run(
                "users/interval",
                "v7.3",
                {"retry_locked": False},
                expect=violated("use-after-free", "dmirror_do_fault"),
            ),
            Run(
                "users/interval",
                "v7.3",
                {"begin_first": False},
                expect=violated("use-after-free", "dmirror_do_fault"),
            ),
            Run(
                "users/interval",
                "v7.3",
                {"pins_mm": False},
                expect=violated("use-after-free", "hmm_range_fault"),
            ),
            Run(
                "users/interval",
                "v7.3",
                {"unmaps_first": False},
                expect=violated("assertion", "free_page_frame"),
            ),
            Run(
                "users/interval",
                "v7.3",
                {"remove_waits": False},
                expect=violated("use-after-free", "mn_itree_invalidate"),
            ),
            Run(
                "users/interval",
                "v7.3",
                {"defer": False},
                expect=violated("use-after-free", "mn_itree_invalidate"),
            ),
            Run("users/interval", "v7.3", {"release_invalidates": False}, expect=HOLDS),
        ),
        larger=(
            Run("users/interval", "v7.3", {"zaps": 2}),
            Run("users/interval", "v7.3", {"pages": 2}),
            Run("users/interval", "v7.3", {"pages": 2, "span": 2}),
            Run("users/interval", "v7.3", {"opens": True, "pages": 2}),
        ),
    ),
)
