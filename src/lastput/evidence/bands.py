"""From when to when each thread holds which lock, or is inside which read section."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lastput.evidence.held import is_lock
from lastput.lang import roles
from lastput.result import Band

_PLAIN = ("owner", "writer", "readers")
"""Cells that are all there is to a lock: it is called by the name of what they are in."""

Function = Callable[..., Any]


class Bands:
    """Follows the locks of a run, step by step."""

    def __init__(self) -> None:
        self._open: dict[tuple[str, int], tuple[str, int]] = {}
        """(cell, thread) -> kind of the band and its first step."""
        self._closed: list[Band] = []

    def after(self, step: int, held: Mapping[str, int], frames: Sequence[Function]) -> None:
        """Take notice of who holds what after `step` (0: from the start): cell's name -> mask of threads.

        `frames` are the functions that the step ran in, innermost first.
        """
        now = {
            (name, thread)
            for name, mask in held.items()
            if is_lock(name)
            for thread in range(mask.bit_length())
            if mask >> thread & 1
        }
        for key in [key for key in self._open if key not in now]:
            self._closed.append(self._band(key, step))
        for key in sorted(now - self._open.keys()):
            self._open[key] = (_kind(key[0], frames), step)

    def all(self) -> tuple[Band, ...]:
        """Every band, in the order in which they begin."""
        still = [self._band(key, None, close=False) for key in self._open]
        return tuple(sorted([*self._closed, *still], key=lambda band: (band.first, band.thread, band.name)))

    def _band(self, key: tuple[str, int], last: int | None, *, close: bool = True) -> Band:
        kind, first = self._open.pop(key) if close else self._open[key]
        name, _, cell = key[0].rpartition(".")
        return Band(key[1], kind, name if cell in _PLAIN else key[0], first, last)


def _kind(cell: str, frames: Sequence[Function]) -> str:
    """What a thread that now holds `cell` has begun."""
    for function in frames:
        if roles.begins(function, "read section"):
            return "read section"
        if roles.begins(function, "lock"):
            break
    return "read lock" if cell.rpartition(".")[2] == "readers" else "lock"
