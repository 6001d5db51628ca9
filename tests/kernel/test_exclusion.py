"""rwlock, mutex, rwsem, seqcount: what they exclude, what they let through, and each misuse.

Each test of exclusion has a twin in which the protection is left out, so that it is known to notice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import pytest

from lastput.kernel.lock_types import mutex, rw_semaphore, rwlock_t, spinlock_t
from lastput.kernel.mutex import (
    lockdep_assert_held_mutex,
    mutex_is_locked,
    mutex_lock,
    mutex_trylock,
    mutex_unlock,
)
from lastput.kernel.preempt import might_sleep
from lastput.kernel.rwlock import (
    cond_resched_rwlock_write,
    lockdep_assert_held_rw,
    lockdep_assert_held_write,
    read_lock,
    read_unlock,
    write_lock,
    write_unlock,
)
from lastput.kernel.rwsem import (
    down_read,
    down_read_trylock,
    down_write,
    down_write_trylock,
    downgrade_write,
    up_read,
    up_write,
)
from lastput.kernel.seqcount import (
    read_seqcount_begin,
    read_seqcount_retry,
    seqcount_t,
    write_seqcount_begin,
    write_seqcount_end,
)
from lastput.kernel.spinlock import spin_lock
from lastput.lang import ptr, struct, upto
from tests.kernel.explored import run


@struct
class shared:
    spin: spinlock_t
    rw: rwlock_t
    other: rwlock_t
    mutex: mutex
    sem: rw_semaphore
    seq: seqcount_t
    a: Annotated[int, upto(7)]
    b: Annotated[int, upto(7)]
    inside: Annotated[int, upto(7)]


def change(s: ptr[shared]) -> None:
    """Two stores that belong together."""
    s.a = s.a + 1
    s.b = s.b + 1


def look(s: ptr[shared]) -> None:
    """Two loads that belong together."""
    a = s.a
    assert a == s.b, "half a change was seen"


# -- exclusion, and without it -----------------------------------------------------------------


def rw_writer(s: ptr[shared]) -> None:
    write_lock(s.rw)
    lockdep_assert_held_write(s.rw)
    change(s)
    write_unlock(s.rw)


def rw_reader(s: ptr[shared]) -> None:
    read_lock(s.rw)
    lockdep_assert_held_rw(s.rw)
    s.inside = 1 if s.rw.readers == 3 else 0
    look(s)
    read_unlock(s.rw)


def rw_breaker(s: ptr[shared]) -> None:
    write_lock(s.rw)
    before = s.a
    cond_resched_rwlock_write(s.rw)
    assert s.a == before, "changed in the lock break"
    write_unlock(s.rw)


def mutex_user(s: ptr[shared]) -> None:
    mutex_lock(s.mutex)
    lockdep_assert_held_mutex(s.mutex)
    change(s)
    look(s)
    mutex_unlock(s.mutex)


def mutex_trier(s: ptr[shared]) -> None:
    if mutex_trylock(s.mutex):
        look(s)
        mutex_unlock(s.mutex)
    elif not mutex_is_locked(s.mutex):
        s.inside = 1


def downgrader(s: ptr[shared]) -> None:
    down_write(s.sem)
    change(s)
    downgrade_write(s.sem)
    look(s)
    up_read(s.sem)


def sem_reader(s: ptr[shared]) -> None:
    if down_read_trylock(s.sem):
        look(s)
        up_read(s.sem)


def sem_writer(s: ptr[shared]) -> None:
    if down_write_trylock(s.sem):
        change(s)
        up_write(s.sem)


def seq_writer(s: ptr[shared]) -> None:
    write_seqcount_begin(s.seq)
    change(s)
    write_seqcount_end(s.seq)


def seq_reader(s: ptr[shared]) -> None:
    start = read_seqcount_begin(s.seq)
    a = s.a
    b = s.b
    while read_seqcount_retry(s.seq, start):
        start = read_seqcount_begin(s.seq)
        a = s.a
        b = s.b
    assert a == b, "half a change was seen"


def bare_writer(s: ptr[shared]) -> None:
    change(s)


def two_readers_were_inside(s: ptr[shared]) -> bool:
    return s.inside == 1


def a_reader_beside_the_downgraded_one(s: ptr[shared]) -> bool:
    return s.sem.readers == 3


@pytest.mark.parametrize(
    ("functions", "reach"),
    [
        ((rw_reader, rw_reader, rw_writer), two_readers_were_inside),
        ((mutex_user, mutex_user), None),
        ((mutex_user, mutex_trier), two_readers_were_inside),
        ((downgrader, sem_reader, sem_writer), a_reader_beside_the_downgraded_one),
        ((seq_writer, seq_reader, seq_reader), None),
    ],
)
def test_excludes(functions: tuple[Callable[..., None], ...], reach: Callable[..., bool] | None) -> None:
    found = run(shared, *functions, reach=reach)
    assert (found.kinds, found.bounds) == (set(), set())


@pytest.mark.parametrize(
    "functions",
    [
        (rw_reader, bare_writer),
        (rw_breaker, rw_writer),
        (mutex_user, bare_writer),
        (mutex_trier, bare_writer),
        (sem_reader, bare_writer),
        (seq_reader, bare_writer),
    ],
    ids=lambda functions: "-".join(f.__name__ for f in functions),
)
def test_what_is_left_unprotected_is_noticed(functions: tuple[Callable[..., None], ...]) -> None:
    assert run(shared, *functions).kinds == {"assertion"}


# -- misuse ------------------------------------------------------------------------------------


def read_twice(s: ptr[shared]) -> None:
    read_lock(s.rw)
    read_lock(s.rw)


def upgrade(s: ptr[shared]) -> None:
    read_lock(s.rw)
    write_lock(s.rw)


def write_twice(s: ptr[shared]) -> None:
    write_lock(s.rw)
    write_lock(s.rw)


def write_then_read(s: ptr[shared]) -> None:
    write_lock(s.rw)
    read_lock(s.rw)


def no_reader(s: ptr[shared]) -> None:
    read_unlock(s.rw)


def no_writer(s: ptr[shared]) -> None:
    read_lock(s.rw)
    write_unlock(s.rw)


def assert_writer(s: ptr[shared]) -> None:
    read_lock(s.rw)
    lockdep_assert_held_write(s.rw)


def assert_reader(s: ptr[shared]) -> None:
    lockdep_assert_held_rw(s.rw)


def sleep_as_reader(s: ptr[shared]) -> None:
    read_lock(s.rw)
    might_sleep()


def break_below_another(s: ptr[shared]) -> None:
    write_lock(s.other)
    write_lock(s.rw)
    cond_resched_rwlock_write(s.rw)


def keep_reading(s: ptr[shared]) -> None:
    read_lock(s.rw)


def mutex_twice(s: ptr[shared]) -> None:
    mutex_lock(s.mutex)
    mutex_lock(s.mutex)


def mutex_not_mine(s: ptr[shared]) -> None:
    mutex_unlock(s.mutex)


def mutex_spinning(s: ptr[shared]) -> None:
    spin_lock(s.spin)
    mutex_lock(s.mutex)


def mutex_kept(s: ptr[shared]) -> None:
    mutex_lock(s.mutex)


def mutex_asserted(s: ptr[shared]) -> None:
    lockdep_assert_held_mutex(s.mutex)


def downgrade_reader(s: ptr[shared]) -> None:
    down_read(s.sem)
    downgrade_write(s.sem)


def try_again(s: ptr[shared]) -> None:
    down_read(s.sem)
    down_read_trylock(s.sem)


def seq_end(s: ptr[shared]) -> None:
    write_seqcount_end(s.seq)


def seq_begin(s: ptr[shared]) -> None:
    write_seqcount_begin(s.seq)


def mutex_then_sem(s: ptr[shared]) -> None:
    mutex_lock(s.mutex)
    down_write(s.sem)
    up_write(s.sem)
    mutex_unlock(s.mutex)


def sem_then_mutex(s: ptr[shared]) -> None:
    down_write(s.sem)
    mutex_lock(s.mutex)
    mutex_unlock(s.mutex)
    up_write(s.sem)


@pytest.mark.parametrize(
    ("functions", "kind"),
    [
        ((read_twice,), "lock-recursion"),
        ((upgrade,), "lock-recursion"),
        ((write_twice,), "lock-recursion"),
        ((write_then_read,), "lock-recursion"),
        ((no_reader,), "lock-owner"),
        ((no_writer,), "lock-owner"),
        ((assert_writer,), "warning"),
        ((assert_reader,), "warning"),
        ((sleep_as_reader,), "sleep-in-atomic"),
        ((break_below_another,), "sleep-in-atomic"),
        ((keep_reading,), "lock-held-at-exit"),
        ((mutex_twice,), "lock-recursion"),
        ((mutex_not_mine,), "lock-owner"),
        ((mutex_user, mutex_not_mine), "lock-owner"),
        ((mutex_spinning,), "sleep-in-atomic"),
        ((mutex_kept,), "lock-held-at-exit"),
        ((mutex_asserted,), "warning"),
        ((downgrade_reader,), "lock-owner"),
        ((try_again,), "lock-recursion"),
        ((seq_end,), "lock-owner"),
        ((seq_begin,), "lock-held-at-exit"),
        ((seq_writer, seq_writer), "lock-recursion"),
        ((mutex_then_sem, sem_then_mutex), "deadlock"),
    ],
    ids=lambda value: value if isinstance(value, str) else "-".join(f.__name__ for f in value),
)
def test_misuse(functions: tuple[Callable[..., None], ...], kind: str) -> None:
    assert kind in run(shared, *functions).kinds
