"""Assertions about scenarios, for tests: what fails says it with the report of `lastput check`.

    from lastput import assert_holds, assert_reachable, assert_violates

    def test_the_lock_is_enough():
        assert_holds(open_vs_disconnect, "fixed", readers=2)

    def test_the_old_code_was_wrong():
        assert_violates(open_vs_disconnect, "broken", kind="use-after-free", function="read_device")

    def test_it_is_really_unplugged():
        assert_reachable(open_vs_disconnect, "table.dev == NULL", "fixed")

Each returns the `Result`. Each raises `Unexpected`, an AssertionError, where the scenario comes to something
else, or to no verdict; UsageError for a wrong scenario, variant, option or kind; and ModelError for a model
that leaves the language.
"""

from __future__ import annotations

import os

from lastput.checker import build_world, check_world
from lastput.checks.kinds import KINDS
from lastput.lang.errors import UsageError, nearest
from lastput.lang.options import Value
from lastput.lang.scenario import Scenario
from lastput.lang.world import World
from lastput.report.covered import is_complete, reason
from lastput.report.text import finding, report
from lastput.result import Limits, Result


class Unexpected(AssertionError):
    """A scenario came to something else than was expected. `brief` is one line, `str()` has the report."""

    def __init__(self, brief: str, result: Result, scenario: Scenario) -> None:
        super().__init__(f"{brief}\n\n{report(result)}")
        self.brief = brief
        self.result = result
        self.scenario = scenario


def assert_holds(scenario: Scenario, variant: str | None = None, **settings: Value) -> Result:
    """Every interleaving was run and none breaks a rule. `settings` are options, as with `--set`.

    Without `variant` it is the scenario's default one, as in `lastput.check`.
    """
    __tracebackhide__ = True
    result = _run(build_world(scenario, variant, settings))
    if not result.holds:
        raise Unexpected(f"expected to hold, {_came_to(result)}", result, scenario)
    return result


def assert_violates(
    scenario: Scenario,
    variant: str | None = None,
    *,
    kind: str | None = None,
    function: str | None = None,
    **settings: Value,
) -> Result:
    """Some interleaving breaks a rule: the one called `kind`, as `null-deref`, in `function`, where given.

    They are judged by the shortest interleaving, the one that the report shows.
    """
    __tracebackhide__ = True
    _known(kind)
    result = _run(build_world(scenario, variant, settings))
    found = result.violation
    if found is None or found.kind != (kind or found.kind) or found.function != (function or found.function):
        expected = f"{kind or 'a violation'}{f' in {function}' if function else ''}"
        raise Unexpected(f"expected {expected}, {_came_to(result)}", result, scenario)
    return result


def assert_reachable(scenario: Scenario, what: str, variant: str | None = None, **settings: Value) -> Result:
    """In some state `what` is true: an expression, or the name of a function given to `s.reachable`.

    The expression is one over the objects, by the names that reports show: see `lastput.ask`.
    """
    __tracebackhide__ = True
    from lastput.ask import asked

    world = build_world(scenario, variant, settings)
    if not any(p.kind == "reachable" and p.name == what for p in world.properties):
        world.properties.append(asked(world, what))
    result = _run(world)
    if what in result.coverage.witnesses:
        return result
    raise Unexpected(f"{what}: {_why_not(result)}", result, scenario)


def assert_as_declared(scenario: Scenario, variant: str) -> Result:
    """The variant holds; or, where the scenario's `violates` says so, it breaks the rule named there."""
    __tracebackhide__ = True
    declared = scenario.violates.get(variant)
    if declared is None:
        return assert_holds(scenario, variant)
    kind, _, function = declared.partition(" in ")
    return assert_violates(scenario, variant, kind=kind, function=function or None)


def _run(world: World) -> Result:
    result = check_world(world, Limits(max_memory=_share())).result
    if result.reason == "interrupt":  # the search ends in good order; a test run shall end, too
        raise KeyboardInterrupt
    return result


def _share() -> int | None:
    """Bytes for one search where pytest-xdist runs several; None for no limit but the machine's."""
    from lastput.engine.memory import available

    workers = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    return available() // (workers + 1) if workers > 1 else None


def _came_to(result: Result) -> str:
    if result.violation:
        return f"found {finding(result)}"
    return "but it holds" if result.holds else f"incomplete: {reason(result)}"


def _why_not(result: Result) -> str:
    if is_complete(result):
        return "true in no state"
    return "not reached before the violation" if result.violation else f"not reached, {_came_to(result)}"


def _known(kind: str | None) -> None:
    if kind is None or (kind in KINDS and not KINDS[kind].bound):
        return
    known = [known.id for known in KINDS.values() if not known.bound]
    raise UsageError(f"no violation is called {kind}: {nearest(kind, known)}use {', '.join(known)}")
