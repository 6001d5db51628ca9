"""`lastput.hunt`: verdicts, what is told of the hunt, and that what is found is confirmed."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest

import lastput
from lastput.hunter import hunt
from lastput.lang.errors import UsageError
from lastput.report.html.result import results_page
from lastput.report.text import report
from lastput.result import Result

from .model import asked_for_progress, gated, race, spinning, unreached

EACH = ("random", "pct", "preemptions", "switches", "deepening")


def same(result: Result) -> Result:
    """Without what differs from run to run."""
    assert result.hunt is not None
    tried = tuple(replace(tried, seconds=0.0) for tried in result.hunt.tried)
    hunted = replace(result.hunt, tried=tried)
    return replace(result, hunt=hunted, seconds=lastput.result.Seconds(), memory=lastput.result.Memory())


@pytest.mark.parametrize("by", EACH)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_each_finds_the_race_and_its_shortest_schedule(by: str, depth: int) -> None:
    settings = {"depth": depth, "noise": 3}
    result = hunt(race, "racy", settings=settings, by=by, seed=5, bound=3)
    assert (result.verdict, result.reason) == ("violated", "")
    assert result.violation is not None
    assert result.hunt is not None
    assert (result.violation.kind, result.violation.shortest) == ("assertion", False)
    assert (result.hunt.found_by, result.hunt.seed) == (by, 5)
    assert (result.hunt.walk is not None) == (by in ("random", "pct"))
    assert result.hunt.found_steps >= len(result.violation.schedule)
    least = lastput.check(race, "racy", settings=settings).violation
    assert least is not None
    assert result.violation.switches <= least.switches
    assert same(hunt(race, "racy", settings=settings, by=by, seed=5, bound=3)) == same(result)


def test_what_a_hunt_says() -> None:
    text = report(hunt(race, "racy", settings={"depth": 2}, by="pct", seed=5))
    assert "An interleaving (" in text
    assert "The shortest" not in text
    assert "Found by pct, seed 5, walk " in text
    page = results_page([hunt(race, "racy", settings={"depth": 2}, by="pct", seed=5)])
    assert "An interleaving that leads to it" in page
    assert "Found by pct, seed 5, walk " in page


@pytest.mark.parametrize("by", ["random", "pct"])
def test_walks_that_find_nothing_are_no_verdict(by: str) -> None:
    result = hunt(race, "safe", settings={"depth": 3}, by=by, walks=3000)
    assert (result.verdict, result.reason) == ("incomplete", "hunt")
    text = report(result)
    assert "INCOMPLETE: a hunt runs some of the interleavings, not all. This is no verdict." in text
    assert f"{by}: 3,000 walks, " in text


def test_the_guarantee_has_its_numbers() -> None:
    """n = 2, d = 3; a walk takes 6 or 7 steps. 1 / (2 * 7^2) = 1/98; ln 0.01 / ln (1 - 1/98) = 449.1."""
    result = hunt(race, "safe", settings={"depth": 3}, by="pct", walks=256 + 449)
    assert result.hunt is not None
    (tried,) = result.hunt.tried
    known = tried.guarantee
    assert known is not None
    assert (known.threads, known.depth, known.walks, known.walks_for_99) == (2, 3, 449, 450)
    assert (known.steps, known.longer) == (7, 0)
    assert known.one == pytest.approx(1 / 98)
    assert known.all == pytest.approx(1 - (97 / 98) ** 449)
    said = (
        "a bug of depth 3 is found by one walk with a probability of at least 1/98 (n = 2 threads, "
        "k = 7 steps), by the 449 walks with these numbers of at least 99.0%, by 450 of 99 %"
    )
    assert said in " ".join(report(result).split())


@pytest.mark.parametrize("by", ["preemptions", "switches", "deepening"])
def test_a_bounded_search_that_leaves_nothing_out_is_a_verdict(by: str) -> None:
    full = lastput.check(gated)
    result = hunt(gated, by=by, bound=9)
    assert (result.verdict, full.verdict) == ("holds", "holds")
    assert result.coverage == full.coverage
    if by != "deepening":
        assert result.counts.states == full.counts.states


@pytest.mark.parametrize(("by", "bound"), [("preemptions", 0), ("switches", 2), ("deepening", None)])
def test_a_bound_that_cuts_is_no_verdict(by: str, bound: int | None) -> None:
    result = hunt(gated, by=by, bound=bound, depth=5)
    assert (result.verdict, result.reason) == ("incomplete", "hunt")
    assert "every schedule of up to " in report(result)


@pytest.mark.parametrize("by", ["preemptions", "switches", "deepening"])
def test_what_is_never_reached_is_a_violation_once_all_was_run(by: str) -> None:
    result = hunt(unreached, by=by, bound=9)
    assert result.violation is not None
    assert result.violation.kind == "unreachable"
    assert hunt(unreached, by="random", walks=500).verdict == "incomplete"


@pytest.mark.parametrize("by", ["preemptions", "switches", "deepening"])
def test_progress_is_not_settled_by_a_hunt(by: str) -> None:
    result = hunt(asked_for_progress, by=by, bound=9)
    assert (result.verdict, result.reason) == ("incomplete", "hunt")
    assert [told.verdict for told in result.progress] == ["unknown"]
    assert "INCOMPLETE: a hunt looks for no loops, " in report(result)
    assert lastput.check(asked_for_progress).holds


def test_a_loop_without_end_is_cut() -> None:
    result = hunt(spinning, by="random,pct", walks=300, depth=40)
    assert result.hunt is not None
    assert [tried.cut for tried in result.hunt.tried] == [300, 300]
    assert "300 cut after 40 steps (--depth)" in " ".join(report(result).split())


def test_one_strategy_after_the_other_until_one_settles_it() -> None:
    result = hunt(gated, by="random,preemptions,deepening", bound=9, walks=100)
    assert result.hunt is not None
    assert [(tried.strategy, tried.ended) for tried in result.hunt.tried] == [
        ("random", "walks"),
        ("preemptions", "complete"),
    ]


@pytest.mark.parametrize("by", EACH)
def test_ctrl_c_ends_a_hunt_with_what_is_known(by: str) -> None:
    """Pressed when it first tells how far it is."""
    result = hunt(
        race, "safe", settings={"noise": 30}, by=f"{by},random", walks=10**8, depth=10**6, bound=99,
        told=lambda text: signal.raise_signal(signal.SIGINT),
    )  # fmt: skip
    assert (result.verdict, result.reason) == ("incomplete", "interrupt")
    assert result.hunt is not None
    assert [tried.ended for tried in result.hunt.tried] == ["interrupt"]
    assert "interrupted" in report(result)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"by": "randm"}, "no hunt is called 'randm': did you mean random? use random, pct, "),
        ({"by": ""}, "no hunt is called ''"),
        ({"seed": -1}, "seed=-1: use a number from 0 to "),
        ({"walks": 0}, "walks=0"),
        ({"depth": 0}, "depth=0"),
        ({"bound": -1}, "bound=-1"),
        ({"timeout": -1}, "timeout=-1"),
    ],
)
def test_wrong_arguments(wrong: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as error:
        hunt(race, "racy", **wrong)  # type: ignore[arg-type]
    assert words in str(error.value)
