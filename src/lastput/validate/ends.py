"""When a task has come to its end, so that nothing more can be seen of it.

sched_process_exit comes before files are put, and work that was queued. Behind all that the last task of a
process tells the parent (exit_notify): SIGCHLD.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lastput.validate.sights import Sight
from lastput.validate.tasks import EXIT, Task
from lastput.validate.told import Script

SIGCHLD = 17
ENDED = (1, 2, 3)
"""What a SIGCHLD says of a process that has ended: CLD_EXITED, CLD_KILLED, CLD_DUMPED."""


def ends(
    scripts: Sequence[Script], found: Sequence[Sight], known: Mapping[int, Task], until: int
) -> list[tuple[int, Sight]]:
    """The places in `scripts` of tasks that have come to their end, and what shows it.

    `found` is all of the recording, `until` the event up to which it was read for the scripts: a task that
    was seen to enter something behind that is left out, for what it came to then is not in its script.
    """
    told = {_process(known[sight.pid]): sight for sight in _tell(found)}
    shown: list[tuple[int, Sight]] = []
    for place, script in enumerate(scripts):
        last = told.get(_process(script.task))
        if last is not None and script.exits is not None and script.exits < last.number:
            later = (s for s in found if until < s.number < last.number and s.pid == script.task.pid)
            if not any(s.kind in ("enter", "return") or s.name == EXIT for s in later):
                shown.append((place, last))
    return shown


def _process(task: Task) -> int:
    """The process of a task; where nothing tells it, it is all of one."""
    return task.pid if task.tgid is None else task.tgid


def _tell(found: Sequence[Sight]) -> Iterator[Sight]:
    for sight in found:
        if sight.name == "signal_generate" and sight.arg("sig") == SIGCHLD and sight.arg("code") in ENDED:
            yield sight
