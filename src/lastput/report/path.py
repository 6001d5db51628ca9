"""A path that breaks no rule as text: where each task stands, and the interleaving that led there."""

from __future__ import annotations

from lastput.report.interleaving import interleaving
from lastput.report.layout import plural
from lastput.report.oops import task_lines
from lastput.result import Violation


def path_report(scenario: str, variant: str, path: Violation, *, full: bool = False) -> str:
    """The report of a path (`lastput.evidence.trace.path_of`), ending in a newline."""
    size = f"{plural(len(path.steps), 'step')}, {plural(path.switches, 'context switch')}"
    lines = [f"{scenario}, variant {variant}: no rule is broken", f"  A path of {size}."]
    for task in path.tasks:
        lines += ["", *task_lines(path, task)]
    if path.steps:
        lines += ["", "The interleaving:", "", *interleaving(path, full=full)]
    return "\n".join(line.rstrip() for line in lines) + "\n"
