"""What the corpus says of itself, and that it has every line of the list of retry-protocol bugs."""

from __future__ import annotations

import re
from collections.abc import Mapping

import pytest

from lastput.lang.options import Value
from lastput.study.corpus import entries
from lastput.study.corpus.entry import Entry
from lastput.study.registry import SCENARIOS

BY_NUMBER: Mapping[int, Entry] = {entry.number: entry for entry in entries()}

RETRY_PROTOCOL = (19, 20, 21, 23, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35)
"""Numbers of the field notes' second tier: the retry protocol and the generic notifier code."""

PARTS: tuple[tuple[int, str, Mapping[str, Value]], ...] = (
    (19, "no count", {"retry_count": False}),
    (19, "no sequence", {"retry_seq": False}),
    (19, "invalidate_page raises the sequence outside of mmu_lock", {"page_seq": "after"}),
    (19, "... before the unmap", {"page_seq": "before", "reclaimers": 2}),
    (19, "the test before mmu_lock is taken", {"retry_locked": False}),
    (19, "the sequence read after the page was looked up", {"seq_first": False}),
    (19, "the end raises it after the count, without the lock", {"end_seq": "after"}),
    (20, "the two reads exchanged", {"reads": "seq-first"}),
    (20, "the two stores exchanged", {"stores": "count-first"}),
    (21, "the sequence read outside of mmap_lock", {"seq_in_mmap_lock": False}),
    (23, "a reschedule where blocking is forbidden", {"honour_may_block": False}),
    (25, "slots added between start and end", {"memslot_update": "nothing"}),
    (25, "... deleted", {"memslot_update": "nothing", "change": "delete"}),
    (25, "a semaphore from start to end", {"memslot_update": "rwsem", "split": True}),
    (25, "the VM destroyed between them", {"reset_active": False}),
    (26, "start and end outside of mmap_lock", {"scan_locked": False}),
    (27, "huge pages aged by their first page", {"age_range": False}),
    (27, "emulated ageing that is no invalidation", {"accessed_bit": False, "age_seq": False}),
    (28, "invalidate_page under the page-table lock", {"notify": "under-ptl"}),
    (28, "a notification that KVM has no callback for", {"notify": "invalidate-range"}),
    (29, "a refresh that tests the wrong count", {"gpc_active_count": False}),
    (30, "invalid roots passed by", {"unmap_invalid": False}),
    (31, "a yield without a reference to the root", {"unmap_holds_root": False}),
    (32, "a last reference that frees nothing", {"put_frees": False}),
    (33, "an entry left out after a yield", {"restart_stays": False}),
    (34, "an entry not read again", {"reload_pre": False}),
    (35, "both for reading", {"invalidate_lock": "read"}),
)
"""Number, line of the notes, and what a run that must be caught sets for it."""


def test_the_commit_is_an_id_or_a_dash() -> None:
    an_id = r"([0-9a-f]{9,12}|CVE-\d{4}-\d{4,})"
    for entry in entries():
        assert re.fullmatch(rf"-|{an_id}(, {an_id})*", entry.commit), entry.number


def test_the_retry_protocol_is_complete() -> None:
    assert set(RETRY_PROTOCOL) <= set(BY_NUMBER)
    assert {number for number, _, _ in PARTS} == set(RETRY_PROTOCOL)


@pytest.mark.parametrize(("number", "line", "taken"), PARTS, ids=[f"{n}: {line}" for n, line, _ in PARTS])
def test_the_broken_variant_is_caught(number: int, line: str, taken: Mapping[str, Value]) -> None:
    """By a run of the entry that must be violated, in a kind that it names; test_settled runs it."""
    caught = [
        run
        for run in BY_NUMBER[number].runs
        if run.expect.verdict == "violated"
        and run.expect.kinds
        and taken.items() <= SCENARIOS[run.scenario].configure(run.variant, run.settings).items()
    ]
    assert caught, line
