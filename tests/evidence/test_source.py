"""What is read from the source: the statement to show for a line, and what a branch guards."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastput import kernel
from lastput.evidence.source import blocks, is_alarm, line_text, short, shown, statement
from lastput.kernel.rcu import rcu_read_lock, rcu_read_unlock
from lastput.kernel.rwsem import down_read, down_write
from lastput.simulate.fault import Frame

FILE = str(Path(__file__).with_name("sample.py"))
LINES = Path(FILE).read_text().splitlines()


def at(text: str) -> int:
    """Number of the first line that contains `text`."""
    return next(number for number, line in enumerate(LINES, 1) if text in line)


def frame(function: str, text: str) -> Frame:
    return Frame(function, FILE, at(text))


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("lock(p.inner)", "lock(p.inner)"),
        ("+ p.second", "total = ( p.first + p.second )"),
        ("p.first and", "if p.first and p.second:"),
        ("p.third = 3", "p.third = 3"),
        ("while p.first", "while p.first:"),
        ("for i in", "for i in range(p.n):"),
        ("p.a[i] = 0", "p.a[i] = 0"),
        ("p.first += 1", "p.first += 1"),
    ],
)
def test_statement(line: str, text: str) -> None:
    assert statement(FILE, at(line)) == text


def test_an_atomic_block_is_its_body() -> None:
    assert statement(FILE, at("p.first += 1") - 1) == "p.first += 1; p.second = 0"


def test_no_source() -> None:
    assert statement("/nowhere/at/all.py", 3) == ""
    assert line_text("/nowhere/at/all.py", 3) == ""


def test_a_primitive_is_shown_as_its_call() -> None:
    stack = [frame("user", "lock(p.inner)"), frame("lock", "await_(lambda")]
    assert shown(stack) == ("user", "lock(p.inner)")


def test_a_lock_is_shown_as_its_call_whatever_it_does() -> None:
    # down_read looks at an option outside of its atomic block, rcu_read_lock at the task.
    for function in (down_read, down_write, rcu_read_lock, rcu_read_unlock):
        file, line = function.__code__.co_filename, function.__code__.co_firstlineno
        inside = Frame(function.__name__, file, line + 5)
        assert shown([frame("user", "lock(p.inner)"), inside]) == ("user", "lock(p.inner)")


def test_a_function_with_other_steps_is_shown_itself() -> None:
    stack = [frame("user", "lock(p.inner)"), frame("half", "l.count += 1")]
    assert shown(stack) == ("half", "l.count += 1")


def test_a_primitive_without_caller_is_shown_itself() -> None:
    assert shown([frame("lock", "l.owner = me")])[0] == "lock"
    assert shown([]) == ("", "")


def test_inner_functions_are_passed_over() -> None:
    stack = [frame("user", "lock(p.inner)"), frame("half", "l.count += 1")]
    assert shown(stack, inner=1) == ("user", "lock(p.inner)")


def test_blocks() -> None:
    head = at("    if (")
    assert list(blocks(FILE, head, "branch taken")) == [at("p.first = 1"), at("p.second = 2")]
    assert list(blocks(FILE, head, "branch not taken")) == [at("p.third = 3")]
    assert list(blocks(FILE, at("lock(p.inner)"), "branch taken")) == []


def test_alarms() -> None:
    assert is_alarm(FILE, at('violation("lock'), "line")
    assert is_alarm(FILE, at("if l.owner == me"), "branch taken")
    assert not is_alarm(FILE, at("if l.owner == me"), "branch not taken")
    assert not is_alarm(FILE, at("if l.owner == me"), "line")
    assert not is_alarm(FILE, at("    if ("), "branch taken")


def test_short_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert short(str(Path(kernel.__file__).with_name("spinlock.py"))) == "kernel/spinlock.py"
    monkeypatch.chdir(tmp_path)
    assert short(str(tmp_path / "models" / "a.py")) == "models/a.py"
    assert short("/elsewhere/a.py") == "/elsewhere/a.py"
