"""Where control goes in a process, looked up in the tree from where it is."""

from __future__ import annotations

from lastput.promela.state import MOST_IN_ONE_STEP, Position
from lastput.promela.tree import Block, Break, Choice, Goto, Process, Sequence, Statement, block_of


def guards(position: Statement) -> list[Statement]:
    """The statements that may come next where a process is at `position`."""
    match position:
        case Choice(options=options):
            return [s for option in options for s in guards(option.statements[0])]
        case Block(kind=kind, body=body) if kind != "d_step":
            return guards(body.statements[0])
    return [position]


def follow(statement: Statement, process: Process) -> tuple[Position, bool]:
    """Where a process is after a statement, and whether it is still in an atomic block that it has not
    left on the way."""
    atomic = block_of(statement, "atomic")
    here: Statement = statement
    for _ in range(MOST_IN_ONE_STEP):
        if isinstance(here, Goto):
            to: Position = process.labels[here.label]
            if atomic is not None:
                atomic = block_of(process.labels[here.label], "atomic")
        elif isinstance(here, Break):
            to = _beyond(here.loop)
        else:
            to = _beyond(here)
        if atomic is not None and (to is None or not within(to, atomic)):
            atomic = None
        if to is None or not isinstance(to, Goto | Break):
            return to, atomic is not None
        here = to
    raise AssertionError("the parser refuses a goto to itself")


def _beyond(statement: Statement) -> Position:
    """The statement after one that is done, without regard to what it is."""
    sequence: Sequence = statement.parent
    if statement.place + 1 < len(sequence.statements):
        return sequence.statements[statement.place + 1]
    owner = sequence.owner
    if owner is None:
        return None
    if isinstance(owner, Choice) and owner.repeats:
        return owner
    return _beyond(owner)


def resolved(statement: Statement, process: Process) -> Position:
    """Where a process is that would be at `statement`."""
    return follow(statement, process)[0] if isinstance(statement, Goto | Break) else statement


def within(statement: Statement, block: Block) -> bool:
    owner = statement.parent.owner
    while owner is not None and owner is not block:
        owner = owner.parent.owner
    return owner is block
