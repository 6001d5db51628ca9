"""What every run that holds has shown: its window was reached, its counts, lists, pages and locks were right.

Four families: no freed page is mapped (asserted where a frame is freed), counts equal references, lists are
whole (stated as invariants), locks are held where they must be (asserted by the primitives and by
lockdep_assert_held). A scenario that states none of a family says here why.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from lastput.compiler.compile import type_all
from lastput.lang.options import configuration
from lastput.lang.world import World
from lastput.simulate.setup import build
from lastput.study.experiment import Run
from lastput.study.registry import SCENARIOS
from tests.study.test_options import runs

COUNTS = {
    "count_is_open_invalidations",
    "counts_are_open_invalidations",
    "entries_are_counted",
    "interval_is_listed",
    "listed_pages_are_held",
    "mapped_pages_are_held",
    "mirrors_hold_hmm",
    "mm_references_count",
    "pinned_page_is_accounted",
    "regions_are_counted",
    "tables_count_entries",
    "vm_references_bounded",
    "vm_references_count",
}
"""Invariants: a count is that of the references, entries or invalidations that there are."""

LISTS = {
    "devices_are_listed",
    "groups_are_listed",
    "interval_is_listed",
    "list_is_well_formed",
    "list_is_whole",
    "lists_one",
    "mirrors_hold_hmm",
    "notifier_is_listed",
    "others_notifier_stays",
    "pinned_page_is_accounted",
    "range_is_listed",
    "reverse_maps_lead_to_entries",
    "roots_are_listed",
}
"""Invariants: every node of a list is led to and leads back."""

IRQS = "interrupts, not memory: who may still use an eventfd shows as a use after free or a leak"
NO_COUNTS = {
    "kvm/irqfd-release": IRQS,
    "notifier/hazards": "no pages; drivers have one owner, and mm_count is tested by BUG_ON at each removal",
    "kvm/vfio-group": "the entry of a group has one owner; file counts are tested where they change",
    "users/sva": "nothing is counted but commands",
}
NO_LISTS = {
    "kvm/irqfd-release": IRQS,
    "notifier/hazards": "but in h2 each address space goes, with its list tested for being empty",
    "users/odp": "one notifier goes while the next comes; the list must be empty when the mm is freed",
    "users/mlx5": "parent and child free each other, by workers; the tree must be empty when the mm is freed",
    "users/interval": "opens=1: the interval comes and goes; the tree must be empty when the mm is freed",
    "notifier/register": "a signal, or the end of the process: the mm may be gone at any moment",
}
NO_WITNESS = {
    "notifier/register": "registration alone, or against the end of the process: the race is in the BUG_ON",
    "kvm/v6-memslots": "not-elided, where nothing has to wait",
    "kvm/v6-table-vs-walk": "a9f0e3d5a089 walks alone, under the lock for writing: a sequential bug",
    "users/mlx5": "abb604a1a9c8 and implicit=0, where nobody else destroys the region",
    "kvm/v6.7-unpaired-end": "v6.8, where an end without a start cannot be any more",
}
NO_PAGES = {
    "kvm/device-create": "files and devices; no page is mapped",
    "kvm/vfio-group": "files and groups; no page is mapped",
    "kvm/vfio-close": "files and groups; no page is mapped",
    "notifier/hazards": "notifiers only",
    "users/sva": "commands only",
}


@cache
def holding() -> dict[str, Run]:
    """Every run that must hold, by its words."""
    return {run.words: run for run in runs() if run.expect.verdict == "holds"}


@cache
def world(words: str) -> World:
    run = holding()[words]
    return build(SCENARIOS[run.scenario], run.variant, run.settings)


def lacking(kind: str, names: set[str] | None, excused: dict[str, str]) -> Iterator[str]:
    """Runs without a property of the kind, of these names (None: any), and without an excuse."""
    for words, run in holding().items():
        stated = {p.name for p in world(words).properties if p.kind == kind}
        if run.scenario not in excused and not (stated if names is None else stated & names):
            yield words


def test_counts_are_compared_with_references() -> None:
    assert list(lacking("invariant", COUNTS, NO_COUNTS)) == []


def test_lists_are_walked() -> None:
    assert list(lacking("invariant", LISTS, NO_LISTS)) == []


def test_the_window_is_reached() -> None:
    assert list(lacking("reachable", None, NO_WITNESS)) == []


@pytest.mark.long
@pytest.mark.parametrize("name", SCENARIOS)
def test_frames_and_locks_are_asserted(name: str) -> None:
    """By what the scenario's threads call: typing a whole model takes a second or two."""
    made = build(SCENARIOS[name], None, {})
    with configuration(made.configuration):
        called = {function.__name__ for function in type_all(made)}
    assert ("free_page_frame" in called) == (name not in NO_PAGES)
    assert called & {"spin_lock", "write_lock", "read_lock", "mutex_lock", "down_read", "down_write"}


def test_excuses_are_of_scenarios_that_there_are() -> None:
    assert {*NO_COUNTS, *NO_LISTS, *NO_WITNESS, *NO_PAGES} <= set(SCENARIOS)
