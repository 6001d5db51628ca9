"""Callbacks that wait for a grace period (Linux 4.12, include/linux/rcu_segcblist.h), by their contract.

A daemon takes one, has a grace period for it and calls it; `barrier` waits for those that were queued
before. Callbacks need not run in order: the kernel keeps one list for each CPU. As many grace periods
are under way at a time as a scenario has daemons. One daemon does as a single CPU does; a scenario in
which the grace period of a callback must not be prolonged by an earlier one starts as many as there
are callbacks.
"""

from __future__ import annotations

from typing import Annotated

from lastput.kernel.fs_types import callback_head
from lastput.lang import (
    NULL,
    array,
    atomic,
    await_,
    choose,
    holder,
    length,
    ptr,
    struct,
    this_thread,
    upto,
    violation,
)

CALLBACKS = 3
"""How many may be queued or running at a time; one more ends the path as incomplete."""


@struct
class rcu_segcblist:
    head: array[ptr[callback_head]] = length(CALLBACKS)
    """Queued, or waiting for the end of its grace period."""
    busy: array[bool] = length(CALLBACKS)
    """A daemon has taken it, and is not done with it."""
    barrier: holder
    """One barrier at a time: rcu_state.barrier_mutex."""
    barrier_for: Annotated[int, upto((1 << CALLBACKS) - 1)]


def enqueue(list: ptr[rcu_segcblist], head: ptr[callback_head]) -> None:
    """One more callback; a violation if it is queued already (debug_rcu_head_queue)."""
    with atomic():
        slot = -1
        for i in range(CALLBACKS):
            if list.head[i] == head:
                violation("rcu-misuse", "the callback is queued already")
            if slot < 0 and list.head[i] == NULL and not list.busy[i]:
                slot = i
        if slot < 0:
            violation("range", "more callbacks at a time than the model has room for")
        list.head[slot] = head


def waiting(list: ptr[rcu_segcblist]) -> int:
    """How many callbacks nobody has taken yet."""
    found = 0
    for i in range(CALLBACKS):
        if list.head[i] != NULL and not list.busy[i]:
            found += 1
    return found


def take(list: ptr[rcu_segcblist]) -> int:
    """Wait for a callback; any of those queued, as the number of its slot."""
    with atomic():
        await_(lambda: waiting(list) != 0)
        skip = choose(waiting(list))
        slot = -1
        for i in range(CALLBACKS):
            if slot < 0 and list.head[i] != NULL and not list.busy[i]:
                if skip == 0:
                    slot = i
                skip -= 1
        list.busy[slot] = True
        return slot


def invoke(list: ptr[rcu_segcblist], slot: int) -> None:
    """Call it. It may free its own head, or queue it again."""
    with atomic():
        head = list.head[slot]
        list.head[slot] = NULL
    head.func(head)
    with atomic():
        list.busy[slot] = False
        list.barrier_for &= ~(1 << slot)


def busy(list: ptr[rcu_segcblist]) -> bool:
    """Whether a callback is queued or running."""
    found = False
    for i in range(CALLBACKS):
        if list.head[i] != NULL or list.busy[i]:
            found = True
    return found


def barrier(list: ptr[rcu_segcblist]) -> None:
    """Wait until every callback that is queued or running now is done."""
    with atomic():
        await_(lambda: list.barrier == 0, holders=lambda: (1 << list.barrier) >> 1)
        list.barrier = this_thread() + 1
        for i in range(CALLBACKS):
            if list.head[i] != NULL or list.busy[i]:
                list.barrier_for |= 1 << i
    with atomic():
        await_(lambda: list.barrier_for == 0)
        list.barrier = 0
