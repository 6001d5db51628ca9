"""QRCU, the quick read-copy update whose Promela model is in perfbook's chapter on formal verification.

    lastput check benchmarks/qrcu.py --set readers=2 --set updaters=2 --reduce all

Readers count themselves in one of two counters. An updater lets all readers go that were there when it began:
if few are about, it need only see that both counters are low, without any lock; else it takes a mutex, makes
the other counter the one to use, and waits for the first to drain. The property: no reader that was inside
when an updater began is inside when it ends.

Source of the algorithm and its steps: Paul E. McKenney, "Is Parallel Programming Hard, And, If So, What Can
You Do About It?", section "Promela Example: QRCU". This text is its own. Counts of states are not the book's:
those were made with Spin's partial-order reduction (376 for one of each; 445 without), and a process of
Promela keeps the values of variables that nobody reads again. With `statements` every statement of the
Promela model is a step, local ones too; else only accesses to what is shared are.

What an updater saw when it began is two sets of readers, those that had entered and those that had left, and
not an array with an entry for each: so readers can be interchanged.
"""

from __future__ import annotations

from typing import Annotated

from lastput.lang import (
    Setup,
    array,
    atomic,
    await_,
    choose,
    ghost,
    holders,
    length,
    option,
    options,
    scenario,
    static,
    struct,
    this_thread,
    upto,
)


@options
class Size:
    """How many there are of each, and how fine the steps."""

    readers: int = option(1, "threads that read", low=1, high=4)
    updaters: int = option(1, "threads that update", low=1, high=4)
    drains: bool = option(True, "an updater waits until the counter that it took out of use is 0")
    statements: bool = option(False, "every statement of the Promela model is a step, local ones too")


@struct
class qrcu_struct:
    """The two counters, which of them is in use, the updaters' mutex; and what the property needs."""

    idx: Annotated[int, upto(1)]
    ctr: array[Annotated[int, upto(lambda: 1 + Size.readers + Size.updaters)]] = length(2)
    mutex: bool
    entered: holders
    left: holders
    saw_entered: ghost[array[holders]] = length(lambda: Size.updaters)
    saw_left: ghost[array[holders]] = length(lambda: Size.updaters)


q = static(qrcu_struct)


def local() -> None:
    """A statement that touches nothing shared."""
    if Size.statements:
        choose(1)


def reader() -> None:
    """One critical section."""
    while True:
        local()
        mine = q.idx
        with atomic():
            taken = q.ctr[mine] > 0
            if taken:
                q.ctr[mine] += 1
        if taken:
            break
    with atomic():
        q.entered |= 1 << this_thread()
    with atomic():
        q.left |= 1 << this_thread()
    with atomic():
        q.ctr[mine] -= 1
    await_(lambda: False)  # it stays in the sets, which would be an error in a lock if it ended


def sum_unordered() -> int:
    """Both counters, read one after the other, in either order."""
    with atomic():
        first = choose(2)
        total = q.ctr[first]
    return total + q.ctr[1 - first]


def spin_lock() -> None:
    while True:
        local()
        with atomic():
            taken = not q.mutex
            if taken:
                q.mutex = True
        if taken:
            return


def wait_for_readers() -> None:
    """Until the counter that is not in use is 0."""
    while True:
        with atomic():
            drained = q.ctr[1 - q.idx] == 0
        if drained:
            return
        local()


def flip() -> None:
    """Use the other counter from now on."""
    with atomic():
        q.ctr[1 - q.idx] += 1
    with atomic():
        q.idx = 1 - q.idx
    with atomic():
        q.ctr[1 - q.idx] -= 1


def updater(me: int) -> None:
    """Grace periods, one after the other."""
    while True:
        local()
        with atomic():
            q.saw_entered[me] = q.entered
            q.saw_left[me] = q.left
        total = sum_unordered()
        local()
        if total <= 1:
            total = sum_unordered()
        else:
            local()
        local()
        if total > 1:
            spin_lock()
            flip()
            if Size.drains:
                wait_for_readers()
            q.mutex = False
        else:
            local()
        with atomic():
            inside = q.entered ^ (q.entered & q.left)
            was_inside = q.saw_entered[me] ^ (q.saw_entered[me] & q.saw_left[me])
            assert inside & was_inside == 0, "a reader is still inside"


@scenario(options=(Size,))
def qrcu(s: Setup) -> None:
    """Readers and updaters of one qrcu_struct."""
    q.ctr[0] = 1
    for i in range(Size.readers):
        s.thread(f"reader{i}", reader, daemon=True)
    for i in range(Size.updaters):
        s.thread(f"updater{i}", updater, i)


if __name__ == "__main__":
    raise SystemExit("this is a model: lastput check benchmarks/qrcu.py")
