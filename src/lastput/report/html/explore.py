"""The page of `lastput explore`: a frame that explore.js fills with what the server tells."""

from __future__ import annotations

from typing import Any

from lastput.report.html.page import escape, page
from lastput.report.html.parts import keys, legend, sign_buttons

SCRIPTS = ("lists.js", "arrows.js", "memory.js", "source.js", "explore_parts.js", "explore.js")
STYLES = ("violation.css", "memory.css", "explore.css")

_KEYS = (
    ("1 to 9", "take the step of that number"),
    ("← k Backspace", "one step back"),
    ("→ j", "one step on again"),
    ("Home", "to the start"),
    ("End", "to the end of the path"),
    ("v", "to the nearest violation"),
    ("f", "to the next free"),
    ("l", "to where a lock changes hands next"),
    ("b", "to the next branch"),
    ("n", "to the next of these three"),
    ("e /", "to the expression"),
    ("s", "save the path"),
    ("Esc", "give up a search"),
    ("?", "this help"),
)


def explore_page(fixed: dict[str, Any], title: str) -> str:
    """The document. `fixed` is what never changes of a walk, `title` the scenario's."""
    head = f"{fixed['scenario']}, variant {fixed['variant']}"
    return page(head, _body(fixed, title), data=fixed, scripts=SCRIPTS, styles=STYLES, connect=True)


def _body(fixed: dict[str, Any], title: str) -> str:
    options = ", ".join(f"{name}={_shown(value)}" for name, value in fixed["settings"].items())
    chosen = f"<details><summary>Options</summary><p class='code'>{escape(options)}</p></details>"
    return f"""<p>{escape(title)}</p>
{chosen if options else ""}
<noscript><p>This page needs JavaScript: it asks lastput for every step.</p></noscript>
<div class="walk">
<div class="controls" role="group" aria-label="The walk">
<div class="buttons">{_buttons()}</div>
<form data-find><label for="expression">State in which</label>
<input id="expression" type="text" autocomplete="off" autocapitalize="off" spellcheck="false" maxlength="1000"
 placeholder="{escape(_example(fixed))}"> <button type="submit">Find</button></form>
<button type="button" data-help aria-expanded="false" aria-label="Keys and names">?</button>
<p class="now" role="status"></p>
{_help(fixed)}
</div>
<div class="broken" role="alert"></div>
<div class="columns">
<section aria-label="Tasks"><h2>What can be done next</h2><div class="tasks"></div></section>
<section aria-label="Memory"><h2>Memory</h2>
<label class="all"><input type="checkbox" data-all> all objects, all fields</label>
{legend()}
<div class="picture" tabindex="0" role="region" aria-label="Objects"><div class="memory"></div></div>
</section>
<section aria-label="The path"><h2>The way here</h2><ol class="way" tabindex="-1"></ol></section>
</div>
</div>"""


def _shown(value: bool | int | str) -> str:
    """An option's value as --set takes it."""
    return str(int(value)) if isinstance(value, bool) else str(value)


def _buttons() -> str:
    moves = (
        ("start", "|◀", "To the start (Home)"),
        ("back", "◀", "One step back (left, k)"),
        ("on", "▶", "One step on again (right, j)"),
        ("end", "▶|", "To the end of the path (End)"),
    )
    jumps = (
        ("violation", "Violation", "To the nearest violation (v)"),
        ("free", "Free", "To the next free (f)"),
        ("lock", "Lock", "To where a lock changes hands next (l)"),
        ("branch", "Branch", "To the next branch (b)"),
        ("save", "Save", "Save the path as a schedule (s)"),
    )
    words = "".join(
        f'<button type="button" data-do="{do}" title="{label}">{word}</button>' for do, word, label in jumps
    )
    return sign_buttons("data-do", moves) + words


def _example(fixed: dict[str, Any]) -> str:
    """An expression that this scenario has, to show what one looks like."""
    cells = [
        (kind, f"{thing['name']}.{path} == 0")
        for thing in fixed["things"]
        for path, _, kind in thing["cells"]
        if thing["name"].isidentifier() and "[" not in path
    ]
    known = dict(reversed(cells))  # the first of each kind
    return known.get("count") or known.get("value") or ""


def _help(fixed: dict[str, Any]) -> str:
    names = ", ".join(f"<code>{escape(name)}</code>" for name in fixed["names"])
    told = "compare fields with numbers, NULL or each other, and join with and, or, not"
    return f"""<div class="help" hidden><dl class="facts">{keys(_KEYS)}</dl>
<p>An expression can name {names}; {told}.</p></div>"""
