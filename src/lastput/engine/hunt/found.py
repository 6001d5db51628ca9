"""What the hunting searches have in common: a find, the events of a batch, and when to stop."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from lastput.engine.model import STATE_EVENT, NativeModel

Stop = Literal[
    "violation", "complete", "walks", "bound", "depth", "timeout", "interrupt", "max-states", "max-memory"
]
"""Why a hunt ended: `walks`, `bound` and `depth` are what it was asked for, `complete` is everything."""

Schedule = list[tuple[int, int]]
"""(thread, choice) of each step from the initial state on."""


@dataclass(frozen=True)
class Found:
    """A violation: its event code, and a schedule that leads there, a violating step included."""

    code: int
    schedule: Schedule


class Interrupt(Protocol):
    """What knows whether Ctrl-C was pressed."""

    @property
    def seen(self) -> bool: ...


class Deadline:
    """Tells when to stop: the time is up, or Ctrl-C was pressed. Times are in seconds."""

    def __init__(self, timeout: float | None = None, interrupt: Interrupt | None = None) -> None:
        self.start = time.monotonic()
        self.timeout, self.interrupt = timeout, interrupt

    def without_timeout(self) -> Deadline:
        """For the rebuilding of a schedule, which only Ctrl-C ends."""
        return Deadline(None, self.interrupt)

    @property
    def seconds(self) -> float:
        """Since it began."""
        return time.monotonic() - self.start

    def passed(self) -> Literal["timeout", "interrupt"] | None:
        """The reason to stop now, if there is one."""
        if self.interrupt is not None and self.interrupt.seen:
            return "interrupt"
        return "timeout" if self.timeout is not None and self.seconds >= self.timeout else None


@dataclass
class Bounds:
    """How often each limit of the model was met, by event code."""

    codes: npt.NDArray[np.uint64]
    met: dict[int, int] = field(default_factory=dict)

    @classmethod
    def of(cls, model: NativeModel) -> Bounds:
        """None met yet."""
        return cls(np.array(sorted(model.bounds), np.uint64))

    def violations(self, events: npt.NDArray[np.uint64], *, count: bool = True) -> npt.NDArray[np.uint64]:
        """The rows (label, code) that are no limits; the limits are counted, unless they were before."""
        limit = np.isin(events[:, 1], self.codes)
        if not count:
            return events[~limit]
        for code, times in zip(*np.unique(events[limit, 1], return_counts=True), strict=True):
            self.met[int(code)] = self.met.get(int(code), 0) + int(times)
        return events[~limit]


@dataclass(kw_only=True)
class Within:
    """What a search of everything within a bound came to.

    `within` is the largest bound for which everything was searched; None if not even the first was.
    """

    stop: Stop
    within: int | None
    found: Found | None = None
    bounds: dict[int, int] = field(default_factory=dict)
    coverage: npt.NDArray[np.uint8] = field(default_factory=lambda: np.zeros(0, np.uint8))


def source_of(label: int) -> int:
    """Index in its batch of the state that a label belongs to."""
    return label >> 32


def thread_of(label: int) -> int:
    """The thread of a label, or STATE_EVENT."""
    return label >> 16 & 0xFFFF


def extended(schedule: Schedule, label: int) -> Schedule:
    """`schedule` and the step of a violating event; an event of a state adds none."""
    if thread_of(label) == STATE_EVENT:
        return schedule
    return [*schedule, (thread_of(label), label & 0xFFFF)]


def worst_first(event: tuple[int, int]) -> tuple[bool, int, int]:
    """Sorts the events of one state: its own before those of its steps, then by thread, choice, code."""
    label, code = event
    return thread_of(label) != STATE_EVENT, label & 0xFFFFFFFF, code
