"""The pytest plugin, in test suites of its own: what is collected, what is said, what is left behind."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

import lastput.testing
from lastput.cli.main import main
from lastput.study.registry import SCENARIOS
from lastput.target import find

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]

MODEL = """
from __future__ import annotations

import pytest

import lastput
from lastput import assert_holds, assert_reachable, assert_violates
from lastput.lang import atomic, kfree, option, options, ptr, struct


@options
class Session:
    whole: bool = option(False, "session_put is one step")
    tasks: int = option(2, "tasks that put", low=1, high=3)


@struct
class session:
    refs: int


def session_put(p: ptr[session]) -> None:
    assert p.refs > 0, "there is a reference"
    if Session.whole:
        with atomic():
            p.refs -= 1
            last = p.refs == 0
    else:
        p.refs -= 1
        last = p.refs == 0
    if last:
        kfree(p)


VARIANTS = {"broken": {}, "fixed": {"whole": True}}
"""
SCENARIO = '''

@lastput.scenario(options=(Session,), variants=VARIANTS{more})
def {name}(s: lastput.Setup) -> None:
    """Tasks drop the last references of a session."""
    p = s.new(session, refs=Session.tasks)
    for i in range(Session.tasks):
        s.thread(f"task{{i}}", session_put, p)
'''


def scenario(name: str, more: str = "") -> str:
    return SCENARIO.format(name=name, more=more)


@pytest.fixture(scope="module", autouse=True)
def loaded() -> None:
    """pytester forgets what a run inside this process imports, and numba cannot be imported twice."""
    lastput.testing.assert_violates(find(str(ROOT / "examples" / "refcounted_device.py")), kind="warning")


@pytest.fixture(autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTPUT_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("COLUMNS", "200")  # or the last lines are cut


def run(pytester: pytest.Pytester, source: str, *args: str) -> pytest.RunResult:
    pytester.makepyfile(test_session=MODEL + source)
    return pytester.runpytest_inprocess("-p", "no:randomly", *args)


def test_each_variant_is_a_test(pytester: pytest.Pytester) -> None:
    source = scenario("two_puts") + scenario("_helper")
    ended = run(pytester, source, "-v")
    ended.assert_outcomes(passed=1, failed=1)
    ended.stdout.fnmatch_lines(
        [
            "test_session.py::two_puts[[]broken] FAILED*",
            "test_session.py::two_puts[[]fixed] PASSED*",
            "expected to hold, found leak",
            "two_puts, variant broken: violated",
            "The shortest interleaving (8 steps, 2 context switches):",
            "To look at it: .lastput/test_session.py-two_puts-broken.html",
            "  lastput replay .lastput/test_session.py-two_puts-broken.json --pdb",
            "FAILED test_session.py::two_puts[[]broken] - expected to hold, found leak",
        ]
    )
    ended.stdout.no_fnmatch_line("*Traceback*")
    ended.stdout.no_fnmatch_line("*testing.py*")
    told = ended.outlines[ended.outlines.index("expected to hold, found leak") :]
    assert max(map(len, told[: told.index("To replay it:")])) <= 80


def test_what_is_left_replays(
    pytester: pytest.Pytester, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run(pytester, scenario("two_puts"), "--lastput-dir", "kept/here")
    (schedule,) = (pytester.path / "kept/here").glob("*.json")
    page = schedule.with_suffix(".html").read_text()
    assert "kmemleak: unreferenced object session" in page
    assert (schedule.parent / ".gitignore").read_text() == "*\n"
    monkeypatch.syspath_prepend(pytester.path)
    capsys.readouterr()
    assert main(["replay", str(schedule)]) == 1
    assert "session is never freed" in capsys.readouterr().out


def test_a_variant_may_be_meant_to_fail(pytester: pytest.Pytester) -> None:
    source = (
        scenario("right", ', violates={"broken": "leak"}')
        + scenario("other", ', violates={"broken": "null-deref in session_put"}')
        + scenario("holds", ', violates={"fixed": "leak", "broken": "leak"}')
        + scenario("unknown", ', violates={"broken": "leack"}')
    )
    ended = run(pytester, source)
    ended.assert_outcomes(passed=5, failed=3)
    ended.stdout.fnmatch_lines(
        [
            "FAILED *other[[]broken] - expected null-deref in session_put, found leak",
            "FAILED *holds[[]fixed] - expected leak, but it holds",
            "FAILED *unknown[[]broken] - no violation is called leack: did you mean leak?*",
        ]
    )


def test_marks_and_names_select(pytester: pytest.Pytester) -> None:
    marked = scenario("two_puts").replace("@lastput", '@pytest.mark.skip(reason="not now")\n@lastput')
    below = scenario("below").replace("def below", '@pytest.mark.xfail(reason="known")\ndef below')
    ended = run(pytester, marked + below + scenario("third"), "-rs", "-k", "not third and not fixed")
    ended.assert_outcomes(skipped=1, xfailed=1, deselected=4)
    ended.stdout.fnmatch_lines(["SKIPPED*not now"])


def test_an_imported_scenario_is_no_test(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(model=MODEL + scenario("two_puts"))
    pytester.makepyfile(
        """
        from lastput import assert_violates
        from model import two_puts

        def test_it():
            assert_violates(two_puts, "broken", kind="leak", tasks=3)
        """
    )
    pytester.syspathinsert()
    pytester.runpytest_inprocess().assert_outcomes(passed=1)


def test_assertions(pytester: pytest.Pytester) -> None:
    source = scenario("_puts") + (
        """
