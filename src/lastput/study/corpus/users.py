"""Bugs of users of mmu notifiers other than KVM, and of the interval notifiers that they use."""

from __future__ import annotations

from lastput.study.corpus.entry import Entry
from lastput.study.experiment import Run, violated

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
        number=45,
        commit="fa582c6f3684",
        subject="drm/amdkfd: Use mmget_not_zero in MMU notifier",
        symptom="A work lets go of an address space that is freed.",
        interleaving="The process is gone, and the end of its address space unmaps the range: the callback "
        "takes a reference to nobody's address space and queues a work, which finds it freed.",
        read="the patch (May 2022) and its follow-up for putting the mm in the callback; Linux 5.18, 5.19",
        left_out="splitting, restoring and migrating ranges; the driver's list notifier, whose release stops "
        "the GPU: the interval's callback does that here. What a last mmput in the callback "
        "would do is cut short, and never happens here: the queued work has a reference. In this "
        "model that fix also leaves the GPU's entry when reclaim comes between last mmput and release.",
        before=Run(
            "users/amdkfd",
            "v5.18",
            {"reclaims": False},
            expect=violated(
                "use-after-free",
                "svm_range_deferred_list_work",
                story=(
                    ("owner", "mmu_notifier_release"),
                    ("owner", "svm_range_add_list_work"),
                    ("worker", "svm_range_deferred_list_work"),
                ),
            ),
        ),
        after=Run("users/amdkfd", "fa582c6f3684", {"reclaims": False}),
        more=(
            Run(
                "users/amdkfd",
                "fa582c6f3684",
                expect=violated(
                    "assertion",
                    "free_page_frame",
                    story=(("owner", "mmput"), ("reclaim", "svm_range_cpu_invalidate_pagetables")),
                ),
            ),
            Run("users/amdkfd", "v6.16"),
        ),
    ),
    Entry(
        number=46,
        commit="2bbac98d0930",
        subject="RDMA/hfi1: Fix use-after-free bug for mm struct",
        symptom="Pages are taken off the account of an address space that is freed.",
        interleaving="The process has exited; another one, which has the adapter's file, closes it. Removing "
        "the notifier drops the last reference to the mm, which the unpinning behind it uses.",
        read="the patch (April 2022); Linux 5.17 drivers/infiniband/hw/hfi1/mmu_rb.c",
        left_out="the work that unpins after an invalidation; the tree has room for one node",
        before=Run(
            "users/hfi1",
            "3d2a9d642512",
            expect=violated(
                "use-after-free",
                "unpin",
                story=(
                    ("owner", "exit_mm"),
                    ("other", "mmu_notifier_unregister"),
                    ("other", "mmdrop"),
                    ("other", "unpin"),
                ),
            ),
        ),
        after=Run("users/hfi1", "2bbac98d0930"),
        more=(Run("users/hfi1", "2bbac98d0930", {"zaps": 1}),),
    ),
    Entry(
        number=47,
        commit="3d2a9d642512",
        subject="IB/hfi1: Ensure correct mm is used at all times",
        symptom="The adapter sends a page of another process.",
        interleaving="The opener of the file sends; its page stays pinned under its address. A process that "
        "inherited the file sends from the same address, and the tree has the page of the first.",
        read="the patch as posted (November 2020, v4) and its review; Linux 5.17 drivers/infiniband/hw/hfi1",
        left_out="as 46; the reference that 2bbac98d0930 adds is in the variant before, so that its bug does "
        "not hide this one",
        before=Run(
            "users/hfi1",
            "v5.9",
            expect=violated(
                "assertion",
                "pin_vector_pages",
                story=(("owner", "hfi1_mmu_rb_insert"), ("other", "pin_vector_pages")),
            ),
        ),
        after=Run("users/hfi1", "2bbac98d0930"),
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
        number=49,
        commit="CVE-2025-21714",
        subject="RDMA/mlx5: Fix implicit ODP use after free (d3d930411ce3)",
        symptom="A work runs in a child region that its first run has freed.",
        interleaving="An invalidation empties a child and queues its destruction; a second one, before that "
        "has removed the notifier, finds it empty again and queues the work once more.",
        read="the patch (January 2025) and its follow-up; Linux 6.13 drivers/infiniband/hw/mlx5/odp.c",
        left_out="faults, which make children again; the keys' cache. That the first fix leaks a reference "
        "to the parent, and the parent's deregistration waits for ever, is in it (variant d3d930411ce3).",
        before=Run(
            "users/mlx5",
            "abb604a1a9c8",
            expect=violated(
                "use-after-free",
                "process_one_work",
                "free_implicit_child_mr_work",
                story=(
                    ("balloon", "destroy_unused_implicit_child_mr"),
                    ("balloon", "zap_pte"),
                    ("balloon", "destroy_unused_implicit_child_mr"),
                    ("worker", "free_implicit_child_mr_work"),
                    ("worker", "process_one_work"),
                ),
            ),
        ),
        after=Run("users/mlx5", "v6.14"),
        more=(
            Run(
                "users/mlx5",
                "d3d930411ce3",
                expect=violated("deadlock", story=(("dereg", "mlx5r_deref_wait_odp_mkey"),)),
            ),
        ),
    ),
    Entry(
        number=50,
        commit="CVE-2025-21732",
        subject="RDMA/mlx5: Fix a race for an ODP MR which leads to CQE with error (abb604a1a9c8)",
        symptom="A request to the adapter names a revoked key: error state of the device.",
        interleaving="Deregistration revokes the key of a region whose notifier is still there; an "
        "invalidation then has the adapter change the table of that key.",
        read="the patch (January 2025); Linux 6.13 drivers/infiniband/hw/mlx5/mr.c, odp.c",
        left_out="the keys' cache, whose lock the fix took the wrong way round (repaired in 6.16)",
        before=Run(
            "users/mlx5",
            "v6.13",
            {"implicit": False},
            expect=violated(
                "bug",
                "mlx5r_umr_update_xlt",
                story=(("dereg", "mlx5_revoke_mr"), ("balloon", "mlx5_ib_invalidate_range")),
            ),
        ),
        after=Run("users/mlx5", "abb604a1a9c8", {"implicit": False}),
    ),
    Entry(
        number=52,
        commit="d5afb4b47e13",
        subject="iommu/arm-smmu-v3: Fix soft lockup triggered by arm_smmu_mm_invalidate_range",
        symptom="One callback issues a command for every page of a range, without an upper bound.",
        interleaving="(Sequential.) A large range is unmapped, and the hardware has no commands for ranges.",
        read="the patch as posted (September 2023), with its trace",
        left_out="time: a soft lockup is a bound on commands in one callback here, the one that the fix "
        "introduced; the queue, its lock and other CPUs that fill it, which make the wait long",
        before=Run("users/sva", "v6.5", expect=violated("assertion", "arm_smmu_mm_invalidate_range")),
        after=Run("users/sva", "d5afb4b47e13"),
        more=(Run("users/sva", "v6.5", {"range_inv": True}),),
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
        "who wait look at the number itself. Not an entry of the notes: found while reading. That it holds "
        "with release_invalidates=0 says that the walk of release is not what keeps freed pages unmapped: "
        "the invalidation around unmap_vmas does it.",
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
            # Without mn_itree_release nothing is missed: the intervals stay registered, and exit_mmap
            # brackets unmap_vmas by a start and an end, which tell them of every page once more. The
            # release is for drivers that want to be rid of the process early, not for this property.
            Run("users/interval", "v7.3", {"release_invalidates": False}),
        ),
        larger=(
            Run("users/interval", "v7.3", {"zaps": 2}),
            Run("users/interval", "v7.3", {"pages": 2}),
            Run("users/interval", "v7.3", {"pages": 2, "span": 2}),
            Run("users/interval", "v7.3", {"opens": True, "pages": 2}),
        ),
    ),
)
