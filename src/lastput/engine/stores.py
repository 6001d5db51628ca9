"""Which store a search has, and when it changes to another."""

from __future__ import annotations

from typing import Literal

import numpy as np
import numpy.typing as npt

from lastput.engine import approximate
from lastput.engine.approximate import Approximate
from lastput.engine.compressed import Compressed, compress
from lastput.engine.disk import DiskStore
from lastput.engine.store import Store

COMPRESS_FROM = 1 << 20
"""States from which on a store that is to be compressed is: parts are chosen by looking at states."""

Words = npt.NDArray[np.uint64]


class Adaptive:
    """A plain store that is compressed when there is no room in it any more, or at `compress_from` states.

    What cannot be compressed stays plain. It is used as a `Store` is."""

    def __init__(self, plain: Store, compress_from: int | None = None) -> None:
        self.words, self.most = plain.words, plain.most
        self.inside: Store | Compressed = plain
        self.compress_from = plain.most + 1 if compress_from is None else compress_from

    @property
    def count(self) -> int:
        return self.inside.count

    @property
    def bytes(self) -> int:
        return self.inside.bytes

    @property
    def kind(self) -> str:
        """What an outcome calls it: what it is by now."""
        return self.inside.kind

    @property
    def stop(self) -> Literal["max-states", "max-memory"]:
        return self.inside.stop

    @property
    def tables(self) -> tuple[int, ...]:
        """Numbers of different parts, where states are kept in parts."""
        return self.inside.tables

    def add(self, rows: Words, n: int) -> bool:
        """Store those of the first n rows that are new. False: no room for all; `stop` says why."""
        if self.inside.count >= self.compress_from:
            self._compress()
        if self.inside.add(rows, n):
            return True
        # What was stored before it was full is found again.
        return self.stop == "max-memory" and self._compress() and self.inside.add(rows, n)

    def find(self, rows: Words, n: int, found: npt.NDArray[np.int64]) -> None:
        """found[i] = index of the state that is row i, or -1, for i < n."""
        self.inside.find(rows, n, found)

    def rows(self, first: int, n: int) -> tuple[Words, int]:
        """The states first..first+n, and where they begin in that array, in states. Valid until the next
        call of any method; to be read only."""
        return self.inside.rows(first, n)

    def _compress(self) -> bool:
        if not isinstance(self.inside, Store):
            return False
        self.compress_from = self.most + 1
        self.inside = compress(self.inside) or self.inside
        return isinstance(self.inside, Compressed)


Exact = Store | Adaptive | DiskStore
"""Whatever keeps states."""


def make(
    kind: str,
    words: int,
    budget: int,
    *,
    spare: int = 0,
    max_states: int | None = None,
    max_successors: int = 1,
) -> Store | Adaptive | Approximate:
    """A store of the kind: plain, compressed, auto, hash or bits. `max_successors` matters to the last two
    only; the rest as for `Store`."""
    if kind in approximate.KINDS:
        return Approximate(kind, words, budget, max_successors=max_successors, max_states=max_states)
    plain = Store(words, budget, spare=spare, max_states=max_states)
    if kind == "plain":
        return plain
    return Adaptive(plain, COMPRESS_FROM if kind == "compressed" else None)


def plain(store: Exact | Approximate) -> tuple[Store, int] | None:
    """The plain store that keeps the states, and how many it may have before `add` must be asked; None if
    something else keeps them."""
    inside = store.inside if isinstance(store, Adaptive) else store
    if not isinstance(inside, Store):
        return None
    return inside, min(inside.limit, store.compress_from if isinstance(store, Adaptive) else inside.limit)


def find(store: Exact, rows: Words, n: int, found: npt.NDArray[np.int64], low: int, high: int) -> None:
    """As the store's `find`, but only the states low..high matter: a disk is looked at only there."""
    if isinstance(store, DiskStore):
        store.find(rows, n, found, low, high)
    else:
        store.find(rows, n, found)


def prepare(kind: str, words: int) -> None:
    """Compile the kernels of such a store, or load them from numba's cache."""
    if kind in approximate.KINDS:
        approximate.prepare(kind, words)
        return
    plain = Store(words, 1 << 22)
    plain.add(np.zeros(words, np.uint64), 1)
    plain.rebuild(plain.bits + 1)
    found = np.zeros(1, np.int64)
    plain.find(np.zeros(words, np.uint64), 1, found)
    if kind != "plain":
        compressed = compress(plain)
        assert compressed is not None
        compressed.prepare()
