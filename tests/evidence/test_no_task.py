"""A thread that was given no task, and a primitive that looks at it: the report says what is missing."""

from __future__ import annotations

from lastput.checker import check
from lastput.evidence.words import NO_TASK
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.sched import task_struct
from lastput.kernel.spinlock import spin_lock
from lastput.lang import Scenario, Setup, ptr, scenario, struct


@struct
class thing:
    lock: spinlock_t
    next: ptr[thing]


def locks(t: ptr[thing]) -> None:
    spin_lock(t.lock)


def reads(t: ptr[thing]) -> None:
    t.next.next = t


@scenario(name="without")
def without(s: Setup) -> None:
    s.thread("a", locks, s.static(thing, "thing"))


@scenario(name="its own fault")
def its_own_fault(s: Setup) -> None:
    s.thread("a", reads, s.static(thing, "thing"), task=s.static(task_struct, "task"))


def said(which: Scenario) -> str:
    found = check(which).violation
    assert found is not None
    assert found.kind == "null-deref"
    return found.message


def test_the_missing_task_is_named() -> None:
    assert said(without).endswith(NO_TASK)


def test_but_not_for_another_null_pointer() -> None:
    assert NO_TASK not in said(its_own_fault)
