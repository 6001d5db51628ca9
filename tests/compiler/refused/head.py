"""What every mistake in this directory is made with; the test puts it before each of them."""
# ruff: noqa: F401

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Annotated

from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import (
    BUG_ON,
    NULL,
    WARN_ON,
    Setup,
    array,
    at,
    atomic,
    await_,
    cell,
    choose,
    const,
    container_of,
    ghost,
    holder,
    kfree,
    kmalloc,
    kzalloc,
    length,
    nr_threads,
    option,
    options,
    overlay,
    ptr,
    ref,
    reinterpret,
    s8,
    scenario,
    static,
    struct,
    this_task,
    this_thread,
    u8,
    upto,
    violation,
    wrap,
)


class State(IntEnum):
    IDLE = 0
    BUSY = 1


@options
class Bounds:
    guard: bool = option(False, "test before use")
    way: str = option("exit", "how it ends", values=("exit", "close"))


@struct
class node:
    next: ptr[node]


@struct
class ops_t:
    run: const[Callable[[int], int]]


@struct
class dev:
    count: int
    small: u8
    alive: bool
    limit: const[int]
    seen: ghost[int]
    lock: spinlock_t
    link: node
    next: ptr[dev]
    ops: ptr[ops_t]
    slots: array[ptr[dev]] = length(2)
    where: cell[ptr[dev]]


the_dev = static(dev)


def twice(n: int) -> int:
    return n + n


def nothing() -> None:
    pass


def first(d: ptr[dev]) -> ptr[dev]:
    return d.slots[0]
