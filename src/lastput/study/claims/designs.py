"""What the thread says of a mutex that would settle release against unregister."""

from __future__ import annotations

from collections.abc import Mapping

from lastput.lang.options import Value
from lastput.study.claims.claim import Claim, Exhibit
from lastput.study.designs import BREAKS, FREED_BY_EXIT
from lastput.study.experiment import HOLDS, Expectation, Run, violated

ALONE: Mapping[str, Value] = {"age": False, "invalidate": False}
"""Exit and unregister, and nobody else."""

COUNTED: Mapping[str, Value] = {
    "property": "dead",
    "removal": "exit",
    "users": 2,
    "count_waits": True,
    **ALONE,
}
"""A process with two notifiers exits, then closes both; grace periods are counted."""


def _design(name: str, expect: Expectation = HOLDS, **settings: Value) -> Run:
    return Run("notifier/designs", name, settings, expect)


def _counted(name: str, exit_waits: int, all_waits: int) -> Run:
    return Run("notifier/designs", name, {**COUNTED, "exit_waits": exit_waits, "all_waits": all_waits})


CLAIMS = (
    Claim(
        number="C10",
        who="Andrea Arcangeli",
        sentence="Better in theory: a mutex in struct mmu_notifier settles release against unregister; "
        "unhash, wait for the grace period, then call release under the mutex.",
        verdict="in part",
        exhibits=(
            Exhibit(
                "as written, exit waiting inside its read section: both wait for ever",
                _design("D2a-i", BREAKS["P-DEAD"]["D2a-i"], property="dead", **ALONE),
            ),
            Exhibit(
                "as written, exit holding nothing: the mutex is freed under it",
                _design("D2a-ii", BREAKS["P-UAF"]["D2a-ii"], property="uaf"),
            ),
            Exhibit(
                "as written, exit unhashing first: unregister believes that it is done, and frees the mutex",
                _design("D2a-iii", BREAKS["P-UAF"]["D2a-iii"], property="uaf"),
            ),
            Exhibit(
                "as written, exit does not wait for a release that unregister runs: pages go before it",
                _design("D2a-ii", BREAKS["P-ORDER"]["D2a-ii"], property="order", invalidate=False),
            ),
            Exhibit(
                "as claimed, with the mutex in the address space: KVM/arm needs no test of arch.pgd, "
                "process exits",
                Run("kvm/designs", "D2b"),
            ),
            Exhibit(
                "as claimed: the VM is closed while its process lives on",
                Run("kvm/designs", "D2b", {"teardown": "unregister"}),
            ),
            Exhibit(
                "as claimed: the last descriptor is in another process, which closes it any time",
                Run("kvm/designs", "D2b", {"fd": "moved"}),
            ),
            Exhibit(
                "between unhashing and release a page is freed that is still mapped",
                _design("D2b", BREAKS["P-STALE"]["D2b"], property="stale"),
            ),
            Exhibit(
                "... which no vcpu can use any more",
                _design("D2b", property="stale-use", hardware="vcpu", age=False),
            ),
            Exhibit(
                "... but hardware that nobody has stopped can",
                _design(
                    "D2b",
                    BREAKS["P-STALE-USE (live)"]["D2b"],
                    property="stale-use",
                    hardware="live",
                    age=False,
                ),
            ),
            Exhibit(
                "... and a release that hands accessed bits over writes to it",
                _design("D2b", BREAKS["P-TOUCH"]["D2b"], property="touch"),
            ),
        ),
        correction="With the mutex in the notifier it deadlocks or uses the notifier after it is freed. "
        "With one mutex for each address space it is sound for KVM/arm, and all tests of arch.pgd could go; "
        "but it opens the window again that d34883d4e35c closed, for users whose secondary MMU goes on or "
        "whose release writes to struct page.",
    ),
    Claim(
        number="C11",
        who="Andrea Arcangeli",
        sentence="The mutex would be marginally slower for the other architectures.",
        verdict="in part",
        exhibits=(
            Exhibit("today: one grace period in exit, one in each unregister", _counted("D0", 1, 3)),
            Exhibit("a mutex in each notifier: one for each notifier in exit", _counted("D2a-ii", 2, 2)),
            Exhibit(
                "a mutex in the address space: one in exit, none in unregister after it",
                _counted("D2b", 1, 1),
            ),
        ),
        correction="In grace periods, which are what is slow, one mutex for each address space costs less "
        "than today: exit waits once for all notifiers, and an unregister that comes after it need not "
        "wait. A mutex in each notifier has exit wait once for each. Loads, atomic operations and locks of "
        "every path: `lastput claims costs`.",
    ),
    Claim(
        number="C12",
        who="Andrea Arcangeli",
        sentence="Getting away with one mutex less sounds simpler.",
        verdict="in part",
        exhibits=(
            Exhibit(
                "the price: without a test, ageing follows a NULL pgd",
                Run("kvm/designs", "D0", expect=violated("null-deref", "stage2_get_pmd")),
            ),
            Exhibit("as claimed: with the test, no mutex is needed", Run("kvm/designs", "D0-tested")),
            Exhibit("one test where the pgd is looked up does as well", Run("kvm/designs", "D5")),
            Exhibit("neither mutex nor test: the pgd is freed when the VM is", Run("kvm/designs", "D4")),
            Exhibit(
                "... also with exit and unregister at the same time",
                Run("kvm/designs", "D4", {"fd": "moved"}),
            ),
            Exhibit("neither: unregister frees it with a second callback", Run("kvm/designs", "D3")),
            Exhibit("... which exit must not call, too", FREED_BY_EXIT.run),
        ),
        correction="Without the mutex every callback of an architecture that frees its root in release must "
        "test for that. Simpler than both is to keep the root until the VM is destroyed.",
    ),
)
