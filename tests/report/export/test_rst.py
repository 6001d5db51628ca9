"""The RST parses without a warning, fits a mail, and ends in the oops."""

from __future__ import annotations

from dataclasses import replace

import docutils.core
import docutils.nodes
import pytest

from lastput.report.export.rst import WIDTH, text
from lastput.result import Result

from ..samples import SAMPLES, VIOLATED
from .samples import checked

VIOLATIONS = [result for result in SAMPLES.values() if result.violation]


def parsed(source: str) -> docutils.nodes.document:
    """The document; a warning is an error."""
    settings = {"halt_level": 2, "report_level": 1, "warning_stream": False}
    return docutils.core.publish_doctree(source, settings_overrides=settings)


@pytest.mark.parametrize("result", VIOLATIONS, ids=lambda r: r.violation.kind)
def test_it_parses_and_fits(result: Result) -> None:
    source = text([result])
    parsed(source)
    assert max(map(len, source.splitlines())) <= WIDTH
    assert not [line for line in source.splitlines() if line != line.rstrip()]


def test_a_table_with_a_column_for_each_task() -> None:
    document = parsed(text([checked("refcounted_device.py", "broken")]))
    (table,) = document.findall(docutils.nodes.table)
    head, *rows = (list(row) for row in table.findall(docutils.nodes.row))
    assert [cell.astext() for cell in head] == ["CPU 0 (reader0):", "CPU 1 (unplug):"]
    assert [[bool(cell.astext()) for cell in row] for row in rows] == [
        [True, False],
        [False, True],
        [True, False],
    ]
    assert "spin_lock(table.lock)" in rows[0][0].astext()


def test_the_oops_comes_last() -> None:
    document = parsed(text([checked("refcounted_device.py", "broken")]))
    (section,) = document.findall(docutils.nodes.document)
    last = section.children[-1]
    assert isinstance(last, docutils.nodes.literal_block)
    assert last.astext().startswith("WARNING: CPU: 0 Comm: reader0 at kernel/atomic.py:36 atomic_inc")
    assert "Call trace:" in last.astext()


def test_several_results_are_several_sections() -> None:
    document = parsed(text(VIOLATIONS))
    assert len(list(document.findall(docutils.nodes.section))) == len(VIOLATIONS)


@pytest.mark.parametrize("name", ["pgd_", "*", "`x`", "|a|", "a_b", "\\", "[1]_", "http://x_", "::"])
def test_no_name_is_markup(name: str) -> None:
    document = parsed(text([replace(VIOLATED, variant=name, title=f"Title of {name}")]))
    assert document.findall(docutils.nodes.title)
    assert f"variant {name}" in document.astext()
    assert not list(document.findall(docutils.nodes.problematic))
