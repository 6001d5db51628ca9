"""When one thread's next step is enough: persistent sets of a single thread.

In a state, the step of thread t at position p is taken alone if no step that any other thread can take from
there on, as long as t stays at p, conflicts with it. Whatever the others do then commutes with it, so that
every violation, every final state and every line is reached by taking it first (persistent sets: Godefroid,
"Partial-Order Methods for the Verification of Concurrent Systems", LNCS 1032, 1996; the conditions C0 to C3
of ample sets: Clarke, Grumberg, Minea and Peled, "State space reduction using partial order techniques",
STTT 1999). Departures:

- The future of a thread is what its control flow leads to. It ends at steps that are not possible while t
  stays where it is: a lock that t holds, a grace period that waits for t. That is the necessary enabling set
  of a stubborn set (Valmari, "A stubborn attack on state explosion", CAV 1990), known before the search.
- What conflicts is decided by cells, and where both touch the same ones by trying both orders on all values
  that they can have there (`knowledge.py`).
- A step is taken alone only if it succeeds. One that breaks a rule, or meets a bound, is taken beside all
  others, so that nothing is missed behind it.
- The cycle proviso is that of `positions.sticky`.
- A step that writes what an invariant or a reachability condition reads is visible. It is taken alone only if
  nobody else can come to a step that is visible to the same property: whatever values the property sees in
  some order, it sees in this one. The state before such a step is always kept.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from lastput.compiler import ir
from lastput.compiler.ir import Flow
from lastput.compiler.reduce.escape import private_accesses
from lastput.compiler.reduce.footprint import Cells
from lastput.compiler.reduce.knowledge import bits
from lastput.compiler.reduce.positions import Step, steps_of, sticky
from lastput.compiler.reduce.waiting import Waiting
from lastput.compiler.steps import StateLayout


@dataclass
class Alone:
    """Of each thread, by position: for each thread, the positions of it that leave the step alone.

    None: the step is never taken alone. Positions are bits of an int, `done` included.
    """

    others: list[list[list[int] | None]]
    plain: list[list[bool]]
    """Of each thread, by position: the step has one choice, and no property sees what it does."""


def find_alone(layout: StateLayout, visible: list[Flow], names: frozenset[str]) -> Alone:
    """Steps that can be taken alone, with the reductions `names` of `plan.REDUCTIONS`.

    `visible` are the flows of all properties that are asked in every state.
    """
    return _Finder(layout, visible, names).run()


class _Finder:
    def __init__(self, layout: StateLayout, visible: list[Flow], names: frozenset[str]) -> None:
        self.layout, self.names = layout, names
        flows = [program.flow for program in layout.threads]
        private = frozenset[int]().union(*map(private_accesses, flows)) if "private" in names else frozenset()
        self.cells = Cells(layout, [*flows, *visible], private)
        self.steps = [steps_of(layout, program) for program in layout.threads]
        self.prints = [[self.cells.footprint(step.code) for step in steps] for steps in self.steps]
        self.seen = [self.cells.footprint(_reading(flow)).reads for flow in visible]
        """What each property reads."""
        self.touching = [_by_cell([f.touches for f in prints]) for prints in self.prints]
        self.writing = [_by_cell([f.writes for f in prints]) for prints in self.prints]
        self.before = [_predecessors(steps) for steps in self.steps]
        self.waiting = Waiting(self.cells, layout.threads, self.steps) if "locks" in names else None

    def run(self) -> Alone:
        """The table of all threads."""
        others = [self._thread(t) for t in range(len(self.steps))]
        plain = [[self._plain(t, p) for p in range(len(steps))] for t, steps in enumerate(self.steps)]
        return Alone(others, plain)

    def _plain(self, t: int, p: int) -> bool:
        return not self.steps[t][p].chooses and not self._watched(t, p)

    def _watched(self, t: int, p: int) -> int:
        """All that is read by properties which see what the step does."""
        found = 0
        for seen in self.seen:
            if self.prints[t][p].writes & seen:
                found |= seen
        return found

    def _thread(self, t: int) -> list[list[int] | None]:
        count = len(self.steps[t])
        found: list[list[int] | None] = [None] * count
        worth = [0] * count
        for p in range(count):
            leaves = [self._leaves(t, p, u) for u in range(len(self.steps))]
            worth[p] = sum(mask.bit_count() for mask in leaves)
            found[p] = leaves
        # A position that is never left alone breaks its cycles by itself.
        exits = [step.again if found[p] is not None else frozenset() for p, step in enumerate(self.steps[t])]
        for p in sticky(exits, worth):
            found[p] = None
        return found

    def _leaves(self, t: int, p: int, u: int) -> int:
        """Positions of `u` from which it cannot come to a conflict before `t` moves."""
        everywhere = (2 << len(self.steps[u])) - 1
        if u == t:
            return everywhere
        mine = self.prints[t][p]
        close = 0
        for bit in bits(mine.touches):
            close |= self.writing[u].get(bit, 0)
        for bit in bits(mine.writes):
            close |= self.touching[u].get(bit, 0)
        visible = 0
        for bit in bits(self._watched(t, p)):
            visible |= self.writing[u].get(bit, 0)
        if not close | visible:
            return everywhere
        stopped = self.waiting.stopped(t, p, u) if self.waiting else 0
        bad = sum(1 << q for q in bits(close & ~stopped & ~visible) if not self._independent(t, p, u, q))
        bad |= visible & ~stopped
        bad = self._leading_to(u, bad, stopped)
        if "por" not in self.names and "locks" not in self.names and bad:
            return 1 << len(self.steps[u])
        return everywhere & ~bad

    def _leading_to(self, u: int, bad: int, stopped: int) -> int:
        """Positions of `u` from which some of `bad` can be reached; nothing passes those in `stopped`."""
        work, found = bad, bad
        while work:
            q = work.bit_length() - 1
            work &= ~(1 << q)
            new = self.before[u][q] & ~stopped & ~found
            found |= new
            work |= new
        return found

    # -- conflicts -----------------------------------------------------------------------------

    def _independent(self, t: int, p: int, u: int, q: int) -> bool:
        """Whether the two steps commute, though their cells overlap."""
        mine, theirs = self.prints[t][p], self.prints[u][q]
        shared = (mine.touches & theirs.writes) | (mine.writes & theirs.touches)
        if self.waiting is None or shared & (mine.vague | theirs.vague):
            return False
        return all(self.cells.is_cell(bit) and self.waiting.commute(bit, t, p, u, q) for bit in bits(shared))


def _reading(flow: Flow) -> list[ir.Instr]:
    """The code of a property, without its end: that is no thread's."""
    return [i for block in flow.blocks() for i in block.code if not isinstance(i, ir.End)]


def _by_cell(footprints: list[int]) -> dict[int, int]:
    """Of each bit, the positions whose footprint has it."""
    found: dict[int, int] = defaultdict(int)
    for position, footprint in enumerate(footprints):
        for bit in bits(footprint):
            found[bit] |= 1 << position
    return dict(found)


def _predecessors(steps: list[Step]) -> list[int]:
    """Of each position, `done` included, those with a step to it."""
    found = [0] * (len(steps) + 1)
    for position, step in enumerate(steps):
        for exit_ in step.exits:
            found[exit_] |= 1 << position
    return found
