"""Words for a violation: the headline that the kernel would print, and a sentence about it."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from lastput.checks.kinds import KINDS
from lastput.lang.world import World
from lastput.result import Frame, Task, Victim

_IN_FUNCTION = frozenset(
    ("use-after-free", "out-of-bounds", "double-free", "invalid-free", "uninit", "overflow", "division")
)
_WITH_ADDRESS = frozenset(("null-deref", "bad-call"))
_AT_LINE = {"sleep-in-atomic": " at {0.file}:{0.line}", "bug": " at {0.file}:{0.line}!"}
_NO_SUFFIX = " does not hold"


def headline(
    kind: str,
    message: str,
    top: Frame,
    address: int | None,
    tasks: Sequence[Task],
    thread: int | None,
    victim: Victim | None,
) -> str:
    """The first line of the report. `top` is the innermost frame, `address` in bytes."""
    text = KINDS[kind].headline
    if kind in _WITH_ADDRESS and address is not None:
        return f"{text}, address: {address:016x}"
    if kind in _IN_FUNCTION:
        return f"{text} in {top.function}"
    if kind in _AT_LINE:
        return text + _AT_LINE[kind].format(top)
    if kind == "warning":
        return f"{text}: CPU: {thread} Comm: {_name(tasks, thread)} at {top.file}:{top.line} {top.function}"
    if kind == "soft-lockup":
        return f"{text} - CPU#{thread} stuck! [{_name(tasks, thread)}]"
    if kind == "leak" and victim:
        return f"{text} {victim.object} (size {victim.size})"
    if kind == "deadlock":
        return _blocked(tasks)
    if kind in ("invariant", "final"):
        return f"{text}: {property_name(message)}"
    return text


def _name(tasks: Sequence[Task], thread: int | None) -> str:
    return "" if thread is None else tasks[thread].name


def _blocked(tasks: Sequence[Task]) -> str:
    names = [task.name for task in tasks if task.state == "blocked" and not task.daemon]
    return f"INFO: task{'s' * (len(names) > 1)} {', '.join(names)} blocked for ever"


def property_name(message: str) -> str:
    """Name of the property of which the simulator says that it does not hold."""
    return message.removesuffix(_NO_SUFFIX)


def about_properties(world: World, names: Sequence[str]) -> str:
    """What the properties claim, in the words of their docstrings."""
    said = []
    for name in names:
        function = next((p.function for p in world.properties if p.name == name), None)
        doc = (inspect.getdoc(function) or "").partition("\n")[0]
        said.append(f"{name}: {doc}" if doc else f"{name}() is false")
    return "; ".join(said)


NO_TASK = " The thread has no task: s.thread(..., task=...) gives it one."
"""What is amiss where a primitive looks at a current task that there is not."""


def null_access(operation: str, kind: str | None) -> str:
    """What was read or written through NULL. `kind` is the type of the cell."""
    verb = {"load": "Read", "store": "Write"}.get(operation, "Access")
    return f"{verb} of a field of type {kind or 'unknown'} through a NULL pointer."
