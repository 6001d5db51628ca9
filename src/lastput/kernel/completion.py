"""Completions (Linux 4.12, kernel/sched/completion.c).

Completing and waiting are one step each, as the wait queue's lock makes them: a waiter that goes on
may free the completion, because the task that completed it is done with it.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.preempt import might_sleep
from lastput.lang import atomic, await_, ptr, roles, struct, upto

ALL = 7
"""`done` after complete_all: nobody who waits takes one away (UINT_MAX since 4.15)."""


@struct
class completion:
    done: Annotated[int, upto(ALL)]


def init_completion(x: ptr[completion]) -> None:
    """Nothing is complete yet.

    Source: Linux 4.12, include/linux/completion.h.
    """
    x.done = 0


def complete(x: ptr[completion]) -> None:
    """Let one waiter go on, now or later.

    Source: Linux 4.12, kernel/sched/completion.c.
    """
    with atomic():
        if x.done != ALL:
            x.done += 1


def complete_all(x: ptr[completion]) -> None:
    """Let every waiter go on, now and later.

    Source: Linux 4.12, kernel/sched/completion.c.
    """
    x.done = ALL


def wait_for_completion(x: ptr[completion]) -> None:
    """Wait for a `complete` that no other waiter has used. May sleep.

    Source: Linux 4.12, kernel/sched/completion.c.
    """
    might_sleep()
    with atomic():
        await_(lambda: x.done != 0)
        if x.done != ALL:
            x.done -= 1


def try_wait_for_completion(x: ptr[completion]) -> bool:
    """Use up one `complete` if there is one; says whether there was.

    Source: Linux 4.12, kernel/sched/completion.c.
    """
    with atomic():
        if x.done == 0:
            return False
        if x.done != ALL:
            x.done -= 1
        return True


roles.wait(wait_for_completion)
