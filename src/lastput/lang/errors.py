"""What a user did wrong, said in one place and without a traceback."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


class LastputError(Exception):
    """Base of every error that is the user's to mend; `str()` of it is the whole message."""


class UsageError(LastputError):
    """A wrong file, scenario, variant, option value or replay file: one line, exit code 2."""


@dataclass
class ModelError(LastputError):
    """A model leaves the language: where, what is wrong, and what to write instead.

    `line` is 1-based; `column` and `end_column` are 0-based offsets in `text`, the source line.
    """

    message: str
    remedy: str
    filename: str
    line: int
    column: int
    end_column: int
    text: str

    def __str__(self) -> str:
        number = f"{self.line:>5} | "
        # Tabs stay tabs, so that the carets stand where the eye looks for them.
        before = "".join(c if c == "\t" else " " for c in self.text[: self.column])
        carets = before + "^" * max(1, self.end_column - self.column)
        return (
            f"{self.filename}:{self.line}:{self.column + 1}: error: {self.message}\n"
            f"{number}{self.text}\n"
            f"{'| ':>{len(number)}}{carets}\n"
            f"  instead: {self.remedy}"
        )


def nearest(name: str, known: Iterable[str]) -> str:
    """`did you mean X? `, if one of `known` looks like `name`; else nothing."""
    import difflib

    by_letters = {one.lower(): one for one in known}
    close = difflib.get_close_matches(name.lower(), by_letters, n=1)
    return f"did you mean {by_letters[close[0]]}? " if close else ""
