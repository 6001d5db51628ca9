"""How large the model has to be for a stage: every number that is a constant of the model."""

from __future__ import annotations

from collections import Counter

from lastput.lang import UsageError
from lastput.lang.options import Value
from lastput.validate.scene import Act
from lastput.validate.script import Stage

MOST_PAGES = 4096
MOST_ROLES = 63
LAST_LEVEL = 512
"""Pages that one last-level table maps, with pages of 4 KiB."""
INVALIDATIONS = ("reap", "dontneed", "munmap", "cow", "invalidate", "rmap_invalidate", "change_pte", "split")


def table_size(pages: int) -> int:
    """Entries of a table of stage 2: as many as the kernel's, or as there are pages."""
    return max(2, min(LAST_LEVEL, pages))


def top_entries(pages: int) -> int:
    """Entries of the top level that are in use."""
    return -(-pages // table_size(pages))


def counted(stage: Stage) -> Counter[str]:
    """How often each call is in the scripts."""
    return Counter(call.name for role in stage.roles for call in role.calls)


def files_of(stage: Stage) -> int:
    """Files of KVM that there ever are."""
    return 1 + stage.vcpus + stage.stats


def slot_sets(stage: Stage) -> int:
    """Sets of slots that come into force: the first, and up to two for each change."""
    return 1 + 2 * counted(stage)["set_memory"] + counted(stage)["log_dirty"]


def sizes(stage: Stage) -> dict[str, Value]:
    """Options for a stage. UsageError if it is too large."""
    if not 1 <= stage.pages <= MOST_PAGES:
        raise UsageError(f"{stage.pages} pages of guest memory: the model has room for 1 to {MOST_PAGES}")
    if len(stage.roles) > MOST_ROLES:
        raise UsageError(f"{len(stage.roles)} tasks: the model has room for {MOST_ROLES}")
    calls = sum(len(role.calls) for role in stage.roles)
    tasks = max(3, len(stage.roles))
    entries = table_size(stage.pages)
    return {
        "pages": stage.pages,
        "hardware_af": stage.hardware_af,
        "vcpus": stage.vcpus,
        "kvm_run_areas": stage.vcpus,
        "ptrs_per_pte": entries,
        "tops": top_entries(stage.pages),
        "batch": top_entries(stage.pages),
        "calls": calls,
        "acts": sum(1 << Act[name] for name in counted(stage)),
        "roles": len(stage.roles),
        "files": files_of(stage),
        "slot_sets": slot_sets(stage),
        "tasks": tasks,
        "threads": tasks,
        "grace_periods": tasks,
        "nr_open": max(3, files_of(stage)),
        "limit": max(15, entries + 2, 2 * len(stage.roles) + 8),
        "seq_limit": stage.seq + 4 * calls + 16,
    }


def page_pool(stage: Stage) -> int:
    """New pages that faults may take. One that finds its page mapped meanwhile gives its new one back."""
    calls = counted(stage)
    return 2 * calls["touch"] + calls["cow"] + calls["change_pte"] + 8


def table_pool(stage: Stage) -> int:
    """Last-level tables that may be made: all of them, and each again after an invalidation."""
    calls = counted(stage)
    tables = top_entries(stage.pages)
    again = sum(calls[name] for name in INVALIDATIONS) + calls["set_memory"]
    return tables + min(2 * calls["touch"], again * tables)
