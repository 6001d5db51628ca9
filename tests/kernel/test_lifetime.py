"""Counts, lists, files and task work on their own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from lastput.kernel.atomic import atomic_dec_and_test, atomic_inc, atomic_inc_not_zero, atomic_t
from lastput.kernel.file import exit_files, fget, fput, sys_close
from lastput.kernel.fs_types import file, file_operations, files_struct, void
from lastput.kernel.hlist import hlist_add_head_rcu, hlist_del_init_rcu, hlist_empty, hlist_head, hlist_node
from lastput.kernel.sched import task_struct
from lastput.kernel.task_work import exit_task_work, task_work_run
from lastput.lang import Setup, atomic, kfree, ptr, reinterpret, scenario, static, struct, upto
from lastput.simulate.explore import Explored, explore
from lastput.simulate.setup import build


@struct
class counted:
    refs: atomic_t


@struct
class table:
    object: ptr[counted]


@struct
class list_of_two:
    head: hlist_head
    a: hlist_node
    b: hlist_node


@struct
class log:
    released: Annotated[int, upto(7)]
    order: Annotated[int, upto(63)]


seen = static(log)


def put(c: ptr[counted]) -> None:
    if atomic_dec_and_test(c.refs):
        kfree(c)


def get_and_put(c: ptr[counted]) -> None:
    atomic_inc(c.refs)
    put(c)


def try_get(c: ptr[counted]) -> None:
    if atomic_inc_not_zero(c.refs):
        put(c)
        put(c)


def count(refs: int, *functions: Callable[..., None]) -> Explored:
    @scenario()
    def threads(s: Setup) -> None:
        object = s.new(counted)
        object.refs.counter = refs
        for i, function in enumerate(functions):
            s.thread(f"t{i}", function, object)

    return explore(build(threads, None, {}))


def test_the_last_put_frees() -> None:
    assert not count(2, put, put).kinds
    assert count(2, put).kinds == {"leak"}
    assert "use-after-free" in count(1, put, get_and_put).kinds
    assert not count(1, try_get).kinds


def test_a_count_leaves_zero_for_a_warning() -> None:
    @scenario()
    def threads(s: Setup) -> None:
        object = s.static(counted)
        s.thread("inc", inc, object)

    assert explore(build(threads, None, {})).kinds == {"warning"}


def inc(c: ptr[counted]) -> None:
    atomic_inc(c.refs)


# -- hlist -----------------------------------------------------------------------------------


def build_and_take_down(two: ptr[list_of_two]) -> None:
    hlist_add_head_rcu(two.a, two.head)
    hlist_add_head_rcu(two.b, two.head)
    assert two.head.first == two.b, "added at the head"
    hlist_del_init_rcu(two.b)
    hlist_del_init_rcu(two.b)
    assert two.head.first == two.a, "only b went"
    assert two.b.next == two.a, "a reader that stands on b finds a"
    hlist_del_init_rcu(two.a)
    assert hlist_empty(two.head), "both went"


def test_hlist() -> None:
    @scenario()
    def threads(s: Setup) -> None:
        s.thread("t", build_and_take_down, s.static(list_of_two))

    assert not explore(build(threads, None, {})).kinds


# -- files -----------------------------------------------------------------------------------


def release(filp: ptr[file]) -> None:
    with atomic():
        seen.released += 1
        seen.order = seen.order * 4 + reinterpret(log, filp.private_data).order


def exits() -> None:
    exit_files()
    assert seen.released == 0, "release waits for task work"
    exit_task_work()


def shares_and_exits() -> None:
    exit_files()
    exit_task_work()


def uses_while_closed() -> None:
    filp = fget(0)
    if filp:
        assert seen.released == 0, "released under a reference"
        fput(filp)
    exit_files()
    task_work_run()


def closes() -> None:
    sys_close(0)
    sys_close(0)
    exit_files()
    task_work_run()


def both_released() -> bool:
    return seen.released == 2


def last_in_first_out() -> bool:
    return seen.order == 2 * 4 + 1


def open_two(functions: list[Callable[..., None]], *, ordered: bool = False) -> Explored:
    @scenario()
    def threads(s: Setup) -> None:
        ops = s.static(file_operations, release=release)
        files = s.new(files_struct, max_fds=2)
        files.count.counter = len(functions)
        for fd in range(2):
            tag = s.static(log, f"tag{fd}", order=fd + 1)
            files.fd[fd] = s.new(file, f_op=ops, private_data=reinterpret(void, tag))
            files.fd[fd].f_count.counter = 1
        for i, function in enumerate(functions):
            s.thread(f"t{i}", function, task=s.static(task_struct, f"task{i}", files=files))
        s.final(both_released)
        if ordered:
            s.final(last_in_first_out)

    return explore(build(threads, None, {}))


def test_files_are_released_once_by_task_work_in_the_order_of_4_12() -> None:
    assert not open_two([exits], ordered=True).kinds


def test_a_shared_table_is_closed_by_the_last_task() -> None:
    assert not open_two([shares_and_exits, shares_and_exits]).kinds


def test_a_file_in_use_outlives_its_descriptor() -> None:
    assert not open_two([uses_while_closed, closes]).kinds
