"""reStructuredText, 72 columns wide: the table with one column per CPU, and below it the oops.

The table is of the form of Documentation/virt/kvm/locking.rst. In a mail it is text, and still fits when it
is quoted twice; in the kernel's documentation Sphinx renders it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from lastput.report.interleaving import interleaving, which
from lastput.report.layout import plural, wrapped
from lastput.report.oops import oops
from lastput.report.style import Style
from lastput.result import Result, Violation

WIDTH = 72


def text(results: Sequence[Result]) -> str:
    """A section for each violation in `results`."""
    return "\n".join(line for result in results for line in _section(result))


def _section(result: Result) -> list[str]:
    found = result.violation
    assert found is not None
    title = f"{result.scenario}, variant {result.variant}"
    size = f"{plural(len(found.steps), 'step')}, {plural(found.switches, 'context switch')}"
    lines = [
        _escaped(title),
        "=" * len(_escaped(title)),
        "",
        *wrapped(_escaped(result.title), width=WIDTH),
        "",
        f"{which(found)} ({size}):",
        "",
        *interleaving(found, width=WIDTH),
        "",
    ]
    return [*lines, *_oops(found), ""]


def _oops(found: Violation) -> list[str]:
    """What the kernel would print, as a literal block; without the table, which is above."""
    lines = [part for line in oops(found, style=Style(), table=False) for part in _fitted(line)]
    return ["Then the kernel would print::", "", *(f"    {line}".rstrip() for line in lines), ""]


def _fitted(line: str) -> list[str]:
    """A line of the report, which is 80 columns wide, for one that is narrower and indented."""
    indent = " " * (len(line) - len(line.lstrip()))
    return wrapped(line.strip(), indent=indent, hanging="  ", width=WIDTH - 4)


def _escaped(words: str) -> str:
    """Without markup; a word that ends in `_` would be a reference, a line that ends in `::` a block."""
    return re.sub(r"([\\*`|]|_(?!\w)|(?<=:):)", r"\\\1", words)
