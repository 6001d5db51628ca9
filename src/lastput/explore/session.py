"""A walk through a scenario: where it stands, what can be done next, and the way back.

No input or output happens here, and nothing is computed but what is looked at: the space of states is
never enumerated. Several violations can be found at one place; the first is the one that a replay shows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lastput.checks.kinds import KINDS
from lastput.evidence.trace import Evidence, broken, told
from lastput.explore.picture import Picture, picture
from lastput.explore.steps import Option, Schedule, options
from lastput.lang.errors import UsageError
from lastput.lang.world import World
from lastput.result import Step, Task, Violation
from lastput.simulate.program import Program
from lastput.simulate.replay import replay
from lastput.simulate.trace import Trace

REMEMBERED = 512
"""So many places that were looked at are kept: going back is then free."""


@dataclass(frozen=True)
class Place:
    """Where a schedule leads. Without options the path ends here: `violations` says why, or all is done.

    `steps` is the schedule as reports have it, `tasks` where each task stands. `bound` names a limit of
    the model that was met: what comes after it is not run, and it is no violation.
    """

    schedule: Schedule
    steps: tuple[Step, ...]
    tasks: tuple[Task, ...]
    options: tuple[Option, ...]
    picture: Picture
    violations: tuple[Violation, ...] = ()
    bound: str = ""

    @property
    def thread(self) -> int | None:
        """Who took the last step."""
        return self.schedule[-1][0] if self.schedule else None


class Session:
    """A path through `world`, which can be taken back and walked again."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.program = Program(world)
        self.path: Schedule = ()
        """The steps from the initial state to here."""
        self.ahead: Schedule = ()
        """Steps that were taken back, or come from a file: where `forward` goes."""
        self._seen: dict[Schedule, Place] = {}

    # -- where it stands --------------------------------------------------------------------------

    def here(self) -> Place:
        """What there is to see where the path ends."""
        return self.place(self.path)

    def place(self, schedule: Schedule) -> Place:
        """What there is to see where `schedule` ends. UsageError if it cannot be followed."""
        if schedule not in self._seen:
            if len(self._seen) >= REMEMBERED:
                self._seen.pop(next(iter(self._seen)))
            self._seen[schedule] = self._look(schedule)
        return self._seen[schedule]

    def _look(self, schedule: Schedule) -> Place:
        trace = replay(self.world, schedule, self.program)
        faults = broken(trace)
        bounds = [fault.message for fault in faults if KINDS[fault.kind].bound]
        violations = [
            told(self.world, trace, fault, schedule) for fault in faults if not KINDS[fault.kind].bound
        ]
        evidence = Evidence(self.world, trace, trace.fault)
        enabled = [] if trace.fault else [found.thread for found in trace.suspended if found.enabled]
        return Place(
            schedule,
            self._steps(schedule, trace, evidence),
            evidence.tasks(),
            options(self.program, schedule, enabled),
            picture(self.program, schedule),
            tuple(violations),
            "; ".join(bounds),
        )

    def _steps(self, schedule: Schedule, trace: Trace, evidence: Evidence) -> tuple[Step, ...]:
        """The steps in words; those of a place where we have been are not told anew."""
        before = self._seen.get(schedule[:-1])
        if before is not None and schedule:
            return (*before.steps, evidence.step(trace.steps[-1]))
        return tuple(map(evidence.step, trace.steps))

    # -- moving -----------------------------------------------------------------------------------

    def take(self, thread: int, choice: int = 0) -> Place:
        """Take a step. UsageError where it is not possible."""
        if not any((o.thread, o.choice) == (thread, choice) for o in self.here().options):
            raise UsageError(self._refusal(thread, choice))
        step = (thread, choice)
        self.ahead = self.ahead[1:] if self.ahead[:1] == (step,) else ()
        self.path = (*self.path, step)
        return self.here()

    def _refusal(self, thread: int, choice: int) -> str:
        here = self.here()
        if not 0 <= thread < len(here.tasks):
            return f"there is no thread {thread}"
        if not here.options:
            return "the path ends here: go back"
        task = here.tasks[thread]
        if task.state in ("finished", "blocked"):
            return f"{task.name} {'has finished' if task.state == 'finished' else 'is blocked'}"
        return f"{task.name} has no choice {choice} here"

    def back(self, steps: int = 1) -> Place:
        """Take back so many steps, or all there are; `forward` takes them again."""
        return self.goto(max(0, len(self.path) - steps))

    def forward(self, steps: int = 1) -> Place:
        """Take again so many of the steps that lie ahead, or all there are."""
        return self.goto(len(self.path) + min(steps, len(self.ahead)))

    def goto(self, number: int) -> Place:
        """Go to where `number` steps are taken, of those on the path and ahead. UsageError for too many."""
        whole = self.path + self.ahead
        if not 0 <= number <= len(whole):
            raise UsageError(f"there is no step {number}: the path has {len(whole)}")
        self.path, self.ahead = whole[:number], whole[number:]
        return self.here()

    def follow(self, schedule: Sequence[tuple[int, int]], number: int | None = None) -> Place:
        """Make `schedule` the path, and go to its end, or to where `number` of its steps are taken.

        UsageError, and the path stays as it was, if it cannot be followed.
        """
        whole = tuple((thread, choice) for thread, choice in schedule)
        self.place(whole)
        self.path, self.ahead = whole, ()
        return self.goto(len(whole) if number is None else number)

    # -- what else can be asked -------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """The rule that is broken where the path ends; empty for none."""
        found = self.here().violations
        return found[0].kind if found else ""
