"""Who holds a lock, and who only waits beside it."""

from __future__ import annotations

import pytest

from lastput.evidence.held import is_lock


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("kvm.mmu_lock.owner", True),
        ("mm.mmap_lock.readers", True),
        ("page#0.PG_locked", True),
        ("mm.mmap_lock.waiting", False),
        ("kvm.srcu.nested", False),
        ("kvm.srcu.waiter[0]", False),
        ("wq.worker[1]", False),
        ("wait.asleep", False),
    ],
)
def test_only_locks_are_held(cell: str, expected: bool) -> None:
    assert is_lock(cell) == expected
