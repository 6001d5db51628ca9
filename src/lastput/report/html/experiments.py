"""Experiments in a page: what each came to, as a link to its witness; and the page around tables of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lastput.report.experiments import Settled, finding, tally
from lastput.report.html.page import escape, page
from lastput.report.html.witnesses import SCRIPTS, STYLES, Witnesses
from lastput.report.style import Style

Section = tuple[str, str, str]
"""A table's place in the page: id, heading, markup."""


def outcome(settled: Settled | None, witnesses: Witnesses, *, name: str, title: str) -> str:
    """What an experiment came to, its witness behind it; loud if it was not run or is not as expected."""
    if settled is None:
        return sign("incomplete", "not run")
    result = settled.result
    found = witnesses.link(result, finding(result), name=name, title=title, command=settled.run.words)
    return found + unexpected(settled)


def unexpected(settled: Settled) -> str:
    """What is not as it should be, if anything."""
    return f' <strong class="wrong">UNEXPECTED: {escape(settled.wrong)}</strong>' if settled.wrong else ""


def commands(settled: Iterable[Settled | None]) -> str:
    """How to see the experiments in a terminal, folded."""
    words = dict.fromkeys(one.run.words for one in settled if one is not None)
    if not words:
        return ""
    lines = "\n".join(escape(word) for word in words)
    what = "Command" if len(words) == 1 else f"{len(words)} commands"
    return f'<details class="commands"><summary>{what}</summary><pre>{lines}</pre></details>'


def sign(kind: str, words: str) -> str:
    """A word in the frame of a verdict: holds, violated, incomplete or other."""
    mark = {"holds": "✔", "violated": "✘", "incomplete": "?"}.get(kind)
    shown = f'<span aria-hidden="true">{mark}</span> ' if mark else ""
    return f'<span class="badge {escape(kind)}">{shown}{escape(words)}</span>'


def stacked(heads: Sequence[str], bodies: str) -> str:
    """A table whose rows become cards where the window is narrow; `bodies` are its tbody elements."""
    names = "".join(f'<th scope="col">{escape(head)}</th>' for head in heads)
    return f'<table class="plain stacked"><thead><tr>{names}</tr></thead>{bodies}</table>'


def filtered(what: str, table: str) -> str:
    """`table` behind a field that narrows it to rows with some words; `what` they are, in the plural."""
    return (
        f'<p class="screen" data-filter hidden><label>Only {escape(what)} with '
        f'<input type="search"></label> <span class="soft" role="status"></span></p>{table}'
    )


def last_lines(settled: Sequence[Settled], missing: int, seconds: float, *, stopped: bool) -> str:
    """How many experiments there were, and whether all is as expected."""
    lines = tally(settled, missing, seconds, Style(), stopped=stopped)
    return f'<p class="tally">{escape(" ".join(lines))}</p>'


def tables_page(title: str, about: str, sections: Sequence[Section], witnesses: Witnesses) -> str:
    """The page of some tables. `title` and headings are text, `about` and sections' bodies are markup."""
    ways = "".join(f'<li><a href="#{name}">{escape(heading)}</a></li>' for name, heading, _ in sections)
    contents = f'<nav aria-label="Contents"><ul class="contents">{ways}</ul></nav>'
    noscript = (
        "<noscript><p>The witnesses behind the links need scripts; the commands print them.</p></noscript>"
    )
    body = "".join(map(_section, sections))
    return page(
        title,
        f'<div id="tables">{about}{contents if len(sections) > 1 else ""}{noscript}{body}</div>\n'
        '<section id="witness" aria-labelledby="witness-title" hidden></section>',
        data=witnesses.data(),
        scripts=SCRIPTS,
        styles=STYLES,
    )


def _section(section: Section) -> str:
    name, heading, body = section
    return f'<section aria-labelledby="{name}"><h2 id="{name}">{escape(heading)}</h2>{body}</section>\n'
