"""The bug corpus as text: a list with what was found, and one entry in full."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lastput.report.experiments import command, outcome
from lastput.report.layout import plural, wrapped
from lastput.report.style import Style

if TYPE_CHECKING:
    from lastput.study.corpus.entry import Entry

Found = Mapping[int, Any]
"""Settled experiments by `id(run)`."""


_LABELS = {
    "before": "Before the fix",
    "after": "After it",
    "more": "Also",
    "larger": "Under larger bounds",
}


def roles(entry: Entry) -> list[tuple[str, Sequence[Any]]]:
    """The experiments of a bug by what they are for: before, after, more, larger."""
    return [
        ("before", (entry.before,)),
        ("after", (entry.after,)),
        ("more", entry.more),
        ("larger", entry.larger),
    ]


def brief(entry: Entry, found: Found, style: Style) -> list[str]:
    """Three lines or so: the bug, before its fix, after it; the others only where something is wrong."""
    lines = wrapped(f"{entry.number:>2}  {entry.commit}  {entry.subject}", hanging="    ")
    lines[0] = lines[0].replace(entry.commit, style.strong(entry.commit), 1)
    for label, run in (("before  ", entry.before), ("after   ", entry.after)):
        settled = found.get(id(run))
        lines += outcome(label, settled, style) if settled else [f"    {label}{style.loud('not run')}"]
    others = [found[id(run)] for run in (*entry.more, *entry.larger) if id(run) in found]
    for other in others:
        if other.wrong:
            lines += [*command(other, indent="    "), *outcome("", other, style, indent="      ")]
    if others and not any(other.wrong for other in others):
        lines.append(f"    more    {plural(len(others), 'further experiment')}, all as expected")
    return lines


def whole(entry: Entry, found: Found, style: Style) -> list[str]:
    """Everything that the corpus says of one bug, each experiment with the command that shows it."""
    lines = [style.strong(f"{entry.number}  {entry.commit}"), *wrapped(entry.subject, indent="  "), ""]
    texts = (
        ("Symptom", entry.symptom),
        ("Interleaving", entry.interleaving),
        ("Source read", entry.read),
        ("Left out of the model", entry.left_out),
    )
    for label, text in texts:
        lines += [f"{label}:", *wrapped(text, indent="  ")]
    for role, runs in roles(entry):
        shown = [found[id(run)] for run in runs if id(run) in found]
        if shown:
            lines += ["", f"{_LABELS[role]}:"]
        for settled in shown:
            lines += [*command(settled, indent="  "), *outcome("", settled, style, indent="    ")]
    return lines
