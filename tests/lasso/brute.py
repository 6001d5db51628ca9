"""The graph of a small world by brute force: every way there is run anew, as in `simulate/explore.py`."""

from __future__ import annotations

from lastput.lang.world import Goal, Property, World
from lastput.simulate.fault import Fault
from lastput.simulate.program import Program
from lastput.simulate.scheduler import Scheduler
from lastput.simulate.state import StateReader
from tests.lasso.oracle import Toy

Schedule = tuple[tuple[int, int], ...]


def graphs_of(world: World, *, most: int) -> list[Toy] | None:
    """The graph of `world` as each of its goals sees it; None if there are more than `most` states."""
    return _Brute(world).run(most)


class _Brute:
    def __init__(self, world: World) -> None:
        self.goals = world.goals
        self.program = Program(world)
        self.reader = StateReader(self.program)
        self.number: dict[object, int] = {}
        self.steps: list[list[tuple[int, int]]] = []
        self.enabled: list[set[int]] = []
        self.toys = [Toy(len(world.threads), self.steps, self.enabled) for _ in self.goals]
        self.work: list[tuple[Schedule, list[int]]] = []

    def run(self, most: int) -> list[Toy] | None:
        self._attempt(())
        for state, (schedule, enabled) in enumerate(self.work):
            if len(self.work) > most:
                return None
            for thread in enabled:
                choice: int | None = 0
                while choice is not None:
                    target, choice = self._attempt((*schedule, (thread, choice)))
                    if target is not None:
                        self.steps[state].append((thread, target))
        return self.toys

    def _attempt(self, schedule: Schedule) -> tuple[int | None, int | None]:
        """Where `schedule` leads, if anywhere, and the choice to try next in its last step."""
        target, run = None, None
        try:
            with Scheduler.start(self.program) as run:
                for thread, choice in schedule:
                    run.step(thread, choice)
                target = self._arrive(run, schedule)
        except Fault:
            assert run is not None, "the model breaks a rule before any step"
        return target, run.next_choice(schedule[-1][1]) if schedule else None

    def _arrive(self, run: Scheduler, schedule: Schedule) -> int:
        key = self.reader.key(run)
        if key not in self.number:
            self.number[key] = len(self.number)
            enabled = [thread.spec.index for thread in run.threads_run if run.enabled(thread.spec.index)]
            self.work.append((schedule, enabled))
            self.steps.append([])
            self.enabled.append(set(enabled))
            for goal, toy in zip(self.goals, self.toys, strict=True):
                toy.when.append(goal.when is not None and self._true(run, goal.when))
                toy.then.append(self._met(run, goal))
        return self.number[key]

    def _met(self, run: Scheduler, goal: Goal) -> bool:
        if goal.then is not None:
            return self._true(run, goal.then)
        return all(run.threads_run[thread].done for thread in goal.threads)

    def _true(self, run: Scheduler, condition: Property) -> bool:
        function = self.program.rewritten(condition.function).function
        with run.as_thread(None), run.all_at_once():
            return bool(function(*condition.args))
