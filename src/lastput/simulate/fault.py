"""What a path that breaks a rule ends with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Frame:
    """One model function on a call stack: where its execution is now."""

    function: str
    file: str
    line: int


class Fault(Exception):
    """A broken rule: `kind` is an id of `lastput.checks.kinds`; the path ends here.

    `address` and `type` (the C-like name of the cell's type) tell the access of a memory fault.
    `thread` is the number of the thread that ran, None for a property of a whole state, and
    `frames` its call stack, outermost first: the last one holds the faulting line.
    """

    def __init__(self, kind: str, message: str, address: int | None = None, type: str | None = None) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.message = message
        self.address = address
        self.type = type
        self.thread: int | None = None
        self.frames: tuple[Frame, ...] = ()
