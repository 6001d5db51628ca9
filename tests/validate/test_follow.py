"""Small models and traces made by hand: what is accepted, what is refused, and what is said of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lastput.kernel.lock_types import spinlock_t
from lastput.kernel.preempt import preempt_disable, preempt_enable
from lastput.kernel.rcu import rcu_read_lock, rcu_read_unlock, synchronize_rcu
from lastput.kernel.sched import task_struct
from lastput.kernel.spinlock import spin_lock, spin_unlock
from lastput.lang import (
    BUG_ON,
    NULL,
    Scenario,
    Setup,
    UsageError,
    atomic,
    await_,
    choose,
    kfree,
    option,
    options,
    ptr,
    scenario,
    struct,
)
from lastput.lang.world import World
from lastput.simulate.replay import replay
from lastput.simulate.setup import build
from lastput.validate.follow import follow
from lastput.validate.native import walk_native
from lastput.validate.outcome import Accepted, Refused, Undecided, Verdict
from lastput.validate.resume import resumes
from lastput.validate.seen import At, Check, Observable, Seen


@struct
class obj:
    lock: spinlock_t
    count: int
    value: int


@struct
class slot:
    obj: ptr[obj]


@options
class Opt:
    calls: int = option(1, "calls of the script", low=0, high=1000)
    careful: bool = option(True, "put() frees under the lock")


def world(declared: Scenario, **settings: int | bool) -> World:
    return build(declared, None, settings)


def events(*texts: str, checks: dict[int, tuple[Check, ...]] | None = None) -> list[Seen]:
    """Events such as "0 enters get": a thread of its own CPU, an end, a function; 10 ns apart."""
    found = []
    for number, text in enumerate(texts):
        thread, verb, function = text.split()
        at: At = "enter" if verb == "enters" else "return"
        given = (checks or {}).get(number, ())
        found.append(Seen(number, 10 * number, int(thread), int(thread), function, at, given, number))
    return found


def both(*names: str) -> Observable:
    ends: tuple[At, At] = ("enter", "return")
    return frozenset((name, at) for name in names for at in ends)


def entries(*names: str) -> Observable:
    return frozenset((name, "enter") for name in names)


def accepted(world: World, verdict: Verdict) -> Accepted:
    """The verdict, whose schedule both the simulator and the compiled model can run."""
    assert isinstance(verdict, Accepted), verdict
    assert replay(world, verdict.schedule).fault is None
    assert walk_native(world, verdict.schedule) == len(verdict.schedule)
    return verdict


def refused(verdict: Verdict) -> Refused:
    assert isinstance(verdict, Refused), verdict
    return verdict


# -- a lock --------------------------------------------------------------------------------------


def inside(o: ptr[obj]) -> None:
    o.value += 1


def work(o: ptr[obj]) -> None:
    spin_lock(o.lock)
    inside(o)
    spin_unlock(o.lock)


@scenario()
def locked(s: Setup) -> None:
    """Two threads, one after the other inside of a lock."""
    o = s.static(obj, "o")
    for name in ("a", "b"):
        s.thread(name, work, o, task=s.static(task_struct, f"task_{name}"))


ENTER_AND_LEAVE = both("inside")


@pytest.mark.parametrize("order", ["0 enters,0 returns,1 enters,1 returns", "1 enters,1 returns,0 enters"])
def test_one_after_the_other_inside_a_lock(order: str) -> None:
    made = world(locked)
    trace = events(*(f"{text} inside" for text in order.split(",")))
    found = accepted(made, follow(made, trace, ENTER_AND_LEAVE))
    assert [m.seen.number for m in found.matched] == list(range(len(trace)))
    assert found.counts[("inside", "enter")] == order.count("enters")


def test_both_inside_a_lock_is_refused_and_says_who_waits() -> None:
    made = world(locked)
    trace = events("0 enters inside", "1 enters inside")
    found = refused(follow(made, trace, ENTER_AND_LEAVE))
    assert found.position == 1
    assert "line 1: b enters inside" in found.why
    (spot,) = {(s.why, s.threads) for s in found.places}
    a, b = spot[1]
    assert (b.blocked, b.waits_for, b.about_to) == (True, (0,), "await")
    assert [frame.function for frame in b.stack] == ["work", "spin_lock"]
    assert a.next == (("inside", "return"),)
    assert (a.emitted, b.emitted) == ((), ())
    assert b.due == trace[1]


def test_an_entry_may_be_late() -> None:
    """b has entered before a, and is seen after it: nobody can tell."""
    made = world(locked)
    accepted(made, follow(made, events("0 enters inside", "1 enters inside"), entries("inside")))


# -- a reference count ---------------------------------------------------------------------------


def last(o: ptr[obj]) -> None:
    kfree(o)


def put(o: ptr[obj]) -> None:
    with atomic():
        o.count -= 1
        left = o.count
    if left == 0:
        last(o)


def touch(o: ptr[obj]) -> None:
    o.value = 1


def user(o: ptr[obj]) -> None:
    put(o)


@scenario()
def counted(s: Setup) -> None:
    """Two holders of a reference."""
    o = s.new(obj, "o", count=2)
    s.thread("a", user, o)
    s.thread("b", user, o)


@scenario()
def counted_once(s: Setup) -> None:
    """One holder."""
    s.thread("a", user, s.new(obj, "o", count=1))


def count_is(want: int | None) -> tuple[Check, ...]:
    return (Check("count", lambda m: m.args[0].count, want),)


def test_who_puts_last_frees() -> None:
    made = world(counted)
    for first, second in ((0, 1), (1, 0)):
        trace = events(f"{first} enters put", f"{second} enters put", f"{second} enters last")
        accepted(made, follow(made, trace, entries("put", "last")))
    trace = events("0 enters put", "0 enters last", "1 enters put")
    found = refused(follow(made, trace, entries("put", "last")))
    # a can free only after b has put, and b's entry comes before that.
    assert found.position == 1


def test_arguments_are_read_from_memory_as_it_is() -> None:
    made = world(counted)
    observable = entries("put", "last")
    trace = events("0 enters put", "1 enters put", checks={0: count_is(2), 1: count_is(1)})
    accepted(made, follow(made, trace, observable))
    trace = events("0 enters put", "1 enters put", checks={0: count_is(2), 1: count_is(3)})
    found = refused(follow(made, trace, observable))
    assert found.position == 1
    told = {d for spot in found.places for d in spot.threads[1].disagreements}
    assert {(d.label, d.wanted, d.found) for d in told} == {("count", 3, 1)}


def test_a_read_that_breaks_a_rule_is_none() -> None:
    """Behind kfree the count cannot be read."""
    made = world(counted)
    trace = events("1 enters put", "0 enters put", "0 returns put", checks={2: count_is(None)})
    accepted(made, follow(made, trace, both("put")))


# -- RCU -----------------------------------------------------------------------------------------


def read(s: ptr[slot]) -> None:
    rcu_read_lock()
    found = s.obj
    if found:
        touch(found)
    rcu_read_unlock()


def free_it(o: ptr[obj]) -> None:
    kfree(o)


def remove(s: ptr[slot]) -> None:
    o = s.obj
    s.obj = NULL
    synchronize_rcu()
    free_it(o)


@scenario()
def published(s: Setup) -> None:
    """A reader beside the removal of what it reads."""
    o = s.new(obj, "o")
    place = s.static(slot, "place", obj=o)
    for name, function in (("reader", read), ("writer", remove)):
        s.thread(name, function, place, task=s.static(task_struct, f"task_{name}"))


def test_a_grace_period_ends_after_the_reader() -> None:
    made = world(published)
    observable = both("touch", "free_it", "synchronize_rcu")
    begin = ("0 enters touch", "1 enters synchronize_rcu")
    end = ("1 returns synchronize_rcu", "1 enters free_it")
    accepted(made, follow(made, events(*begin, "0 returns touch", *end), observable))
    assert refused(follow(made, events(*begin, *end, "0 returns touch"), observable)).position == 2
    # A reader that comes later finds nothing.
    trace = events("1 enters synchronize_rcu", "1 returns synchronize_rcu", "0 enters touch")
    assert refused(follow(made, trace, observable)).position == 2


# -- choices, conditions, faults -----------------------------------------------------------------


def left_turn() -> None:
    preempt_disable()


def right_turn() -> None:
    preempt_enable()


def is_set(o: ptr[obj]) -> bool:
    return o.value != 0


def chooser(o: ptr[obj]) -> None:
    if choose(3) == 2:
        touch(o)
    else:
        last(o)


def waiter(o: ptr[obj]) -> None:
    await_(lambda: is_set(o))
    put(o)


@scenario()
def choosing(s: Setup) -> None:
    """One thread chooses, another waits for what it does in one case."""
    o = s.new(obj, "o", count=2)
    s.thread("chooser", chooser, o)
    s.thread("waiter", waiter, o)


def test_choices_are_found_and_conditions_tell_nothing() -> None:
    made = world(choosing)
    observable = entries("touch", "last", "put", "is_set")
    found = accepted(made, follow(made, events("0 enters touch", "1 enters put"), observable))
    assert found.schedule[0] == (0, 2)
    assert refused(follow(made, events("0 enters last", "1 enters put"), observable)).position == 1


def crash(o: ptr[obj]) -> None:
    oops(o)


def oops(o: ptr[obj]) -> None:
    o.value = 1
    BUG_ON(True)


@scenario()
def crashing(s: Setup) -> None:
    """A thread that breaks a rule, beside one that does not."""
    o = s.new(obj, "o", count=2)
    s.thread("crash", crash, o)
    s.thread("user", user, o)


def test_a_trace_may_end_with_a_broken_rule_and_not_go_on_behind_it() -> None:
    made = world(crashing)
    observable = both("oops", "put")
    accepted(made, follow(made, events("1 enters put", "0 enters oops"), observable))
    trace = events("0 enters oops", "1 enters put", "0 returns oops")
    found = refused(follow(made, trace, observable))
    assert found.position == 2
    assert any(spot.fault is not None and spot.fault.kind == "bug" for spot in found.places)


# -- threads that matter only by way of others ---------------------------------------------------


def yes() -> None:
    preempt_disable()


def no() -> None:
    preempt_enable()


def look(o: ptr[obj]) -> None:
    if o.value:
        yes()
    else:
        no()


def wait(o: ptr[obj]) -> None:
    await_(lambda: o.value != 0)
    yes()


def show(o: ptr[obj]) -> None:
    o.lock.owner = 0


def boom(o: ptr[obj]) -> None:
    BUG_ON(o != NULL)


def fall(o: ptr[obj]) -> None:
    o.lock.owner = 0
    boom(o)


def pass_on(o: ptr[obj]) -> None:
    if o.count:
        o.value = 1


def begin(o: ptr[obj]) -> None:
    o.count = 1


@options
class Relay:
    first: str = option("look", "what the first thread does", values=("look", "wait", "show", "fall"))


@scenario(options=(Relay,))
def relay(s: Setup) -> None:
    """The third thread makes the second one do what the first one sees."""
    o = s.static(obj, "o")
    first = {"look": look, "wait": wait, "show": show, "fall": fall}[Relay.first]
    s.thread("first", first, o, task=s.static(task_struct, "task_first"))
    s.thread("second", pass_on, o)
    s.thread("third", begin, o)


@pytest.mark.parametrize(
    ("first", "event", "value"),
    [("look", "yes", None), ("wait", "yes", None), ("show", "show", 1), ("fall", "boom", 1)],
)
def test_a_thread_that_another_one_sends_on_its_way(first: str, event: str, value: int | None) -> None:
    """None of the steps that make the event possible is seen."""
    made = build(relay, None, {"first": first})
    trace = events(f"0 enters {event}")
    if value is not None:
        trace = events(f"0 enters {event}", checks={0: (Check("value", lambda m: m.args[0].value, value),)})
    found = follow(made, trace, entries("yes", "no", "show", "boom"))
    assert isinstance(found, Accepted)
    assert {thread for thread, _ in found.schedule} >= {1, 2}
    assert (replay(made, found.schedule).fault is None) == (first != "fall")


# -- states that differ in one thing only ----------------------------------------------------------


def told(o: ptr[obj]) -> None:
    pass


def pick(a: ptr[obj], b: ptr[obj]) -> None:
    if choose(2):
        told(b)
    else:
        told(a)


def draw(a: ptr[obj]) -> None:
    with atomic():
        a.value = choose(2)


def again(a: ptr[obj]) -> None:
    while True:
        await_(lambda: a.count == 0)
        told(a)


@scenario()
def alike(s: Setup) -> None:
    """Each thread's choice leads to the same place."""
    a = s.static(obj, "a")
    b = s.static(obj, "b")
    s.thread("pick", pick, a, b)
    s.thread("begin", begin, b)
    s.thread("draw", draw, a)
    s.thread("look", look, a, task=s.static(task_struct, "task_look"))
    s.thread("again", again, a)


