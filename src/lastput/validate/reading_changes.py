"""Changes of memory, and questions about its use, of which the notifiers are told."""

from __future__ import annotations

from lastput.validate.ignored import ELSEWHERE, FINDING
from lastput.validate.reading_guest import Guests
from lastput.validate.sights import Sight
from lastput.validate.tasks import of_kernel

AGES = {
    "clear_flush_young": "age",
    "clear_young": "clear_young",
    "test_young": "test_young",
}

WALKERS = (
    "hpage_collapse_scan_pmd",
    "collapse_huge_page",
    "damon_mkold_pmd_entry",
    "damon_young_pmd_entry",
    "damon_ptep_mkold",
)
"""Callers that ask for an access flag by the address space instead of the reverse map."""

INVALIDATE = ("wp_page_copy", "zap_page_range_single", "unmap_vmas")
"""Functions of the model that invalidate as a part of what they do."""

KSM = ("write_protect_page", "try_to_merge_one_page", "replace_page")

BY_RMAP = ("try_to_unmap_one", "try_to_migrate_one", "collapse_huge_page", "unmap_mapping_range")

SPLITS = "__split_huge_pmd"


class Changes(Guests):
    """Recognizes invalidations and ageing."""

    def _on_zap_page_range_single(self, sight: Sight) -> None:
        if sight.caller in (None, "do_madvise") and self._acts():
            first, end, _ = self._range(sight)
            inside = self._split()
            if inside is None:
                self._call(sight, "dontneed", first, end)
            else:
                self._call(sight, "split", first, end, *inside)
            self._see(sight)
        else:
            self.script.ignore(sight, FINDING)

    def _split(self) -> tuple[int, int] | None:
        """The range of the huge page that is split inside of what has just begun; None if none is."""
        for at in range(self.at, min(self.at + 40, len(self.found))):
            if self.found[at].name == "zap_page_range_single":
                return None
            if self.found[at].name == SPLITS:
                here, self.at = self.at, at + 1
                first, end, _ = self._range(self.found[at])
                self.at = here
                return first, end
        return None

    def _on_wp_page_copy(self, sight: Sight) -> None:
        if self._acts():
            if self.faulting:
                self.script.copied()
            else:
                self._call(sight, "cow", self._range(sight)[0])
            self._see(sight)
        else:
            self.script.ignore(sight, ELSEWHERE)

    def _on___mmu_notifier_invalidate_range_start(self, sight: Sight) -> None:
        before = self.script.seen[-1].name if self.script.seen else ""
        if (before in INVALIDATE and sight.caller in (None, before)) or sight.caller == SPLITS:
            self._see(sight)
        elif sight.caller == "unmap_vmas" and self.leaving:
            self._space_event(sight)
        else:
            self._invalidation(sight)

    def _on_kvm_mmu_notifier_invalidate_range_start(self, sight: Sight) -> None:
        before = self.script.seen[-1].name if self.script.seen else ""
        if before == "__mmu_notifier_invalidate_range_start":
            self._see(sight)
        else:
            self._invalidation(sight)

    def _invalidation(self, sight: Sight) -> None:
        first, end, changed = self._range(sight)
        if sight.caller in KSM or (changed and self.script.task.name.startswith("ksmd-")):
            self._call(sight, "change_pte", first)
        elif sight.caller == "do_wp_page" or changed:
            if self.faulting:
                self.script.copied()
            else:
                self._call(sight, "cow", first)
        elif sight.caller == "__oom_reap_task_mm":
            self._call(sight, "reap", first, end)
        elif self._acts() and sight.caller not in BY_RMAP:
            self._call(sight, "invalidate", first, end)
        else:
            self._call(sight, "rmap_invalidate", first, end)
        self._see(sight)

    def _on___mmu_notifier_clear_flush_young(self, sight: Sight) -> None:
        self._ageing(sight, "clear_flush_young")

    def _on___mmu_notifier_clear_young(self, sight: Sight) -> None:
        self._ageing(sight, "clear_young")

    def _on___mmu_notifier_test_young(self, sight: Sight) -> None:
        self._ageing(sight, "test_young")

    def _on_kvm_mmu_notifier_clear_flush_young(self, sight: Sight) -> None:
        self._callback(sight, "clear_flush_young")

    def _on_kvm_mmu_notifier_clear_young(self, sight: Sight) -> None:
        self._callback(sight, "clear_young")

    def _on_kvm_mmu_notifier_test_young(self, sight: Sight) -> None:
        self._callback(sight, "test_young")

    def _callback(self, sight: Sight, which: str) -> None:
        before = self.script.seen[-1].name if self.script.seen else ""
        if before == f"__mmu_notifier_{which}":
            self._see(sight)
        else:
            self._ageing(sight, which)

    def _ageing(self, sight: Sight, which: str) -> None:
        first, end = self._aged(sight)
        name = AGES[which]
        if sight.caller in WALKERS or (sight.caller is None and of_kernel(self.script.task)):
            name = "walk_test" if which == "test_young" else "walk_age"
        if which == "test_young":
            self._call(sight, name, first)
        else:
            self._call(sight, name, first, end)
        self._see(sight)

    def _aged(self, sight: Sight) -> tuple[int, int]:
        """The model's pages that a notification asks about."""
        guest = self.facts.guest
        for later in (sight, *self.found[self.at : self.at + 6]):
            start, end = later.arg("start"), later.arg("end")
            if (
                later.name in ("kvm_age_gfn", "kvm_test_age_gfn")
                and later.kind == "enter"
                and start is not None
            ):
                return guest.range(start, start + 1 if end is None else end)
            start = later.arg("addr") if start is None else start
            if start is not None and guest.distance is not None:
                return guest.owner_range(start, start + 1 if end is None else end)
        return guest.pages, guest.pages
