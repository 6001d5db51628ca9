"""A cluster in this process: several shards, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from lastput.engine.memory import available
from lastput.engine.model import NativeModel
from lastput.engine.search import Outcome, search
from lastput.engine.shard import Shard
from lastput.engine.team import Here


class Together:
    """`size` shards; `change` may change the arguments of any."""

    def __init__(
        self,
        size: int,
        *,
        disk: Path | None = None,
        change: Callable[[dict[str, Any]], None] = lambda how: None,
    ) -> None:
        self.size, self.disk, self.change = size, disk, change
        self.directory: Path | None = None
        self.every = 0.0

    def say(self, text: str) -> None:
        raise AssertionError(text)

    def team(
        self, model: NativeModel, *, budget: int | None, max_states: int | None, batch: int | None, store: str
    ) -> Here:
        share = (available() * 8 // 10 if budget is None else budget) // self.size
        shards = []
        for number in range(self.size):
            how: dict[str, Any] = {"budget": share, "number": number, "of": self.size, "disk": self.disk}
            how |= {"max_states": max_states, "batch": batch, "store": store}
            self.change(how)
            shards.append(Shard(model, **how))
        return Here(shards)


def search_in_shards(model: NativeModel, shards: int, **how: Any) -> Outcome:
    """As `search`, in so many shards from the first level of `spread` states on."""
    return search(model, cluster=Together(shards, disk=how.get("disk")), **how)
