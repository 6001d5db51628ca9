"""The guest's memory as the model has it: fewer pages, with the same order and the same edges.

The model's pages are the intervals between all edges of all ranges and pages that the recording mentions:
what the recording does not tell apart is one page. Addresses of the owner are translated by the distance
between the two that pairs of events show: a notifier is asked about the one, and its VM acts on the other.
"""

from __future__ import annotations

import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

PAGE = 4096


@dataclass(frozen=True)
class Guest:
    """How guest pages, and addresses of the owner, become pages of the model."""

    edges: tuple[int, ...] = ()
    """Guest page numbers at which a page of the model begins, and the end of the last one; sorted."""
    distance: int | None = None
    """Owner's page number minus guest page number; None if nothing tells."""

    @property
    def pages(self) -> int:
        """Pages of the model."""
        return max(len(self.edges) - 1, 1)

    def page(self, gfn: int) -> int:
        """The model's page of a guest page; `pages` if it is none of the memory that was mentioned."""
        if not self.edges or not self.edges[0] <= gfn < self.edges[-1]:
            return self.pages
        return bisect.bisect_right(self.edges, gfn) - 1

    def range(self, first: int, end: int) -> tuple[int, int]:
        """The model's range for guest pages first..end; `pages`..`pages` if they hit none."""
        if not self.edges:
            return self.pages, self.pages
        first, end = max(first, self.edges[0]), min(end, self.edges[-1])
        if first >= end:
            return self.pages, self.pages
        return bisect.bisect_right(self.edges, first) - 1, bisect.bisect_left(self.edges, end)

    def owner_range(self, start: int, end: int) -> tuple[int, int]:
        """The same for addresses of the owner, in bytes. A page that is touched in part counts."""
        if self.distance is None:
            return self.pages, self.pages
        return self.range(start // PAGE - self.distance, -(-end // PAGE) - self.distance)


def guest(
    ranges: Iterable[tuple[int, int]],
    pairs: Iterable[tuple[int, int, int, int]],
    owners: Iterable[tuple[int, int]] = (),
) -> Guest:
    """From guest ranges (first, end) that the recording names, from pairs of an owner's range in bytes with
    the guest's range that it led to, and from all ranges of the owner, in bytes.

    The owner's ranges tell pages apart, too, but make no memory of what no guest range names.
    """
    votes: Counter[int] = Counter()
    for start, end, first, last in pairs:
        # A range may be cut where the slot begins or ends: only equal lengths tell.
        if -(-end // PAGE) - start // PAGE == last - first:
            votes[start // PAGE - first] += 1
    edges = {edge for pair in ranges for edge in pair}
    if not votes:
        return Guest(tuple(sorted(edges)))
    distance = votes.most_common(1)[0][0]
    first, last = min(edges), max(edges)
    for start, end in owners:
        asked = start // PAGE - distance, -(-end // PAGE) - distance
        edges.update(edge for edge in asked if first < edge < last)
    return Guest(tuple(sorted(edges)), distance)
