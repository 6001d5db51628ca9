"""What a trace came to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from lastput.simulate.fault import Fault, Frame
from lastput.validate.seen import At, Seen

LARGEST_COUNT = 0xFFFF
"""What is larger is an address."""

Schedule = tuple[tuple[int, int], ...]
"""(thread, choice) for each step; `simulate.replay` runs it."""


@dataclass(frozen=True)
class Effort:
    """What the search cost."""

    steps: int
    """Steps taken, those included that were taken back, or taken to see what threads may do."""
    executed: int
    """Of them, those that the model's code was run for."""
    seconds: float


@dataclass(frozen=True)
class Matched:
    """An event was found in the model."""

    seen: Seen
    step: int
    """Number of steps after which; 0 is the initial state."""


@dataclass(frozen=True)
class Accepted:
    """The trace is a behaviour of the model: this one."""

    schedule: Schedule
    matched: tuple[Matched, ...]
    """Every event of the trace, in the order in which they were taken."""
    lines: frozenset[tuple[str, int]]
    """File and line of every statement of the model that the schedule runs."""
    passed: frozenset[tuple[str, int]]
    """File and line of every `if` or `while` without `else` whose condition is false some time."""
    functions: frozenset[tuple[str, str]]
    """File and name of every function of the model that it runs, those included that no tracer records."""
    fault: Fault | None
    """The rule of the model that the last step breaks, behind the last event."""
    effort: Effort

    @property
    def counts(self) -> Counter[tuple[str, At]]:
        """How many events of each kind were found."""
        found = (m.seen for m in self.matched if not m.seen.shows_end)
        return Counter((seen.function, seen.at) for seen in found)


@dataclass(frozen=True)
class Disagreement:
    """A check of an argument came out otherwise."""

    label: str
    wanted: int | None
    found: int | None
    found_in: str = "in the model"

    def __str__(self) -> str:
        return f"{self.label}: {_shown(self.wanted)} in the trace, {_shown(self.found)} {self.found_in}"


@dataclass(frozen=True)
class Standing:
    """One thread of a place."""

    thread: int
    name: str
    stack: tuple[Frame, ...]
    """The model's functions, outermost first; none when the thread has ended."""
    about_to: str
    """The kind of its next operation: load, store, await, choose, alloc, free; "" at its end."""
    operand: str
    """The memory that it is about to access, by name."""
    blocked: bool
    """It waits, and what for is not so."""
    waits_for: tuple[int, ...]
    """The threads that it waits for, if it says so."""
    emitted: tuple[tuple[str, At], ...]
    """What it has come to and the trace has not: its queue."""
    next: tuple[tuple[str, At], ...]
    """If the queue is empty: what it would come to next if it went on alone, for each of its choices."""
    due: Seen | None
    """Its next event in the trace."""
    disagreements: tuple[Disagreement, ...]
    """Its queue begins with its next event, but for these arguments."""
    wrong: bool
    """Its queue is not what the trace says of it: this is why the place is a dead end."""


@dataclass(frozen=True)
class Spot:
    """A state at which the search ended, with all events before `Refused.position` found."""

    schedule: Schedule
    """One way there."""
    why: str
    threads: tuple[Standing, ...]
    fault: Fault | None = None
    """The step from here breaks this rule; `threads` are as before it."""


@dataclass(frozen=True)
class Refused:
    """The trace is no behaviour of the model."""

    position: int
    """Length of the longest prefix of the trace that is one; a lower bound if `why` says time was up."""
    why: str
    places: tuple[Spot, ...]
    """Where that prefix can lead, each with what the model would do there."""
    left_off: int
    """How many more such places there are."""
    effort: Effort


@dataclass(frozen=True)
class Undecided:
    """The search was not finished: no verdict."""

    reason: str
    position: int
    """Length of the longest prefix that was found to fit."""
    effort: Effort
    places: tuple[Spot, ...] = field(default=())
    """Where the search ended at that length, as far as it came."""


Verdict = Accepted | Refused | Undecided


def _shown(value: int | None) -> str:
    """What a check read; addresses as ftrace prints them."""
    if value is None:
        return "unknown"
    return f"{value:#x}" if value > LARGEST_COUNT else str(value)
