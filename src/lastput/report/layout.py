"""Fitting text into a width. The report is 80 columns wide, as a mail or a commit message is."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

WIDTH = 80


def wrapped(text: str, *, indent: str = "", hanging: str = "", width: int = WIDTH) -> list[str]:
    """`text` as lines of at most `width`; continued lines start with `indent` + `hanging`.

    A word longer than a line is cut.
    """
    lines = textwrap.wrap(
        text,
        width,
        initial_indent=indent,
        subsequent_indent=indent + hanging,
        break_on_hyphens=False,
    )
    return lines or [indent.rstrip()]


def pasteable(words: Sequence[str], *, indent: str) -> list[str]:
    """A command for a shell as lines that can be pasted; `words` are quoted, and are what is not broken."""
    lines: list[str] = []
    line = indent
    for word in words:
        if len(line) + len(word) > WIDTH - len(" \\") and line.strip():
            lines.append(f"{line}\\")
            line = indent + "    "
        line += f"{word} "
    return [*lines, line.rstrip()]


def wrapped_code(text: str, *, indent: str, hanging: str, width: int) -> list[str]:
    """A statement as lines of at most `width`, broken where C is: at blanks, brackets and dots."""
    lines, line = [], indent
    start = indent + hanging
    for piece in _pieces(text, width - len(start)):
        if len((line + piece).rstrip()) > width and line.strip():
            lines.append(line.rstrip())
            line = start
        line += piece
    return [*lines, line.rstrip()]


def _pieces(text: str, longest: int) -> list[str]:
    """`text` cut wherever it may be broken; a name longer than a line also before `_`, or anywhere.

    Never after `_`: a word that ends in one is a reference in RST.
    """
    pieces: list[str] = []
    for piece in re.split(r"(?<=[\s(\[])(?!\))|(?=\.[a-zA-Z])|(?<=\w=)(?=[\w&])", text):
        fits = len(piece.rstrip()) <= longest
        for part in [piece] if fits else re.split(r"(?<=[^\W_])(?=_)", piece):
            pieces += [part[i : i + longest] for i in range(0, len(part), longest)]
    return pieces


def plural(number: int, noun: str) -> str:
    """`1 step`, `2 steps`, `12,345 states`; `switch` and `witness` take -es."""
    ending = "" if number == 1 else "es" if noun.endswith(("ch", "s")) else "s"
    return f"{number:,} {noun}{ending}"


def bytes_text(number: float) -> str:
    """`640 B`, `12.0 MB`, `3.1 GB`: powers of 1024."""
    for unit in ("B", "kB", "MB", "GB"):
        if number < 1024 or unit == "GB":
            break
        number /= 1024
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def seconds_text(seconds: float) -> str:
    """`0.12 s`, `3.4 s`, `125 s`."""
    if seconds < 1:
        return f"{seconds:.2f} s"
    return f"{seconds:.1f} s" if seconds < 100 else f"{seconds:.0f} s"


def listing(names: list[str] | tuple[str, ...]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(names) < 2:
        return "".join(names)
    return f"{', '.join(names[:-1])} and {names[-1]}"
