"""A shortest schedule to a violation, rebuilt without stored parents.

The levels of the breadth-first search are expanded once more, from the violating one back to the initial
state, keeping only edges into states known to lead to the violation: the way symbolic model checkers walk
back through their onion rings (Clarke, Grumberg, McMillan and Zhao, "Efficient Generation of
Counterexamples and Witnesses in Symbolic Model Checking", DAC 1995). Departure: all states on some shortest
schedule are kept, with the fewest context switches that are left from there; a dynamic programme over
(state, last thread). Whatever thread ran last, the cost from a state is the least one or that plus one, so a
number and a set of threads per state hold it (`routing.relax`).

Of all schedules of least length, then least switches, the canonical one is taken: at each step the
smallest (thread, choice), at the end the smallest (thread, choice, code). Neither depends on the order of
the states, nor on which shard has them. A level in which a state itself is violating (an event of
STATE_EVENT) ends there; violating steps from the same level are one step longer. A violating state of the
next level is as short as a violating step of this one: `search` compares the two.

A schedule of more than 65,534 switches is still a shortest one, perhaps not with the fewest switches; the
same holds for more than 64 threads.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

from lastput.engine.model import STATE_EVENT, NativeModel
from lastput.engine.outcome import Violation
from lastput.engine.team import Team
from lastput.engine.trail import mask_bits


def shortest(
    model: NativeModel, team: Team, start: int, level: int, check: Callable[[], None]
) -> tuple[Violation, int]:
    """Schedule of the best violation in `level`, whose violations are not bounds, and the bytes it took.

    `start` is the shard that has the initial state. `check` is called between rounds and may raise."""
    return _Shortest(model, team, start, level, check).run()


class _Shortest:
    def __init__(
        self, model: NativeModel, team: Team, start: int, level: int, check: Callable[[], None]
    ) -> None:
        self.model, self.team, self.start, self.level, self.check = model, team, start, level, check
        self.words = model.words
        self.top = mask_bits(model.threads) - 1

    def run(self) -> tuple[Violation, int]:
        team = self.team
        team.each("retrace", self.level)
        self.by_state = any(team.each("follow", "mark"))
        team.each("follow", "prefer_states", self.by_state)
        for level in range(self.level - 1, -1, -1):
            team.each("follow", "open", level)
            self.check()
            while any(team.ask("ask", "answer", "take")):
                self.check()
        return self._walk(), sum(team.each("follow", "size"))

    def _walk(self) -> Violation:
        """From the initial state along the cheapest steps, smallest (thread, choice) first."""
        schedule: list[tuple[int, int]] = []
        place = self.start, 0
        for level in range(self.level):
            thread, choice, place = self._step(place, level, _last(schedule))
            schedule.append((thread, choice))
        label, code = min(
            (found for found in self._ask(place, "broken") if self._final(found[0])),
            key=lambda event: (self._switch(_last(schedule), _thread(event[0])), event),
        )
        thread, choice = _thread(label), label & 0xFFFF
        if not self.by_state:
            schedule.append((thread, choice))
        switches = sum(a != b for (a, _), (b, _) in pairwise(schedule))
        return Violation(
            code=code,
            thread=None if self.by_state else thread,
            choice=choice,
            schedule=schedule,
            depth=len(schedule),
            switches=switches,
        )

    def _ask(self, place: tuple[int, int], name: str) -> list[tuple[int, int]]:
        shard, state = place
        found: list[tuple[int, int]] = self.team.one(shard, "follow", name, state)
        return found

    def _step(
        self, place: tuple[int, int], level: int, before: int | None
    ) -> tuple[int, int, tuple[int, int]]:
        """Thread, choice and target of the best step from a state that leads to the violation."""
        shard, state = place
        self.team.each("follow", "open", level)
        labels, owners, rows = self.team.one(shard, "follow", "steps", state)
        best: tuple[int, int, int, tuple[int, int]] | None = None
        for i, (label, owner) in enumerate(zip(labels, owners, strict=True)):
            row = rows[i * self.words : (i + 1) * self.words]
            to, cost, threads = self.team.one(owner, "follow", "locate", row)
            if cost == 0:
                continue
            thread = _thread(label)
            free = threads >> min(thread, self.top) & 1
            total = self._switch(before, thread) + cost - 1 + (not free)
            found = (total, thread, label & 0xFFFF, (owner, to))
            best = min(best or found, found)
        assert best is not None, "a marked state has a way to the violation"
        return best[1:]

    def _final(self, label: int) -> bool:
        return (_thread(label) == STATE_EVENT) == self.by_state

    @staticmethod
    def _switch(before: int | None, thread: int) -> bool:
        return before is not None and thread not in (before, STATE_EVENT)


def _last(schedule: list[tuple[int, int]]) -> int | None:
    return schedule[-1][0] if schedule else None


def _thread(label: int) -> int:
    return label >> 16 & 0xFFFF
