"""Small models with interchangeable threads and objects, and some where they only look so."""

from __future__ import annotations

from lastput.kernel.lock_types import mutex, rw_semaphore
from lastput.kernel.mutex import mutex_lock, mutex_unlock
from lastput.kernel.rwsem import down_read, up_read
from lastput.kernel.sched import task_struct
from lastput.lang import (
    NULL,
    Setup,
    array,
    at,
    atomic,
    await_,
    choose,
    ghost,
    holder,
    holders,
    kfree,
    kmalloc,
    kzalloc,
    length,
    option,
    options,
    ptr,
    scenario,
    static,
    struct,
    this_task,
    this_thread,
    u8,
)


@options
class Size:
    """How much there is of everything."""

    workers: int = option(2, "threads that are alike", low=0, high=4)
    nodes: int = option(2, "slots of the pool", low=0, high=5)
    named: bool = option(False, "an invariant names the first worker's object")


@struct
class counter:
    """What several threads count in."""

    n: u8


@struct
class own:
    """An object of one thread."""

    n: u8
    peer: ptr[counter]


@struct
class node:
    """An object from a pool."""

    next: ptr[node]
    n: u8


@struct
class shared:
    """What all threads see."""

    lock: mutex
    sem: rw_semaphore
    last: ptr[own]
    head: ptr[node]
    tail: ptr[node]
    owner: holder
    inside: ghost[holders]
    n: u8
    each: array[u8] = length(4)


common = static(shared)


# -- threads with a lock, whose number is stored in memory ---------------------------------------


def locked() -> None:
    mutex_lock(common.lock)
    common.n = 9 - common.n
    mutex_unlock(common.lock)


@scenario(options=(Size,))
def locks(s: Setup) -> None:
    """Threads that take one mutex."""
    for i in range(Size.workers):
        s.thread(f"worker{i}", locked, task=s.static(task_struct, f"task{i}"))
    s.thread("reader", reading, task=s.static(task_struct, "task"))


def reading() -> None:
    down_read(common.sem)
    up_read(common.sem)


@scenario(options=(Size,))
def semaphores(s: Setup) -> None:
    """Threads in a set: `readers` of a semaphore, of which each tests its own bit."""
    for i in range(Size.workers):
        s.thread(f"reader{i}", reading, task=s.static(task_struct, f"task{i}"))


# -- threads with objects of their own ------------------------------------------------------------


def owning(mine: ptr[own]) -> None:
    """Leave a pointer to this thread's object where the next one finds it."""
    found = common.last
    common.last = mine
    if found != NULL and found != mine:
        found.n = 1
    mine.n += 1
    this_task(counter).n += 1


def first_is_small(first: ptr[own]) -> bool:
    return first.n < 3


def any_is_small(one: ptr[own]) -> bool:
    return one.n < 9


def touched(one: ptr[own]) -> bool:
    return one.n == 2


@scenario(options=(Size,))
def owners(s: Setup) -> None:
    """Threads with objects of their own, which point at each other's."""
    for i in range(Size.workers):
        mine = s.static(own, f"own{i}")
        task = s.static(counter, f"task{i}")
        mine.peer = task
        s.thread(f"owner{i}", owning, mine, task=task)
        s.invariant(any_is_small, mine)
        s.reachable(touched, mine)
        if i == 0 and Size.named:
            s.invariant(first_is_small, mine)


@struct
class person:
    """Somebody who knows somebody else."""

    peer: ptr[person]


@struct
class tag:
    """An object that is freed, and names one of two people before, never nobody."""

    who: ptr[person]


def tagging(mine: ptr[tag], me: ptr[person]) -> None:
    mine.who = me.peer
    mine.who = me
    kfree(mine)


@scenario(options=(Size,))
def tags(s: Setup) -> None:
    """Two threads that free their objects, whose addresses are coded without NULL."""
    people = [s.static(person, f"person{i}") for i in range(2)]
    for i in range(2):
        people[i].peer = people[1 - i]
        s.thread(f"tagging{i}", tagging, s.new(tag, f"tag{i}", who=people[i]), people[i])


def counting_up(place: int) -> None:
    """Use an element of an array; a number that serves as an index only."""
    common.each[place] += 1
    common.n = 1
    common.each[place] += 1


@scenario(options=(Size,))
def elements(s: Setup) -> None:
    """Threads with an element each."""
    for i in range(Size.workers):
        s.thread(f"counter{i}", counting_up, i)


# -- a pool -----------------------------------------------------------------------------------------


def pushing() -> None:
    """Put a node on the list, or throw it away."""
    fresh = kzalloc(node)
    with atomic():
        if choose(2) == 0:
            fresh.next = common.head
            common.head = fresh
        else:
            kfree(fresh)


def leaving() -> None:
    """Allocate without initialising, and publish later than others that began later."""
    fresh = kmalloc(node)
    fresh.n = 1
    fresh.next = common.tail
    common.tail = fresh


@scenario(options=(Size,))
def heap(s: Setup) -> None:
    """Threads that allocate; the list's order tells nodes apart, their slots do not. It leaks."""
    s.pool(node, Size.nodes)
    for i in range(Size.workers):
        s.thread(f"pusher{i}", pushing)
    s.thread("leaver", leaving)


# -- not interchangeable ----------------------------------------------------------------------------


def numbered() -> None:
    common.n = this_thread()


@scenario(options=(Size,))
def numbers(s: Setup) -> None:
    """Threads that use their number as a number."""
    for i in range(Size.workers):
        s.thread(f"numbered{i}", numbered)


def scanning() -> None:
    for i in range(4):
        if common.each[i] == 1:
            common.n = i


@scenario(options=(Size,))
def scanned(s: Setup) -> None:
    """Elements of an array that somebody visits in order."""
    for i in range(Size.workers):
        s.thread(f"counter{i}", counting_up, i)
    s.thread("scanner", scanning)


def moving() -> None:
    """Walk from one slot of the pool to the next by arithmetic."""
    fresh = kzalloc(node)
    common.head = at(fresh, 3)


@scenario(options=(Size,))
def arithmetic(s: Setup) -> None:
    """A pool of which the slots are told apart by address arithmetic."""
    s.pool(node, Size.nodes)
    for i in range(Size.workers):
        s.thread(f"mover{i}", moving)


def holding() -> None:
    """Who holds it is used as a number: the second is luckier."""
    with atomic():
        if common.owner == 0:
            common.owner = this_thread() + 1
    common.n = common.owner
    with atomic():
        if common.owner == this_thread() + 1:
            common.owner = 0


@scenario(options=(Size,))
def holders_as_numbers(s: Setup) -> None:
    """A lock whose holder's number goes into a counter."""
    for i in range(Size.workers):
        s.thread(f"holding{i}", holding)


def masking() -> None:
    """Only one's own bit, and the whole set."""
    with atomic():
        common.inside |= 1 << this_thread()
    if common.n == 0:
        common.n = 1
    with atomic():
        common.inside &= ~(1 << this_thread())
        if common.inside == 0:
            common.n = 0


@scenario(options=(Size,))
def masks(s: Setup) -> None:
    """A set of threads as a bit mask."""
    for i in range(Size.workers):
        s.thread(f"masking{i}", masking)


def waiting() -> None:
    await_(lambda: common.inside & 1 == 0)
    common.n = 1


@scenario(options=(Size,))
def first_bit(s: Setup) -> None:
    """A set of threads of which one is looked for by number."""
    for i in range(Size.workers):
        s.thread(f"masking{i}", masking)
    s.thread("waiter", waiting)
