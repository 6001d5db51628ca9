"""A session with its searches and what is said about them: what the page and the terminal both drive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from lastput import target
from lastput.ask import never
from lastput.checker import Disagreement, build_world
from lastput.evidence.fingerprint import fingerprint
from lastput.explore.finder import Finder
from lastput.explore.moments import KINDS, Kind, next_moment
from lastput.explore.nearest import Model, Nearest
from lastput.explore.session import Session
from lastput.lang.errors import UsageError
from lastput.report.layout import plural
from lastput.report.saved import Saved
from lastput.simulate.judge import judge
from lastput.simulate.scheduler import Scheduler


class Walk:
    """A walk through `model`. Close it when done. `said` is what the last command has to say."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.scenario = target.find(model.target)
        self.session = Session(build_world(self.scenario, model.variant, dict(model.settings)))
        self.session.here()
        self.finder = Finder(model)
        self.said = ""

    def close(self) -> None:
        """End what runs beside."""
        self.finder.close()

    # -- moving; each gives up the search that is under way ---------------------------------------

    def take(self, thread: int, choice: int) -> None:
        """Take a step."""
        self._moves()
        self.session.take(thread, choice)

    def goto(self, number: int) -> None:
        """Go to where `number` steps of the path are taken."""
        self._moves()
        self.session.goto(number)

    def by(self, steps: int) -> None:
        """Go so many steps on along the path, or back; not beyond its ends."""
        self._moves()
        if steps < 0:
            self.session.back(-steps)
        else:
            self.session.forward(steps)

    def moment(self, kinds: Sequence[Kind] = KINDS) -> None:
        """Go to the next step that is worth a look."""
        self._moves()
        session = self.session
        if not session.here().options:
            raise UsageError("the path ends here: go back")
        found = next_moment(session.program, session.path, session.ahead, kinds)
        session.follow(found.schedule, found.number)
        self.said = found.text

    def give_up(self) -> None:
        """End the search that is under way."""
        self._moves()
        self.said = "the search was given up"

    def _moves(self) -> None:
        self.finder.cancel()
        self.said = ""

    # -- searching --------------------------------------------------------------------------------

    def find(self, expression: str | None) -> None:
        """Begin to search for the nearest state with `expression`; for a violation without one."""
        self._moves()
        here = self.session.here()
        if expression is not None:
            never(self.session.world, expression)
        elif here.violations:
            raise UsageError("a rule is broken here: go back to look for another")
        if here.bound or any(found.thread is not None for found in here.violations):
            raise UsageError("the path ends here: go back")
        self.finder.start(self.session.path, expression)

    def look(self) -> bool:
        """Whether a search has come to an end; the walk is then where it leads, and `said` what it found."""
        search = self.finder.under_way
        found = self.finder.finished()
        if search is None or found is None:
            return False
        if found.schedule is None:
            self.said = _nothing(found, search.expression)
            return True
        steps = len(found.schedule) - len(search.path)
        self.session.follow(found.schedule)
        self._confirm(search.expression)
        self.said = (
            f"{plural(steps, 'step')} on: the shortest way, of {plural(found.states, 'state')} searched"
        )
        if not steps:
            self.said = "true here already"
        return True

    def _confirm(self, expression: str | None) -> None:
        """Search and replay share no code: that they agree is a check of both."""
        if expression is None:
            agreed = bool(self.session.here().violations)
        else:
            agreed = self.is_true(expression)
        if not agreed:
            what = expression or "a violation"
            raise Disagreement(f"the search led to {what}, the replay of {self.session.path} did not")

    def is_true(self, expression: str) -> bool:
        """Whether `expression` is true here, as CPython sees it."""
        world = self.session.world
        with Scheduler.start(self.session.program) as run:
            for step in self.session.path:
                run.step(*step)
            run.world = replace(world, properties=[never(world, expression)])
            return any(fault.kind == "invariant" for fault in judge(run)[0])

    # -- files ------------------------------------------------------------------------------------

    def load(self, schedule: Sequence[tuple[int, int]]) -> None:
        """Put a schedule ahead of the initial state. UsageError if it cannot be followed."""
        self._moves()
        self.session.follow(schedule, 0)
        self.said = f"{plural(len(schedule), 'step')} ahead"

    def saved(self) -> Saved:
        """The path up to here, as a file of schedules has it."""
        world = self.session.world
        return Saved(
            self.model.target,
            world.scenario.name,
            world.variant,
            dict(world.configuration),
            fingerprint(self.scenario),
            self.session.kind,
            self.session.path,
        )


def _nothing(found: Nearest, expression: str | None) -> str:
    """That a search found nothing, and whether that is a proof."""
    what = "no rule is broken" if expression is None else "never true"
    states = plural(found.states, "state")
    if found.complete:
        return f"{what}, whatever is done from here: all {states} were searched"
    return f"not found in {states}, and that is no proof: {found.stop}"