def test_states_that_differ_in_a_queue_in_memory_or_in_the_position() -> None:
    made = world(alike)
    observable = entries("told", "yes", "no")
    accepted(made, follow(made, events("0 enters told", checks={0: count_is(1)}), observable))
    accepted(made, follow(made, events("3 enters yes"), observable))
    accepted(made, follow(made, events(*3 * ["4 enters told"]), observable))


def test_a_dead_end_says_what_was_done_instead() -> None:
    made = world(counted)
    trace = events("0 enters put", "1 enters put", "1 enters put")
    found = refused(follow(made, trace, entries("put", "last")))
    assert "b enters last; in the trace it enters put next" in [spot.why for spot in found.places]


# -- scripts -------------------------------------------------------------------------------------


def call(o: ptr[obj], number: int) -> None:
    spin_lock(o.lock)
    o.value = number
    spin_unlock(o.lock)


@resumes("number")
def performer(o: ptr[obj], number: int, end: int) -> None:
    while number < end:
        call(o, number)
        number += 1


@scenario(options=(Opt,))
def scripted(s: Setup) -> None:
    """Two threads with a long script each."""
    o = s.static(obj, "o")
    for name in ("a", "b"):
        s.thread(name, performer, o, 0, Opt.calls, task=s.static(task_struct, f"task_{name}"))


