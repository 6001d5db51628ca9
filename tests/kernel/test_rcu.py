"""RCU, and callbacks of RCU and SRCU: which readers a grace period waits for, and each misuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest

from lastput.kernel.fs_types import callback_head
from lastput.kernel.preempt import might_sleep
from lastput.kernel.rcu import (
    call_rcu,
    rcu_barrier,
    rcu_callbacks,
    rcu_read_lock,
    rcu_read_lock_held,
    rcu_read_unlock,
    rcu_state,
    synchronize_rcu,
)
from lastput.kernel.srcu import (
    call_srcu,
    cleanup_srcu_struct,
    srcu_barrier,
    srcu_callbacks,
    srcu_read_lock,
    srcu_read_unlock,
    srcu_struct,
)
from lastput.lang import NULL, Setup, container_of, kfree, ptr, struct, upto
from tests.kernel.explored import run


@struct
class node:
    rcu: callback_head
    value: Annotated[int, upto(7)]


@struct
class head:
    first: ptr[node]
    second: ptr[node]
    ssp: srcu_struct
    freed: Annotated[int, upto(7)]


def two_nodes(s: Setup, memory: Any) -> None:
    memory.first = s.new(node, "first")
    memory.second = s.new(node, "second")


def reader(h: ptr[head]) -> None:
    rcu_read_lock()
    found = h.first
    if found:
        found.value = 1
    rcu_read_unlock()


def nested_reader(h: ptr[head]) -> None:
    rcu_read_lock()
    found = h.first
    rcu_read_lock()
    rcu_read_unlock()
    if found:
        found.value = 1
    rcu_read_unlock()


def bare_reader(h: ptr[head]) -> None:
    found = h.first
    if found:
        found.value = 1


def remover(h: ptr[head]) -> None:
    old = h.first
    h.first = NULL
    synchronize_rcu()
    kfree(old)
    kfree(h.second)


def hasty_remover(h: ptr[head]) -> None:
    old = h.first
    h.first = NULL
    kfree(old)
    kfree(h.second)


def a_later_reader_is_not_waited_for(h: ptr[head]) -> bool:
    """The remover waits for one reader, and another one has come since."""
    return not h.first and rcu_state.waits_for[0] != 0 and rcu_state.readers != rcu_state.waits_for[0]


@pytest.mark.parametrize("who", [reader, nested_reader])
def test_a_grace_period_waits_for_earlier_readers_only(who: Callable[..., None]) -> None:
    found = run(head, who, who, remover, prepare=two_nodes, reach=a_later_reader_is_not_waited_for)
    assert (found.kinds, found.bounds) == (set(), set())


@pytest.mark.parametrize("functions", [(bare_reader, remover), (reader, hasty_remover)])
def test_half_of_the_protocol_is_noticed(functions: tuple[Callable[..., None], ...]) -> None:
    assert "use-after-free" in run(head, *functions, prepare=two_nodes).kinds


# -- callbacks ---------------------------------------------------------------------------------


def node_free(rcu: ptr[callback_head]) -> None:
    kfree(container_of(rcu, node, lambda n: n.rcu))


def deferring_remover(h: ptr[head]) -> None:
    old = h.first
    h.first = NULL
    call_rcu(old.rcu, node_free)
    kfree(h.second)


def test_a_callback_waits_for_earlier_readers() -> None:
    found = run(head, reader, deferring_remover, daemons=[rcu_callbacks], prepare=two_nodes)
    assert (found.kinds, found.bounds) == (set(), set())


def test_without_a_daemon_nobody_frees() -> None:
    assert run(head, deferring_remover, prepare=two_nodes).kinds == {"leak"}


def freed_count(rcu: ptr[callback_head]) -> None:
    rcu.next = rcu


def counts_callbacks(h: ptr[head]) -> None:
    call_rcu(h.first.rcu, freed_count)
    call_rcu(h.second.rcu, freed_count)
    rcu_barrier()
    assert h.first.rcu.next == h.first.rcu, "the first callback was not waited for"
    assert h.second.rcu.next == h.second.rcu, "the second callback was not waited for"
    kfree(h.first)
    kfree(h.second)


def counts_without_barrier(h: ptr[head]) -> None:
    call_rcu(h.first.rcu, freed_count)
    assert h.first.rcu.next == h.first.rcu, "the first callback was not waited for"
    kfree(h.first)
    kfree(h.second)


@pytest.mark.parametrize("daemons", [1, 2])
def test_a_barrier_waits_for_callbacks(daemons: int) -> None:
    found = run(head, counts_callbacks, daemons=[rcu_callbacks] * daemons, prepare=two_nodes)
    assert (found.kinds, found.bounds) == (set(), set())
    found = run(head, counts_without_barrier, daemons=[rcu_callbacks], prepare=two_nodes)
    assert found.kinds == {"assertion"}


def requeue(rcu: ptr[callback_head]) -> None:
    call_rcu(rcu, freed_count)


def barrier_once(h: ptr[head]) -> None:
    call_rcu(h.first.rcu, requeue)
    rcu_barrier()
    assert h.first.rcu.next == h.first.rcu, "a callback's callback was not waited for"
    kfree(h.first)
    kfree(h.second)


def barrier_twice(h: ptr[head]) -> None:
    call_rcu(h.first.rcu, requeue)
    rcu_barrier()
    rcu_barrier()
    assert h.first.rcu.next == h.first.rcu, "a callback's callback was not waited for"
    kfree(h.first)
    kfree(h.second)


def test_a_barrier_waits_for_what_was_queued_before_it_only() -> None:
    assert "assertion" in run(head, barrier_once, daemons=[rcu_callbacks], prepare=two_nodes).kinds
    assert not run(head, barrier_twice, daemons=[rcu_callbacks], prepare=two_nodes).kinds


# -- the same with SRCU -------------------------------------------------------------------------


def srcu_reader(h: ptr[head]) -> None:
    srcu_read_lock(h.ssp)
    found = h.first
    if found:
        found.value = 1
    srcu_read_unlock(h.ssp)


def srcu_free(rcu: ptr[callback_head]) -> None:
    kfree(container_of(rcu, node, lambda n: n.rcu))


def srcu_remover(h: ptr[head]) -> None:
    old = h.first
    h.first = NULL
    call_srcu(h.ssp, old.rcu, srcu_free)
    call_srcu(h.ssp, h.second.rcu, srcu_free)
    srcu_barrier(h.ssp)
    cleanup_srcu_struct(h.ssp)


def srcu_hasty(h: ptr[head]) -> None:
    old = h.first
    h.first = NULL
    call_srcu(h.ssp, old.rcu, srcu_free)
    kfree(h.second)
    cleanup_srcu_struct(h.ssp)


def runs_srcu(h: ptr[head]) -> None:
    srcu_callbacks(h.ssp)


def test_srcu_callbacks_and_barrier() -> None:
    found = run(head, srcu_remover, daemons=[runs_srcu], prepare=two_nodes)
    assert (found.kinds, found.bounds) == (set(), set())


def srcu_deferring(h: ptr[head]) -> None:
    old = h.first
    h.first = NULL
    call_srcu(h.ssp, old.rcu, srcu_free)
    kfree(h.second)


def test_srcu_callbacks_wait_for_readers() -> None:
    found = run(head, srcu_reader, srcu_deferring, daemons=[runs_srcu], prepare=two_nodes)
    assert (found.kinds, found.bounds) == (set(), set())
    found = run(head, bare_reader, srcu_deferring, daemons=[runs_srcu], prepare=two_nodes)
    assert "use-after-free" in found.kinds


def test_a_domain_with_a_callback_is_in_use() -> None:
    assert "rcu-misuse" in run(head, srcu_hasty, daemons=[runs_srcu], prepare=two_nodes).kinds


# -- misuse --------------------------------------------------------------------------------------


def sleeps_inside() -> None:
    rcu_read_lock()
    might_sleep()


def waits_inside() -> None:
    rcu_read_lock()
    synchronize_rcu()


def leaves_twice() -> None:
    rcu_read_lock()
    rcu_read_unlock()
    assert not rcu_read_lock_held(), "still inside"
    rcu_read_unlock()


def stays_inside() -> None:
    rcu_read_lock()


def queues_twice(h: ptr[head]) -> None:
    call_rcu(h.first.rcu, freed_count)
    call_rcu(h.first.rcu, freed_count)


def sleeps(rcu: ptr[callback_head]) -> None:
    might_sleep()


def sleeping_callback(h: ptr[head]) -> None:
    call_rcu(h.first.rcu, sleeps)


@pytest.mark.parametrize(
    ("function", "kind"),
    [
        (sleeps_inside, "rcu-misuse"),
        (waits_inside, "rcu-misuse"),
        (leaves_twice, "rcu-misuse"),
        (stays_inside, "lock-held-at-exit"),
        (queues_twice, "rcu-misuse"),
        (sleeping_callback, "sleep-in-atomic"),
    ],
)
def test_misuse(function: Callable[..., None], kind: str) -> None:
    assert kind in run(head, function, daemons=[rcu_callbacks], prepare=two_nodes).kinds
