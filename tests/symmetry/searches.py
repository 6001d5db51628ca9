"""A world searched with and without symmetry, and whether every state was replaced by one like it."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np

from lastput.checks.kinds import KINDS
from lastput.compiler.compile import Compiled, compile_world
from lastput.engine.concrete import concrete
from lastput.engine.expander import Expander
from lastput.engine.model import STATE_EVENT
from lastput.engine.outcome import Outcome, Violation
from lastput.engine.search import search
from lastput.lang.world import World
from lastput.plan import REDUCTIONS
from lastput.states.reach import reach

BOTH = frozenset(("heap", "symmetry"))
ALL = frozenset(REDUCTIONS)


@dataclass(frozen=True)
class Searched:
    """A compiled world and what its search found."""

    compiled: Compiled
    outcome: Outcome

    @property
    def verdict(self) -> object:
        """What must not depend on reductions: kinds of violations and bounds, the length of the shortest
        schedule, the depth, what was never seen, and which lines ran."""
        compiled, outcome = self.compiled, self.outcome
        kinds = {compiled.sites[code].kind for code in outcome.codes}
        return (
            kinds,
            {compiled.sites[code].kind for code in outcome.bounds},
            None if outcome.violation is None else outcome.violation.depth,
            outcome.depth,
            outcome.unseen,
            outcome.coverage.tolist(),
        )


def searched(world: World, reduce: frozenset[str] = frozenset()) -> Searched:
    """All states of `world`, and all violations."""
    compiled = compile_world(world, reduce)
    return Searched(compiled, search(compiled.native, keep_going=True))


def said(found: Searched) -> object:
    """What no reduction may change, those that leave out steps included."""
    kinds = {found.compiled.sites[code].kind for code in found.outcome.codes}
    return kinds, found.outcome.unseen, found.outcome.coverage.tolist()


def concrete_violation(plain: Searched, reduced: Searched) -> Violation:
    """What the reduced search found, as a schedule that can be run."""
    found = reduced.outcome.violation
    assert found is not None

    def same(code: int, other: int) -> bool:
        one, two = reduced.compiled.sites[code], plain.compiled.sites[other]
        return (one.kind, one.file, one.line) == (two.kind, two.file, two.line)

    taken = reduced.compiled.taken_with
    return concrete(reduced.compiled.native, plain.compiled.native, found, same, taken)


class Canonical:
    """The compiled function that replaces a state by the least of its orbit."""

    def __init__(self, compiled: Compiled) -> None:
        self.words = compiled.native.words
        kind = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64)
        self._run = kind(compiled.native.canonical) if compiled.native.canonical else None

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        after = np.ascontiguousarray(rows).copy()
        if self._run is not None:
            self._run(after.ctypes.data, len(after))
        return after


def check_bisimilar(plain: Searched, reduced: Searched) -> int:
    """Every reachable state and the one that stands for it have steps to the same canonical states and break
    the same rules. Returns the number of canonical states. One of them need not be reachable itself: its
    slots of a pool may be in an order in which they are never allocated."""
    canonical = Canonical(reduced.compiled)
    states = reach(plain.compiled.native).states
    leasts = canonical(states)
    assert np.array_equal(canonical(leasts), leasts), "a canonical state is not its own"
    futures: dict[bytes, object] = {}
    for state, least in zip(states, leasts, strict=True):
        if least.tobytes() not in futures:
            futures[least.tobytes()] = future(plain, canonical, least)
        assert future(plain, canonical, state) == futures[least.tobytes()], "a state and its stand-in differ"
    return len(futures)


def future(plain: Searched, canonical: Canonical, state: np.ndarray) -> object:
    """Canonical successors of a state, and the kinds of rules that it or its steps break."""
    expander = Expander(plain.compiled.native, 1)
    made, events = expander.run(state, 0, 1)
    rows = canonical(expander.rows[: made * canonical.words].reshape(made, canonical.words))
    sites = plain.compiled.sites
    broken = sorted(
        (sites[code].kind, label >> 16 & 0xFFFF == STATE_EVENT)
        for label, code in expander.events[:events].tolist()
        if not KINDS[sites[code].kind].bound
    )
    return sorted(row.tobytes() for row in rows), broken
