"""What can be removed is found, removed for compiler and simulator alike, and judged rightly."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastput import checker, target
from lastput.compiler.source import source_of
from lastput.lang.edits import Edit, applying, replace
from lastput.lang.options import Value
from lastput.lang.scenario import Scenario
from lastput.needed.removals import Removal
from lastput.needed.trials import Subject, Trial, Whole, attempt, known_before, settle, whole
from lastput.result import Limits
from lastput.simulate.explore import explore
from lastput.simulate.setup import build

ROOT = Path(__file__).parents[2]
MODEL = str(Path(__file__).with_name("model.py"))
DEVICE = str(ROOT / "examples" / "refcounted_device.py")
CHECKED = 'assert dev.data == 42, "the device\'s data is intact"'
LIST = str(ROOT / "examples" / "srcu_list.py")


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTPUT_CACHE", str(tmp_path_factory.getbasetemp() / "needed"))


def subject(file: str, **settings: Value) -> Subject:
    return Subject(file, target.find(file), "fixed", settings)


def answers(about: Subject) -> dict[str, Trial]:
    found = whole(about)
    assert found.result.holds
    return {f"{r.kind}: {r.text} in {r.function}": attempt(about, r) for r in found.removals}


def told(trials: dict[str, Trial]) -> dict[str, str]:
    """The answers in short: what is broken, or the answer and why."""
    return {name: _short(trial) for name, trial in trials.items()}


def _short(trial: Trial) -> str:
    if trial.answer == "needed":
        assert trial.result is not None
        assert trial.result.violation is not None
        return trial.result.violation.kind
    return f"{trial.answer} {trial.why}".strip()


def test_everything_is_found_and_judged() -> None:
    assert told(answers(subject(MODEL))) == {
        "lock: spin_lock(shelf.lock) in use": "warning",
        "guard: if not found: spin_unlock(shelf.lock); ... in use": "null-deref",
        "reference: box_get(found) in use": "use-after-free",
        "lock: spin_lock(shelf.lock) in fill": "null-deref",
        "guard: i < Box.slots, of: while i < Box.slots in fill": "out-of-bounds",
        "recheck: if not shelf.box: break in fill": "null-deref",
        "lock: spin_lock(shelf.lock) in empty": "warning",
        "guard: if gone: box_put(gone) in empty": "redundant never false here",
        "reference: box_get(mine) in peek": "redundant",
        "lock: spin_lock(shelf.spare) in peek": "redundant",
    }


def test_the_device_example() -> None:
    assert told(answers(subject(DEVICE))) == {
        f"guard: if dev: {CHECKED}; ... in read_device": "null-deref",
        "lock: spin_lock(table.lock) in device_open": "warning",
        "guard: if dev: atomic_inc(dev.refs) in device_open": "null-deref",
        "reference: atomic_inc(dev.refs) in device_open": (
            "not tried atomic_dec_and_test is not called for it in this function"
        ),
        "lock: spin_lock(table.lock) in disconnect": "warning",
    }


def test_the_list_example() -> None:
    assert told(answers(subject(LIST))) == {
        "lock: spin_lock(users.lock) in remove_user": "use-after-free",
        "grace period: synchronize_srcu(users.srcu) in remove_user": "use-after-free",
        "guard: if not hlist_unhashed(n): __hlist_del(n); ... in hlist_del_init_rcu": (
            "redundant never false here"
        ),
        "guard: if next: next.pprev = pprev in __hlist_del": "null-deref",
        "read section: srcu_read_lock(users.srcu) in find_user": "use-after-free",
        "guard: node, of: while node and not found in find_user": "null-deref",
        "guard: not found, of: while node and not found in find_user": "redundant",
    }


@pytest.mark.parametrize("file", [MODEL, DEVICE, LIST])
def test_every_verdict_is_that_of_brute_force(file: str) -> None:
    """Also where nothing was searched, because what was removed never has an effect."""
    about = subject(file, **({"slots": 1} if file == MODEL else {}))
    for removal in whole(about).removals:
        if removal.refused:
            continue
        trial = attempt(about, removal)
        world = build(about.scenario, about.variant, about.settings)
        world.edits = removal.edits + removal.aside
        found = explore(world)
        assert found.complete
        assert bool(found.kinds) == (trial.answer == "needed"), removal
        if trial.result is not None and not found.kinds:
            counts = trial.result.counts
            assert (counts.states, counts.transitions) == (found.states, found.transitions)
        if trial.result is not None and trial.result.violation is not None and not removal.breaks:
            assert len(trial.result.violation.steps) == found.shortest
            assert trial.result.violation.kind in found.kinds


def test_what_an_option_excludes_is_not_found() -> None:
    about = subject(MODEL, broken=True)
    texts = [r.text for r in whole(about).removals]
    assert not any("Box.slots" in text or "not shelf.box" in text for text in texts)
    unlocked = whole(Subject(DEVICE, target.find(DEVICE), "broken", {}))
    assert not unlocked.removals, "of a variant that does not hold nothing is removed"


def test_a_changed_function_has_code_of_its_own() -> None:
    """Compiled before, between and after: neither finds the other's code, in this process or the cache."""
    about = subject(LIST)
    removal = next(r for r in whole(about).removals if r.kind == "grace period")
    verdicts, cached = [], []
    for edits in ((), removal.edits, (), removal.edits):
        world = build(about.scenario, about.variant, about.settings)
        world.edits = edits
        result = checker.check_world(world, Limits()).result
        verdicts.append(result.verdict)
        cached.append(result.seconds.cached)
    assert verdicts == ["holds", "violated", "holds", "violated"]
    assert cached[2:] == [True, True]


