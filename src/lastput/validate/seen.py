"""What a trace says must happen in the model: events, each by one thread, with checks of its arguments."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

At = Literal["enter", "return"]
"""Which end of a function an event is."""

VERB: dict[str, str] = {"enter": "enters", "return": "returns from"}
"""What a task does there, in words."""

Observable = frozenset[tuple[str, At]]
"""What a tracer records: the kernel's name of a function, and which of its ends."""


@dataclass(frozen=True)
class Moment:
    """A thread enters or leaves a function: what a check can read.

    `args` are as passed to the model's function, pointers as `simulate.pointer.Pointer`; `result` is None
    on entry. `run` is the machine (a `Scheduler`) that the thread runs on: reading through a pointer reads
    its memory, as it is now, and no such access is a step.
    """

    args: tuple[Any, ...]
    result: Any
    run: Any
    parameters: tuple[str, ...] = ()
    """What the model's function calls its arguments."""

    def argument(self, name: str) -> Any:
        """The argument that the model's function calls `name`. ValueError if there is none."""
        return self.args[self.parameters.index(name)]


@dataclass(frozen=True)
class Check:
    """One argument of a probe: what `read` gives must equal `want`.

    `read` looks at the moment and at memory, by way of pointers, and at nothing else: the search takes it
    that its value changes only when memory that it read does. A read that breaks a rule of memory, as
    through NULL, counts as None.
    """

    label: str
    read: Callable[[Moment], int | None]
    want: int | None
    found_in: str = "in the model"
    """Where what is read is from, for people."""


@dataclass(frozen=True)
class Seen:
    """One event that must occur. Events are in the order of the trace, those of a thread always in it."""

    number: int
    """Of the event in the recording."""
    time: int
    """When it was recorded, in ns."""
    cpu: int
    thread: int
    """Index of the world's thread."""
    function: str
    """The kernel's name."""
    at: At
    checks: tuple[Check, ...] = ()
    line: int = 0
    """Of the recording's file, from 1: how an event is named to people."""
    shows_end: bool = False
    """It is no event of the function, but shows that the thread has come so far, and to nothing else on the
    way. It is not counted among the events that are matched."""
