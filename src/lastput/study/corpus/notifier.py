"""Bugs of the mmu notifier core (mm/mmu_notifier.c)."""

from __future__ import annotations

from collections.abc import Mapping

from lastput.lang.options import Value
from lastput.study.corpus.entry import Entry
from lastput.study.corpus.v6_generic import UNPAIRED
from lastput.study.experiment import Run, violated

WHERE = "notifier/versions"
EXIT: Mapping[str, Value] = {"removal": "exit", "age": False}
"""One task exits and closes its descriptor then; somebody truncates the file."""

RACE: Mapping[str, Value] = {"property": "uaf", "age": False, "invalidate": False}
"""Exit and unregister, nobody else."""

CLOSE: Mapping[str, Value] = {"property": "uaf", "removal": "unregister", "age": False}
"""One task closes its descriptor, its memory lives on; somebody truncates the file."""

REGISTER = "notifier/register"
UNLOCKED: Mapping[str, Value] = {
    "property": "stale",
    "unmap": True,
    "second": True,
    "take_all_locks": False,
}
"""A page is unmapped by somebody who holds none of the locks that registration takes."""

ENTRIES = (
    Entry(
        number=7,
        commit="3ad3d901bbcf",
        subject="mm: mmu_notifier: fix freed page still mapped in secondary MMU",
        symptom="a page is freed that a secondary MMU still maps; release then marks the freed page accessed",
        interleaving="Exit unhashes the notifier; a truncation frees a page and finds nobody to tell; "
        "release takes the entry down and writes to struct page.",
        read="mm/mmu_notifier.c of 2.6.3x (the code up to 3.5); the reverse diff in 751efd8610d3's and "
        "d34883d4e35c's mails",
        left_out="reclaim as invalidator (the same walk); the flags that are written",
        before=Run(
            WHERE,
            "v3.5",
            {"property": "touch", **EXIT},
            violated(
                "use-after-free",
                "touch_page",
                story=(("exit", "hlist_del_init_rcu"), ("truncate", "zap_pte"), ("exit", "user_release")),
            ),
        ),
        after=Run(WHERE, "3ad3d901bbcf", {"property": "touch", **EXIT}),
        more=(
            Run(
                WHERE,
                "v3.5",
                {"property": "stale", **EXIT},
                violated(
                    "assertion",
                    "free_page_frame",
                    story=(("exit", "hlist_del_init_rcu"), ("truncate", "zap_pte")),
                ),
            ),
            Run(WHERE, "3ad3d901bbcf", {"property": "stale", **EXIT}),
        ),
        larger=(
            Run(WHERE, "3ad3d901bbcf", {"property": "stale", **EXIT, "pages": 2, "users": 2, "age": True}),
        ),
    ),
    Entry(
        number=8,
        commit="751efd8610d3",
        subject="mmu_notifier_unregister NULL Pointer deref and multiple ->release() callouts",
        symptom="NULL pointer dereference when unregister removes a node that exit has removed",
        interleaving="Unregister finds the notifier hashed and calls release; exit calls release, too, and "
        "unhashes the node; unregister removes it again through a pprev that is NULL.",
        read="the diff of the commit; 21a92735f660's code by its context lines",
        left_out="",
        before=Run(
            WHERE,
            "21a92735f660",
            RACE,
            violated(
                "null-deref",
                "__hlist_del",
                story=(
                    ("close", "hlist_unhashed"),
                    ("exit", "hlist_del_init_rcu"),
                    ("close", "hlist_del_rcu"),
                ),
            ),
        ),
        after=Run(WHERE, "751efd8610d3", RACE),
        more=(
            Run(
                WHERE,
                "21a92735f660",
                {**RACE, "property": "once"},
                violated("assertion", "user_release"),
            ),
            Run(WHERE, "751efd8610d3", {**RACE, "property": "once"}),
        ),
        larger=(Run(WHERE, "751efd8610d3", {"property": "uaf", "users": 2}),),
    ),
    Entry(
        number=9,
        commit="d34883d4e35c",
        subject="mm: mmu_notifier: re-fix freed page still mapped in secondary MMU",
        symptom="as 3ad3d901bbcf: a page is freed that a secondary MMU still maps",
        interleaving="Since 751efd8610d3 the notifier is unhashed before release again; a truncation falls "
        "in between.",
        read="the diff of the commit",
        left_out="as 3ad3d901bbcf",
        before=Run(
            WHERE,
            "751efd8610d3",
            {"property": "stale"},
            violated("assertion", "free_page_frame", story=(("", "__hlist_del"), ("truncate", "zap_pte"))),
        ),
        after=Run(WHERE, "d34883d4e35c", {"property": "stale"}),
        more=(
            Run(
                WHERE,
                "751efd8610d3",
                {"property": "touch"},
                violated(
                    "use-after-free", "touch_page", story=(("truncate", "zap_pte"), ("", "user_release"))
                ),
            ),
            Run(WHERE, "d34883d4e35c", {"property": "touch"}),
            Run(WHERE, "d34883d4e35c", RACE),
        ),
        larger=(
            Run(WHERE, "d34883d4e35c", {"property": "stale", "users": 2}),
            Run(WHERE, "v4.12", {"property": "stale", "users": 2}),
        ),
    ),
    Entry(
        number=10,
        commit="21a92735f660",
        subject="mm: mmu_notifier: have mmu_notifiers use a global SRCU so they may safely schedule",
        symptom="a callback sleeps in an RCU read section; unnoticed, its user is freed under it",
        interleaving="A truncation calls a callback that sleeps; unregister's grace period takes that for "
        "the end of the read section; the user is freed; the callback goes on.",
        read="the commit's text; 3ad3d901bbcf's code",
        left_out="what the callback waits for; the early SRCU of that time is today's by contract",
        before=Run(
            WHERE,
            "3ad3d901bbcf",
            {**CLOSE, "sleeps": "seen"},
            violated("rcu-misuse", "might_sleep", story=(("truncate", "walk_begin"),)),
        ),
        after=Run(WHERE, "21a92735f660", {**CLOSE, "sleeps": "seen"}),
        more=(
            Run(
                WHERE,
                "3ad3d901bbcf",
                {**CLOSE, "sleeps": "unseen"},
                violated(
                    "use-after-free",
                    "user_invalidate_range_start",
                    story=(
                        ("truncate", "may_sleep"),
                        ("close", "synchronize_rcu"),
                        ("close", "user_destroy"),
                    ),
                ),
            ),
            Run(WHERE, "21a92735f660", {**CLOSE, "sleeps": "unseen"}),
        ),
    ),
    Entry(
        number=26,
        commit="CVE-2024-26617, d489ec956583",
        subject="fs/proc/task_mmu: move mmu notification mechanism inside mm lock",
        symptom="KVM's count of invalidations goes below zero",
        interleaving="PAGEMAP_SCAN tells the list, which is empty, of the start; KVM_CREATE_VM registers; "
        "the scan tells KVM of the end.",
        read="the text of the CVE and of d489ec956583; Linux 4.12's mm/mmu_notifier.c for registration",
        left_out="the write protection itself; in the first pair mn_active_invalidate_count, and that an "
        "update of the slots waits for it for ever, which the last runs have: its user counts as KVM 4.12 "
        "does",
        before=Run(
            REGISTER,
            "v4.12",
            {"property": "dead", "scan": True, "scan_locked": False},
            violated(
                "bug",
                "user_invalidate_range_end",
                story=(("register", "add_notifier"), ("scan", "user_invalidate_range_end")),
            ),
        ),
        after=Run(REGISTER, "v4.12", {"property": "dead", "scan": True}),
        more=(
            Run(
                REGISTER,
                "v4.12",
                {"property": "dead", "scan": True, "scan_locked": False, "harden": True},
                violated("warning", "user_invalidate_range_end"),
            ),
            Run(
                REGISTER,
                "v4.12",
                {"property": "dead", "truncate": True, "take_all_locks": False},
                violated(
                    "bug",
                    "user_invalidate_range_end",
                    story=(("register", "add_notifier"), ("truncate", "user_invalidate_range_end")),
                ),
            ),
            Run(REGISTER, "v4.12", {"property": "stale", "truncate": True, "signals": True}),
            *UNPAIRED,
        ),
        larger=(
            Run(REGISTER, "v4.12", {"property": "dead", "scan": True, "truncate": True, "second": True}),
        ),
    ),
    Entry(
        number=53,
        commit="543bdb2d825f",
        subject="mm/mmu_notifier: use hlist_add_head_rcu()",
        symptom="a walk uses a field of the new notifier before it is set: it misses the notifier behind it, "
        "which keeps a page mapped that is freed",
        interleaving="The store that publishes the notifier becomes visible before the store to its `next`; "
        "a walk in between ends at the new notifier.",
        read="the commit's text; mm/mmu_notifier.c of 4.14 before and after",
        left_out="weak memory: the two stores are exchanged explicitly. `ops`, which the commit names, is "
        "constant here; its store may come late in the same way. The walk shares no lock with registration",
        before=Run(
            REGISTER,
            "v4.12",
            {**UNLOCKED, "publish_rcu": False},
            violated(
                "assertion",
                "free_page_frame",
                story=(("register", "hlist_add_head"), ("unmap", "mmu_notifier_invalidate_page")),
            ),
        ),
        after=Run(REGISTER, "v4.12", UNLOCKED),
        larger=(Run(REGISTER, "v4.12", {**UNLOCKED, "pages": 2}),),
    ),
)
