"""Ctrl-C: before a search it ends the command, in a search it ends the search, after it nothing.

Python's own way, a KeyboardInterrupt wherever the program happens to be, is right for the search only. In
the middle of an import libraries turn it into errors of their own; in a destructor it is printed and lost.
This file is imported before all others, and imports next to nothing.
"""

from __future__ import annotations

import os
import signal
import sys

from lastput.cli import exits


class _Lost:
    """Whether a KeyboardInterrupt was raised where it could not be passed on."""

    seen = False
    installed = False
    """`die` was called: this process is the command, not a program that calls `main`."""


def die() -> None:
    """From now on end at once at Ctrl-C, with a word: there is nothing to lose yet."""
    try:
        signal.signal(signal.SIGINT, _die)
    except ValueError:  # not in the main thread
        return
    sys.unraisablehook = _unraisable
    _Lost.installed = True


def raising() -> None:
    """From now on Ctrl-C raises KeyboardInterrupt, if `die` was called. One that was lost is raised now."""
    if signal.getsignal(signal.SIGINT) is _die:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if _Lost.seen:
        _Lost.seen = False
        raise KeyboardInterrupt


def ignore() -> None:
    """From now on do nothing at Ctrl-C: all is said, and the exit status shall stay what it is."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def again() -> None:
    """After `verdict_known`, let Ctrl-C raise KeyboardInterrupt once more, for work that may take long."""
    if _Lost.installed:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def verdict_known() -> None:
    """The last verdict is known: what is left to print ends as it would have, Ctrl-C or not."""
    if _Lost.installed:
        ignore()


def _die(_number: int, _frame: object) -> None:
    clear = b"\r\033[K" if os.isatty(2) else b""
    try:
        os.write(2, clear + b"lastput: interrupted\n")
    finally:
        os._exit(exits.INTERRUPTED)


def _unraisable(lost: sys.UnraisableHookArgs) -> None:
    if issubclass(lost.exc_type, KeyboardInterrupt):
        _Lost.seen = True
    else:
        sys.__unraisablehook__(lost)
