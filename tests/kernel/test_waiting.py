"""Completions, wait queues and work queues: what is waited for, exactly, and what is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest

from lastput.kernel.completion import (
    complete,
    complete_all,
    completion,
    init_completion,
    try_wait_for_completion,
    wait_for_completion,
)
from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.spinlock import spin_lock
from lastput.kernel.wait import (
    finish_wait,
    prepare_to_wait,
    schedule_wait,
    wait_queue_head_t,
    waitqueue_active,
    wake_up,
)
from lastput.kernel.workqueue import (
    cancel_work_sync,
    flush_work,
    flush_workqueue,
    queue_work,
    work_struct,
    worker,
    workqueue_idle,
    workqueue_struct,
)
from lastput.lang import Setup, array, atomic, container_of, kfree, length, ptr, struct, upto
from tests.kernel.explored import run


@struct
class device:
    refs: Annotated[int, upto(3)]
    done: completion


@struct
class shared:
    dev: ptr[device]
    x: completion
    wait: wait_queue_head_t
    spin: spinlock_t
    ready: bool


# -- completions -------------------------------------------------------------------------------


def waiter(s: ptr[shared]) -> None:
    wait_for_completion(s.x)
    assert s.ready, "went on too early"


def completer(s: ptr[shared]) -> None:
    s.ready = True
    complete(s.x)


def early_completer(s: ptr[shared]) -> None:
    complete(s.x)
    s.ready = True


def completer_of_all(s: ptr[shared]) -> None:
    s.ready = True
    complete_all(s.x)


def tries(s: ptr[shared]) -> None:
    if try_wait_for_completion(s.x):
        assert s.ready, "went on too early"


def starts_over(s: ptr[shared]) -> None:
    complete(s.x)
    init_completion(s.x)
    wait_for_completion(s.x)


def waits_spinning(s: ptr[shared]) -> None:
    spin_lock(s.spin)
    wait_for_completion(s.x)


def one_device(s: Setup, memory: Any) -> None:
    memory.dev = s.new(device)


def frees_when_done(s: ptr[shared]) -> None:
    wait_for_completion(s.dev.done)
    kfree(s.dev)


def last_user(s: ptr[shared]) -> None:
    complete(s.dev.done)


@pytest.mark.parametrize(
    ("functions", "kinds"),
    [
        ((waiter, completer), set()),
        ((waiter, waiter, completer, completer), set()),
        ((waiter, waiter, completer), {"deadlock"}),
        ((waiter, waiter, completer_of_all), set()),
        ((waiter, tries, completer_of_all), set()),
        ((waiter, tries, completer), {"deadlock"}),
        ((waiter, early_completer), {"assertion"}),
        ((starts_over,), {"deadlock"}),
        ((waits_spinning,), {"sleep-in-atomic"}),
    ],
)
def test_completion(functions: tuple[Callable[..., None], ...], kinds: set[str]) -> None:
    assert run(shared, *functions).kinds == kinds


def test_whoever_waited_may_free_the_completion() -> None:
    assert not run(shared, frees_when_done, last_user, prepare=one_device).kinds


# -- wait queues -------------------------------------------------------------------------------


def wait_event(s: ptr[shared]) -> None:
    while not s.ready:
        prepare_to_wait(s.wait)
        if s.ready:
            break
        schedule_wait(s.wait)
    finish_wait(s.wait)


def wait_event_badly(s: ptr[shared]) -> None:
    """Tests the condition before it is on the queue only: a wakeup in between is lost."""
    while not s.ready:
        prepare_to_wait(s.wait)
        schedule_wait(s.wait)
    finish_wait(s.wait)


def waker(s: ptr[shared]) -> None:
    s.ready = True
    wake_up(s.wait)


def forgetful_waker(s: ptr[shared]) -> None:
    s.ready = True


def early_waker(s: ptr[shared]) -> None:
    if waitqueue_active(s.wait):
        wake_up(s.wait)
    s.ready = True


def sleeps_spinning(s: ptr[shared]) -> None:
    prepare_to_wait(s.wait)
    spin_lock(s.spin)
    schedule_wait(s.wait)


@pytest.mark.parametrize(
    ("functions", "kinds"),
    [
        ((wait_event, waker), set()),
        ((wait_event, wait_event, waker), set()),
        ((wait_event_badly, waker), {"deadlock"}),
        ((wait_event, forgetful_waker), {"deadlock"}),
        ((wait_event, early_waker), {"deadlock"}),
        ((sleeps_spinning,), {"sleep-in-atomic"}),
    ],
)
def test_wait_queue(functions: tuple[Callable[..., None], ...], kinds: set[str]) -> None:
    assert run(shared, *functions).kinds == kinds


# -- work queues -------------------------------------------------------------------------------


@struct
class busy:
    wq: workqueue_struct
    work: item
    other: item
    started: Annotated[int, upto(3)]


@struct
class item:
    work: work_struct
    home: ptr[busy]
    inside: Annotated[int, upto(3)]
    runs: Annotated[int, upto(3)]
    again: bool


def item_fn(work: ptr[work_struct]) -> None:
    it = container_of(work, item, lambda i: i.work)
    with atomic():
        it.inside += 1
    assert it.inside == 1, "one work runs twice at a time"
    again = it.again
    if again:
        it.again = False
        queue_work(it.home.wq, work)
    with atomic():
        it.inside -= 1
        it.runs += 1


def two_items(s: Setup, b: Any) -> None:
    for i in (b.work, b.other):
        i.work.func = item_fn
        i.home = b


def two_items_one_again(s: Setup, b: Any) -> None:
    two_items(s, b)
    b.work.again = True


def works(b: ptr[busy]) -> None:
    worker(b.wq)


def queues(b: ptr[busy]) -> None:
    queue_work(b.wq, b.work.work)


def queues_and_flushes(b: ptr[busy]) -> None:
    queue_work(b.wq, b.work.work)
    flush_work(b.work.work)
    assert b.work.runs != 0, "flush_work did not wait"


def queues_only(b: ptr[busy]) -> None:
    queue_work(b.wq, b.work.work)
    assert b.work.runs != 0, "nobody waited"


def queues_two_and_flushes(b: ptr[busy]) -> None:
    queue_work(b.wq, b.work.work)
    queue_work(b.wq, b.other.work)
    flush_workqueue(b.wq)
    assert b.work.runs == 1, "the first was not waited for"
    assert b.other.runs == 1, "the second was not waited for"


def flushes_the_other_only(b: ptr[busy]) -> None:
    queue_work(b.wq, b.other.work)
    queue_work(b.wq, b.work.work)
    flush_work(b.other.work)
    assert b.work.runs == 1, "a later work was not waited for"


def flushes_again(b: ptr[busy]) -> None:
    """A work that queues itself once more: the flush need not wait for that."""
    queue_work(b.wq, b.work.work)
    flush_work(b.work.work)
    assert b.work.runs == 2, "the run that was queued later was not waited for"


def cancels(b: ptr[busy]) -> None:
    queue_work(b.wq, b.work.work)
    cancel_work_sync(b.work.work)
    assert b.work.inside == 0, "it runs after its cancellation"
    runs = b.work.runs
    flush_work(b.work.work)
    assert b.work.runs == runs, "it was queued during its cancellation"


def never_queued(b: ptr[busy]) -> None:
    assert not flush_work(b.work.work), "an idle work was waited for"
    assert not cancel_work_sync(b.work.work), "an idle work was pending"


def idle(b: ptr[busy]) -> bool:
    return workqueue_idle(b.wq)


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("functions", "prepare", "kinds"),
    [
        ((queues_and_flushes,), two_items, set()),
        ((queues_and_flushes, queues), two_items, set()),
        ((queues, queues), two_items_one_again, set()),
        ((queues_two_and_flushes,), two_items, set()),
        ((cancels,), two_items_one_again, set()),
        ((cancels, cancels), two_items, {"assertion"}),
        ((never_queued,), two_items, set()),
        ((queues_only,), two_items, {"assertion"}),
        ((flushes_the_other_only,), two_items, {"assertion"}),
        ((flushes_again,), two_items_one_again, {"assertion"}),
    ],
)
def test_work_queue(
    workers: int, functions: tuple[Callable[..., None], ...], prepare: Callable[..., None], kinds: set[str]
) -> None:
    found = run(busy, *functions, daemons=[works] * workers, prepare=prepare, final=idle)
    assert (found.kinds, found.bounds) == (kinds, set())


# -- a work that frees itself, or waits for itself ---------------------------------------------


@struct
class once:
    work: work_struct
    wq: ptr[workqueue_struct]


@struct
class single:
    wq: workqueue_struct
    item: ptr[once]


def frees_itself(work: ptr[work_struct]) -> None:
    kfree(container_of(work, once, lambda o: o.work))


def waits_for_itself(work: ptr[work_struct]) -> None:
    flush_work(work)


def cancels_itself(work: ptr[work_struct]) -> None:
    cancel_work_sync(work)


def waits_for_its_queue(work: ptr[work_struct]) -> None:
    flush_workqueue(container_of(work, once, lambda o: o.work).wq)


def queues_once(o: ptr[single]) -> None:
    queue_work(o.wq, o.item.work)


def flushes_once(o: ptr[single]) -> None:
    flush_work(o.item.work)


def cancels_then_frees(o: ptr[single]) -> None:
    cancel_work_sync(o.item.work)
    kfree(o.item)


def works_single(o: ptr[single]) -> None:
    worker(o.wq)


@pytest.mark.parametrize(
    ("work", "functions", "kinds"),
    [
        (frees_itself, (queues_once,), set()),
        (frees_itself, (queues_once, flushes_once), {"use-after-free"}),
        (waits_for_itself, (queues_once,), {"lock-recursion"}),
        (cancels_itself, (queues_once,), {"lock-recursion"}),
        (waits_for_its_queue, (queues_once,), {"lock-recursion"}),
    ],
)
def test_what_a_work_may_do_to_itself(
    work: Callable[..., None], functions: tuple[Callable[..., None], ...], kinds: set[str]
) -> None:
    def prepare(s: Setup, o: Any) -> None:
        o.item = s.new(once)
        o.item.work.func = work
        o.item.wq = o.wq

    found = run(single, *functions, daemons=[works_single], prepare=prepare)
    assert (found.kinds - {"leak"}, found.bounds) == (kinds, set())


@struct
class crowd:
    wq: workqueue_struct
    works: array[work_struct] = length(4)


def fills(c: ptr[crowd]) -> None:
    for i in range(4):
        queue_work(c.wq, c.works[i])


def test_more_works_than_there_is_room_for_are_a_bound() -> None:
    assert run(crowd, fills).bounds == {"range"}
