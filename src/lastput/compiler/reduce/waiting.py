"""Who cannot go on while another thread stays where it is: the group of cells behind each `await_`."""

from __future__ import annotations

from collections.abc import Callable

from lastput.compiler import ir
from lastput.compiler.reduce.footprint import Cells
from lastput.compiler.reduce.knowledge import Knowledge
from lastput.compiler.reduce.positions import Step
from lastput.compiler.reduce.project import TooMany
from lastput.compiler.steps import Position, ThreadProgram

LARGEST = 4
"""Cells of a group: a condition on more of them is looked at cell by cell only."""


class Waiting:
    """What groups of cells tell about pairs of threads, found when first asked for."""

    def __init__(self, cells: Cells, programs: list[ThreadProgram], steps: list[list[Step]]) -> None:
        self.cells, self.programs, self.steps = cells, programs, steps
        self._loose = self._stored_loosely()
        self._known: dict[tuple[int, ...], Knowledge | None] = {}
        self._awaits = [
            {p.number: self._groups(p) for p in program.positions if p.point.kind == "await"}
            for program in programs
        ]
        self._of_cell: dict[int, list[tuple[int, ...]]] = {}
        for awaits in self._awaits:
            for groups in awaits.values():
                for group in groups:
                    for address in group:
                        known = self._of_cell.setdefault(address, [(address,)])
                        if group not in known:
                            known.append(group)

    def stopped(self, t: int, p: int, u: int) -> int:
        """Positions of `u` from which it surely cannot step as long as `t` stays at position p."""
        found = 0
        for q, groups in self._awaits[u].items():
            if any(self._ask(group, lambda k, q=q: k.stopped(t, p, u, q)) for group in groups):  # type: ignore[misc]
                found |= 1 << q
        return found

    def commute(self, address: int, t: int, p: int, u: int, q: int) -> bool:
        """Whether the steps at p and q commute as far as the cell at `address` goes."""
        if address in self._loose or address in self.cells.layout.initialised:
            return False
        groups = self._of_cell.get(address, [(address,)])
        return any(self._ask(group, lambda k: k.independent(t, p, u, q)) for group in groups)

    def _ask(self, group: tuple[int, ...], question: Callable[[Knowledge], bool]) -> bool:
        """The answer, or no if the group is too much to look at."""
        if group not in self._known:
            try:
                self._known[group] = Knowledge(self.cells, group, self.steps)
            except TooMany:
                self._known[group] = None
        known = self._known[group]
        try:
            return known is not None and question(known)
        except TooMany:
            return False

    def _groups(self, position: Position) -> list[tuple[int, ...]]:
        """The cells that the condition at an `await_` reads: each alone, and all together."""
        addresses: set[int] = set()
        for instr in _condition(position):
            if isinstance(instr, ir.Load):
                targets = self.cells.targets(instr)
                if len(targets) == 1 and self._usable(targets[0]):
                    addresses.add(targets[0])
        together = tuple(sorted(addresses))
        groups: list[tuple[int, ...]] = [(address,) for address in together]
        return [*groups, together] if 1 < len(together) <= LARGEST else groups

    def _usable(self, address: int) -> bool:
        layout = self.cells.layout
        return address in layout.cells and address not in layout.initialised and address not in self._loose

    def _stored_loosely(self) -> set[int]:
        """Cells that some store may mean, beside others."""
        found: set[int] = set()
        for program in self.programs:
            for block in program.flow.blocks():
                for instr in block.code:
                    if isinstance(instr, ir.Store):
                        targets = self.cells.targets(instr)
                        if len(targets) > 1:
                            found.update(targets)
        return found


def _condition(position: Position) -> list[ir.Instr]:
    """Instructions between the switch point and its `Guard`."""
    found: list[ir.Instr] = []
    seen, work = set(), [(position.block, position.index + 1)]
    while work:
        block, first = work.pop()
        for instr in block.code[first:]:
            if isinstance(instr, (ir.Guard, ir.Point)):
                break
            found.append(instr)
        else:
            for after in block.successors():
                if after not in seen:
                    seen.add(after)
                    work.append((after, 0))
    return found
