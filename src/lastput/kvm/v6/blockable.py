"""Whether an invalidation may sleep (Linux 4.19 and later, include/linux/mmu_notifier.h).

The kernel passes a flag in the range. The notifier core raises `non_block_count` of the task around the
callbacks of exactly those ranges that must not block, so that might_sleep can tell; the models read the
flag from there.
"""

from __future__ import annotations

from lastput.kernel.sched import current


def non_block_start() -> None:
    """Sleeping is a mistake from here on, whatever locks are held: the OOM reaper waits for nobody.

    Source: Linux 5.5, include/linux/kernel.h.
    """
    current().non_block_count += 1


def non_block_end() -> None:
    """Sleeping is allowed again.

    Source: Linux 5.5, include/linux/kernel.h.
    """
    current().non_block_count -= 1


def mmu_notifier_range_blockable() -> bool:
    """Whether the callback that runs may sleep.

    Source: Linux 5.5, include/linux/mmu_notifier.h.
    """
    return current().non_block_count == 0
