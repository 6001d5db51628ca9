"""Coverage places: which lines and branches of a model can run, and whether they did."""

from __future__ import annotations

import linecache
from dataclasses import dataclass, field
from typing import Literal

from lastput.compiler.ir import Frame

What = Literal["line", "branch taken", "branch not taken", "reachable", "property", "thread"]


@dataclass(frozen=True)
class Place:
    """A line, one way of a branch, a property or a thread; `text` is the source line or the name.

    `asks` marks the code of properties, as far as no thread runs it.
    """

    file: str
    line: int
    function: str
    what: What
    text: str
    asks: bool = False


@dataclass
class Places:
    """All places of a compilation; inlined copies of a line share one."""

    all: list[Place] = field(default_factory=list)
    asking: bool = False
    """Whether new places are those of properties; to be set when those of all threads are known."""
    _index: dict[tuple[Frame, What, str], int] = field(default_factory=dict)

    def number(self, frame: Frame, what: What, text: str | None = None) -> int:
        """Number of a place, made on first mention."""
        shown = linecache.getline(frame.file, frame.line).strip() if text is None else text
        key = (frame, what, shown)
        if key not in self._index:
            self._index[key] = len(self.all)
            self.all.append(Place(frame.file, frame.line, frame.function, what, shown, self.asking))
        return self._index[key]
