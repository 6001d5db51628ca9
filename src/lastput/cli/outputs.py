"""Files that `check` and `replay` write besides what they print.

They are tried before the work begins, so that nobody loses an hour of search to a typing mistake, and
written after it. They don't change the exit status.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lastput.cli import exports, terminal
from lastput.lang.errors import UsageError

if TYPE_CHECKING:
    from lastput.lang.scenario import Scenario
    from lastput.result import Result


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options that name the files."""
    parser.add_argument("--html", metavar="FILE", help="write a page to look at, with every step")
    exports.add_argument(parser)


def require_writable(args: argparse.Namespace, variants: int = 1) -> None:
    """UsageError about a file that could not be written, before the work on so many `variants`."""
    _apart(args)
    if args.html is not None:
        writable("--html", Path(args.html))
    exports.require(args, variants, writable)


def write(args: argparse.Namespace, scenario: Scenario, results: Sequence[Result]) -> None:
    """Write what was asked for about `results` of `scenario`. UsageError when the disk is full, say."""
    if args.html is not None:
        from lastput.checker import pictured
        from lastput.report.html.result import results_page

        text = results_page([pictured(scenario, result) for result in results])
        write_text("--html", Path(args.html), text)
    exports.write(args, scenario, results, write_text)


def _apart(args: argparse.Namespace) -> None:
    """UsageError if one file is to be written over another, or over the schedule that is replayed."""
    chosen = [args.html, *args.export, getattr(args, "save", None), getattr(args, "file", None)]
    names = [name for name in chosen if name is not None]
    try:
        paths = [os.path.realpath(name) for name in names]
    except OSError as error:  # this directory was removed
        raise UsageError(f"{names[0]}: {error.strerror}") from None
    for i, path in enumerate(paths):
        if path in paths[:i]:
            raise UsageError(f"{names[i]} is named twice: each file needs a name of its own")


def writable(option: str, path: Path) -> None:
    """UsageError if the file that `option` names could not be written, or could be a model."""
    if path.suffix == ".py":
        raise UsageError(f"{option} {path}: is the name of a model: use another ending")
    try:
        if path.is_dir():
            raise UsageError(f"{option} {path}: is a directory")
        if not path.parent.is_dir():
            raise UsageError(f"{option} {path}: no directory {path.parent}")
        there = path.exists()
    except OSError as error:  # too long, or in a directory that may not be searched
        raise UsageError(f"{option} {path}: {error.strerror}") from None
    _try(option, path, there)


def _try(option: str, path: Path, there: bool) -> None:
    """Open the file to write, as only that tells of file systems that are read-only, or full of rules."""
    if there and not path.is_file():  # a pipe or a terminal: to open it may wait, or be noticed
        if not os.access(path, os.W_OK):
            raise UsageError(f"{option} {path}: no permission to write it")
        return
    try:
        with path.open("ab"):
            pass
        if not there:
            path.unlink()
    except PermissionError:
        raise UsageError(f"{option} {path}: no permission to write it") from None
    except OSError as error:
        raise UsageError(f"{option} {path}: cannot be written ({error.strerror})") from None


def write_text(option: str, path: Path, text: str) -> None:
    """Write a file and say so on standard error."""
    try:
        path.write_text(text, "utf-8")
    except OSError as error:
        raise UsageError(f"{option} {path}: {error.strerror}") from None
    terminal.complain(f"Wrote {path}")
