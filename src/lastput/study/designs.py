"""Every design against every property, as experiments: which it keeps, which it breaks, and how.

The runs are of notifier/designs, whose docstring says what the properties are. A property is checked
with the actors that can break it. `stale-use` is asked for two users: one whose entries only a task with
references uses (a vcpu), and one whose hardware goes on until they are gone (SVA, RDMA).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from lastput.lang.options import Value
from lastput.study.experiment import HOLDS, Expectation, Run, violated

DESIGNS = {
    "D0": "Linux 4.12 to this day: release, unhash, grace period; two callers may both release",
    "D1": "Linux 3.9 (751efd8610d3): unhash, release, grace period; whoever unhashes releases",
    "D2a-i": "mutex in the notifier; exit waits for it inside its read section",
    "D2a-ii": "mutex in the notifier; exit picks a notifier, holds nothing, then takes it",
    "D2a-iii": "mutex in the notifier; exit unhashes before it takes it",
    "D2b": "mutex in the address space: unhash all, one grace period, release each",
    "D3": "D0, and unregister frees the root with a second callback after its grace period",
    "D4": "D0, and the user frees the root after unregister",
    "D5": "D0, and the root is tested where an entry is looked up",
}

LEGEND = {**DESIGNS, "D3-exit": "D3, but whoever releases frees the root, exit too"}
"""What a table of them says that they are."""

MEANING = {
    "P-NULL": "no callback walks from a root that is gone; callbacks do not test it, but in D5",
    "P-UAF": "nobody accesses a notifier, its user or its list after they are freed",
    "P-ONCE": "release is called at most once for each notifier",
    "P-ORDER": "exit_mmap frees pages after release has returned, whoever called it",
    "P-QUIET": "no callback runs once release has begun; (root) once the root is being freed",
    "P-STALE": "a page that is freed is in no entry",
    "P-STALE-USE": "... or at least in none that a device can still use: a vcpu, or one that stays live",
    "P-TOUCH": "taking an entry down does not write to a page that is free",
    "P-DEAD": "nobody waits for ever",
    "P-END": "who saw the start of an invalidation sees its end, or is no longer registered",
}
"""What the properties say."""

PROPERTIES: Mapping[str, tuple[str, Mapping[str, Value]]] = {
    "P-NULL": ("null", {}),
    "P-UAF": ("uaf", {}),
    "P-ONCE": ("once", {"invalidate": False}),
    "P-ORDER": ("order", {"invalidate": False}),
    "P-QUIET": ("quiet", {}),
    "P-QUIET (root)": ("quiet-free", {}),
    "P-STALE": ("stale", {}),
    "P-STALE-USE (vcpu)": ("stale-use", {"hardware": "vcpu", "age": False}),
    "P-STALE-USE (live)": ("stale-use", {"hardware": "live", "age": False}),
    "P-TOUCH": ("touch", {}),
    "P-DEAD": ("dead", {}),
    "P-END": ("end", {"age": False}),
}
"""Name -> value of the option `property`, and the actors."""

BREAKS: Mapping[str, Mapping[str, Expectation]] = {
    "P-NULL": {
        design: violated("null-deref", "lookup", story=(("", "user_release"), ("", "lookup")))
        for design in ("D0", "D1")
    },
    "P-UAF": {
        "D2a-ii": violated(
            "use-after-free", "mutex_lock", story=(("exit", "first_notifier"), ("close", "user_destroy"))
        ),
        "D2a-iii": violated(
            "use-after-free", "mutex_lock", story=(("exit", "unhash_first"), ("close", "user_destroy"))
        ),
    },
    "P-ONCE": {design: violated("assertion", "user_release") for design in ("D0", "D3", "D4", "D5")},
    "P-ORDER": {
        design: violated("invariant", story=(("close", "unhash"), ("exit", "exit_mmap")))
        for design in ("D2a-i", "D2a-ii", "D2a-iii")
    },
    "P-QUIET": {
        design: violated("assertion", "callback_begins", "user_release")
        for design in ("D0", "D1", "D3", "D4", "D5")
    },
    "P-QUIET (root)": {
        design: violated("assertion", "callback_begins", "free_begins") for design in ("D0", "D1", "D5")
    },
    "P-STALE": {
        design: violated("assertion", "free_page_frame", story=(("", "__hlist_del"), ("", "zap_pte")))
        for design in ("D1", "D2a-i", "D2a-ii", "D2a-iii", "D2b")
    },
    "P-STALE-USE (live)": {
        design: violated("use-after-free", "use_entry", story=(("", "zap_pte"), ("device", "use_entry")))
        for design in ("D1", "D2a-i", "D2a-ii", "D2a-iii", "D2b")
    },
    "P-TOUCH": {
        design: violated("use-after-free", "touch_page", story=(("", "zap_pte"), ("", "user_release")))
        for design in ("D1", "D2a-i", "D2a-ii", "D2a-iii", "D2b")
    },
    "P-DEAD": {"D2a-i": violated("deadlock", story=(("close", "unhash"), ("close", "wait_for_walks")))},
}
"""What each property is broken by, and how; all that is not here holds."""


@dataclass(frozen=True)
class Cell:
    """One design and one property. `note` says what a verdict alone does not."""

    design: str
    property: str
    run: Run
    note: str = ""


NOTES = {
    ("D2a-i", "P-DEAD"): "exit, a reader, waits for the mutex; its owner waits for all readers",
    ("D0", "P-ORDER"): "unregister may still call release a second time after the pages have gone",
    ("D3", "P-QUIET"): "callbacks go on during release, as they must; none runs once the root goes",
    ("D4", "P-QUIET"): "as D3",
}


def _expected(design: str, name: str) -> Expectation:
    return BREAKS.get(name, {}).get(design, HOLDS)


def _cell(design: str, name: str) -> Cell:
    value, actors = PROPERTIES[name]
    run = Run("notifier/designs", design, {"property": value, **actors}, _expected(design, name))
    return Cell(design, name, run, NOTES.get((design, name), ""))


FREED_BY_EXIT = Cell(
    "D3-exit",
    "P-UAF",
    Run(
        "notifier/designs",
        "D3-exit",
        {"property": "uaf"},
        violated(
            "use-after-free", "call_free_root", story=(("exit", "unhash_all"), ("close", "user_destroy"))
        ),
    ),
    "D3 with both callers freeing the root: after the grace period nothing keeps the user",
)
"""What is wrong with the obvious D3, in which both callers free the root: only unregister may."""

CELLS = (*(_cell(design, name) for design in DESIGNS for name in PROPERTIES), FREED_BY_EXIT)
"""The table, row by row."""


@dataclass(frozen=True)
class Hazard:
    """Something that can go wrong with a design, or with Linux's own, as experiments."""

    name: str
    sentence: str
    runs: tuple[Run, ...]


