"""Which formats there are: a file's name says by its ending which one it gets."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from lastput.lang.errors import UsageError

if TYPE_CHECKING:
    from lastput.result import Result

Of = Literal["results", "violations", "violation", "states"]


@dataclass(frozen=True)
class Format:
    """A format, by the ending of the file's name; `module` has its function `text(results)`.

    `of` says what is in such a file: all results, those that are violated, or the first one that is. The
    states of a scenario are not in its result: `states/files.py` writes those formats.
    """

    ending: str
    what: str
    of: Of
    module: str = ""


FORMATS = (
    Format(".sarif", "SARIF 2.1.0, for editors and code scanning", "results", "sarif"),
    Format(".junit.xml", "JUnit XML, for CI servers", "results", "junit"),
    Format(".perfetto.json", "a trace for ui.perfetto.dev", "violations", "perfetto"),
    Format(".mmd", "a Mermaid sequence diagram", "violation", "mermaid"),
    Format(".rst", "reStructuredText, for a mail or kernel documentation", "violations", "rst"),
    Format(".dot", "the graph of all states, for Graphviz", "states"),
    Format(".parquet", "all states and transitions, for DuckDB or Polars", "states"),
)
"""All formats, in the order of the documentation (docs/reference/formats.md)."""


def format_of(path: Path) -> Format:
    """The format of a file of this name. UsageError, which lists the endings, if it is none."""
    for found in FORMATS:
        if path.name.endswith(found.ending) and path.name != found.ending:
            return found
    endings = ", ".join(found.ending for found in FORMATS)
    raise UsageError(f"--export {path}: the name has to end in one of {endings}")


def text(found: Format, results: Sequence[Result]) -> str | None:
    """The content of a file of a format that is not of states; None where it would have none."""
    shown = [result for result in results if found.of == "results" or _has_schedule(result)]
    if found.of == "violation":
        shown = shown[:1]
    if not shown:
        return None
    module = importlib.import_module(f"lastput.report.export.{found.module}")
    made: Callable[[Sequence[Result]], str] = module.text
    return made(shown)


def _has_schedule(result: Result) -> bool:
    return result.violation is not None and result.violation.kind != "unreachable"
