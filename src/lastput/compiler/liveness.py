"""Liveness: which registers hold a value that is still needed, at every switch point.

The standard backward data-flow problem over the blocks of a flow (Kildall 1973), except that copying
a value into a register that is never read does not count as reading it.
"""

from __future__ import annotations

from lastput.compiler import ir
from lastput.compiler.ir import Block, Flow, Point, Reg

Effects = list[tuple[Point | None, Reg | None, tuple[Reg, ...], bool]]
"""Of a block's instructions, last first: the point if it is one, what it writes, what it reads, and whether
it reads that only if what it writes is needed: a copy that nobody needs does not make its source needed."""


def live_at_points(flow: Flow) -> dict[int, frozenset[Reg]]:
    """Registers live just before each `Point`, by `id` of the instruction."""
    blocks = flow.blocks()
    effects = {block: _effects(block) for block in blocks}
    live_in: dict[Block, frozenset[Reg]] = {block: frozenset() for block in blocks}
    before: dict[Block, list[Block]] = {block: [] for block in blocks}
    for block in blocks:
        for after in block.successors():
            before[after].append(block)
    work = dict.fromkeys(blocks)
    while work:
        block, _ = work.popitem()
        live = _through(effects[block], _live_out(block, live_in))
        if live != live_in[block]:
            live_in[block] = live
            work.update(dict.fromkeys(before[block]))
    points: dict[int, frozenset[Reg]] = {}
    for block in blocks:
        _through(effects[block], _live_out(block, live_in), points)
    return points


def _effects(block: Block) -> Effects:
    return [
        (i if isinstance(i, Point) else None, ir.writes(i), tuple(ir.reads(i)), isinstance(i, ir.Move))
        for i in reversed(block.code)
    ]


def _live_out(block: Block, live_in: dict[Block, frozenset[Reg]]) -> frozenset[Reg]:
    return frozenset().union(*(live_in[after] for after in block.successors()))


def _through(
    effects: Effects, live: frozenset[Reg], points: dict[int, frozenset[Reg]] | None = None
) -> frozenset[Reg]:
    """Registers live before a block, given those live behind it."""
    current = set(live)
    for point, written, read, copies in effects:
        if point is not None and points is not None:
            points[id(point)] = frozenset(current)
        needed = not copies or written in current
        if written is not None:
            current.discard(written)
        if needed:
            current.update(read)
    return frozenset(current)
