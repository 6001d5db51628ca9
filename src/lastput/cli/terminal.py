"""Writing to the user: a reader that goes away (`| head`) is no error, a full disk is one."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from typing import TextIO

from lastput.cli import exits
from lastput.lang.errors import UsageError


def die_on_interrupt() -> None:
    """End at once at Ctrl-C, with a word: there is nothing to lose yet.

    Raising KeyboardInterrupt instead would surface in the middle of some import, where libraries
    turn it into errors of their own.
    """
    with contextlib.suppress(ValueError):  # not in the main thread
        signal.signal(signal.SIGINT, _die)


def _die(_number: int, _frame: object) -> None:
    clear = b"\r\033[K" if os.isatty(2) else b""
    with contextlib.suppress(OSError):
        os.write(2, clear + b"lastput: interrupted\n")
    os._exit(exits.INTERRUPTED)


def interruptible() -> None:
    """Let Ctrl-C raise KeyboardInterrupt again, if `die_on_interrupt` was called."""
    if signal.getsignal(signal.SIGINT) is _die:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def prepare() -> None:
    """Let no character of a model be one that the terminal's encoding refuses."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="backslashreplace")


def say(text: str) -> None:
    """Write to standard output, now."""
    if sys.stdout is None:  # closed by whoever started us
        return
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        _abandon(sys.stdout)
    except OSError as error:
        _abandon(sys.stdout)
        raise UsageError(f"cannot write the report: {error.strerror}") from None


def flush() -> None:
    """Flush standard output where a broken pipe can still be caught."""
    say("")


def complain(text: str) -> None:
    """Write a line to standard error; there is nowhere to say that this failed."""
    if sys.stderr is None:
        return
    try:
        sys.stderr.write(text + "\n")
        sys.stderr.flush()
    except OSError:
        _abandon(sys.stderr)


def _abandon(stream: TextIO) -> None:
    """Send what is still buffered nowhere, or the interpreter would complain when it exits."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
