"""What a shard's expansion leads to, in a box for each shard."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from lastput.engine import routing
from lastput.engine.native import shape_of

Rows = npt.NDArray[np.uint64]

_BOX_BYTES = 1 << 22
"""What a box should hold before it is sent."""


class Boxes:
    """Boxes of shard `number` of `of`, for states of `words` words; none if it is the only one.

    A batch has at most `widest` successors. The boxes take an eighth of `budget`, or what a batch needs."""

    def __init__(self, words: int, number: int, of: int, widest: int, budget: int) -> None:
        self.words, self.number, self.of, self.widest = words, number, of, widest
        self.shape = shape_of(words)
        self.room = max(widest, min(_BOX_BYTES, budget // 8 // of) // (8 * words)) if of > 1 else 0
        self.rows = np.empty(of * self.room * words, np.uint64)
        self.filled = np.zeros(of, np.int64)

    @property
    def bytes(self) -> int:
        return self.rows.nbytes

    def empty(self) -> None:
        """Begin anew."""
        self.filled[:] = 0

    def full(self) -> bool:
        """Whether the successors of a batch may not fit into a box any more."""
        return self.of > 1 and int(self.filled.max()) + self.widest > self.room

    def deal(self, rows: Rows, n: int) -> tuple[Rows, int]:
        """Put the first n rows into the boxes; what was for this shard itself, and how many."""
        routing.deal(rows, n, self.shape, self.of, self.rows, self.room, self.filled)
        mine = self._box(self.number)
        self.filled[self.number] = 0
        return mine, len(mine) // self.words

    def all(self) -> list[Rows]:
        """What each shard is to get, valid until more is dealt."""
        return [self._box(number) for number in range(self.of)] if self.of > 1 else []

    def _box(self, number: int) -> Rows:
        first = number * self.room * self.words
        return self.rows[first : first + int(self.filled[number]) * self.words]
