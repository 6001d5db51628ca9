"""The pytest plugin: scenarios of test files are tests, and what fails is told as `lastput check` would.

pytest finds it because lastput is installed. It imports nothing of lastput's until a test file has, so that
other test suites do not pay for it.
"""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lastput.lang.scenario import Scenario
    from lastput.testing import Unexpected

_LONGEST = 120
"""Characters of a file's name."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """--lastput-dir."""
    parser.getgroup("lastput").addoption(
        "--lastput-dir",
        metavar="DIR",
        help="where a failing scenario leaves its schedule and its page (default: .lastput in the rootdir)",
    )


# -- collecting -----------------------------------------------------------------------------------------


def pytest_pycollect_makeitem(
    collector: pytest.Module | pytest.Class, name: str, obj: object
) -> list[ScenarioItem] | None:
    """One test for each variant of a scenario that this file defines; none for one that it imports."""
    scenario, marks = _scenario(obj)
    module = collector.getparent(pytest.Module)
    if scenario is None or module is None or name.startswith("_"):
        return None
    if scenario.function.__module__ != module.obj.__name__:
        return None
    items = []
    for variant in scenario.variants:
        label = name if list(scenario.variants) == ["default"] else f"{name}[{variant}]"
        item = ScenarioItem.from_parent(collector, name=label, scenario=scenario, variant=variant)
        for mark in marks:
            item.add_marker(mark)
        items.append(item)
    return items


def _scenario(obj: object) -> tuple[Scenario | None, list[pytest.MarkDecorator]]:
    """The scenario that `obj` is, and its marks, below @scenario or above it."""
    defined = sys.modules.get("lastput.lang.scenario")
    if defined is None:
        return None, []
    marks: list[pytest.MarkDecorator] = []
    while isinstance(obj, pytest.MarkDecorator) and obj.args:
        # To pytest a scenario is no function, so a mark above it takes it for one more argument.
        marks.append(getattr(pytest.mark, obj.name).with_args(*obj.args[:-1], **obj.kwargs))
        obj = obj.args[-1]
    if not isinstance(obj, defined.Scenario):
        return None, []
    for mark in getattr(obj.function, "pytestmark", []):
        marks.append(getattr(pytest.mark, mark.name).with_args(*mark.args, **mark.kwargs))
    return obj, marks


class ScenarioItem(pytest.Item):
    """One variant of a scenario, as a test."""

    def __init__(self, *, scenario: Scenario, variant: str, **rest: Any) -> None:
        super().__init__(**rest)
        self.scenario = scenario
        self.variant = variant

    def runtest(self) -> None:
        """Run every interleaving; the variant is to come to what the scenario declares."""
        from lastput.testing import assert_as_declared

        result = assert_as_declared(self.scenario, self.variant)
        self.user_properties.append(("states", result.counts.states))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the scenario is, for `--verbose` and JUnit."""
        return self.path, self.scenario.function.__code__.co_firstlineno - 1, self.name


# -- telling --------------------------------------------------------------------------------------------


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """In place of a traceback through lastput: where, what, and the files that were left.

    Those of a test that passes by now go.
    """
    report = yield
    if report.when == "call" and report.passed:
        for old in _files(item):
            old.unlink(missing_ok=True)
    if report.failed and call.excinfo is not None and _ours(call.excinfo.value):
        report.longrepr = _shown(item, call.excinfo)
    return report


def _ours(error: BaseException) -> bool:
    """Whether `error` says all that there is to say in its message."""
    errors, testing = sys.modules.get("lastput.lang.errors"), sys.modules.get("lastput.testing")
    known = [errors.LastputError] if errors else []
    return isinstance(error, (*known, *([testing.Unexpected] if testing else [])))


def _shown(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> Any:
    error: Any = excinfo.value
    text = str(error)
    if hasattr(error, "brief"):
        text = f"{text}\n{_left(item, error)}".rstrip()
    head = [] if isinstance(item, ScenarioItem) else _statement(item, excinfo)
    told = Exception("\n".join([*head, text]))
    whole = pytest.ExceptionInfo.from_exc_info((Exception, told, excinfo.tb)).getrepr(style="value")
    if whole.reprcrash is not None:  # what the last lines of the run show of it
        whole.reprcrash.message = getattr(error, "brief", str(error))
    return whole


def _statement(item: pytest.Item, excinfo: pytest.ExceptionInfo[BaseException]) -> list[str]:
    """The line of the test."""
    own = [entry for entry in excinfo.traceback if Path(entry.path) == item.path]
    return [f"{item.path.name}:{own[-1].lineno + 1}: {str(own[-1].statement).strip()}"] if own else []


# -- leaving files --------------------------------------------------------------------------------------


def _left(item: pytest.Item, error: Unexpected) -> str:
    """Save the schedule and the page, if there is something to see; what to type next."""
    from lastput.checker import pictured
    from lastput.lang.errors import UsageError
    from lastput.report.html.result import results_page
    from lastput.report.saved import save

    found = error.result.violation
    if found is None or not found.schedule:
        return ""
    schedule, page = _files(item)
    try:
        _make(schedule.parent)
        save(schedule, error.result, error.scenario, _target(item, error.scenario))
        page.write_text(results_page([pictured(error.scenario, error.result)]), "utf-8")
    except (OSError, UsageError) as problem:
        return f"The schedule and its page could not be saved: {problem}"
    return (
        f"To look at it: {_near(item, page)}\nTo replay it:\n  lastput replay {_near(item, schedule)} --pdb"
    )


def _directory(config: pytest.Config) -> Path:
    chosen = config.getoption("--lastput-dir")
    return config.invocation_params.dir / chosen if chosen else config.rootpath / ".lastput"


def _files(item: pytest.Item) -> tuple[Path, Path]:
    """The schedule and the page that a failing test leaves."""
    base = _directory(item.config) / _file_name(item.nodeid)
    return base.with_name(f"{base.name}.json"), base.with_name(f"{base.name}.html")


def _make(directory: Path) -> None:
    """A directory that no version control takes notice of."""
    if not directory.exists():
        directory.mkdir(parents=True, exist_ok=True)
        (directory / ".gitignore").write_text("*\n")


def _file_name(nodeid: str) -> str:
    """A name that no other test has: `[a/b]` and `[a b]` differ in nothing that a file's name can hold."""
    name = re.sub(r"[^\w.-]+", "-", nodeid).strip("-")
    parameters = nodeid.partition("[")[2].removesuffix("]")
    if len(name) <= _LONGEST and re.fullmatch(r"[\w.-]*", parameters):
        return name
    return f"{name[:_LONGEST]}-{hashlib.sha256(nodeid.encode()).hexdigest()[:8]}"


def _target(item: pytest.Item, scenario: Scenario) -> str:
    """What `lastput check` calls the scenario."""
    from lastput.study.registry import SCENARIOS, WHERE

    if scenario.name in WHERE and SCENARIOS[scenario.name] is scenario:
        return scenario.name
    return f"{_near(item, Path(scenario.function.__code__.co_filename))}::{scenario.name}"


def _near(item: pytest.Item, path: Path) -> Path:
    """`path` as seen from where pytest was started."""
    start = item.config.invocation_params.dir
    return path.relative_to(start) if path.is_relative_to(start) else path
