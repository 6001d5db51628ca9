"""The line that tells, on a terminal, how far a search is. Elsewhere nothing is written."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Protocol

from lastput.report.layout import bytes_text


class Progress(Protocol):
    """What the engine tells from time to time (lastput.engine.outcome)."""

    @property
    def states(self) -> int: ...
    @property
    def depth(self) -> int: ...
    @property
    def frontier(self) -> int: ...
    @property
    def bytes(self) -> int: ...
    @property
    def seconds(self) -> float: ...
    @property
    def forecast(self) -> Forecast | None: ...


class Forecast(Protocol):
    """States that there will be in all (lastput.engine.estimate)."""

    @property
    def low(self) -> int: ...
    @property
    def likely(self) -> int: ...
    @property
    def high(self) -> int: ...


class Live:
    """One line on standard error that is overwritten, and gone in the end."""

    def __init__(self) -> None:
        dumb = os.environ.get("TERM") == "dumb"  # knows no escape sequence, the one for an empty line neither
        self._on = sys.stderr is not None and sys.stderr.isatty() and not dumb
        self._last = (0, 0.0)

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self._show("")

    def phase(self, text: str) -> None:
        """Say what begins."""
        self._last = (0, 0.0)
        self._show(f"{text} ...")

    def update(self, progress: Progress) -> None:
        """Say how far the search is; the rate is that since the last time."""
        states, seconds = self._last
        rate = (progress.states - states) / max(progress.seconds - seconds, 1e-9)
        self._last = (progress.states, progress.seconds)
        guess = progress.forecast
        ahead = f"frontier {progress.frontier:,}"
        if guess is not None:
            ahead = f"likely of {_short(guess.likely)} ({_short(guess.low)} to {_short(guess.high)})"
        self._show(
            f"{progress.states:,} states, {ahead}, {rate:,.0f}/s, depth {progress.depth}, "
            f"{bytes_text(progress.bytes)}"
        )

    def say(self, text: str) -> None:
        """Say how far something else than a search is."""
        self._show(text)

    def _show(self, text: str) -> None:
        if not self._on:
            return
        width = shutil.get_terminal_size().columns - 1
        try:
            sys.stderr.write(f"\r\033[K{text[:width]}")
            sys.stderr.flush()
        except OSError:
            self._on = False


def _short(number: int) -> str:
    """A number with about two digits that count: a forecast has no more."""
    for size, unit in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if number >= size:
            return f"{number / size:.{int(number < 10 * size)}f}{unit}"
    return str(number)
