"""The state of a VM that was there before the recording: whatever the first events about it tell.

Nothing was recorded of how it came to be. What stage 2 has of a page is what the first that is heard of it
says: ageing has found it young, or the guest's access faulted for want of the access flag. Ageing that found
a page not young may have found it missing: the next fault tells. So it does where ageing asked for several
pages at once, and found one of them young. A page that is copied when it is first accessed could not be
written to. mmu_invalidate_seq is what the first probe reads. If the model
cannot go on from there, the recording is refused like any other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from lastput.validate.guest import Guest
from lastput.validate.sights import Sight
from lastput.validate.told import ACCESS, TRANSLATION, Fault, Script

AGES = ("kvm_age_gfn", "kvm_test_age_gfn")


class _Pages:
    """What is known of each page, at its first event and until a fault has told more."""

    def __init__(self) -> None:
        self.mapped: dict[int, bool] = {}
        """Of each page that stage 2 had: whether it was young."""
        self.heard: set[int] = set()
        self.open: dict[int, bool] = {}
        """Of each page that only ageing was heard of: whether one of those that it asked for was young."""
        self.copied: set[int] = set()
        """Pages that stage 2 had not, and that were copied when they were first accessed: the owner could not
        write to them."""

    def aged(self, first: int, end: int, young: bool) -> None:
        for page in range(first, end):
            if page not in self.heard:
                self.open[page] = young
                if young:
                    self.mapped[page] = True
        self.heard.update(range(first, end))

    def faulted(self, fault: Fault) -> None:
        page = fault.page
        if fault.status == ACCESS and (page in self.open or page not in self.heard):
            self.mapped.setdefault(page, False)
        elif fault.status == TRANSLATION and page in self.open:
            self.mapped.pop(page, None)
        if fault.copies and page not in self.mapped and (page in self.open or page not in self.heard):
            self.copied.add(page)
        self.changed(page, page + 1)

    def changed(self, first: int, end: int) -> None:
        """What comes after this says nothing about the beginning."""
        for page in range(first, end):
            self.heard.add(page)
            self.open.pop(page, None)


def first_told(scripts: Sequence[Script], guest: Guest) -> tuple[dict[int, bool], set[int], int]:
    """Which pages stage 2 has, and whether they are young there; which the owner has not, or cannot write to;
    and mmu_invalidate_seq."""
    pages = _Pages()
    asked: dict[int, tuple[int, int]] = {}
    seq: int | None = None
    for event in _in_order(scripts):
        if isinstance(event, Fault):
            pages.faulted(event)
            continue
        seq = event.arg("seq") if seq is None else seq
        if event.kind == "enter" and event.name in AGES:
            asked[event.pid] = _pages(event, guest)
        elif event.kind == "return" and event.name in AGES and event.pid in asked:
            pages.aged(*asked.pop(event.pid), bool(event.arg("ret")))
        elif event.name != "__gfn_to_pfn_memslot":
            pages.changed(*_pages(event, guest))
    return pages.mapped, pages.copied, seq or 0


def _in_order(scripts: Sequence[Script]) -> Iterator[Sight | Fault]:
    found: list[Sight | Fault] = []
    for script in scripts:
        found += script.seen
        found += script.faults
    yield from sorted(found, key=lambda event: event.number)


def _pages(sight: Sight, guest: Guest) -> tuple[int, int]:
    """The pages that an entry is about; none for most."""
    start, end = sight.arg("start"), sight.arg("end")
    if sight.arg("kvm") is None or start is None:
        return 0, 0
    return guest.range(start, start + 1 if end is None else end)