def _hazard(design: str, expect: Expectation = HOLDS, **settings: Value) -> Run:
    return Run("notifier/hazards", design, settings, expect)


def _designs(design: str, expect: Expectation = HOLDS, **settings: Value) -> Run:
    return Run("notifier/designs", design, settings, expect)


WAITS_IN_SECTION = violated("rcu-misuse", "wait_for_readers")

HAZARDS = (
    Hazard(
        "H1",
        "D2b: a page that is freed between unhashing and release is missed; harmless for a vcpu, not for "
        "live hardware and not for a release that writes to struct page",
        (
            _designs("D2b", BREAKS["P-STALE"]["D2b"], property="stale"),
            _designs("D2b", property="stale-use", hardware="vcpu", age=False),
            _designs(
                "D2b", BREAKS["P-STALE-USE (live)"]["D2b"], property="stale-use", hardware="live", age=False
            ),
            _designs("D2b", BREAKS["P-TOUCH"]["D2b"], property="touch"),
        ),
    ),
    Hazard(
        "H2",
        "a callback of one address space that removes a notifier of another: fine in Linux if it does not "
        "wait, a deadlock with D2b, because grace periods wait for the readers of every address space",
        (
            _hazard("D0", WAITS_IN_SECTION, hazard="h2"),
            _hazard("D0", hazard="h2", deferred=True),
            _hazard(
                "D2b",
                violated("deadlock", story=(("invalidate", "walk_begin"), ("exit", "wait_for_walks"))),
                hazard="h2",
                deferred=True,
            ),
        ),
    ),
    Hazard(
        "H3",
        "a release that removes another notifier: Linux has it wait for itself, unless it defers; D2b has "
        "it take its own mutex, deferred or not",
        (
            _hazard("D0", WAITS_IN_SECTION, hazard="h3"),
            _hazard("D0", hazard="h3", deferred=True),
            _hazard("D2b", violated("lock-recursion", "mutex_lock"), hazard="h3"),
            _hazard("D2b", violated("lock-recursion", "mutex_lock"), hazard="h3", deferred=True),
        ),
    ),
    Hazard(
        "H4",
        "a release that takes a driver's lock, and a removal under that lock: a deadlock in Linux and with "
        "D2b",
        (
            _hazard("D0", violated("deadlock", story=(("remove", "remove_under_lock"),)), hazard="h4"),
            _hazard("D2b", violated("deadlock", story=(("remove", "remove_under_lock"),)), hazard="h4"),
            _hazard("D0", hazard="h4", deferred=True),
            _hazard("D2b", hazard="h4", deferred=True),
        ),
    ),
    Hazard(
        "H5",
        "who registers without holding a user of the address space may come after its end; the test of "
        "mm_users sees that only by chance",
        (
            Run(
                "notifier/register",
                "v4.12",
                {"property": "dead", "exits": True, "pinned": False},
                violated("bug", "mmu_notifier_register"),
            ),
            Run(
                "notifier/register",
                "v4.12",
                {"property": "dead", "exits": True, "pinned": False, "tests_users": False},
                violated("use-after-free", "mmu_notifier_register"),
            ),
            Run("notifier/register", "v4.12", {"property": "dead", "exits": True}),
        ),
    ),
    Hazard(
        "H6",
        "D2b: the last reference to the address space must not go under its mutex",
        (
            _hazard(
                "D2b", violated("lock-freed", "mmu_notifier_mm_destroy"), hazard="h6", drop_after_unlock=False
            ),
            _hazard("D2b", hazard="h6"),
        ),
    ),
    Hazard(
        "S5",
        "exit stands on a notifier that unregister removes, and still reaches the next one, because a "
        "removed node keeps its `next`",
        (
            _designs("D0", property="stale", users=2, age=False, invalidate=False),
            _designs(
                "D0",
                violated(
                    "assertion",
                    "free_page_frame",
                    story=(("close", "hlist_del_init_rcu"), ("exit", "unmap_vmas")),
                ),
                property="stale",
                users=2,
                age=False,
                invalidate=False,
                del_keeps_next=False,
            ),
        ),
    ),
    Hazard(
        "S8",
        "D2a-i: exit waits for the mutex inside its read section, the owner of the mutex waits for exit's "
        "section",
        (_designs("D2a-i", BREAKS["P-DEAD"]["D2a-i"], property="dead", age=False, invalidate=False),),
    ),
    Hazard(
        "S10",
        "without mm_take_all_locks a registration lands between start and end of an invalidation",
        (
            Run(
                "notifier/register",
                "v4.12",
                {"property": "dead", "truncate": True, "take_all_locks": False},
                violated("bug", "user_invalidate_range_end"),
            ),
            Run("notifier/register", "v4.12", {"property": "dead", "truncate": True}),
        ),
    ),
)
"""H1 to H6 and the scenarios beside them, each with what avoids it where something does."""
