"""Doubly linked lists beside readers, and `refcount_t`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import pytest

from lastput.kernel.list import (
    INIT_LIST_HEAD,
    list_add,
    list_add_rcu,
    list_add_tail,
    list_add_tail_rcu,
    list_del,
    list_del_init,
    list_del_rcu,
    list_empty,
    list_head,
)
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.refcount import (
    refcount_dec_and_test,
    refcount_inc,
    refcount_inc_not_zero,
    refcount_read,
    refcount_set,
    refcount_t,
)
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import ptr, struct, upto
from tests.kernel.explored import run


@struct
class lists:
    head: list_head
    a: list_head
    b: list_head
    c: list_head
    lock: spinlock_t
    refs: refcount_t
    seen: Annotated[int, upto(3)]


def order(m: ptr[lists]) -> int:
    """The entries from head to tail as decimal digits; both directions must agree."""
    digits = 0
    node = m.head.next
    before = m.head
    while node != m.head:
        assert node.prev == before, "prev is not the inverse of next"
        digits = digits * 10 + (1 if node == m.a else 2 if node == m.b else 3)
        before = node
        node = node.next
    return digits


def build_and_take_down(m: ptr[lists]) -> None:
    INIT_LIST_HEAD(m.head)
    assert list_empty(m.head), "new"
    list_add(m.a, m.head)
    list_add(m.b, m.head)
    list_add_tail(m.c, m.head)
    assert order(m) == 213, "added at head and tail"
    list_del_init(m.a)
    list_del_init(m.a)
    assert list_empty(m.a), "an entry of no list"
    assert order(m) == 23, "only a went"
    list_del(m.b)
    assert order(m) == 3, "b went"
    list_add_rcu(m.a, m.head)
    list_add_tail_rcu(m.b, m.head)
    assert order(m) == 132, "the RCU forms"
    list_del_rcu(m.c)
    assert m.c.next == m.b, "a reader that stands on c finds b"


def delete_twice(m: ptr[lists]) -> None:
    INIT_LIST_HEAD(m.head)
    list_add(m.a, m.head)
    list_del(m.a)
    list_del(m.a)


def prepare(m: ptr[lists]) -> None:
    INIT_LIST_HEAD(m.head)
    list_add(m.a, m.head)
    list_add(m.b, m.head)


def walk(m: ptr[lists]) -> None:
    node = m.head.next
    while node != m.head:
        node = node.next


def adds(m: ptr[lists]) -> None:
    list_add_tail_rcu(m.c, m.head)


def adds_without_rcu(m: ptr[lists]) -> None:
    list_add(m.c, m.head)


def removes(m: ptr[lists]) -> None:
    list_del_rcu(m.b)


def removes_without_rcu(m: ptr[lists]) -> None:
    list_del(m.b)


def removes_a_locked(m: ptr[lists]) -> None:
    spin_lock(m.lock)
    list_del_rcu(m.a)
    spin_unlock(m.lock)


def removes_b_locked(m: ptr[lists]) -> None:
    spin_lock(m.lock)
    list_del_rcu(m.b)
    spin_unlock(m.lock)


def removes_a(m: ptr[lists]) -> None:
    list_del_rcu(m.a)


def is_empty(m: ptr[lists]) -> bool:
    return m.head.next == m.head and m.head.prev == m.head


def test_lists_keep_their_order_both_ways() -> None:
    assert not run(lists, build_and_take_down).kinds


def test_an_entry_is_deleted_once() -> None:
    assert run(lists, delete_twice).kinds == {"null-deref"}


@pytest.mark.parametrize(
    ("functions", "kinds"),
    [
        ((walk, adds), set()),
        ((walk, removes), set()),
        ((walk, removes_without_rcu), {"null-deref"}),
    ],
)
def test_a_reader_beside_a_change(functions: tuple[Callable[..., None], ...], kinds: set[str]) -> None:
    assert run(lists, *functions, prepare=lambda _s, memory: prepare(memory)).kinds == kinds


def test_changes_need_a_lock() -> None:
    def found(*functions: Callable[..., None]) -> set[str]:
        return run(lists, *functions, prepare=lambda _s, memory: prepare(memory), final=is_empty).kinds

    assert found(removes_a_locked, removes_b_locked) == set()
    assert "final" in found(removes_a, removes)


# -- refcount_t --------------------------------------------------------------------------------


def get_and_put(m: ptr[lists]) -> None:
    if refcount_inc_not_zero(m.refs):
        assert refcount_read(m.refs) != 0, "held, and not counted"
        assert not (refcount_dec_and_test(m.refs) and m.seen), "the last put happened twice"


def put(m: ptr[lists]) -> None:
    if refcount_dec_and_test(m.refs):
        m.seen = 1


def get_from_zero(m: ptr[lists]) -> None:
    refcount_inc(m.refs)


def set_and_put_twice(m: ptr[lists]) -> None:
    refcount_set(m.refs, 1)
    assert refcount_dec_and_test(m.refs), "the last"
    refcount_dec_and_test(m.refs)


def one_reference(m: ptr[lists]) -> None:
    m.refs.refs.counter = 1


@pytest.mark.parametrize(
    ("functions", "kinds"),
    [
        ((put, get_and_put), set()),
        ((put, put), {"warning"}),
        ((put, get_from_zero), {"warning"}),
        ((set_and_put_twice,), {"warning"}),
    ],
)
def test_refcount(functions: tuple[Callable[..., None], ...], kinds: set[str]) -> None:
    found = run(lists, *functions, prepare=lambda _s, memory: one_reference(memory))
    assert found.kinds == kinds
