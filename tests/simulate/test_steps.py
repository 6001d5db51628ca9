"""How large a step is, and which states are one: programs small enough to count by hand."""

from __future__ import annotations

from typing import Annotated

from lastput.lang import (
    NULL,
    Scenario,
    Setup,
    array,
    at,
    atomic,
    await_,
    choose,
    const,
    container_of,
    ghost,
    holder,
    kfree,
    kmalloc,
    length,
    ptr,
    ref,
    scenario,
    struct,
    this_thread,
    upto,
)
from lastput.simulate.explore import Explored, explore
from lastput.simulate.setup import build


def run(declared: Scenario) -> Explored:
    found = explore(build(declared, None, {}))
    assert found.states == sum(found.levels)
    return found


@struct
class box:
    x: int
    y: int
    seen: ghost[int]
    fixed: const[int]


@struct
class lock_t:
    owner: holder


def bump(b: ptr[box]) -> None:
    b.x += 1


def test_two_increments_are_two_loads_and_two_stores() -> None:
    """By hand: a thread is before its load (L), before its store of v (Sv), or done (D).

    x=0: LL, L S0, S0 L, S0 S0                                4 states
    x=1: one has stored. The other is at L, at S0, at S1 or done after storing 1 itself:
         D L, D S0, D S1 and mirrored                           6 states
         both stored 1: DD                                      1
    x=2: DD                                                     1      12 in all
    Transitions: 2 threads can step in LL, L S0, S0 L, S0 S0 (8), one in the six of x=1 (6): 14.
    """

    @scenario()
    def increments(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", bump, b)
        s.thread("b", bump, b)

    found = run(increments)
    assert (found.states, found.transitions) == (12, 14)
    assert found.levels == [1, 2, 3, 4, 2]
    assert not found.kinds


def locked(lock: ptr[lock_t], b: ptr[box]) -> None:
    with atomic():
        await_(lambda: lock.owner == 0)
        lock.owner = this_thread() + 1
    b.x += 1
    lock.owner = 0


def test_a_lock_serialises() -> None:
    """One thread alone takes 4 steps (lock, load, store, unlock), and no other can step meanwhile.

    Initial state; first a or b (2), then 4 steps of it each (8 states, the last ones with x=1), then
    the other's 4 steps (3 + 3 states in between, and one end state for both): 1 + 8 + 6 + 1 = 16.
    """

    @scenario()
    def two(s: Setup) -> None:
        b, lock = s.static(box), s.static(lock_t)
        s.thread("a", locked, lock, b)
        s.thread("b", locked, lock, b)

    found = run(two)
    assert (found.states, found.transitions) == (16, 16)
    assert not found.kinds


def silent(b: ptr[box]) -> None:
    b.seen += 1
    b.seen += b.fixed
    b.y = b.seen
    b.seen = 0


def test_const_and_ghost_are_no_steps() -> None:
    """Only the store to y is a step: the ghost accesses before it have happened in the initial state."""

    @scenario()
    def quiet(s: Setup) -> None:
        s.thread("a", silent, s.static(box, fixed=3))

    assert run(quiet).levels == [1, 1]


def all_in_one(b: ptr[box]) -> None:
    with atomic():
        b.x += 1
        with atomic():
            b.y += b.x
        b.x += 1
    b.y = 0


def test_an_atomic_block_is_one_step() -> None:
    @scenario()
    def once(s: Setup) -> None:
        s.thread("a", all_in_one, s.static(box))

    assert run(once).levels == [1, 1, 1]


def nothing(b: ptr[box]) -> None:
    with atomic():
        b.seen = 1
    if b.fixed:
        pass


def test_a_thread_without_steps_is_done_at_once() -> None:
    @scenario()
    def none(s: Setup) -> None:
        s.thread("a", nothing, s.static(box))

    found = run(none)
    assert (found.states, found.transitions, found.kinds) == (1, 0, set())


def pick(b: ptr[box]) -> None:
    b.x = choose(3)


def test_choose_outside_atomic_is_a_step_of_its_own() -> None:
    """1 initial, 3 with the store pending, 3 ends: the pending value distinguishes them."""

    @scenario()
    def chosen(s: Setup) -> None:
        s.thread("a", pick, s.static(box))

    found = run(chosen)
    assert (found.levels, found.transitions) == ([1, 3, 3], 6)


def pick_two(b: ptr[box]) -> None:
    with atomic():
        b.x = choose(2)
        b.y = choose(3) if b.x else 7


def test_choices_in_one_atomic_step_multiply() -> None:
    """x=0 has one way on, x=1 has three: 4 successors, numbered 0 and 1 + 2*digit."""

    @scenario()
    def chosen(s: Setup) -> None:
        s.thread("a", pick_two, s.static(box))

    found = run(chosen)
    assert (found.levels, found.transitions) == ([1, 4], 4)


def forget(b: ptr[box]) -> None:
    v = b.x
    b.y = 5
    b.y = v // 2
    b.y = 9


def set_x(b: ptr[box]) -> None:
    b.x = 1


def test_dead_locals_do_not_distinguish_states() -> None:
    """v is live until its last use: while `y = 5` is pending, and not while `y = 9` is.

    Alone, a has pending: load x; y=5 (v live); y=v//2 (operand 0 for v=0 and for v=1, v dead); y=9;
    done. Thread b is pending or done. With b pending, x=0 and v=0: 5 states. With b done, x=1:
    load x, y=5 with v 0 or 1, y=0, y=9, done: 6 states.
    """

    @scenario()
    def forgetting(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", forget, b)
        s.thread("b", set_x, b)

    assert run(forgetting).states == 11


def waiting(b: ptr[box]) -> None:
    b.y = b.x // 2 + b.x // 2


def test_a_waiting_value_is_what_was_computed() -> None:
    """The first half waits, not the x it was computed from: 0 either way.

    a: load, second load, store of 0, done. 4 states with b pending, 4 with b done: x=1 halves to 0.
    """

    @scenario()
    def halves(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", waiting, b)
        s.thread("b", set_x, b)

    assert run(halves).states == 8


def waiting_whole(b: ptr[box]) -> None:
    b.y = b.x + b.x


def test_a_waiting_value_distinguishes_states() -> None:
    """a: load; second load with 0 or 1 waiting; store of 0, 1 or 2; done with y of 0, 1 or 2.

    b pending: x=0, so load, second load, store 0, done: 4. b done: load, second load with 0 or 1,
    store 0, 1, 2, done with y = 0, 1, 2: 9.
    """

    @scenario()
    def wholes(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", waiting_whole, b)
        s.thread("b", set_x, b)

    assert run(wholes).states == 13


def argument(b: ptr[box], unused: int, used: int) -> int:
    b.y = 1
    b.y = used
    b.y = 2
    return used


def caller(b: ptr[box]) -> None:
    argument(b, b.x, b.x)


def test_arguments_matter_as_long_as_the_callee_needs_them() -> None:
    """The first x is loaded but never matters. The result is dropped, so `used` is dead at `y = 2`.

    With b pending (x=0): load, load, y=1, y=0, y=2, done: 6. With b done: load; load; y=1 with used
    0 or 1; y=used 0 or 1; y=2 with y 0 or 1; done: 1+1+2+2+2+1 = 9.
    """

    @scenario()
    def calls(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", caller, b)
        s.thread("b", set_x, b)

    assert run(calls).states == 15


def count_to(b: ptr[box]) -> None:
    n = b.x
    for _i in range(n):
        n = 0
        b.y = 1


def test_a_range_keeps_its_stop_value() -> None:
    """x=2: load x, then two stores, at i=0 and i=1, though n is 0 by then; and the end."""

    @scenario()
    def counting(s: Setup) -> None:
        s.thread("a", count_to, s.static(box, x=2))

    assert run(counting).levels == [1, 1, 1, 1]


def spin(b: ptr[box]) -> None:
    while b.x == 0:
        pass


def test_a_loop_comes_back_to_the_same_state() -> None:
    """CPython compiles a while's test twice; the place is one. spin alone: one state, a self loop.

    With b: (spinning, pending), (spinning, x=1), (done, x=1): 3 states; b's step twice? No: the self
    loop in the first, b's step from it, and the last load: 3 transitions.
    """

    @scenario()
    def spinning(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", spin, b)
        s.thread("b", set_x, b)

    found = run(spinning)
    assert (found.states, found.transitions, found.kinds) == (3, 3, set())


@struct
class node:
    next: ptr[node]
    value: Annotated[int, upto(3)]


def free_it(n: ptr[node]) -> None:
    n.value = choose(4)
    kfree(n)


def test_freed_content_does_not_distinguish() -> None:
    """1, 4 pending stores, 4 pending frees with 4 contents, 1 end."""

    @scenario()
    def freeing(s: Setup) -> None:
        s.thread("a", free_it, s.new(node))

    assert run(freeing).levels == [1, 4, 4, 1]


def allocate_and_drop(b: ptr[box]) -> None:
    p = kmalloc(node)
    p.value = 0
    kfree(p)


def test_a_never_written_cell_is_not_a_zero() -> None:
    """alloc; store 0 with both cells unwritten; free; done: all four differ."""

    @scenario()
    def fresh(s: Setup) -> None:
        s.pool(node, 1)
        s.thread("a", allocate_and_drop, s.static(box))

    found = run(fresh)
    assert (found.levels, found.kinds) == ([1, 1, 1, 1], set())


def null_or(b: ptr[box], n: ptr[node]) -> None:
    p: ptr[node] = NULL
    if b.x:
        p = n.next
    b.y = 1
    if p == NULL:
        b.y = 2


def test_null_constants_and_null_values_are_one() -> None:
    """p is NULL either way: load x; [load next]; y=1; y=2; done.

    b pending: load x, y=1, y=2, done: 4 (x is 0). b done (x=1): load x, load next, y=1, y=2, done: 5.
    """

    @scenario()
    def nulls(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", null_or, b, s.static(node))
        s.thread("b", set_x, b)

    assert run(nulls).states == 9


def true_or_one(b: ptr[box]) -> None:
    v = b.x
    flag = v > 5
    b.y = 1
    b.x = flag


def test_false_is_zero() -> None:
    """flag is False whatever v was: load, y=1, x=0, done; and x is 0 or 1 before a's last store."""

    @scenario()
    def flags(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", true_or_one, b)
        s.thread("b", set_x, b)

    # b pending: 4. b done with x=1: 3 where a has not stored, 1 at the end (a stored first);
    # b done before a's store: x=0 at the end. 4 + 3 + 2.
    assert run(flags).states == 9


def guarded(b: ptr[box], on: bool) -> None:
    v = b.x
    b.y = 1
    if on:
        b.y = v


def test_what_a_known_branch_never_needs_is_dead() -> None:
    """`on` is false for this thread: v never matters. load, y=1, done; twice, for b."""

    @scenario()
    def off(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", guarded, b, False)
        s.thread("b", set_x, b)

    assert run(off).states == 6


def count_and_forget(b: ptr[box]) -> None:
    n = b.x
    for i in range(n):
        n = 0
        b.y = i + n


def test_a_stop_value_distinguishes_states() -> None:
    """x is 1, then 2; a's stop value is what it was when a loaded it.

    b pending: load; y=0 for i=0 of 1; done: 3. b done: load; i=0 of 1; i=0 of 2; i=1 of 2 (the stored
    value is 1); done with y=0 or, after two rounds, y=1: 6.
    """

    def set_two(b: ptr[box]) -> None:
        b.x = 2

    @scenario()
    def counting(s: Setup) -> None:
        b = s.static(box, x=1)
        s.thread("a", count_and_forget, b)
        s.thread("b", set_two, b)

    assert run(counting).states == 9


def pick_four(b: ptr[box]) -> None:
    with atomic():
        b.x = choose(2) + 2 * choose(2)


def test_every_combination_of_choices_is_taken() -> None:
    @scenario()
    def chosen(s: Setup) -> None:
        s.thread("a", pick_four, s.static(box))

    assert run(chosen).levels == [1, 4]


def long_steps(b: ptr[box]) -> None:
    for _i in range(6000):
        pass
    b.x = 1
    for _i in range(6000):
        pass


def test_iterations_count_from_the_last_switch_point() -> None:
    @scenario()
    def slow(s: Setup) -> None:
        s.thread("a", long_steps, s.static(box))

    assert run(slow).kinds == set()


def maybe_write(b: ptr[box]) -> None:
    with atomic():
        p = kmalloc(node)
        if choose(2):
            p.value = 0
    b.x = 1
    kfree(p)


def test_an_unwritten_cell_and_a_zero_are_two_states() -> None:
    """Two states wait to store x, two to free, and one is the end."""

    @scenario()
    def written(s: Setup) -> None:
        s.pool(node, 1)
        s.thread("a", maybe_write, s.static(box))

    assert run(written).levels == [1, 2, 2, 1]


def maybe_allocate(b: ptr[box]) -> None:
    with atomic():
        if choose(2):
            kmalloc(node)
    b.x = 1


def test_an_unborn_object_and_an_unwritten_one_are_two_states() -> None:
    @scenario()
    def allocated(s: Setup) -> None:
        s.pool(node, 1)
        s.thread("a", maybe_allocate, s.static(box))

    found = run(allocated)
    assert (found.levels, found.kinds) == ([1, 2, 2], {"leak"})


def copy_for_nothing(b: ptr[box]) -> None:
    v = b.x
    b.y = 1
    w = v
    v = 3
    b.y = v
    if False:
        b.y = w


def test_a_copy_that_is_never_used_is_no_use() -> None:
    """v is dead at once, so b's being done is all that differs: load, y=1, y=3, done, twice."""

    @scenario()
    def copying(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", copy_for_nothing, b)
        s.thread("b", set_x, b)

    assert run(copying).states == 8


def give_back(b: ptr[box], value: int) -> int:
    b.y = 1
    return value


def drop_result(b: ptr[box]) -> None:
    give_back(b, b.x)


def keep_result(b: ptr[box]) -> None:
    b.y = give_back(b, b.x)


def test_a_result_matters_if_the_caller_wants_it() -> None:
    """Dropped: load, y=1, done, twice. Kept: with b pending load, y=1, y=0, done; with b done load,
    y=1 with 0 or 1, y=0 or y=1, done with y 0 or 1.
    """

    @scenario()
    def dropped(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", drop_result, b)
        s.thread("b", set_x, b)

    @scenario()
    def kept(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", keep_result, b)
        s.thread("b", set_x, b)

    assert run(dropped).states == 6
    assert run(kept).states == 4 + 7


def x_is_set(b: ptr[box]) -> bool:
    return b.x == 1


def test_final_conditions_wait_for_daemons_that_can_step() -> None:
    @scenario()
    def ending(s: Setup) -> None:
        b = s.static(box)
        s.thread("a", nothing, b)
        s.thread("b", set_x, b, daemon=True)
        s.final(x_is_set, b)

    assert run(ending).kinds == set()


@struct
class outer:
    pad: int
    inner: box
    rows: array[box] = length(2)


def inside_out(o: ptr[outer]) -> None:
    container_of(o.inner, outer, lambda k: k.inner).pad = 1
    at(o.rows[0], 1).x = 5
    assert o.rows[1].x == 5
    assert o.pad == 1
    p = ref(lambda: o.inner.x)
    p.value += len(o.rows)
    assert p.value == o.inner.x


def test_addresses() -> None:
    @scenario()
    def arithmetic(s: Setup) -> None:
        s.thread("a", inside_out, s.static(outer))

    assert run(arithmetic).levels == [1] * 9
