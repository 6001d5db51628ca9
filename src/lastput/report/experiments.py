"""Experiments as text: one line for what a run came to, and how to see it whole."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from lastput.report.layout import pasteable, plural, seconds_text, wrapped
from lastput.report.style import Style
from lastput.result import Result


class Command(Protocol):
    """The experiment, as on the command line."""

    @property
    def words(self) -> str: ...


class Settled(Protocol):
    """An experiment that has been run (lastput.study.settle)."""

    @property
    def run(self) -> Command: ...
    @property
    def result(self) -> Result: ...
    @property
    def reused(self) -> bool: ...
    @property
    def wrong(self) -> str: ...


def finding(result: Result) -> str:
    """`null-deref in stage2_get_pmd after 54 steps, 1 context switch`, or `holds: 1,586 states`."""
    found = result.violation
    if found is None:
        size = plural(result.counts.states, "state")
        return f"{result.verdict}: {result.reason or size}"
    if found.kind == "unreachable":
        return f"never happens: {plural(result.counts.states, 'state')} searched"
    where = f"{found.kind} in {found.function}".removesuffix(" in ")
    if found.kind == "invariant" and result.settings.get("show") is True:
        where = "happens"  # a scenario that asks whether something can be: the witness is the answer
    return f"{where} after {plural(len(found.steps), 'step')}, {plural(found.switches, 'context switch')}"


def outcome(label: str, settled: Settled, style: Style, *, indent: str = "    ") -> list[str]:
    """What the experiment came to, behind `label`; loud if it is not what was expected."""
    lines = wrapped(f"{label}{finding(settled.result)}", indent=indent, hanging=" " * len(label))
    if not settled.wrong:
        return lines
    return [*lines, *map(style.bad, wrapped(f"UNEXPECTED: {settled.wrong}", indent=indent, hanging="  "))]


def command(settled: Settled, *, indent: str) -> list[str]:
    """What to type to see the experiment's report."""
    return pasteable(settled.run.words.replace(" --", "\0--").split("\0"), indent=indent)


def tally(
    settled: Sequence[Settled], missing: int, seconds: float, style: Style, *, stopped: bool = False
) -> list[str]:
    """The last lines: how many experiments ran, how many were reused, and whether all is as expected.

    `stopped`: not all that was asked for was done, even if no experiment is missing.
    """
    reused = sum(one.reused for one in settled)
    wrong = [one for one in settled if one.wrong]
    ran = f"{plural(len(settled), 'experiment')}, {seconds_text(seconds)}"
    if reused:
        ran += f"; {reused:,} unchanged since they were run, their results reused"
    lines = wrapped(f"{ran}.")
    if missing or stopped:
        what = f"{plural(missing, 'experiment')} not run" if missing else "not all costs were counted"
        lines += map(style.loud, wrapped(f"INCOMPLETE: {what}."))
    if wrong:
        lines += map(style.bad, wrapped(f"{plural(len(wrong), 'experiment')} not as expected."))
    elif settled and not missing and not stopped:
        lines.append(style.good("All as expected."))
    return lines
