"""A lock that is free for whoever comes first, and one that is handed over in the order of asking.

One task takes the lock once; the others take it again and again. With the first kind of lock it may come
too late each time, for ever: it can step only now and then, and weak fairness promises it nothing (`broken`).
With tickets it is its turn at some time, and stays so until it steps (`fixed`). Strong fairness, that who can
step again and again does, is enough for both; but no hardware promises that.

    lastput check examples/ticket_lock.py
    lastput check examples/ticket_lock.py --variant broken --fairness strong
"""

from __future__ import annotations

from lastput.lang import Setup, atomic, await_, option, options, ptr, scenario, struct


@options
class Lock:
    tickets: bool = option(False, "the lock is handed over in the order of asking")
    others: int = option(1, "tasks that take it again and again", low=1, high=2)


TICKETS = 4
"""More than there are tasks, so that no number is held twice."""


@struct
class lock:
    taken: bool
    next: int
    """The ticket that is given out next."""
    owner: int
    """The ticket whose turn it is."""


def take(lk: ptr[lock]) -> None:
    if not Lock.tickets:
        with atomic():
            await_(lambda: not lk.taken)
            lk.taken = True
        return
    with atomic():
        mine = lk.next
        lk.next = (mine + 1) % TICKETS
    await_(lambda: lk.owner == mine)


def give(lk: ptr[lock]) -> None:
    if not Lock.tickets:
        lk.taken = False
    else:
        lk.owner = (lk.owner + 1) % TICKETS


def once(lk: ptr[lock]) -> None:
    take(lk)
    give(lk)


def again_and_again(lk: ptr[lock]) -> None:
    while True:
        take(lk)
        give(lk)


@scenario(options=(Lock,), variants={"broken": {}, "fixed": {"tickets": True}})
def take_once(s: Setup) -> None:
    """A task wants a lock that others take again and again."""
    lk = s.static(lock, "lock")
    s.thread("once", once, lk)
    for i in range(Lock.others):
        s.thread(f"again{i}", again_and_again, lk, daemon=True)
    s.finishes("once")
