"""Rematerialisation: recompute an address where it is used instead of keeping it in the state.

`&vm.host[page]` is `page` in other clothes: while `page` is at hand, the address need not be a live
register with bits of its own (Briggs, Cooper and Torczon 1992, for spilling; here every live
register is "spilled" at every switch point). Only addresses that are one register moved or scaled
by constants are treated, so that states stay as distinct as they were: each form tells the other.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

from lastput.compiler import ir
from lastput.compiler.ir import Block, Flow, Reg
from lastput.compiler.ranges import find_ranges
from lastput.lang.world import World


def rematerialise(flow: Flow, world: World) -> None:
    """Change `flow` in place."""
    ranges = find_ranges(flow, world)
    writes: dict[Reg, int] = {}
    for block in flow.blocks():
        for instr in block.code:
            dst = ir.writes(instr)
            if dst is not None:
                writes[dst] = writes.get(dst, 0) + 1
    for element in _candidates(flow, writes):
        if element.count is None or _inside(element, ranges):
            _move_to_uses(flow, element, writes)


def _candidates(flow: Flow, writes: dict[Reg, int]) -> list[ir.Element]:
    """Addresses of one register, each before those computed from it."""
    return [
        instr
        for block in flow.blocks()
        for instr in block.code
        if isinstance(instr, ir.Element)
        and writes[instr.dst] == 1
        and isinstance(instr.base, Reg) != isinstance(instr.index, Reg)
        and not instr.checked
    ]


def _inside(element: ir.Element, ranges: dict[Reg, tuple[int, int]]) -> bool:
    assert element.count is not None
    if isinstance(element.index, int):
        return 0 <= element.index < element.count
    low, high = ranges[element.index]
    return low >= 0 and high < element.count


def _move_to_uses(flow: Flow, element: ir.Element, writes: dict[Reg, int]) -> None:
    source = element.base if isinstance(element.base, Reg) else element.index
    assert isinstance(source, Reg)
    uses = [(b, i) for b in flow.blocks() for i in b.code if element.dst in ir.reads(i)]
    home = next(b for b in flow.blocks() if element in b.code)
    for block, use in uses:
        if writes.get(source, 1) > 1 and not _undisturbed(home, block, element, use, source):
            return
    for block, use in uses:
        _recompute(block, use, element)
    home.code = [i for i in home.code if i is not element]


def _undisturbed(home: Block, block: Block, element: ir.Element, use: ir.Instr, source: Reg) -> bool:
    """`source` keeps its value from the address's computation to its use, in one block."""
    if home is not block:
        return False
    first = _position(block, element)
    last = _position(block, use)
    return first < last and all(ir.writes(i) is not source for i in block.code[first:last])


def _position(block: Block, instr: ir.Instr) -> int:
    return next(i for i, other in enumerate(block.code) if other is instr)


def _recompute(block: Block, use: ir.Instr, element: ir.Element) -> None:
    at = _position(block, use)
    fresh = Reg(element.dst.name, element.dst.index)
    changed = {f.name: fresh for f in fields(use) if f.name != "dst" and getattr(use, f.name) is element.dst}
    block.code[at : at + 1] = [replace(element, dst=fresh), replace(use, **changed)]
