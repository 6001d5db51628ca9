"""Sequence counters (Linux 4.12, include/linux/seqlock.h): readers that try again.

Writers exclude each other by a lock of their own. A reader that finds a writer inside waits until it
has left: in the kernel it spins.
"""

from __future__ import annotations

from typing import Annotated

from lastput.lang import atomic, await_, holder, ptr, roles, struct, this_thread, upto, violation


@struct
class seqcount_t:
    sequence: Annotated[int, upto(15)]
    """Odd while a writer is inside."""
    writer: holder
    """Who that is: not the kernel's, but lets a task be found that ends inside."""


def write_seqcount_begin(s: ptr[seqcount_t]) -> None:
    """The data changes from here on. A violation if another writer is inside.

    Source: Linux 4.12, include/linux/seqlock.h.
    """
    with atomic():
        if s.writer != 0:
            violation("lock-recursion", "write_seqcount_begin: a writer is inside already")
        s.writer = this_thread() + 1
        s.sequence += 1


def write_seqcount_end(s: ptr[seqcount_t]) -> None:
    """The data is whole again.

    Source: Linux 4.12, include/linux/seqlock.h.
    """
    with atomic():
        if s.writer != this_thread() + 1:
            violation("lock-owner", "write_seqcount_end: this task is not the writer")
        s.writer = 0
        s.sequence += 1


def read_seqcount_begin(s: ptr[seqcount_t]) -> int:
    """The sequence to give to read_seqcount_retry.

    Source: Linux 4.12, include/linux/seqlock.h.
    """
    with atomic():
        await_(lambda: s.sequence & 1 == 0, holders=lambda: (1 << s.writer) >> 1)
        return s.sequence


def read_seqcount_retry(s: ptr[seqcount_t], start: int) -> bool:
    """Whether a writer was inside since `start`: what was read means nothing then.

    Source: Linux 4.12, include/linux/seqlock.h.
    """
    return s.sequence != start


roles.lock(write_seqcount_begin, write_seqcount_end)
roles.recheck(read_seqcount_retry)
