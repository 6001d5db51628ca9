"""The state of a VM that was there before the recording: whatever the first events about it tell.

Nothing was recorded of how it came to be. A page is taken to be in stage 2, and young, if the first that is
heard of it is that ageing found it so; mmu_invalidate_seq is what the first probe reads. If the model cannot
go on from there, the recording is refused like any other.
"""

from __future__ import annotations

from collections.abc import Sequence

from lastput.validate.guest import Guest
from lastput.validate.reading import Script
from lastput.validate.sights import Sight

AGES = ("kvm_age_gfn", "kvm_test_age_gfn")


def first_told(scripts: Sequence[Script], guest: Guest) -> tuple[dict[int, bool], int]:
    """Which pages stage 2 has, and whether they are young there; and mmu_invalidate_seq."""
    found = sorted((sight for script in scripts for sight in script.seen), key=lambda s: s.number)
    mapped: dict[int, bool] = {}
    heard: set[int] = set()
    asked: dict[int, tuple[int, int]] = {}
    for sight in found:
        pages = _pages(sight, guest)
        if sight.kind == "enter" and sight.name in AGES:
            asked[sight.pid] = pages
        elif sight.kind == "return" and sight.name in AGES and sight.pid in asked:
            first, end = asked.pop(sight.pid)
            if sight.arg("ret") and end - first == 1 and first not in heard:
                mapped[first] = True
            heard.update(range(first, end))
        else:
            heard.update(range(*pages))
    return mapped, next((seq for s in found if (seq := s.arg("seq")) is not None), 0)


def _pages(sight: Sight, guest: Guest) -> tuple[int, int]:
    """The pages that an entry is about; none for most."""
    gfn = sight.arg("gfn")
    if gfn is not None:
        return guest.range(gfn, gfn + 1)
    start, end = sight.arg("start"), sight.arg("end")
    if sight.arg("kvm") is None or start is None:
        return 0, 0
    return guest.range(start, start + 1 if end is None else end)
