"""A page of two recordings: one as it was made, and one that was tampered with."""

from __future__ import annotations

from pathlib import Path

from lastput.ftrace.read import read
from lastput.report.html.validation import validation_page
from lastput.validate.validation import Validation, validate
from tests.cli import traces


def made(folder: Path) -> list[Validation]:
    """What both came to; they are put into `folder`."""
    for name in ("good", "bad"):
        traces.unpack(folder / name, "a7")
    traces.without_root(folder / "bad" / "a7.trace.txt")
    return [validate(read(folder / name / "a7.trace.txt")) for name in ("good", "bad")]


def page(folder: Path) -> str:
    """The page of both, with a note that somebody may have meant ill with."""
    return validation_page(made(folder), ["<img src=x>: no such file"], 1.5)
