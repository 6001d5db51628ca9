"""From Promela text to tokens, each of which knows where it stands in the file.

Lexical rules: G. J. Holzmann, "The Spin Model Checker" (Addison-Wesley 2003), appendix A.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from lastput.lang.errors import ModelError


@dataclass(frozen=True)
class Text:
    """A file that was read: its name, as the user gave it, and its lines."""

    name: str
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Token:
    """One token. `kind` is name, number, string, operator, directive or end; `line` counts from 1,
    `column` from 0. A token that a macro made stands where the macro's name does."""

    kind: str
    value: str
    source: Text
    line: int
    column: int
    first: bool = False
    """First of its line."""
    glued: bool = False
    """No space before it: the ( of a macro with parameters."""

    def refuse(self, message: str, remedy: str) -> NoReturn:
        """Raise ModelError at this token."""
        lines = self.source.lines
        text = lines[self.line - 1] if 0 < self.line <= len(lines) else ""
        end = self.column + max(1, min(len(self.value), len(text) - self.column))
        raise ModelError(message, remedy, self.source.name, self.line, self.column, end, text)


_SKIPPED = re.compile(r"(?:[ \t\r\f\v]|\\\n|//[^\n]*|/\*.*?\*/)+", re.S)
_TOKEN = re.compile(
    r"(?P<newline>\n)"
    r"|(?P<directive>#)"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<number>\d+)"
    r"|(?P<string>\"(?:\\.|[^\"\\\n])*\")"
    r"|(?P<character>'(?:\\.|[^'\\\n])')"
    r"|(?P<operator>->|::|\.\.|\+\+|--|<<|>>|<=|>=|==|!=|&&|\|\||!!|\?\?|[-+*/%&|^~!<>=?:;,.(){}\[\]@])"
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "\\": "\\", "'": "'"}


def tokens(source: Text) -> list[Token]:
    """All tokens of a file. ModelError for a character that begins none."""
    text = "\n".join(source.lines) + "\n"
    found: list[Token] = []
    at, line, start, first, glued = 0, 1, 0, True, False
    while at < len(text):
        space = _SKIPPED.match(text, at)
        if space:
            line, start = _moved(text, at, space.end(), line, start)
            at, glued = space.end(), False
            continue
        match = None if text.startswith("/*", at) else _TOKEN.match(text, at)
        kind = (match and match.lastgroup) or ""
        if not match or not kind:
            stray = Token("operator", text[at], source, line, at - start)
            stray.refuse(_stray(text, at), "Promela as described in docs/reference/promela.md")
        if kind == "newline":
            line, start, first = line + 1, match.end(), True
        else:
            value = match.group()
            if kind == "character":
                kind, value = "number", str(ord(_ESCAPES.get(value[2:-1], value[-2])))
            found.append(Token(kind, value, source, line, at - start, first, glued))
            first = False
        at, glued = match.end(), kind != "newline"
    return found


def _stray(text: str, at: int) -> str:
    if text.startswith("/*", at):
        return "this comment has no end"
    if text[at] == '"':
        return "this string has no end"
    return f"{text[at]!r} begins no token of Promela"


def _moved(text: str, at: int, end: int, line: int, start: int) -> tuple[int, int]:
    """Line number and offset of the line's start after text[at:end]."""
    breaks = text.count("\n", at, end)
    return (line, start) if not breaks else (line + breaks, text.rfind("\n", at, end) + 1)
