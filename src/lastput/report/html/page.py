"""The frame of every page: one HTML file that needs nothing else, and lets nothing else run.

Style, scripts and data are inside. The policy in its head names the hash of each script and style, so
that even markup that slipped through the escaping would neither run nor load anything.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib import resources

TASK_MARKS = "●■▲◆▼★✚⬢"
"""Shapes that tell tasks apart besides their colours; the ninth task begins anew."""

VERDICT_MARKS = {"holds": "✔", "violated": "✘", "incomplete": "?"}


def escape(text: object) -> str:
    """`text` as it has to be written into HTML, also between quotes of an attribute."""
    return html.escape(str(text), quote=True)


def page(
    title: str,
    body: str,
    *,
    data: object = None,
    scripts: Sequence[str] = (),
    styles: Sequence[str] = (),
    connect: bool = False,
) -> str:
    """A whole HTML document. `title` is text, `body` is markup: what it shows must be escaped.

    `data` is anything JSON can hold; scripts find it by `lastput.data()` (data.js). `scripts` and `styles`
    name files of this package, in order; data.js and style.css always come first. `connect` lets the
    page talk to where it came from, for pages that are served.
    """
    style = "".join(_file(name) for name in ("style.css", *styles))
    texts = [_file(name) for name in ("data.js", *scripts)] if scripts else []
    return "".join(
        (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n',
            f'<meta http-equiv="Content-Security-Policy" content="{_policy(style, texts, connect)}">\n',
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n',
            '<meta name="color-scheme" content="light dark">\n',
            f"<title>{escape(title)} - lastput</title>\n<style>{style}</style>\n</head>\n<body>\n",
            '<a class="skip" href="#main">Skip to the result</a>\n',
            f'<header class="banner"><span class="brand">lastput</span> <h1>{escape(title)}</h1></header>\n',
            f'<main id="main" tabindex="-1">\n{body}\n</main>\n{_footer()}',
            _data(data),
            *(f"<script>{text}</script>\n" for text in texts),
            "</body>\n</html>\n",
        )
    )


def task_mark(index: int) -> str:
    """A task's shape, as markup in its colour; its name has to stand beside it."""
    mark = TASK_MARKS[index % len(TASK_MARKS)]
    return f'<span class="mark {task_class(index)}" aria-hidden="true">{mark}</span>'


def task_class(index: int) -> str:
    """The class that gives an element a task's colour, as the CSS variable --task."""
    return f"task{index % len(TASK_MARKS)}"


def badge(verdict: str) -> str:
    """A verdict as a word in a coloured frame, with its sign; `verdict` may be any word."""
    mark = VERDICT_MARKS.get(verdict, "")
    sign = f'<span aria-hidden="true">{mark}</span> ' if mark else ""
    kind = verdict if mark else "other"
    return f'<span class="badge {kind}">{sign}{escape(verdict)}</span>'


def _footer() -> str:
    from lastput import __version__

    return f"<footer>Made by lastput {escape(__version__)}. This page loads nothing from anywhere.</footer>\n"


def _data(data: object) -> str:
    """JSON that no HTML parser mistakes for markup."""
    if data is None:
        return ""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return f'<script type="application/json" id="data">{text}</script>\n'


def _policy(style: str, scripts: Sequence[str], connect: bool) -> str:
    rules = ["default-src 'none'", "base-uri 'none'", "form-action 'none'", f"style-src {_hash(style)}"]
    if scripts:
        rules.append(f"script-src {' '.join(dict.fromkeys(map(_hash, scripts)))}")
    if connect:
        rules.append("connect-src 'self'")
    return "; ".join(rules)


def _hash(text: str) -> str:
    digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
    return f"'sha256-{digest}'"


def _file(name: str) -> str:
    return resources.files("lastput.report.html").joinpath(name).read_text("utf-8")
