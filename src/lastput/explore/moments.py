"""The next step that is worth a look: a free, a lock that changes hands, a branch.

The walk goes along the steps that lie ahead, if any do. From there it lets the task that ran last go on until
it is blocked or done, then the first one that can go on, and takes the first of every choice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from lastput.checks import kinds as checks
from lastput.evidence.held import is_lock
from lastput.evidence.source import shown
from lastput.explore.steps import Schedule
from lastput.simulate.fault import Fault
from lastput.simulate.program import Program
from lastput.simulate.scheduler import Scheduler, Thread

Kind = Literal["free", "lock", "branch"]

KINDS: tuple[Kind, ...] = ("free", "lock", "branch")

FAR = 2_000
"""So many steps are looked at: a task may go round for ever."""


@dataclass(frozen=True)
class Moment:
    """A step worth a look: `number` steps of `schedule` are taken when it has happened.

    `text` says what it is; or why the walk ends here, when `found` is false.
    """

    schedule: Schedule
    number: int
    text: str
    found: bool = True


def next_moment(program: Program, path: Schedule, ahead: Schedule, kinds: Sequence[Kind] = KINDS) -> Moment:
    """The first moment of one of `kinds` after `path`, or where the walk ends without one."""
    steps = list(path)
    try:
        with Scheduler.start(program) as run:
            history = _Holders(run)
            for step in path:
                run.step(*step)
                history.after()
            for step in _onwards(run, path, ahead):
                before = _statement(run, run.threads_run[step[0]])
                run.log = []
                steps.append(step)
                run.step(*step)
                text = _worth(run, before, history.after(), kinds)
                if text:
                    return Moment((*steps, *ahead[len(steps) - len(path) :]), len(steps), text)
    except Fault as fault:
        what = "a bound of the model" if checks.KINDS[fault.kind].bound else "a rule is broken"
        return Moment(tuple(steps), len(steps), f"{what}: {fault.kind}")
    far = len(steps) - len(path) >= FAR
    why = f"nothing in the next {FAR:,} steps" if far else "nothing more: the walk ends here"
    return Moment(tuple(steps), len(steps), why, found=False)


def _onwards(run: Scheduler, path: Schedule, ahead: Schedule) -> Iterator[tuple[int, int]]:
    """The steps to take; each is looked for when those before it are taken."""
    yield from ahead
    whole = path + ahead
    last = whole[-1][0] if whole else 0
    for _ in range(FAR):
        able = [thread for thread in _beginning_with(last, len(run.threads_run)) if run.enabled(thread)]
        if not able:
            return
        last = able[0]
        yield last, 0


def _beginning_with(first: int, count: int) -> list[int]:
    return [first, *(thread for thread in range(count) if thread != first)]


def _worth(run: Scheduler, statement: str, taken: str, kinds: Sequence[Kind]) -> str:
    """Why the step that was just taken is worth a look; empty if it is not."""
    if "free" in kinds:
        for access in run.log or ():
            if access.kind == "free" and access.address:
                return f"{run.memory.locate(access.address)[0]} is freed"
    if "lock" in kinds and taken:
        return taken
    if "branch" in kinds and statement.startswith(("if ", "while ")):
        return f"a branch: {statement}"
    return ""


def _statement(run: Scheduler, thread: Thread) -> str:
    """The statement that a thread is about to go on with."""
    return shown([run.program.describe(frame) for frame in reversed(thread.frames)])[1]


class _Holders:
    """Who holds each lock, and who held it last."""

    def __init__(self, run: Scheduler) -> None:
        self.run = run
        self.held: dict[int, int] = {}
        self.last: dict[int, int] = {}
        self.after()

    def after(self) -> str:
        """Take notice of a step; the lock that went from one task to another by it, in words."""
        told = ""
        now = self.run.memory.held()
        for address, mask in now.items():
            new, others = mask & ~self.held.get(address, 0), self.last.get(address, 0)
            if new and others & ~new and is_lock(self.run.memory.name(address)):
                name = self.run.memory.name(address).rpartition(".")[0]
                told = f"{self._names(new)} takes {name}, which {self._names(others & ~new)} had"
        self.last.update(now)
        self.held = now
        return told

    def _names(self, mask: int) -> str:
        return " and ".join(t.name for t in self.run.world.threads if mask >> t.index & 1)