def test_a_long_thread_is_run_again_from_its_last_call_only(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = 200
    made = world(scripted, calls=calls)
    trace = events(*(f"{thread} enters call" for _ in range(calls) for thread in (0, 1)))
    accepted(made, follow(made, trace, entries("call")))
    found = refused(follow(made, [*trace, *events("0 enters call")], entries("call")))
    assert found.position == len(trace)
    # Of a call there are six steps; in each prefix that is tried, each of them can be looked at ahead, too.
    assert found.effort.steps < 30 * len(trace)


# -- order, limits, mistakes ---------------------------------------------------------------------


def test_events_of_different_cpus_within_slack_may_change_places() -> None:
    made = world(locked)
    trace = events("1 enters inside", "0 enters inside", "0 returns inside")
    assert refused(follow(made, trace, ENTER_AND_LEAVE)).position == 2 - 1
    trace = events("0 enters inside", "1 enters inside", "0 returns inside")
    assert refused(follow(made, trace, ENTER_AND_LEAVE, slack=9)).position == 1
    accepted(made, follow(made, trace, ENTER_AND_LEAVE, slack=10))
    on_one_cpu = [replace(event, cpu=0) for event in trace]
    assert refused(follow(made, on_one_cpu, ENTER_AND_LEAVE, slack=10)).position == 1


def test_limits_give_no_verdict() -> None:
    made = world(scripted, calls=100)
    trace = events(*(f"{thread} enters call" for _ in range(100) for thread in (0, 1)))
    found = follow(made, trace, entries("call"), most_steps=50)
    assert isinstance(found, Undecided)
    assert found.reason == "50 steps were not enough"
    assert 0 < found.position < len(trace)
    found = follow(made, trace, entries("call"), seconds=0.0)
    assert isinstance(found, Undecided)


def test_what_no_tracer_records_cannot_be_seen() -> None:
    made = world(locked)
    with pytest.raises(UsageError, match=r"event 0: work \(enter\) is not observable"):
        follow(made, events("0 enters work"), ENTER_AND_LEAVE)
    with pytest.raises(UsageError, match="the world has no thread 7"):
        follow(made, events("7 enters inside"), ENTER_AND_LEAVE)


def test_lines_and_functions_that_ran() -> None:
    """A statement counts from when it is begun: here it waits before its first access. A condition that was
    false counts as such: the first put is not the last one."""
    made = world(counted)
    trace = events("0 enters put", "1 enters put", "1 enters last")
    first = put.__code__.co_firstlineno
    for length, lines, passed, names in (
        (2, {1, 2}, set(), ["put", "user"]),
        (3, {1, 2, 3, 4, 5}, {4}, ["last", "put", "user"]),
    ):
        found = accepted(made, follow(made, trace[:length], entries("put", "last")))
        assert {line - first for _, line in found.lines if 0 <= line - first < 6} == lines
        assert {line - first for _, line in found.passed} == passed
        assert sorted(name for _, name in found.functions) == names
    alone = world(counted_once)
    found = accepted(alone, follow(alone, events("0 enters put", "0 enters last"), entries("put", "last")))
    assert {line - first for _, line in found.lines if 0 <= line - first < 6} == {1, 2, 3, 4, 5}
    assert not found.passed


def test_an_empty_trace_is_accepted() -> None:
    made = world(locked)
    assert accepted(made, follow(made, [], ENTER_AND_LEAVE)).schedule == ()