def test_lines_stay_where_they_are() -> None:
    about = subject(MODEL)
    removal = next(r for r in whole(about).removals if r.kind == "recheck")
    trial = attempt(about, removal)
    assert trial.result is not None
    assert trial.result.violation is not None
    line = trial.result.violation.line
    assert "shelf.box.data" in Path(MODEL).read_text().splitlines()[line - 1]


def test_an_edit_that_fits_nothing_is_refused() -> None:
    function = _function(target.find(LIST), "find_user")
    tree = source_of(function).tree
    wrong = Edit(LIST, tree.body[0].lineno, 1, tree.body[0].lineno, 2, "statement", "pass")
    with applying((wrong,)), pytest.raises(KeyError, match="nothing to replace"):
        source_of(function)
    right = replace(LIST, tree.body[0], "pass")
    with applying((right,)):
        assert source_of(function) is not source_of(_function(target.find(LIST), "find_user"))
        assert type(source_of(function).tree.body[0]).__name__ == "Pass"
    assert type(source_of(function).tree.body[0]).__name__ != "Pass"


def _function(scenario: Scenario, name: str) -> object:
    return scenario.function.__globals__[name]


def test_trials_are_reused_until_something_changes(tmp_path: Path) -> None:
    copy = tmp_path / "list.py"
    copy.write_text(Path(LIST).read_text())
    first, second = (_settled(str(copy)) for _ in range(2))
    assert [t for _, t in first] == [t for _, t in second]
    assert second[0][1].result is not None
    copy.write_text(Path(LIST).read_text().replace("kfree(entry)\n", "kfree(entry)\n    return\n"))
    third = _settled(str(copy))
    assert third[0][1].result is not None
    assert [t.answer for _, t in third] == [t.answer for _, t in first]
    assert third[0][1] != first[0][1], "searched again: other times"


def _settled(file: str) -> list[tuple[int, Trial]]:
    about = Subject(file, target.find(file), "fixed", {})
    found: Whole = whole(about)
    tried: list[Removal] = [r for r in found.removals if known_before(r) is None]
    return sorted(settle(about, tried[:2], jobs=1), key=lambda pair: pair[0])
