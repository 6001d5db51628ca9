"""Dropping a user of an address space (Linux 4.12, kernel/fork.c).

`__mmput` also ends asynchronous I/O, KSM and huge-page scanning of the address space; they have no
part in these models.
"""

from __future__ import annotations

from lastput.kernel.atomic import atomic_dec_and_test
from lastput.kernel.mm_types import mm_struct
from lastput.kernel.mmap import exit_mmap
from lastput.kernel.preempt import might_sleep
from lastput.kernel.sched_mm import mmdrop
from lastput.lang import ptr


def __mmput(mm: ptr[mm_struct]) -> None:
    exit_mmap(mm)
    mmdrop(mm)


def mmput(mm: ptr[mm_struct]) -> None:
    """Drop an `mm_users`; the last one tears the address space down. May sleep."""
    might_sleep()
    if atomic_dec_and_test(mm.mm_users):
        __mmput(mm)
