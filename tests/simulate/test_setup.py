"""Building a world: what the set-up leaves behind, and how its mistakes are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import pytest

from lastput.lang import (
    Setup,
    UsageError,
    array,
    atomic,
    await_,
    cell,
    choose,
    const,
    holder,
    kfree,
    kmalloc,
    length,
    option,
    options,
    ptr,
    ref,
    scenario,
    static,
    struct,
    this_task,
    this_thread,
    u8,
    upto,
    violation,
)
from lastput.lang.world import World
from lastput.simulate.explore import explore
from lastput.simulate.setup import build


@options
class Opt:
    size: int = option(2, "elements", low=1, high=4)
    extra: bool = option(False, "one step more")


@struct
class spinlock_t:
    owner: holder


@struct
class item:
    lock: spinlock_t
    limit: const[int]
    values: array[u8] = length(lambda: Opt.size)
    next: ptr[item]
    back: cell[ptr[item]]
    count: Annotated[int, upto(3)]
    run: Callable[[ptr[item]], None]


glob = static(item)


def lock_and_add(head: ptr[item], new: ptr[item]) -> None:
    """Code that threads use, too."""
    with atomic():
        await_(lambda: head.lock.owner == 0)
        if head.lock.owner == this_thread() + 1:
            violation("lock-recursion", "again")
        head.lock.owner = this_thread() + 1
    new.next = head.next
    new.back = ref(lambda: head.next)
    head.next = new
    head.lock.owner = 0


def touch(p: ptr[item]) -> None:
    p.count = 1
    if Opt.extra:
        p.count = 2


def always(p: ptr[item]) -> bool:
    return p.count < Opt.size + 5


def make(function: Callable[[Setup], None], settings: dict[str, Any] | None = None) -> World:
    return build(scenario(options=(Opt,))(function), None, settings or {})


def test_objects_and_values() -> None:
    def filled(s: Setup) -> None:
        a = s.new(item, limit=7, values=[1, 300])
        b = s.static(item, "named", next=a, run=touch)
        s.pool(item, 2)
        lock_and_add(glob, a)
        s.thread("t", touch, b, task=a)
        s.invariant(always, a)

    world = make(filled, {"size": 3})
    assert [(o.name, o.live, o.freeable, o.slot) for o in world.space.objects] == [
        ("item", True, True, -1),
        ("named", True, False, -1),
        ("item#0", False, True, 0),
        ("item#1", False, True, 1),
        ("glob", True, False, -1),
    ]
    a, b, first, _, g = world.space.objects
    values = {c.path: world.memory[a.base + i] for i, c in enumerate(world.space.layout.cells(a.struct))}
    assert values == {
        "lock.owner": 0, "limit": 7, "values[0]": 1, "values[1]": 44, "values[2]": 0,
        "next": 0, "back": g.base + 5, "count": 0, "run": 0,
    }  # fmt: skip
    assert world.memory[g.base + 5] == a.base
    assert world.memory[b.base + 8] == 1
    assert world.functions == [touch]
    assert first.base not in world.memory
    assert [(t.name, t.args, t.task) for t in world.threads] == [("t", (b.base,), a.base)]
    assert [(p.kind, p.name, p.args) for p in world.properties] == [("invariant", "always", (a.base,))]


def test_the_configuration_is_active_in_threads() -> None:
    def plain(s: Setup) -> None:
        s.thread("t", touch, s.static(item))

    assert explore(make(plain)).states == 2
    assert explore(make(plain, {"extra": True})).states == 3


def test_an_allocation_in_the_setup_takes_a_slot() -> None:
    def early(s: Setup) -> None:
        s.pool(item, 1)
        s.thread("t", kmalloc_one, kmalloc(item))

    world = make(early)
    assert world.space.objects[0].live
    assert explore(world).bounds == {"pool"}


def kmalloc_one(p: ptr[item]) -> None:
    kfree(kmalloc(item))
    kfree(p)


def no_arguments() -> None:
    pass


def two_of_a_name(s: Setup) -> None:
    for _ in range(2):
        s.thread("t", no_arguments)


def test_mistakes_are_told_in_one_line() -> None:
    wrong: list[tuple[Callable[[Setup], Any], str]] = [
        (lambda s: None, "has no threads"),
        (lambda s: s.thread("t", touch), "thread t: touch takes 1 argument, not 0"),
        (lambda s: s.thread("t", no_arguments, 1), "no_arguments takes 0 arguments, not 1"),
        (lambda s: s.thread("t", "touch"), "'touch' is not a function"),  # type: ignore[arg-type]
        (lambda s: s.thread("t", touch, "x"), "'x' is no value of the language"),
        (lambda s: s.thread("a\nb", no_arguments), "'a\\nb' cannot name a thread"),
        (lambda s: s.thread("", no_arguments), "'' cannot name a thread"),
        (two_of_a_name, "two threads are called t"),
        (lambda s: s.new(item, size=1), "struct item has no field size"),
        (lambda s: s.new(item, lock=1), "item.lock is a struct"),
        (lambda s: s.new(item, values=[1, 2, 3]), "at most 2 values"),
        (lambda s: s.new(item, count=4), "4 does not fit item.count"),
        (lambda s: s.new(int), "not declared with @struct"),
        (lambda s: s.pool(item, -1), "the capacity"),
        (lambda s: s.new(item).nothing, "no field nothing"),  # type: ignore[attr-defined]
        (lambda s: s.new(item).next.count, "null-deref"),
        (lambda s: kmalloc(item), "enlarge the scenario's pool"),
        (lambda s: kfree(s.new(item)), "kfree cannot be used in the set-up"),
        (lambda s: choose(2), "only threads choose"),
        (lambda s: await_(lambda: False), "would block for ever"),
        (lambda s: this_task(item), "no thread runs"),
        (lambda s: 1 // 0, "by zero"),
        (lambda s: s.invariant(always), "invariant always: always takes 1 argument, not 0"),
    ]
    for function, said in wrong:
        with pytest.raises(UsageError) as told:
            make(function)
        assert said in str(told.value)
        assert "\n" not in str(told.value)


def test_unknown_variants_and_options() -> None:
    with pytest.raises(UsageError, match="no variant x"):
        build(scenario()(lambda s: None), "x", {})
    with pytest.raises(UsageError, match="number from 1 to 4"):
        make(lambda s: None, {"size": 9})


def writes_const(p: ptr[item]) -> None:
    p.limit = 1


def late_await(p: ptr[item]) -> None:
    with atomic():
        p.count = 1
        await_(lambda: True)


def calls_itself(p: ptr[item]) -> None:
    calls_itself(p)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (writes_const, "const"),
        (late_await, "comes after another access"),
        (calls_itself, "calls itself"),
    ],
)
def test_model_code_outside_the_language(function: Any, said: str) -> None:
    def alone(s: Setup) -> None:
        s.thread("t", function, s.static(item))

    with pytest.raises(UsageError, match=said):
        explore(make(alone))
