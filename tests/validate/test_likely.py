"""Choices that the trace tells are tried first, and others all the same."""

from __future__ import annotations

from lastput.lang import Scenario, Setup, choose, ptr, scenario, struct
from lastput.simulate.setup import build
from lastput.validate.follow import follow
from lastput.validate.outcome import Accepted, Refused, Verdict
from lastput.validate.seen import Seen

ROUNDS = 4


@struct
class shared:
    value: int
    other: int


def copied(s: ptr[shared]) -> None:
    s.value += 1


def reused(s: ptr[shared]) -> None:
    s.value += 1


def fault(s: ptr[shared]) -> None:
    """What was chosen shows two steps later."""
    copies = choose(3) == 2
    s.value += 1
    s.value += 1
    if copies:
        copied(s)
    else:
        reused(s)


def faults(s: ptr[shared]) -> None:
    for _round in range(ROUNDS):
        fault(s)


def beside(s: ptr[shared]) -> None:
    """Nothing that can be seen, but it meets every step of the other."""
    for _round in range(4):
        s.value += 1
        s.other += 1


@scenario()
def chosen(s: Setup) -> None:
    """One thread chooses, another is in its way."""
    data = s.static(shared, "data")
    s.thread("guest", faults, data)
    s.thread("beside", beside, data)


def found(declared: Scenario, *names: str) -> Verdict:
    observable = frozenset({("copied", "enter"), ("reused", "enter")})
    seen = [Seen(n, 10 * n, 0, 0, name, "enter", (), n) for n, name in enumerate(names)]
    return follow(build(declared, None, {}), seen, observable)


def test_what_the_trace_tells_is_not_tried_otherwise_first() -> None:
    verdict = found(chosen, *["copied"] * ROUNDS)
    assert isinstance(verdict, Accepted)
    taken = [choice for _thread, choice in verdict.schedule if choice]
    assert taken == [2] * ROUNDS
    assert verdict.effort.steps < 100


def test_every_choice_is_tried() -> None:
    assert isinstance(found(chosen, "copied", "reused", "copied"), Accepted)
    assert isinstance(found(chosen, *["reused"] * (ROUNDS + 1)), Refused)
