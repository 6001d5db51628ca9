"""Two scenarios in one file, and threads that deadlock or never end."""

from lastput.lang import Setup, atomic, await_, holder, ptr, scenario, struct, this_thread, u16


@struct
class two_locks:
    a: holder
    b: holder
    count: u16


def take_both(locks: ptr[two_locks], swapped: bool) -> None:
    me = this_thread() + 1
    if swapped:
        with atomic():
            await_(lambda: locks.b == 0, holders=lambda: (1 << locks.b) >> 1)
            locks.b = me
    with atomic():
        await_(lambda: locks.a == 0, holders=lambda: (1 << locks.a) >> 1)
        locks.a = me
    if not swapped:
        with atomic():
            await_(lambda: locks.b == 0, holders=lambda: (1 << locks.b) >> 1)
            locks.b = me
    locks.count += 1
    with atomic():
        locks.a = 0
    with atomic():
        locks.b = 0


def count_for_long(locks: ptr[two_locks]) -> None:
    while True:
        locks.count += 1


@scenario()
def abba(s: Setup) -> None:
    """Two tasks take two locks in opposite orders."""
    locks = s.static(two_locks)
    s.thread("one", take_both, locks, False)
    s.thread("two", take_both, locks, True)


@scenario()
def endless(s: Setup) -> None:
    """Three counters over 65,536 values: more states than anyone waits for."""
    for i in range(3):
        s.thread(f"counter{i}", count_for_long, s.static(two_locks))
