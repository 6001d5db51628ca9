"""The bug corpus as a page: each bug before and after its fix, and all that is said of it behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lastput.report.corpus import roles
from lastput.report.html.experiments import Section, commands, filtered, outcome, stacked
from lastput.report.html.page import escape
from lastput.report.html.witnesses import Witnesses
from lastput.report.layout import plural

if TYPE_CHECKING:
    from lastput.study.corpus.entry import Entry


def section(entries: Sequence[Entry], found: Mapping[int, Any], witnesses: Witnesses) -> Section:
    """A row for each bug."""
    rows = "".join(_row(entry, found, witnesses) for entry in entries)
    table = stacked(("No.", "Bug", "Before the fix", "After it"), f"<tbody>{rows}</tbody>")
    return "corpus", "Known bugs, before and after their fixes", filtered("bugs", table)


def _row(entry: Entry, found: Mapping[int, Any], witnesses: Witnesses) -> str:
    def shown(run: Any, role: str) -> str:
        title = f"{entry.number}, {entry.commit}, {role} the fix: {entry.subject}"
        return outcome(found.get(id(run)), witnesses, name=f"{entry.number}-{role}", title=title)

    before, after = shown(entry.before, "before"), shown(entry.after, "after")
    return (
        f'<tr id="bug-{entry.number}"><th scope="row">{entry.number}</th>'
        f'<td><p class="who"><code>{escape(entry.commit)}</code></p><p>{escape(entry.subject)}</p>'
        f"{_more(entry, found, witnesses)}</td>"
        f'<td data-label="Before the fix">{before}</td><td data-label="After it">{after}</td></tr>\n'
    )


def _more(entry: Entry, found: Mapping[int, Any], witnesses: Witnesses) -> str:
    texts = (
        ("Symptom", entry.symptom),
        ("Interleaving", entry.interleaving),
        ("Source read", entry.read),
        ("Left out of the model", entry.left_out),
    )
    facts = "".join(f"<dt>{label}</dt><dd>{escape(text)}</dd>" for label, text in texts)
    others = [run for _, runs in roles(entry)[2:] for run in runs if id(run) in found]
    listed = "".join(
        f"<li><code>{escape(run.words)}</code>: "
        + outcome(
            found[id(run)],
            witnesses,
            name=f"{entry.number}-also-{i}",
            title=f"{entry.number}, {entry.commit}: {run.words.removeprefix('lastput check ')}",
        )
        + "</li>"
        for i, run in enumerate(others, 1)
    )
    also = f"<p>{plural(len(others), 'further experiment')}:</p><ul>{listed}</ul>" if others else ""
    how = commands(found.get(id(run)) for run in (entry.before, entry.after))
    return (
        f'<details><summary>What is known of it</summary><dl class="facts">{facts}</dl>{also}{how}</details>'
    )
