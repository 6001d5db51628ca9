"""Progress by way of `check`: verdicts that can be thought out, limits, and what a result says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lastput import assert_holds, assert_violates, check
from lastput.checker import build_world
from lastput.explore.nearest import Model, nearest
from lastput.lang import Scenario, Setup, UsageError, scenario
from lastput.plan import REDUCTIONS, Plan
from lastput.report.json import dumps
from lastput.report.text import report
from lastput.result import Result
from tests.lasso import models

VERDICTS = [
    # (scenario, what comes of it under none, weak and strong fairness)
    (models.spinning, "starvation", "", ""),  # unfair: who sets the flag is never let
    (models.flickering, "starvation", "starvation", ""),  # the flag is seen only by who is lucky
    (models.tossing, "livelock", "livelock", "livelock"),  # choices are not fair
    (models.two_polite, "livelock", "livelock", "livelock"),  # both step, in lockstep
    (models.answered, "never-happens", "", ""),  # unless the other one is never let
]


@pytest.mark.parametrize(
    ("model", "none", "weak", "strong"), VERDICTS, ids=lambda value: getattr(value, "name", value)
)
def test_verdicts(model: Scenario, none: str, weak: str, strong: str) -> None:
    for fairness, kind in (("none", none), ("weak", weak), ("strong", strong)):
        result = check(model, settings={"fairness": fairness})
        assert (result.violation.kind if result.violation else "") == kind, fairness
        assert result.verdict == ("violated" if kind else "holds")
        (told,) = result.progress
        assert (told.fairness, told.verdict) == (fairness, result.verdict)


@pytest.mark.parametrize(
    "plan", [Plan(reduce=frozenset(REDUCTIONS)), Plan(cores=2)], ids=["reduced", "cores"]
)
def test_how_to_search_does_not_matter(plan: Plan) -> None:
    """A graph that lacks what a reduction leaves out would have other loops: it is made without them."""
    for model, *_ in VERDICTS:
        one, other = check(model), check(model, plan=plan)
        assert (other.verdict, other.progress) == (one.verdict, one.progress)
        assert other.violation == one.violation


def test_fairness_for_all_overrides_each() -> None:
    assert check(models.flickering).violation is not None
    assert check(models.flickering, fairness="strong").holds


def test_a_run_that_ends_counts() -> None:
    result = check(models.ends_unanswered)
    assert result.violation is not None
    assert result.violation.lasso is not None
    assert result.violation.kind == "never-happens"
    assert result.violation.lasso.begins == len(result.violation.schedule) == 1
    assert "nobody can step" in report(result)


def test_what_is_never_asked_holds_and_says_so() -> None:
    result = check(models.nobody_asks)
    assert result.holds
    assert result.progress[0].never == "is_a"
    assert "but is_a is never true" in report(result)


def test_who_steps_into_a_bound_can_step() -> None:
    """What lies beyond the bound is not known, so a fair run without that step is none."""
    fair = check(models.bounded)
    assert (fair.verdict, fair.reason) == ("incomplete", "bound")
    assert [told.verdict for told in fair.progress] == ["unknown"]
    assert check(models.bounded, fairness="none").verdict == "violated"


def test_eventually() -> None:
    assert check(models.sooner_or_later).holds
    found = check(models.sooner_or_later, fairness="none").violation
    assert found is not None
    assert (found.kind, found.headline) == ("never-happens", "never happens: is_b")


def test_daemons_need_not_finish_unless_they_are_named() -> None:
    found = check(models.waiting_daemon).violation
    assert found is not None
    assert (found.kind, found.headline) == ("starvation", "INFO: task wait:1 starved")
    assert check(models.idle_daemon, finishes=True).holds


def test_the_way_to_the_loop_is_shortest_and_the_loop_goes_round() -> None:
    found = check(models.spinning, fairness="none").violation
    assert found is not None
    assert found.lasso is not None
    assert found.schedule == ((0, 0),)  # the spinning load, from the start
    assert (found.lasso.begins, found.lasso.still, found.lasso.threads) == (0, (1,), (0, 1))


def test_another_violation_comes_first() -> None:
    result = check(models.asks_too_much)
    assert result.violation is not None
    assert result.violation.kind == "invariant"
    assert [told.verdict for told in result.progress] == ["unknown"]


def big(s: Setup) -> None:
    """More states than the limits below allow."""
    f = s.static(models.flags, "f")
    for number in range(3):
        s.thread(f"t{number}", models.polite if number % 2 else models.polite_too, f, daemon=True)
    s.thread("spin", models.spin_until_a, f)
    s.finishes()


def test_a_limit_is_no_verdict() -> None:
    model = scenario()(big)
    whole = check(model)
    assert whole.verdict == "violated"
    few = check(model, max_states=whole.counts.states - 1)
    assert (few.verdict, few.reason) == ("incomplete", "max-states")
    assert [told.verdict for told in few.progress] == ["unknown"]


def test_no_memory_for_the_graph_is_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lastput.lasso.graph.PER_STATE", 1 << 40)
    result = check(models.flickering)
    assert (result.verdict, result.reason) == ("incomplete", "max-memory")
    assert [(told.verdict, told.stopped) for told in result.progress] == [("unknown", "max-memory")]
    words = " ".join(report(result).split())
    assert "INCOMPLETE: in the search for loops the memory ran out" in words
    assert "No interleaving breaks a rule; progress properties are not known." in words
    assert "Every interleaving of 2 threads" in words


def test_interrupted_in_the_search_for_loops(monkeypatch: pytest.MonkeyPatch) -> None:
    def press(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lastput.lasso.graph.Builder._expand", press)
    result = check(models.flickering)
    assert (result.verdict, result.reason) == ("incomplete", "interrupt")


def named(*names: str, **how: str) -> Callable[[Setup], None]:
    def model(s: Setup) -> None:
        """A model."""
        s.finishes(*names, **how)  # type: ignore[arg-type]
        s.thread("set", models.set_a, s.static(models.flags, "f"), daemon=True)

    return model


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (named("st"), "finishes: no thread is called st: did you mean set? use set"),
        (named(), "finishes: every thread is a daemon: name those that finish"),
        (named("set", fairness="very"), "finishes: fairness is none, weak or strong, not 'very'"),
    ],
)
def test_mistakes(model: Callable[[Setup], None], said: str) -> None:
    with pytest.raises(UsageError) as raised:
        check(scenario()(model))
    assert said in str(raised.value)


def test_fairness_of_nothing_is_a_mistake() -> None:
    with pytest.raises(UsageError, match="states no progress property"):
        check(models.idle_daemon, fairness="strong")


def test_asking_twice_is_asking_once() -> None:
    assert len(check(models.spinning, finishes=True).progress) == 1
    assert len(build_world(models.spinning, None, {}).goals) == 1


def test_assertions_know_loops() -> None:
    assert assert_violates(models.flickering, kind="starvation", function="wait_for_a").violation
    assert assert_holds(models.flickering, fairness="strong").holds  # the scenario's own option
    with pytest.raises(AssertionError, match="expected to hold, found starvation in wait_for_a"):
        assert_holds(models.flickering)


def test_the_nearest_state_is_found_beside_goals() -> None:
    """The search from where somebody stands replaces the properties, but not the goals, of the world."""
    path = str(Path(__file__).parents[2] / "examples" / "ticket_lock.py")
    found = nearest(Model(path, "broken", (("tickets", False), ("others", 1))), (), "lock.taken")
    assert found.schedule is not None
    assert len(found.schedule) == 1


def test_a_lasso_is_in_the_json() -> None:
    result: Result = check(models.flickering)
    assert '"begins": 0' in dumps([result])
