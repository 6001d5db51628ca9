"""Rematerialisation: recompute an address where it is used instead of keeping it in the state.

`&vm.host[page]` is `page` in other clothes: while `page` is at hand, the address need not be a live
register with bits of its own (Briggs, Cooper and Torczon 1992, for spilling; here every live
register is "spilled" at every switch point). Only addresses that are one register moved or scaled
by constants are treated, so that states stay as distinct as they were: each form tells the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, replace

from lastput.compiler import ir
from lastput.compiler.ir import Block, Flow, Reg
from lastput.compiler.ranges import find_ranges
from lastput.lang.world import World


def rematerialise(flow: Flow, world: World) -> None:
    """Change `flow` in place."""
    ranges, uses = find_ranges(flow, world), _Uses(flow)
    # Last first: an address computed from another is moved before the other is.
    for block, element in reversed(_candidates(flow, uses)):
        if element.count is None or _inside(element, ranges):
            _move_to_uses(block, element, uses)


class _Uses:
    """How often each register is written, and the blocks that read it."""

    def __init__(self, flow: Flow) -> None:
        self.writes: dict[Reg, int] = {}
        self.blocks: dict[Reg, dict[Block, None]] = {}
        for block in flow.blocks():
            for instr in block.code:
                dst = ir.writes(instr)
                if dst is not None:
                    self.writes[dst] = self.writes.get(dst, 0) + 1
                for reg in ir.reads(instr):
                    self.read(reg, block)

    def read(self, reg: Reg, block: Block) -> None:
        """Note that `block` reads `reg`."""
        self.blocks.setdefault(reg, {})[block] = None


def _candidates(flow: Flow, uses: _Uses) -> list[tuple[Block, ir.Element]]:
    """Addresses computed from one register, in program order."""
    return [
        (block, instr)
        for block in flow.blocks()
        for instr in block.code
        if isinstance(instr, ir.Element)
        and uses.writes[instr.dst] == 1
        and isinstance(instr.base, Reg) != isinstance(instr.index, Reg)
        and not instr.checked
    ]


def _inside(element: ir.Element, ranges: dict[Reg, tuple[int, int]]) -> bool:
    assert element.count is not None
    if isinstance(element.index, int):
        return 0 <= element.index < element.count
    low, high = ranges[element.index]
    return low >= 0 and high < element.count


def _move_to_uses(home: Block, element: ir.Element, uses: _Uses) -> None:
    source = element.base if isinstance(element.base, Reg) else element.index
    assert isinstance(source, Reg)
    blocks = list(uses.blocks.get(element.dst, ()))
    if uses.writes.get(source, 1) > 1 and not (blocks == [home] and _undisturbed(home, element, source)):
        return
    for block in blocks:
        block.code = list(_recomputed(block, element))
        uses.read(source, block)
    home.code = [i for i in home.code if i is not element]


def _undisturbed(block: Block, element: ir.Element, source: Reg) -> bool:
    """`source` keeps its value from the address's computation to its last use."""
    first = next(i for i, instr in enumerate(block.code) if instr is element)
    # None when what read it was an address that nobody needed, and is gone.
    last = max((i for i, instr in enumerate(block.code) if element.dst in ir.reads(instr)), default=None)
    if last is None:
        return True
    return first < last and all(ir.writes(i) is not source for i in block.code[first:last])


def _recomputed(block: Block, element: ir.Element) -> Iterator[ir.Instr]:
    """The block's code, computing the address anew before each instruction that reads it."""
    for instr in block.code:
        if element.dst not in ir.reads(instr):
            yield instr
            continue
        fresh = Reg(element.dst.name, element.dst.index)
        names = [f.name for f in fields(instr) if f.name != "dst" and getattr(instr, f.name) is element.dst]
        yield replace(element, dst=fresh)
        yield replace(instr, **dict.fromkeys(names, fresh))  # type: ignore[arg-type]
