"""Code is made for the positions that can be reached, and only for those."""

from __future__ import annotations

import re

from lastput.checker import build_world, check
from lastput.compiler.compile import emit
from lastput.lang import Setup, ptr, scenario, struct, u8


@struct
class box:
    wanted: ptr[box]
    x: u8
    y: u8


def run(b: ptr[box]) -> None:
    if b.wanted:  # is NULL: nothing ever stores another value
        b.x = 1
        b.x = 2
        b.x = 3
    b.y = 4
    while b.y > 4:  # depends on what another thread has stored: may be so
        b.y -= 1


@scenario()
def never_wanted(s: Setup) -> None:
    """A branch on a value that never changes."""
    b = s.static(box)
    s.thread("a", run, b)
    s.thread("b", raises, b)


def raises(b: ptr[box]) -> None:
    b.y = 6


def test_no_position_lies_behind_a_condition_that_is_never_true() -> None:
    steps = emit(build_world(never_wanted, None, {}), "steps")
    found = re.findall(r"^ +\d+ (store|load) (\S+) .*", steps, flags=re.MULTILINE)
    assert ("store", "box.x") not in found
    # Of thread a two stores, the loop's test and the load before its store; of thread b a store.
    assert len([what for what in found if what[1] == "box.y"]) == 5


def test_all_that_can_happen_does() -> None:
    result = check(never_wanted)
    assert result.holds
    never = {(place.text, place.what) for place in result.coverage.never}
    assert never == {("if b.wanted:  # is NULL: nothing ever stores another value", "branch taken")}
