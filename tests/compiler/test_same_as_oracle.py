"""Small models in which the compiler once disagreed with the brute-force explorer.

Each shows one way to be wrong; what is right is what the oracle counts.
"""

from __future__ import annotations

from typing import Annotated

import pytest

from lastput.checks.kinds import KINDS
from lastput.compiler.compile import compile_world
from lastput.engine.search import search
from lastput.lang import (
    Scenario,
    Setup,
    array,
    at,
    atomic,
    cell,
    choose,
    const,
    holder,
    kfree,
    length,
    ptr,
    ref,
    reinterpret,
    scenario,
    static,
    struct,
    u64,
    upto,
    wrap,
)
from lastput.simulate.explore import explore
from lastput.simulate.setup import build


@struct
class lock_t:
    owner: holder


@struct
class box:
    x: int
    fixed: const[int]


@struct
class tin:
    x: int
    fixed: const[int]


@struct
class row:
    cells: array[Annotated[int, upto(200)]] = length(4)


@struct
class narrow:
    few: Annotated[int, upto(20)]
    wide: u64
    pointer: cell[int]
    more: array[int] = length(4)


@struct
class slot:
    to: ptr[narrow]


BOX = static(box)
TIN = static(tin)
NARROW = static(narrow)
SLOT = static(slot)


def touch(b: ptr[box]) -> None:
    b.x = 1


def free_lock(lock: ptr[lock_t]) -> None:
    kfree(lock)


@scenario()
def lock_that_is_never_released(s: Setup) -> None:
    """Its holder has one value only, so that it takes no bits: it is held all the same."""
    s.static(lock_t, owner=1)
    s.thread("a", touch, s.static(box))


@scenario()
def freed_with_a_lock_that_is_never_released(s: Setup) -> None:
    s.thread("a", free_lock, s.new(lock_t, owner=1))


def fill(r: ptr[row]) -> None:
    r.cells[0] = 100
    r.cells[1] = 200
    r.cells[2] = 100


def sum_is_small(r: ptr[row]) -> bool:
    total = 0
    for i in range(4):
        total += r.cells[i]
    return total < 400


@scenario()
def property_that_runs_through_an_array(s: Setup) -> None:
    """The threads name each cell; only the property computes an address."""
    r = s.static(row)
    s.thread("a", fill, r)
    s.invariant(sum_is_small, r)


def free_box(b: ptr[box]) -> None:
    b.x = 1
    kfree(b)


def is_one(b: ptr[box]) -> bool:
    return b.x == 1


@scenario()
def wish_that_breaks_a_rule_after_it_came_true(s: Setup) -> None:
    b = s.new(box)
    s.thread("a", free_box, b)
    s.reachable(is_one, b)


def walk_into_the_pool(b: ptr[box]) -> None:
    i = BOX.x
    at(b, 3 * i).x = 3


@scenario()
def pool_that_nobody_allocates_from(s: Setup) -> None:
    b = s.static(box)
    s.pool(box, 3)
    s.thread("a", walk_into_the_pool, b)
    s.thread("b", touch, BOX)


def read_as_another() -> None:
    TIN.x = reinterpret(tin, BOX).fixed


@scenario()
def const_field_of_another_struct(s: Setup) -> None:
    s.thread("a", read_as_another)


def publish() -> None:
    SLOT.to = NARROW


def store_few(n: int) -> None:
    SLOT.to.few = n


def store_wide() -> None:
    i = BOX.x
    SLOT.to.wide = i - 1


@scenario()
def null_pointer_and_value_out_of_range(s: Setup) -> None:
    """The address is wrong first: a violation, where the value alone would be a bound."""
    s.thread("a", store_few, 30)
    s.thread("b", publish)


@scenario()
def null_pointer_and_value_out_of_range_of_u64(s: Setup) -> None:
    s.thread("a", store_wide)
    s.thread("b", publish)
    s.thread("c", touch, BOX)


def store_far() -> None:
    i = BOX.x
    beyond = at(NARROW, i)
    NARROW.pointer = ref(lambda: beyond.more[3])


@scenario()
def pointer_beyond_memory(s: Setup) -> None:
    """Not a promise of the model that is broken, but an address out of bounds."""
    s.thread("a", store_far)
    s.thread("b", touch, BOX)


def choose_300(b: ptr[box]) -> None:
    b.x = choose(300)


def choose_256(b: ptr[box]) -> None:
    with atomic():
        tens = choose(16)
        b.x = tens * 16 + choose(16)


def choose_20_by_20(b: ptr[box]) -> None:
    with atomic():
        tens = choose(20)
        b.x = tens * 20 + choose(20)


@scenario()
def too_many_choices(s: Setup) -> None:
    s.thread("a", choose_300, s.static(box))


@scenario()
def too_many_choices_together(s: Setup) -> None:
    s.thread("a", choose_20_by_20, s.static(box))


@scenario()
def as_many_choices_as_can_be(s: Setup) -> None:
    s.thread("a", choose_256, s.static(box))


def wrap_below_zero() -> None:
    i = BOX.x
    TIN.x = wrap(u64, i - 1)


def wrap_constant() -> None:
    TIN.x = wrap(u64, -1)


@scenario()
def beyond_the_signed_half_of_u64(s: Setup) -> None:
    s.thread("a", wrap_below_zero)
    s.thread("b", touch, BOX)


@scenario()
def constant_beyond_the_signed_half_of_u64(s: Setup) -> None:
    s.thread("a", wrap_constant)


MODELS = [found for found in list(globals().values()) if isinstance(found, Scenario)]


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.name)
def test_compiled_and_explored_alike(model: Scenario) -> None:
    want = explore(build(model, None, {}))
    compiled = compile_world(build(model, None, {}))
    found = search(compiled.native, keep_going=True)
    kinds = {compiled.sites[code].kind for code in found.codes}
    assert compiled.start_event is None or want.states == 0
    if compiled.start_event is not None:
        assert {compiled.sites[compiled.start_event].kind} == want.kinds | want.bounds
        return
    assert (found.states, found.transitions, found.events) == (
        want.states,
        want.transitions,
        want.violations,
    )
    assert {k for k in kinds if not KINDS[k].bound} == want.kinds
    assert {compiled.sites[code].kind for code in found.bounds} == want.bounds
    assert tuple(found.levels) == tuple(want.levels)


def test_too_many_choices_is_a_bound_that_is_reported() -> None:
    assert explore(build(too_many_choices, None, {})).bounds == {"range"}
    assert explore(build(too_many_choices_together, None, {})).bounds == {"range"}
    assert explore(build(as_many_choices_as_can_be, None, {})).states == 257
