"""Private objects: accesses through a pointer that nobody else can have yet.

An object is private from its allocation until the thread stores its address anywhere. A forward analysis
of each flow, after Choi, Gupta, Serrano, Sreedhar and Midkiff, "Escape Analysis for Java" (OOPSLA 1999), on
far simpler ground: an allocation's address is followed through registers only, and any store of it ends the
privacy. Two sets are carried: registers that surely hold an address in the private object of an allocation
(met by intersection), and registers that may do so (by union), any of which gives it away when stored.
"""

from __future__ import annotations

from dataclasses import dataclass

from lastput.compiler import ir
from lastput.compiler.ir import Block, Flow, Operand, Reg

COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
"""Results that are no address."""


@dataclass
class Facts:
    """Before an instruction: pairs of a register and the `id` of the allocation it points into."""

    must: frozenset[tuple[Reg, int]] = frozenset()
    may: frozenset[tuple[Reg, int]] = frozenset()


def private_accesses(flow: Flow) -> frozenset[int]:
    """`id`s of the loads, stores and frees of `flow` that only ever touch a private object."""
    work, entry = [flow.entry], Facts()
    before = {flow.entry: entry}
    found: dict[Block, set[int]] = {}
    while work:
        block = work.pop()
        private: set[int] = set()
        facts = _through(block, before[block], private)
        found[block] = private
        for after in block.successors():
            old = before.get(after)
            new = facts if old is None else Facts(old.must & facts.must, old.may | facts.may)
            if old is None or new != old:
                before[after] = new
                work.append(after)
    return frozenset().union(*found.values())


def _through(block: Block, facts: Facts, private: set[int]) -> Facts:
    must, may = set(facts.must), set(facts.may)
    for instr in block.code:
        if isinstance(instr, (ir.Load, ir.Store, ir.Free)) and _sites(instr.address, must):
            private.add(id(instr))
        if isinstance(instr, ir.Store):
            # Its own address inside it is a secret still.
            for site in _sites(instr.value, may) - _sites(instr.address, must):
                must -= {pair for pair in must if pair[1] == site}
        dst = ir.writes(instr)
        if dst is not None:
            sure, perhaps = _result(instr, must, may)
            must = {pair for pair in must if pair[0] is not dst} | {(dst, site) for site in sure}
            may = {pair for pair in may if pair[0] is not dst} | {(dst, site) for site in perhaps}
    return Facts(frozenset(must), frozenset(may))


def _result(
    instr: ir.Instr, must: set[tuple[Reg, int]], may: set[tuple[Reg, int]]
) -> tuple[set[int], set[int]]:
    """Allocations that the register written surely, and perhaps, points into."""
    match instr:
        case ir.Alloc():
            # What an earlier turn of a loop allocated here is told apart no longer.
            must -= {pair for pair in must if pair[1] == id(instr)}
            return {id(instr)}, {id(instr)}
        case ir.Move():
            return _sites(instr.src, must), _sites(instr.src, may)
        case ir.Element():
            # Pointer arithmetic may lead out of the object, an index may not.
            inside = set[int]() if instr.checked else _sites(instr.base, must)
            return inside, _sites(instr.base, may) | _sites(instr.index, may)
        case ir.Binary() if instr.op in COMPARISONS:
            return set(), set()
        case ir.Load():
            # A private object may hold its own address.
            return set(), _sites(instr.address, may)
    return set(), set().union(*(_sites(reg, may) for reg in ir.reads(instr)))


def _sites(operand: Operand, pairs: set[tuple[Reg, int]]) -> set[int]:
    return {site for reg, site in pairs if reg is operand}
