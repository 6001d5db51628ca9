"""All shards of a search, wherever they run, and what passes between them.

A round is two calls: every shard gives a part to every other, every shard takes the parts meant for it.
Nobody takes before all have given, nobody gives again before all have taken. So the shards' states are in
the same order in every run, whatever the threads' speed.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from lastput.engine.model import NativeModel
from lastput.engine.shard import Shard, Tally


class Lost(Exception):
    """Shards are gone, and their states with them: which, in words."""


class Team(Protocol):
    """Shards that are told what to do all together. A name is that of a method of `Shard`."""

    @property
    def size(self) -> int:
        """Number of shards."""
        ...

    def one(self, number: int, name: str, *arguments: Any) -> Any:
        """Call one shard."""
        ...

    def each(self, name: str, *arguments: Any) -> list[Any]:
        """Call every shard, with the same arguments."""
        ...

    def deal(self, name: str, parts: list[Any]) -> list[Any]:
        """Call shard i with parts[i]."""
        ...

    def pass_on(self, give: str, take: str, *arguments: Any) -> list[Any]:
        """Every shard's give(*arguments) is a list with a part for each shard; take(list of parts)."""
        ...

    def ask(self, give: str, answer: str, take: str) -> list[Any]:
        """Like `pass_on`, by way of the trails; what `answer` makes of each part goes back, to `take`."""
        ...

    def tallies(self) -> list[Tally]:
        """How far the shards are, as far as that is known; may be called at any time."""
        ...

    def close(self) -> None:
        """End what was started for it."""
        ...


class Elsewhere(Protocol):
    """Where other shards can be had than in this process."""

    size: int
    directory: Path | None
    """For checkpoints; None: there are none."""
    every: float
    """Seconds from one checkpoint to the next, at least."""

    @property
    def say(self) -> Callable[[str], None]:
        """Tell the user, in a line."""
        ...

    def team(
        self, model: NativeModel, *, budget: int | None, max_states: int | None, batch: int | None, store: str
    ) -> Team:
        """New shards without any states."""
        ...


class Here:
    """Shards in this process, one after the other: a search that is on no cluster has one."""

    def __init__(self, shards: list[Shard]) -> None:
        self.shards = shards

    @property
    def size(self) -> int:
        return len(self.shards)

    def one(self, number: int, name: str, *arguments: Any) -> Any:
        return getattr(self.shards[number], name)(*arguments)

    def each(self, name: str, *arguments: Any) -> list[Any]:
        return [getattr(shard, name)(*arguments) for shard in self.shards]

    def deal(self, name: str, parts: list[Any]) -> list[Any]:
        return [getattr(shard, name)(part) for shard, part in zip(self.shards, parts, strict=True)]

    def pass_on(self, give: str, take: str, *arguments: Any) -> list[Any]:
        given = self.each(give, *arguments)
        return self.deal(take, [list(parts) for parts in zip(*given, strict=True)] or [[]])

    def ask(self, give: str, answer: str, take: str) -> list[Any]:
        asked = self.each("follow", give)
        answers = self._follow(answer, [list(parts) for parts in zip(*asked, strict=True)])
        return self._follow(take, [list(parts) for parts in zip(*answers, strict=True)])

    def tallies(self) -> list[Tally]:
        return [shard.tally() for shard in self.shards]

    def close(self) -> None:
        for shard in self.shards:
            shard.close()

    def _follow(self, name: str, parts: list[Any]) -> list[Any]:
        return [shard.follow(name, part) for shard, part in zip(self.shards, parts, strict=True)]


_MOVED = 1 << 16
"""States that are moved at once."""


def move(old: Team, new: Team) -> None:
    """Give the states of the only shard of `old`, and what it saw, to the shards of `new`, level by level."""
    assert isinstance(old, Here)
    shard = old.shards[0]
    first = 0
    for size in [*shard.levels, shard.store.count - sum(shard.levels)]:
        for start in range(first, first + size, _MOVED):
            new.deal("plant", shard.parts(start, min(_MOVED, first + size - start), new.size))
        first += size
        new.each("end_level")
        if first < shard.store.count:
            new.each("begin")
            new.each("skip")
    new.one(0, "inherit", shard.evidence())
