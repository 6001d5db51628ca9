"""From a schedule of canonical states to one that can be run.

With symmetry, every state of a search stands for all that differ by a permutation, and the next step goes on
from the one that stands for them: "thread 1" of one step need not be thread 1 of the next. Here the path is
followed once more from the initial state with the model that is not reduced, keeping all states that the
canonical ones may stand for. Of all ways along the path the one with the fewest context switches is taken,
then the smallest: a dynamic programme over (state, last thread), as in `shortest.py`, but of one path only.
So the schedule has the length that the search found, which symmetry keeps; another path may have fewer
switches.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from lastput.engine.expander import Expander
from lastput.engine.model import STATE_EVENT, NativeModel
from lastput.engine.outcome import Violation

State = npt.NDArray[np.uint64]
Schedule = tuple[tuple[int, int], ...]
Ways = dict[tuple[bytes, int], tuple[int, Schedule]]
"""To each (state, last thread): switches on the best way there, and that way."""


class Lost(Exception):
    """No concrete step corresponds to a canonical one: the symmetry, and so lastput, is wrong."""


def concrete(
    reduced: NativeModel,
    plain: NativeModel,
    found: Violation,
    same: Callable[[int, int], bool],
    single_steps: Callable[[State, int, int], list[tuple[int, int]]],
) -> Violation:
    """The violation that `reduced` found, as a schedule of `plain`, the same model without reductions.

    `same` tells whether a code of `reduced` and one of `plain` are the same violation; `single_steps` what a
    step of `reduced` (from a state, by a thread, with a choice) is in `plain`. Lost if `plain` cannot follow.
    """
    return _Concrete(reduced, plain, found, same, single_steps).run()


class _Concrete:
    def __init__(
        self,
        reduced: NativeModel,
        plain: NativeModel,
        found: Violation,
        same: Callable[[int, int], bool],
        single_steps: Callable[[State, int, int], list[tuple[int, int]]],
    ) -> None:
        assert reduced.canonical, "without symmetry a schedule needs no translation"
        self.plain, self.found, self.same, self.single_steps = plain, found, same, single_steps
        self.initial = reduced.initial
        self.steps = Expander(plain, 1)
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
        self.replace = kind(reduced.canonical)

    def run(self) -> Violation:
        """Follow the path, then find the violation at its end."""
        if not np.array_equal(self.plain.initial, self.initial):
            raise Lost("the initial states differ")
        ways: Ways = {(self.plain.initial.tobytes(), -1): (0, ())}
        for target in self._path():
            ways = self._follow(ways, target.tobytes())
        return min(self._violations(ways), key=lambda v: (v.switches, v.schedule, v.code))

    def _path(self) -> Iterator[State]:
        """After each single step that leads to a state, the canonical one for it."""
        steps = self.found.schedule if self.found.thread is None else self.found.schedule[:-1]
        state = self.initial
        for thread, choice in steps:
            for label in self.single_steps(state, thread, choice):
                state = self._after(state, *label)
                canonical = self._canonical(state)
                yield canonical
            state = canonical

    def _after(self, state: State, thread: int, choice: int) -> State:
        made, _ = self.steps.run(np.ascontiguousarray(state), 0, 1)
        labels = [int(label) & 0xFFFFFFFF for label in self.steps.labels[:made]]
        if thread << 16 | choice not in labels:
            raise Lost(f"thread {thread} cannot step")
        return self._row(self.steps, labels.index(thread << 16 | choice))

    def _canonical(self, state: State) -> State:
        canonical = state.copy()
        self.replace(canonical.ctypes.data, 1)
        return canonical

    def _row(self, expander: Expander, number: int) -> State:
        words = self.plain.words
        return expander.rows[number * words : (number + 1) * words].copy()

    def _follow(self, ways: Ways, target: bytes) -> Ways:
        """One step on, to all states for which `target` stands."""
        after: Ways = {}
        for (state, last), (switches, schedule) in ways.items():
            made, _ = self.steps.run(np.frombuffer(state, np.uint64), 0, 1)
            for number in range(made):
                row = self._row(self.steps, number)
                if self._canonical(row).tobytes() != target:
                    continue
                label = int(self.steps.labels[number])
                thread = label >> 16 & 0xFFFF
                key = row.tobytes(), thread
                way = switches + (last not in (-1, thread)), (*schedule, (thread, label & 0xFFFF))
                after[key] = min(after.get(key, way), way)
        if not after:
            raise Lost(f"no step leads to the state after {len(next(iter(ways.values()))[1])} steps")
        return after

    def _violations(self, ways: Ways) -> list[Violation]:
        """The violation, wherever the path may end."""
        ends = []
        for (state, last), (switches, schedule) in ways.items():
            _, events = self.steps.run(np.frombuffer(state, np.uint64), 0, 1)
            for label, code in self.steps.events[:events].tolist():
                thread, choice = label >> 16 & 0xFFFF, label & 0xFFFF
                of_state = thread == STATE_EVENT
                if of_state != (self.found.thread is None) or not self.same(self.found.code, code):
                    continue
                end = () if of_state else ((thread, choice),)
                ends.append(
                    replace(
                        self.found,
                        code=code,
                        thread=None if of_state else thread,
                        choice=choice,
                        schedule=[*schedule, *end],
                        depth=len(schedule) + len(end),
                        switches=switches + (not of_state and last not in (-1, thread)),
                    )
                )
        if not ends:
            raise Lost("the violation is not at the end of the path")
        return ends
