"""Writing to the user: a reader that goes away (`| head`) is no error, a full disk is one."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import TextIO

from lastput.lang.errors import UsageError


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
