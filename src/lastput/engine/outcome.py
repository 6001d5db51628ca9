"""What a search is told and what it tells. No search in here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from lastput.engine.estimate import Forecast

Stop = Literal[
    "complete", "approximate", "violation", "max-states", "max-memory", "timeout", "interrupt", "disk"
]
"""Why a search ended; approximate: all was expanded that an approximate store let through."""


@dataclass(frozen=True)
class Limits:
    """When to give up. A limit reached is an outcome, never an error."""

    max_states: int | None = None
    """States stored; None: as many as fit."""
    max_memory: int | None = None
    """Bytes of the search's own arrays; None: 80 % of what machine and container have available."""
    timeout: float | None = None
    """Seconds of search, without the rebuilding of a schedule."""


@dataclass(frozen=True)
class Progress:
    """How far a running search is."""

    states: int
    transitions: int
    depth: int
    """Level whose states are being expanded."""
    frontier: int
    """States stored and not expanded yet."""
    bytes: int
    seconds: float
    forecast: Forecast | None = None
    """How many states there will be, from the levels so far."""


@dataclass(frozen=True)
class Violation:
    """A shortest schedule into a violation, with fewest context switches among the shortest."""

    code: int
    thread: int | None
    """Thread whose step broke the rule; None: the state reached breaks it."""
    choice: int
    schedule: list[tuple[int, int]]
    """(thread, choice) of each step from the initial state on, the violating step included."""
    depth: int
    """Length of the schedule."""
    switches: int
    """Consecutive steps by different threads."""


@dataclass(frozen=True)
class Omission:
    """What an approximate search may have left out."""

    expected: float
    """States taken for known ones, as expected from what was in the table; what only they lead to is not in
    this number."""
    bits: float
    """Bits of the table for each state stored."""

    @property
    def probability(self) -> float:
        """That at least one state was left out."""
        return -math.expm1(-self.expected)


@dataclass(frozen=True)
class Outcome:
    """What a search found, or knew when it stopped."""

    stop: Stop
    states: int
    transitions: int
    """(state, thread, choice) with a successor, of all states expanded."""
    depth: int
    """Last level with states."""
    levels: list[int]
    """States first reached by 0, 1, 2, ... steps; the sum is `states`."""
    seconds: float
    peak_bytes: int
    """Most memory the search's own arrays took."""
    disk_bytes: int
    """Most that its files took; 0 for a search in memory."""
    coverage: npt.NDArray[np.uint8]
    """1 for each coverage place that ran."""
    unseen: frozenset[int]
    """Witnesses (coverage places that are wanted) that did not run."""
    bounds: dict[int, int]
    """Events whose code is a limit of the model, by code."""
    codes: dict[int, int]
    """All other events, by code."""
    events: int
    """Their number: violating steps and states."""
    store: str
    """What kept the states in the end: plain, compressed, disk, hash or bits."""
    tables: tuple[int, ...]
    """Different parts of states in the tables of a compressed store, shard after shard."""
    omission: Omission | None
    """What may have been left out by a store of hashes or bits."""
    violation: Violation | None
    """None with events > 0: interrupted, or out of address space, while the schedule was being rebuilt."""
    kept: int = 0
    """States of all levels that the last checkpoint has begun; 0 without one."""
    earlier: float = 0.0
    """Of `seconds`, those of the runs before, from whose checkpoint the search went on."""
    resumed: int = 0
    """States of the levels that the checkpoint had begun that the search went on from."""
    unkept: str = ""
    """Why the last try to write a checkpoint failed, in a line."""
