"""Liveness: which registers hold a value that is still needed, at every switch point.

The standard backward data-flow problem over the blocks of a flow (Kildall 1973), except that copying
a value into a register that is never read does not count as reading it.
"""

from __future__ import annotations

from lastput.compiler import ir
from lastput.compiler.ir import Block, Flow, Point, Reg


def live_at_points(flow: Flow) -> dict[int, frozenset[Reg]]:
    """Registers live just before each `Point`, by `id` of the instruction."""
    blocks = flow.blocks()
    live_in: dict[Block, frozenset[Reg]] = {block: frozenset() for block in blocks}
    before: dict[Block, list[Block]] = {block: [] for block in blocks}
    for block in blocks:
        for after in block.successors():
            before[after].append(block)
    work = list(blocks)
    while work:
        block = work.pop()
        live = _through(block, _live_out(block, live_in))
        if live != live_in[block]:
            live_in[block] = live
            work += before[block]
    points: dict[int, frozenset[Reg]] = {}
    for block in blocks:
        _through(block, _live_out(block, live_in), points)
    return points


def _live_out(block: Block, live_in: dict[Block, frozenset[Reg]]) -> frozenset[Reg]:
    return frozenset().union(*(live_in[after] for after in block.successors()))


def _through(
    block: Block, live: frozenset[Reg], points: dict[int, frozenset[Reg]] | None = None
) -> frozenset[Reg]:
    """Registers live before `block`, given those live behind it."""
    current = set(live)
    for instr in reversed(block.code):
        if points is not None and isinstance(instr, Point):
            points[id(instr)] = frozenset(current)
        written = ir.writes(instr)
        # A copy that nobody needs does not make its source needed.
        needed = not isinstance(instr, ir.Move) or written in current
        if written is not None:
            current.discard(written)
        if needed:
            current.update(ir.reads(instr))
    return frozenset(current)
