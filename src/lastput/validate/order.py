"""In which order the events of a trace may be taken.

Each thread's in its own order, each CPU's too. Events of different CPUs whose time stamps are at most
`slack` apart may change places; all others are in the order of the trace.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from lastput.lang.errors import UsageError
from lastput.validate.seen import Seen

Counts = tuple[int, ...]
"""How many of its events each thread has had: a position in the trace."""


@dataclass
class Order:
    """The events of a trace, by thread."""

    seen: Sequence[Seen]
    threads: int
    slack: int
    own: list[list[int]] = field(default_factory=list)
    """For each thread its events: their places in the trace."""
    rank: list[int] = field(default_factory=list)
    """For each event its place among those of its thread."""

    def __post_init__(self) -> None:
        self.own = [[] for _ in range(self.threads)]
        for place, event in enumerate(self.seen):
            if not 0 <= event.thread < self.threads:
                raise UsageError(f"event {event.number}: the world has no thread {event.thread}")
            self.rank.append(len(self.own[event.thread]))
            self.own[event.thread].append(place)

    def next_of(self, counts: Counts, thread: int) -> int | None:
        """Place in the trace of a thread's next event."""
        own, had = self.own[thread], counts[thread]
        return own[had] if had < len(own) else None

    def first(self, counts: Counts) -> int | None:
        """Place of the first event that is left."""
        left = [own[had] for own, had in zip(self.own, counts, strict=True) if had < len(own)]
        return min(left, default=None)

    def may_be_next(self, counts: Counts, place: int, first: int) -> bool:
        """Whether a thread's next event may come before all others that are left; `first` is the first."""
        event = self.seen[place]
        for earlier in range(first, place):
            other = self.seen[earlier]
            if self.rank[earlier] < counts[other.thread]:
                continue
            if other.cpu == event.cpu or event.time - other.time > self.slack or not self.slack:
                return False
        return True
