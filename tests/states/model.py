"""A model with a cell of every kind of column, memory that is not written at once, and a broken invariant."""

from __future__ import annotations

from lastput.lang import NULL, Setup, cell, kfree, kmalloc, ptr, ref, s8, scenario, static, struct


@struct
class box:
    value: int


@struct
class state:
    count: int
    flag: bool
    level: s8
    where: cell[int]
    kept: ptr[box]


shared = static(state)


def count() -> None:
    shared.where = ref(lambda: shared.count)
    shared.count += 1
    shared.flag = shared.count == 2
    shared.level -= 3


def keep() -> None:
    new = kmalloc(box)
    shared.kept = new
    new.value = 7
    shared.kept = NULL
    kfree(new)


def below_two() -> bool:
    """Fewer than two have counted."""
    return shared.count < 2


@scenario()
def model(s: Setup) -> None:
    """Two tasks count, a third one allocates."""
    s.pool(box, 1)
    s.thread("one", count)
    s.thread("two", count)
    s.thread("keeper", keep)
    s.invariant(below_two)
