"""A thread as data: the places where it can stand, and what its steps from there were seen to do.

A step of a thread is a function of what it reads. So a step that was run once, and is known to have read
these values, need not be run again where memory has the same ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from lastput.simulate.fault import Fault
from lastput.validate.cells import Change
from lastput.validate.emit import Emission

Restart = tuple[tuple[Any, ...], int]
"""Arguments with which a thread's function begins there, and how much of a step's log was before."""


@dataclass(slots=True)
class Intent:
    """What a thread is about to do; as `simulate.machine.Operation`, and cheap."""

    kind: str
    operands: tuple[int, ...] = ()
    type: str = ""
    condition: Callable[[], Any] | None = None
    holders: Callable[[], int] | None = None


@dataclass(slots=True, eq=False, repr=False)
class Record:
    """One step: what it found and what it did."""

    thread: int
    reads: tuple[Change, ...]
    """What it read that it had not written itself, with the values."""
    writes: tuple[Change, ...]
    """What it left changed, with the values after it."""
    says: frozenset[int]
    """The numbers of `HELD` of other threads of which it changed what they hold."""
    log: tuple[Any, ...]
    """What each operation gave, in order: enough to run it again without memory."""
    emissions: tuple[Emission, ...]
    ran: frozenset[int]
    """Marks of the statements that ran (`EmittingProgram.marks`)."""
    choice: int
    next_choice: int | None
    """The number of the next combination of choices, if there is one."""
    next: Place | None = None
    """Where the thread stands then; None at its end."""
    fault: Fault | None = None
    """The rule that it broke."""
    restart: Restart | None = None
    """The last place of the step from which the thread can begin."""
    ends: bool | None = None
    """The thread came to its end, and whether it held a lock then; None while it goes on."""

    @property
    def looked(self) -> set[int]:
        """The numbers that it read; that of `HELD` too if the thread ended."""
        found = {address for address, _ in self.reads}
        return found if self.ends is None else found | {HELD - self.thread}

    @property
    def touched(self) -> set[int]:
        """The numbers that it wrote, those of `HELD` included."""
        return {address for address, _ in self.writes} | self.says


HELD = -(1 << 50)
"""Below minus this, one for each thread: what it holds, as said by others."""


@dataclass(slots=True, eq=False, repr=False)
class Place:
    """Where a thread can stand: before an operation, with a stack."""

    mark: int
    """Its number (`cells.Numbers`)."""
    thread: int
    stack: int
    intent: Intent
    """Its functions belong to whoever stood here first: only kind and operands count."""
    origin: Record | None
    """The step that came here first; None where the thread begins."""
    before: Place | None
    """Where that step began."""
    records: dict[int, list[Record]] = field(default_factory=dict)
    """By choice number."""
    tests: list[tuple[tuple[Change, ...], int]] = field(default_factory=list)
    """If it waits: what the condition read, and what it came to."""
    masks: list[tuple[tuple[Change, ...], int]] = field(default_factory=list)
    """If it waits: the same for the mask of the threads waited for."""
