"""`--export FILE`: results in the formats of other tools, chosen by the ending of the file's name."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lastput.cli import terminal
from lastput.report.export.formats import FORMATS, format_of, text

if TYPE_CHECKING:
    from lastput.result import Result

ENDINGS = ", ".join(found.ending for found in FORMATS)


def add_argument(parser: argparse.ArgumentParser) -> None:
    """The option itself; it may be given several times."""
    help_ = f"write another format, by the name's ending: {ENDINGS} (docs/reference/formats.md); repeatable"
    parser.add_argument("--export", metavar="FILE", action="append", default=[], help=help_)


def require(args: argparse.Namespace, writable: Callable[[str, Path], None]) -> None:
    """UsageError about a format that there is not, or a file that could not be written, before the work."""
    for path in map(Path, args.export):
        format_of(path)
        writable("--export", path)


def write(
    args: argparse.Namespace,
    results: Sequence[Result],
    pictured: Callable[[Result], Result],
    write_text: Callable[[str, Path, str], None],
) -> None:
    """Write every file that was asked for; `pictured` adds a scene to a result."""
    paths = [Path(name) for name in args.export]
    if any(format_of(path).of == "violations" for path in paths):
        results = [pictured(result) for result in results]
    for path in paths:
        content = text(format_of(path), results)
        if content is None:
            terminal.complain(f"No violation, so {path} was not written.")
        else:
            write_text("--export", path, content)
