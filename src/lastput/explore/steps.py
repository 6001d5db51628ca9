"""What can be done in a state: every enabled step of every task, tried once to see what it would do.

Threads are greenlets, which cannot be copied: to try a step is to run the schedule from its beginning. A
schedule of 60 steps takes some milliseconds.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from lastput.lang.errors import UsageError
from lastput.simulate.fault import Fault
from lastput.simulate.machine import Access
from lastput.simulate.program import Program
from lastput.simulate.scheduler import Scheduler

Schedule = tuple[tuple[int, int], ...]
"""(thread, choice) of each step."""


@dataclass(frozen=True)
class Option:
    """A step that can be taken now. `digits` are what its `choose()` calls give, in their order.

    `accesses` is what it would do, `breaks` the kind of rule that it would break; empty for none. `wrong`
    is a mistake of the model's author, which ends the path.
    """

    thread: int
    choice: int
    digits: tuple[int, ...]
    accesses: tuple[Access, ...]
    breaks: str = ""
    wrong: str = ""


def options(
    program: Program, schedule: Sequence[tuple[int, int]], enabled: Iterable[int]
) -> tuple[Option, ...]:
    """Every step of the `enabled` threads that can follow `schedule`; by thread, then by choice."""
    return tuple(itertools.chain.from_iterable(_of(program, schedule, thread) for thread in enabled))


def _of(program: Program, schedule: Sequence[tuple[int, int]], thread: int) -> Iterator[Option]:
    """The steps of one thread: one for each way in which its choices can go."""
    choice: int | None = 0
    while choice is not None:
        with Scheduler.start(program) as run:
            for step in schedule:
                run.step(*step)
            yield _tried(run, thread, choice)
            choice = run.next_choice(choice)


def _tried(run: Scheduler, thread: int, choice: int) -> Option:
    log: list[Access] = []
    run.log = log
    breaks = wrong = ""
    try:
        run.step(thread, choice)
    except Fault as fault:
        breaks = fault.kind
    except UsageError as error:
        wrong = str(error)
    digits = tuple(access.value or 0 for access in log if access.kind == "choose")
    return Option(thread, choice, digits, tuple(log), breaks, wrong)
