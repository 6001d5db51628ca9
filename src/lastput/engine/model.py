"""What the engine searches: packed states and a native successor function. No kernels in here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

STATE_EVENT = 0xFFFF
"""Thread number of an event that belongs to a state, not to a step (deadlock, invariant, ...)."""


@dataclass(frozen=True)
class NativeModel:
    """A compiled model, as the engine sees it.

    `expand` is the address of a C function

        int64 expand(const uint64 *states, int64 n, uint64 *successors, uint64 *labels,
                     uint64 *events, int64 *event_count, uint8 *coverage)

    that writes all successors of `n` states (rows of `words` words) one after the other and returns
    how many. `labels[i]` tells where successor i came from: index of its state in the batch << 32 |
    thread << 16 | choice. An event is two words, a label of the same form and a code: a step that
    broke a rule (it has no successor), or, with thread STATE_EVENT, a state that breaks one.
    `event_count` is set to the number of events. `coverage[k]` is set to 1 when place k ran.
    """

    words: int
    """64-bit words of a packed state."""
    initial: npt.NDArray[np.uint64]
    """The initial state: `words` words."""
    expand: int
    max_successors: int
    """Upper bound of the successors of one state."""
    max_events: int
    """Upper bound of the events of one state."""
    threads: int
    coverage: int
    """Number of coverage places."""
    bounds: frozenset[int]
    """Codes that are limits of the model ("incomplete"), not violations."""
    code: object = None
    """What keeps the machine code behind `expand` in memory."""
    canonical: int = 0
    """Address of a C function

        void canonicalise(uint64 *states, int64 n)

    that replaces each of `n` states by the one that stands for all that differ by a permutation of threads
    and objects; `expand` gives such states only. 0 if every state stands for itself."""
    portable: Callable[[], NativeModel] | None = None
    """Makes the same model in another process; can be pickled."""
    digest: str = ""
    """Tells models apart whose states cannot be exchanged."""
    witnesses: frozenset[int] = frozenset()
    """Coverage places that are wanted: reachability conditions seen to hold."""
    mark: int = 0
    """Address of `mark` (`compiler/marks.py`), where progress is asked for: what is true in each state."""
