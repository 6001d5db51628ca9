"""A state as the interpreter has it, a step, and what can go wrong in one."""

from __future__ import annotations

from dataclasses import dataclass

from lastput.promela.tree import Process, Statement

MOST_PROCESSES = 255
MOST_IN_ONE_STEP = 2_000
"""Statements that one step may execute: an atomic block without end is a fault, not a hang."""

Position = Statement | None
"""The statement that a process is at; None: its end."""
Message = tuple[int, ...]
Trail = tuple[tuple[int, Statement | None], ...]
"""What a step executed: (process, statement), in order; None is the end of a process."""


class Fault(Exception):
    """A step breaks a rule: `kind` is assertion, index, division, shift, channel, d_step, endless or
    processes."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass
class Running:
    """One process: its type, where it is, its variables' elements."""

    process: Process
    position: Position
    values: list[list[int]]


@dataclass
class State:
    """A state; `key()` tells states apart."""

    values: list[list[int]]
    channels: list[list[Message]]
    processes: list[Running]

    def copy(self) -> State:
        """A state that can be changed without changing this one."""
        return State(
            [list(v) for v in self.values],
            [list(c) for c in self.channels],
            [Running(p.process, p.position, [list(v) for v in p.values]) for p in self.processes],
        )

    def key(self) -> object:
        """Equal for equal states only."""
        return (
            tuple(map(tuple, self.values)),
            tuple(map(tuple, self.channels)),
            tuple((p.process.name, id(p.position), tuple(map(tuple, p.values))) for p in self.processes),
        )


@dataclass(frozen=True)
class Step:
    """A step: of which process, which of its steps in this state, what it executed, and its end: a state,
    or the fault that it came to."""

    pid: int
    choice: int
    trail: Trail
    state: State | None
    fault: Fault | None
