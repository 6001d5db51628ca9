"""check(): each way in which a search can end, as the Result tells it."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Any

import pytest

from lastput import Result, check, checker, confirmed
from lastput.evidence.trace import violation_of
from lastput.lang import (
    BUG_ON,
    NULL,
    Setup,
    UsageError,
    atomic,
    await_,
    kfree,
    kmalloc,
    kzalloc,
    option,
    options,
    ptr,
    scenario,
    struct,
    u8,
    upto,
)
from lastput.plan import Plan as How
from lastput.report.text import report


@options
class Plan:
    what: str = option(
        "nothing",
        "what the worker does",
        values=("nothing", "leak", "pool", "range", "bug", "assert", "uninit", "double", "null", "wait"),
    )


@struct
class thing:
    count: Annotated[int, upto(3)]
    flag: u8
    next: ptr[thing]


def work(t: ptr[thing]) -> None:
    if Plan.what == "leak":
        lost = kzalloc(thing)
        lost.flag = 1
    elif Plan.what == "pool":
        first = kzalloc(thing)
        second = kzalloc(thing)
        kfree(first)
        kfree(second)
    elif Plan.what == "range":
        t.count = 4
    elif Plan.what == "bug":
        BUG_ON(t.flag == 0)
    elif Plan.what == "assert":
        assert t.flag == 1, "the flag is set"
    elif Plan.what == "uninit":
        fresh = kmalloc(thing)
        t.flag = fresh.flag
    elif Plan.what == "double":
        fresh = kzalloc(thing)
        kfree(fresh)
        kfree(fresh)
    elif Plan.what == "null":
        t.next.flag = 1
    elif Plan.what == "wait":
        with atomic():
            await_(lambda: t.flag == 9)
    else:
        t.flag = 1
        if t.flag == 2:
            t.flag = 3


def flag_is_small(t: ptr[thing]) -> bool:
    """The flag never exceeds one."""
    return t.flag <= 1


def flag_is_set(t: ptr[thing]) -> bool:
    return t.flag == 1


def flag_is_seven(t: ptr[thing]) -> bool:
    """Somebody sets the flag to seven."""
    return t.flag == 7


@scenario(options=(Plan,))
def plain(s: Setup) -> None:
    """One worker."""
    t = s.static(thing)
    s.pool(thing, 1)
    s.thread("worker", work, t)
    s.invariant(flag_is_small, t)
    s.reachable(flag_is_set, t)


@scenario(options=(Plan,))
def wanting(s: Setup) -> None:
    """One worker, and a wish that nobody fulfils."""
    t = s.static(thing)
    s.thread("worker", work, t)
    s.reachable(flag_is_seven, t)


@scenario(options=(Plan,))
def strict(s: Setup) -> None:
    """One worker, who may not set the flag to one in the end."""
    t = s.static(thing, next=NULL)
    s.thread("worker", work, t)
    s.final(flag_is_seven, t)


def found(what: str) -> Any:
    result = check(plain, settings={"what": what})
    assert result.verdict == "violated"
    assert result.reason == ""
    assert "OOPS!!!" in report(result) or not result.violation.steps  # type: ignore[union-attr]
    return result.violation


def test_holds_with_what_was_covered() -> None:
    result = check(plain)
    assert result.holds
    assert (result.counts.states, result.counts.transitions, result.counts.depth) == (3, 2, 2)
    assert result.coverage.properties == ("invariant flag_is_small",)
    assert result.coverage.witnesses == ("flag_is_set",)
    assert [(p.text, p.what, p.lines) for p in result.coverage.never] == [
        ("if t.flag == 2:", "branch taken", 1)
    ]
    assert result.coverage.lines_run == result.coverage.lines - 1
    assert result.violation is None
    assert result.memory.peak > 0
    assert result.seconds.total >= result.seconds.search


def test_leak() -> None:
    violation = found("leak")
    assert violation.kind == "leak"
    assert violation.thread is None
    assert violation.victim.allocated.frames[0].text == "lost = kzalloc(thing)"
    assert violation.tasks[0].state == "finished"


@pytest.mark.parametrize(
    ("what", "kind", "headline"),
    [
        ("bug", "bug", "kernel BUG at "),
        ("assert", "assertion", "assertion failed"),
        ("uninit", "uninit", "BUG: KMSAN: uninit-value in work"),
        ("double", "double-free", "BUG: KASAN: double-free in work"),
        ("null", "null-deref", "BUG: kernel NULL pointer dereference, address: 0000000000000008"),
        ("wait", "deadlock", "INFO: task worker blocked for ever"),
    ],
)
def test_violations(what: str, kind: str, headline: str) -> None:
    violation = found(what)
    assert violation.kind == kind
    assert violation.headline.startswith(headline)


def test_double_free_tells_both_ends_of_a_life() -> None:
    victim = found("double").victim
    assert victim.allocated.frames[0].text == "fresh = kzalloc(thing)"
    assert victim.freed.frames[0].text == "kfree(fresh)"
    assert (victim.allocated.step, victim.freed.step) == (1, 2)


@pytest.mark.parametrize(("what", "message"), [("pool", "thing"), ("range", "3")])
def test_a_bound_is_incomplete(what: str, message: str) -> None:
    result = check(plain, settings={"what": what})
    assert (result.verdict, result.reason) == ("incomplete", "bound")
    assert [(bound.kind, bound.count) for bound in result.bounds] == [(what, 1)]
    assert message in result.bounds[0].message
    assert "INCOMPLETE: some execution ran into a bound of the model." in report(result)


def test_unreachable_is_the_finding() -> None:
    result = check(wanting)
    assert result.verdict == "violated"
    assert result.violation is not None
    assert result.violation.kind == "unreachable"
    assert result.violation.headline == "never reached: flag_is_seven"
    assert result.violation.message == "flag_is_seven: Somebody sets the flag to seven."
    assert result.coverage.lines_run
    assert "Every interleaving of 1 thread (worker) was run:" in report(result)


def test_unreachable_is_no_finding_when_incomplete() -> None:
    result = check(wanting, max_states=1)
    assert (result.verdict, result.reason) == ("incomplete", "max-states")
    result = check(wanting, settings={"what": "range"})
    assert (result.verdict, result.reason) == ("incomplete", "bound")


@pytest.mark.parametrize("store", ["hash", "bits"])
def test_an_approximate_search_never_says_holds(store: str) -> None:
    def approximate(scenario: Any, **settings: str) -> Result:
        return check(scenario, settings=settings, max_memory=4_000_000, plan=How(store=store))

    for result in (approximate(plain), approximate(wanting), approximate(plain, what="range")):
        assert (result.verdict, result.reason) == ("incomplete", "approximate")
        assert result.omission is not None
        assert 0 <= result.omission.probability < 1e-6
        assert f"INCOMPLETE: whole states were not kept (--store {store})" in report(result)
    result = approximate(plain, what="double")
    assert result.violation is not None
    assert (result.verdict, result.violation.kind) == ("violated", "double-free")
    assert "There may be a shorter interleaving." in " ".join(report(result).split())
    assert approximate(strict).violation is not None


def test_wrong_store() -> None:
    with pytest.raises(UsageError, match="no store is called 'disc': use auto, plain"):
        How(store="disc")


def test_final_condition() -> None:
    result = check(strict)
    assert result.violation is not None
    assert result.violation.headline == "final condition broken: flag_is_seven"
    assert result.violation.thread is None
    assert "Somebody sets the flag to seven." in report(result)


def test_progress_and_phases() -> None:
    said: list[str] = []
    check(plain, phase=said.append)
    assert said == ["compiling plain, variant default", "searching plain, variant default"]


@pytest.mark.parametrize("limit", ["max_states", "max_memory", "timeout"])
@pytest.mark.parametrize("value", [0, -1])
def test_wrong_limits(limit: str, value: int) -> None:
    with pytest.raises(UsageError, match=limit):
        check(plain, **{limit: value})  # type: ignore[arg-type]


def test_not_a_scenario() -> None:
    with pytest.raises(UsageError, match="is not a scenario"):
        check(work)  # type: ignore[arg-type]


def test_search_and_replay_that_disagree_are_loud(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmed, "violation_of", lambda *args: None)
    with pytest.raises(checker.Disagreement, match=r"the replay of .* found nothing"):
        check(plain, settings={"what": "null"})
    monkeypatch.setattr(confirmed, "violation_of", lambda *args: replace(violation_of(*args), kind="leak"))  # type: ignore[type-var]
    with pytest.raises(checker.Disagreement, match="found leak at "):
        check(plain, settings={"what": "null"})
    monkeypatch.setattr(confirmed, "violation_of", lambda *args: replace(violation_of(*args), line=1))  # type: ignore[type-var]
    with pytest.raises(checker.Disagreement, match=":1 "):
        check(plain, settings={"what": "null"})


def test_result_is_a_value() -> None:
    assert Result("a", "b", "c", "holds") == Result("a", "b", "c", "holds")
