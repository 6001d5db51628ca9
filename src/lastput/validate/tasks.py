"""Who is who: the tasks of a recording, their processes, and who uses the VM's address space."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from lastput.ftrace.event import Event
from lastput.validate.sights import Sight, of_tasks

EXIT = "sched_process_exit"
EXEC = "sched_process_exec"
FORK = "sched_process_fork"
KTHREADD = 2
KERNEL = ("kworker/", "kdamond.", "khugepaged-", "ksmd-", "kswapd")
"""Beginnings of the names of kernel threads that were there before the recording."""


@dataclass
class Task:
    """One task (thread), by pid."""

    pid: int
    name: str
    """As ftrace wrote it last, name-pid: a task is renamed when it begins to work."""
    tgid: int | None = None
    parent: int | None = None
    """pid of the task that forked it; None if that was before the recording."""
    forked: int | None = None
    """Number of the event that says so."""


def tasks(events: Iterable[Event]) -> dict[int, Task]:
    """All tasks that the recording has an event of, or that somebody forked."""
    known: dict[int, Task] = {}
    for event in events:
        task = known.setdefault(event.pid, Task(event.pid, event.task))
        task.name = event.task
        task.tgid = task.tgid if event.tgid is None else event.tgid
        if event.kind == "tracepoint" and event.name == FORK:
            child = event.args.get("child_pid")
            if isinstance(child, int):
                comm = event.args.get("child_comm", "?")
                made = known.setdefault(child, Task(child, f"{comm}-{child}"))
                made.parent, made.forked = event.pid, event.number
    return known


def owners(
    known: dict[int, Task], found: Sequence[Sight], mm: int | None, certain: Iterable[int]
) -> set[int]:
    """pids of the tasks that use the address space of a VM, as the sights of its life tell.

    `certain` are some that do: those that ran the guest, or made the VM. Their whole processes do, and so
    does a child of one of them that gives the address space back when it exits (CLONE_VM without a thread).
    """
    members = set(certain)
    for pid, own in of_tasks(found).items():
        if mm is not None and _gives_back(known[pid], own, mm):
            members.add(pid)
    groups = {known[pid].tgid for pid in members} - {None}
    members |= {task.pid for task in known.values() if task.tgid in groups}
    return members


def of_kernel(task: Task) -> bool:
    """A kernel thread: kthreadd, pid 2, is the parent of all of them."""
    return task.parent == KTHREADD or (task.parent is None and task.name.startswith(KERNEL))


def _gives_back(task: Task, own: Sequence[Sight], mm: int) -> bool:
    """Whether its exit, or its exec, puts `mm`, and it is no kernel thread, which has none to put."""
    puts = ((s, next_of(own, i + 1, ("mmput", EXIT, EXEC))) for i, s in enumerate(own) if _puts(s))
    return not of_kernel(task) and any(s.arg("mm") == mm and after in (EXIT, EXEC) for s, after in puts)


def _puts(sight: Sight) -> bool:
    return sight.kind == "enter" and sight.name == "mmput"


def next_of(found: Sequence[Sight], start: int, names: Sequence[str]) -> str:
    """Which of `names` comes first from `start` on; "" for none."""
    for i in range(start, len(found)):
        if found[i].name in names and found[i].kind != "return":
            return found[i].name
    return ""
