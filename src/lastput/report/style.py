"""Colours of the terminal: only on a terminal, and not where NO_COLOR is set (no-color.org)."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TextIO


@dataclass(frozen=True)
class Style:
    """Wraps text in escape sequences, or leaves it alone."""

    color: bool = False

    def bad(self, text: str) -> str:
        """Something is broken: bold red."""
        return self._wrap("1;31", text)

    def good(self, text: str) -> str:
        """Proven: bold green."""
        return self._wrap("1;32", text)

    def loud(self, text: str) -> str:
        """Not known: bold yellow."""
        return self._wrap("1;33", text)

    def strong(self, text: str) -> str:
        """A heading: bold."""
        return self._wrap("1", text)

    def verdict(self, verdict: str, text: str) -> str:
        """`text` in the colour of `verdict`."""
        paint = {"holds": self.good, "violated": self.bad, "incomplete": self.loud}
        return paint[verdict](text)

    def _wrap(self, code: str, text: str) -> str:
        return f"\033[{code}m{text}\033[0m" if self.color else text


def style_for(stream: TextIO | None) -> Style:
    """The style that suits `stream`; None is a stream that is closed."""
    wanted = not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return Style(color=wanted and stream is not None and stream.isatty())
