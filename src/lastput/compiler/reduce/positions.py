"""The graph of a thread's positions: which instructions a step runs, and where it can end.

Branches whose condition can have one value only are followed one way, as the machine code does.
"""

from __future__ import annotations

from dataclasses import dataclass

from lastput.compiler import ir
from lastput.compiler.ir import Block, Point, Reg
from lastput.compiler.steps import StateLayout, ThreadProgram
from lastput.compiler.valuesets import ValueSets


@dataclass(frozen=True)
class Step:
    """What the step at a position can run, and the positions behind it; `done` counts as one."""

    code: tuple[ir.Instr, ...]
    exits: frozenset[int]
    again: frozenset[int]
    """Exits on paths that can be part of a cycle of states: on which no loop has only counted on."""

    @property
    def chooses(self) -> bool:
        """Whether it may have several choices."""
        return any(isinstance(instr, ir.Choose) for instr in self.code)


def steps_of(layout: StateLayout, program: ThreadProgram) -> list[Step]:
    """The steps of a thread, by position."""
    return [_step(layout.sets, program, p.block, p.index + 1) for p in program.positions]


def _step(sets: ValueSets, program: ThreadProgram, first: Block, index: int) -> Step:
    code: dict[int, ir.Instr] = {}
    exits: set[int] = set()
    again: set[int] = set()
    nothing: frozenset[Reg] = frozenset()
    seen: set[tuple[Block, frozenset[Reg]]] = set()
    work = [(first, index, nothing)]
    while work:
        block, start, counted = work.pop()
        for instr in block.code[start:]:
            if isinstance(instr, Point):
                exits.add(program.at(instr).number)
                if not counted:
                    again.add(program.at(instr).number)
                break
            code[id(instr)] = instr
            counted = _counting(instr, counted)
            if isinstance(instr, ir.End):
                exits.add(program.done)
        else:
            for after in successors(sets, block):
                if (after, counted) not in seen:
                    seen.add((after, counted))
                    work.append((after, 0, counted))
    return Step(tuple(code.values()), frozenset(exits), frozenset(again))


def _counting(instr: ir.Instr, counted: frozenset[Reg]) -> frozenset[Reg]:
    """Counters of `for` loops that a path has moved on, behind `instr`, and not begun anew.

    A path that has is no cycle of states: the counter never comes back by itself. Whatever cycle passes
    the loop's beginning has an exit, out of the loop and in again, that is in `Step.again`.
    """
    if isinstance(instr, ir.Binary) and instr.dst.loop is not None and instr.a is instr.dst:
        return counted | {instr.dst}
    if isinstance(instr, ir.Move) and instr.dst.loop is not None:
        return counted - {instr.dst}
    return counted


def successors(sets: ValueSets, block: Block) -> list[Block]:
    """Blocks that can run next, given what conditions can be."""
    last = block.code[-1]
    if isinstance(last, ir.Branch):
        known = sets.constant(last.condition)
        if known is not None:
            return [last.then if known else last.other]
    return block.successors()


def sticky(exits: list[frozenset[int]], worth: list[int]) -> set[int]:
    """Positions such that every cycle of the graph has one; those of least `worth` where there is a choice.

    Kurshan, Levin, Minea, Peled and Yenigün, "Static Partial Order Reduction" (TACAS 1998): where the step
    at such a position is never taken alone, no cycle of states postpones another thread for ever. Any cycle
    of states takes some thread around a cycle of its positions.
    """
    found = {p for p, after in enumerate(exits) if p in after}
    work = components(exits, set(range(len(exits))) - found)
    while work:
        cycle = work.pop()
        least = min(sorted(cycle), key=lambda p: worth[p])
        found.add(least)
        work += components(exits, cycle - {least})
    return found


def components(exits: list[frozenset[int]], among: set[int]) -> list[set[int]]:
    """Strongly connected components with a cycle (Tarjan 1972), of the graph's part `among`."""
    index: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    found: list[set[int]] = []
    for root in sorted(among):
        if root in index:
            continue
        path = [(root, iter(sorted(exits[root] & among)))]
        index[root] = low[root] = len(index)
        stack.append(root)
        while path:
            here, rest = path[-1]
            after = next(rest, None)
            if after is None:
                path.pop()
                if path:
                    low[path[-1][0]] = min(low[path[-1][0]], low[here])
                if low[here] == index[here]:
                    found += _component(here, stack, low, exits)
            elif after not in index:
                index[after] = low[after] = len(index)
                stack.append(after)
                path.append((after, iter(sorted(exits[after] & among))))
            elif low[after] >= 0:
                low[here] = min(low[here], index[after])
    return found


def _component(
    root: int, stack: list[int], low: dict[int, int], exits: list[frozenset[int]]
) -> list[set[int]]:
    """Take the component of `root` off the stack; none if it has no cycle. `low` -1 marks what is off."""
    part: set[int] = set()
    while root not in part:
        node = stack.pop()
        low[node] = -1
        part.add(node)
    return [part] if len(part) > 1 or root in exits[root] else []
