"""The terminal report: against golden files that a person has read, and what holds for all of them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import docutils.core
import docutils.utils
import pytest

from lastput.report.interleaving import interleaving
from lastput.report.layout import WIDTH, wrapped_code
from lastput.report.style import Style
from lastput.report.text import report, summary
from lastput.result import Access, Result, Step, Task, Violation

from .samples import HOLDS, INCOMPLETE, NULL_DEREF, SAMPLES, VIOLATED, load, step, store

GOLDEN = Path(__file__).with_name("golden")


@pytest.mark.parametrize("name", SAMPLES)
def test_golden(name: str) -> None:
    # To renew one: print(report(SAMPLES[name])), read it, and copy it by hand.
    assert report(SAMPLES[name]) == (GOLDEN / f"{name}.txt").read_text("utf-8")


def test_golden_summary() -> None:
    text = summary([VIOLATED, HOLDS, replace(INCOMPLETE, variant="per-mm-mutex")])
    assert text == (GOLDEN / "summary.txt").read_text("utf-8")


@pytest.mark.parametrize("name", SAMPLES)
def test_fits_the_terminal(name: str) -> None:
    lines = report(SAMPLES[name], full=True).splitlines()
    assert max(map(len, lines)) <= WIDTH
    assert not [line for line in lines if line != line.rstrip()]


@pytest.mark.parametrize("name", SAMPLES)
def test_color_changes_nothing_but_color(name: str) -> None:
    plain = report(SAMPLES[name])
    colored = report(SAMPLES[name], style=Style(color=True))
    assert "\033[" in colored
    for code in ("1;31", "1;32", "1;33", "1", "0"):
        colored = colored.replace(f"\033[{code}m", "")
    assert colored == plain


def violation_of(*steps: Step, names: list[str]) -> Violation:
    tasks = tuple(Task(i, name, "ready") for i, name in enumerate(names))
    return replace(NULL_DEREF, steps=steps, tasks=tasks, thread=steps[-1].thread)


def crowd(threads: int) -> Violation:
    """Every thread in turn changes the same cell, in a function with a long name."""
    function = "kvm_mmu_notifier_clear_flush_young_and_more"
    steps = [
        step(i + 1, i, function, f"kvm.arch.mmu.pages[{i}].generation = {i}", store("shared", str(i)))
        for i in range(threads)
    ]
    return violation_of(*steps, names=[f"a_rather_long_name_{i}" for i in range(threads)])


@pytest.mark.parametrize("threads", range(1, 9))
def test_table_is_valid_rst_of_the_right_width(threads: int) -> None:
    table = interleaving(crowd(threads))
    assert max(map(len, table)) <= WIDTH
    assert len({len(line) for line in table}) == 1
    parsed = parse("\n".join(table))
    columns = len(next(iter(parsed.findall(docutils.nodes.row))).children)
    assert columns == (threads if threads <= 4 else 2)


@pytest.mark.parametrize("name", [n for n in SAMPLES if SAMPLES[n].violation])
def test_samples_are_valid_rst(name: str) -> None:
    violation = SAMPLES[name].violation
    assert violation is not None
    parsed = parse("\n".join(interleaving(violation, full=True)))
    text = parsed.astext()
    for one in violation.steps:
        assert "".join(one.statement.split()) in "".join(text.split())


def parse(text: str) -> docutils.nodes.document:
    settings = {"report_level": 1, "halt_level": 2, "warning_stream": False}
    return docutils.core.publish_doctree(text + "\n", settings_overrides=settings)


def test_full_folds_nothing() -> None:
    folded, full = (report(VIOLATED, full=full) for full in (False, True))
    assert "(3 steps in exit_mm, mmput)" in folded
    assert "task.mm = NULL" not in folded
    assert "task.mm = NULL" in full
    assert "steps in" not in full


def test_what_two_tasks_touch_is_never_folded() -> None:
    private = [step(i, 0, "f", f"p.a{i} = {i}", store(f"p.a{i}", str(i))) for i in range(1, 9)]
    shared = step(4, 0, "f", "q.x = 1", store("q.x", "1"))
    other = step(9, 1, "g", "if q.x:", store("q.x", "1"))
    table = "\n".join(interleaving(violation_of(*private[:3], shared, *private[4:], other, names=["a", "b"])))
    assert "q.x = 1" in table
    assert table.count("(3 steps in f)") == 1
    assert table.count("(4 steps in f)") == 1


def test_a_statement_of_several_steps_is_one_line() -> None:
    first = step(1, 0, "f", "p.count += 1")
    line = replace(first, number=2, accesses=(store("p.count", "2"),))
    table = "\n".join(interleaving(violation_of(first, line, names=["a"])))
    assert table.count("p.count += 1") == 1
    assert "writes 2" in table


def test_a_statement_that_tells_what_it_stores_has_no_note() -> None:
    told = [
        ("w.pending = True", "1"),
        ("w.pending = False", "0"),
        ("w.count = 1", "1"),
        ("w.dev = NULL", "NULL"),
    ]
    steps = [step(i, 0, "f", text, store("w.x", value)) for i, (text, value) in enumerate(told, 1)]
    assert "writes" not in "\n".join(interleaving(violation_of(*steps, names=["a"])))


def test_a_choice_has_no_name() -> None:
    chosen = step(1, 0, "f", "early = p.on and choose(2) == 1", load("p.on", "2"), Access("choose", "", "0"))
    table = "\n".join(interleaving(violation_of(chosen, names=["a"])))
    assert "reads on=2, chooses 0" in table


def test_initial_state_violation_has_no_table() -> None:
    at_once = replace(NULL_DEREF, steps=(), schedule=(), switches=0)
    assert "before any step" in report(replace(VIOLATED, violation=at_once))


@pytest.mark.parametrize("width", range(12, 60))
def test_wrapped_code_loses_nothing(width: int) -> None:
    text = "if refcount_dec_and_test(kvm.arch.users_count, a_very_long_name_without_any_break_in_it):"
    lines = wrapped_code(text, indent="  ", hanging="  ", width=width)
    assert max(map(len, lines)) <= width
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_every_reason_has_words() -> None:
    for reason in ("max-states", "max-memory", "timeout", "interrupt", "bound"):
        limits = replace(INCOMPLETE.limits, timeout=60.0)
        result: Result = replace(INCOMPLETE, reason=reason, limits=limits)
        assert "INCOMPLETE: " in report(result)
