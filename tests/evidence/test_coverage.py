"""What counts as the model's code: not what only its properties run."""

from __future__ import annotations

from lastput.checker import check
from lastput.lang import Setup, ptr, scenario, struct, u8


@struct
class box:
    x: u8


def small(b: ptr[box]) -> bool:
    return b.x < 9


def run(b: ptr[box]) -> None:
    if small(b):
        b.x = 1


def in_order(b: ptr[box]) -> bool:
    if not small(b):
        return False
    if b.x == 7:
        return False
    return b.x != 8


@scenario()
def asked(s: Setup) -> None:
    """An invariant with branches that never run."""
    b = s.static(box)
    s.thread("a", run, b)
    s.invariant(in_order, b)


def test_code_of_properties_is_no_gap() -> None:
    result = check(asked)
    assert result.holds
    assert {place.function for place in result.coverage.never} == {"run"}  # `small` is never false
    assert result.coverage.lines == 3  # two of run, one of small, which a thread calls too
    assert result.coverage.properties == ("invariant in_order",)
