"""Which of the cells that name threads tell who holds a lock, and not who waits, works or is inside twice."""

from __future__ import annotations

import re

_OTHERS = re.compile(r"(wait|nested|worker|asleep|barrier|flushers|current_flushers)")
"""How the names of cells begin that tell something else."""


def is_lock(cell: str) -> bool:
    """Whether the cell of this name, as `kvm.mmu_lock.owner`, tells who holds a lock."""
    return not _OTHERS.match(cell.rpartition(".")[2])
