"""Witnesses behind the cells of a table: hundreds in one page, each unpacked when it is opened.

A cell is a link to a name after the `#`, so that an address leads to one witness. The page's data has what
witnesses.js draws it from, gzipped: they are much alike, and take a tenth of the room so.
"""

from __future__ import annotations

import base64
import gzip
import json
import re
from typing import Any

from lastput.report.html import violation
from lastput.report.html.page import escape
from lastput.result import Result, Violation

SCRIPTS = (*violation.SCRIPTS, "witnesses.js", "filter.js")
STYLES = (*violation.STYLES, "tables.css")


class Witnesses:
    """The witnesses of one page. The same one may be asked for several times, and is kept once."""

    def __init__(self) -> None:
        self._names: dict[object, str] = {}
        self._data: dict[str, dict[str, str]] = {}

    def link(self, result: Result, words: str, *, name: str, title: str, command: str) -> str:
        """`words` as markup: a link to the witness of `result`, or only the words if it has none.

        `name` is what its address should end in, `title` its heading, `command` what shows it in a
        terminal.
        """
        if result.violation is None or not result.violation.steps:
            return f"<span>{escape(words)}</span>"
        named = self._named(result.violation, name, title, command)
        return f'<a class="witness" href="#{escape(named)}" title="{escape(title)}">{escape(words)}</a>'

    def data(self) -> dict[str, Any]:
        """For `page`: each witness by its name, in the order of the page."""
        return {"witnesses": self._data}

    def _named(self, found: Violation, name: str, title: str, command: str) -> str:
        if command not in self._names:
            made = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")
            while made in self._data:
                made += "-again"
            self._names[command] = made
            value = {
                "markup": violation.violation_section(found, made),
                "violation": violation.violation_data(found),
            }
            self._data[made] = {"title": title, "command": command, "packed": _packed(value)}
        return self._names[command]


def _packed(value: object) -> str:
    """JSON, gzipped, as base64. Without the time, so that the same page is the same bytes."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