def test_right():
    assert assert_holds(_puts, "fixed", tasks=3).counts.states > 10
    assert assert_violates(_puts).violation.kind == "leak"
    assert_reachable(_puts, "session.refs == 1", "fixed")

def test_holds():
    assert_holds(_puts)

def test_violates():
    assert_violates(_puts, "fixed", function="session_put")

def test_reached():
    assert_reachable(_puts, "session.refs == 3", "fixed")

def test_nonsense():
    assert_reachable(_puts, "session.rfs == 3", "fixed")

def test_name():
    assert_holds(_puts, "fixt")
"""
    )
    ended = run(pytester, source)
    ended.assert_outcomes(passed=1, failed=5)
    ended.stdout.fnmatch_lines(
        [
            "test_session.py:*: assert_holds(_puts)",
            "expected to hold, found leak",
            "*struct session has no field rfs; instead: use one of refs",
            "FAILED *test_holds - expected to hold, found leak",
            "FAILED *test_violates - expected a violation in session_put, but it holds",
            "FAILED *test_reached - session.refs == 3: true in no state",
            "FAILED *test_name - _puts has no variant fixt*",
        ]
    )


def test_incomplete_is_no_pass(pytester: pytest.Pytester) -> None:
    source = MODEL.replace("kfree", "kfree, kmalloc") + (
        '''

def leave() -> None:
    kfree(kmalloc(session))


@lastput.scenario()
def crowded(s: lastput.Setup) -> None:
    """Two tasks, and room for one."""
    s.pool(session, 1)
    s.thread("a", leave)
    s.thread("b", leave)
'''
    )
    pytester.makepyfile(test_crowded=source)
    ended = pytester.runpytest_inprocess()
    ended.assert_outcomes(failed=1)
    ended.stdout.fnmatch_lines(["INCOMPLETE: *", "FAILED *::crowded - expected to hold, incomplete: *"])


def test_junit_and_first_failure(pytester: pytest.Pytester) -> None:
    source = scenario("two_puts") + scenario("more")
    run(pytester, source, "-x", "--junitxml=out.xml", "-k", "broken").assert_outcomes(failed=1, deselected=2)
    tree = ElementTree.parse(pytester.path / "out.xml")
    (case,) = tree.iter("testcase")
    failure = case.find("failure")
    assert case.get("name") == "two_puts[broken]"
    assert failure is not None
    assert failure.get("message") == "expected to hold, found leak"
    assert "The shortest interleaving" in (failure.text or "")


def test_two_processes(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_session=MODEL + scenario("two_puts"))
    ended = pytester.runpytest_subprocess("-n", "2")
    ended.assert_outcomes(passed=1, failed=1)
    ended.stdout.fnmatch_lines(["two_puts, variant broken: violated", "FAILED *expected to hold, found leak"])
    assert json.loads((pytester.path / ".lastput/test_session.py-two_puts-broken.json").read_text())


def test_others_do_not_pay(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys

        def test_nothing_is_loaded():
            ours = {name for name in sys.modules if name.partition(".")[0] in ("lastput", "numba", "numpy")}
            assert ours == {"lastput", "lastput.pytest_plugin"}
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_search_that_is_interrupted_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupted = type("Checked", (), {"result": type("Result", (), {"reason": "interrupt"})()})
    monkeypatch.setattr(lastput.testing, "check_world", lambda *_: interrupted)
    with pytest.raises(KeyboardInterrupt):
        lastput.testing.assert_holds(SCENARIOS["kvm/age-vs-exit"], "7e5a672289c9")


def test_the_names_are_there() -> None:
    code = "import lastput; [getattr(lastput, name) for name in lastput.__all__]"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert Path(lastput.testing.__file__).name == "testing.py"


def test_no_two_tests_leave_the_same_files(pytester: pytest.Pytester) -> None:
    source = scenario("_puts") + (
        """
import pytest

@pytest.mark.parametrize("x", ["a/b", "a b", "a-b"])
def test_puts(x):
    assert_holds(_puts)
"""
    )
    run(pytester, source).assert_outcomes(failed=3)
    assert len(list((pytester.path / ".lastput").glob("*.html"))) == 3


def test_what_a_test_left_goes_when_it_passes(pytester: pytest.Pytester) -> None:
    run(pytester, scenario("two_puts"))
    left = pytester.path / ".lastput"
    assert (left / "test_session.py-two_puts-broken.html").exists()
    others = left / "test_other.html"
    others.write_text("of another test")
    path = pytester.path / "test_session.py"
    path.write_text(path.read_text().replace('"broken": {}', '"broken": {"whole": True}'))
    pytester.runpytest_subprocess("-q").assert_outcomes(passed=2)
    assert {file.name for file in left.iterdir()} == {".gitignore", others.name}
