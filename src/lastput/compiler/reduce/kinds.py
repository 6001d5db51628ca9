"""What a value stands for: an address, the holder of a lock, a set of threads, or just a number.

A permutation of threads and objects acts on each kind differently, and leaves numbers alone. Kinds of
registers are inferred by unification over the instructions that they meet in (as types are: Milner, "A
Theory of Type Polymorphism in Programming", 1978, without the polymorphism). A wrong kind does no harm: what
`automorphism.py` checks of each instruction holds for no other kind than the one it was checked with.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from lastput.compiler import ir
from lastput.compiler.ir import Flow, Operand, Reg
from lastput.lang.types import CellType, HoldersType, HolderType, PtrType, ScalarType

Kind = Literal["number", "address", "holder", "threads", "mixed"]
"""`mixed` is a register in which several meet: no permutation that moves one of its values is allowed."""

BITWISE = ("and", "or", "xor")
EQUALITY = ("eq", "ne")


def kind_of(cell: ScalarType) -> Kind:
    """What the cells of a type hold."""
    if isinstance(cell, (PtrType, CellType)):
        return "address"
    if isinstance(cell, HolderType):
        return "holder"
    return "threads" if isinstance(cell, HoldersType) else "number"


class Kinds:
    """Kinds of all registers of some flows."""

    def __init__(self, flows: Iterable[Flow]) -> None:
        self._parent: dict[Reg, Reg] = {}
        self._kind: dict[Reg, Kind] = {}
        self._code = [i for flow in flows for block in flow.blocks() for i in block.code]
        self.shifted = _bit_tests(self._code)
        """Registers that hold a number shifted right, of which only the lowest bit is looked at."""
        for instr in self._code:
            self._learn(instr)
        self.picked = {
            i.dst
            for i in self._code
            if isinstance(i, ir.Binary) and i.dst in self.shifted and self.of(i.a) == "threads"
        }
        """Those of `shifted` that come of a set of threads."""

    def of(self, operand: Operand) -> Kind:
        """Kind of a register. A constant has that of the place in which it stands, not one of its own."""
        return "number" if isinstance(operand, int) else self._kind.get(self._find(operand), "number")

    def common(self, *operands: Operand) -> Kind:
        """Kind of operands that were unified: of the first that is a register."""
        return next((self.of(o) for o in operands if isinstance(o, Reg)), "number")

    def _learn(self, instr: ir.Instr) -> None:
        match instr:
            case ir.Move():
                self._unify(instr.dst, instr.src)
            case ir.Binary() if instr.op in EQUALITY:
                self._unify(instr.a, instr.b)
                self._is(instr.dst, "number")
            case ir.Binary() if instr.op in BITWISE and instr.a not in self.shifted:
                self._unify(instr.a, instr.b)
                self._unify(instr.dst, instr.a)
                self._unify(instr.dst, instr.b)
            case ir.Element():
                self._is(instr.base, "address")
                self._is(instr.dst, "address")
            case ir.Load():
                self._is(instr.address, "address")
                self._is(instr.dst, kind_of(instr.type))
            case ir.Store():
                self._is(instr.address, "address")
                self._is(instr.value, kind_of(instr.type))
            case ir.Alloc():
                self._is(instr.dst, "address")
            case ir.Free():
                self._is(instr.address, "address")

    def _find(self, reg: Reg) -> Reg:
        while reg in self._parent:
            reg = self._parent[reg]
        return reg

    def _unify(self, a: Operand, b: Operand) -> None:
        if isinstance(a, int) or isinstance(b, int):
            return
        a, b = self._find(a), self._find(b)
        if a is b:
            return
        self._parent[a] = b
        if a in self._kind:
            self._is(b, self._kind.pop(a))

    def _is(self, operand: Operand, kind: Kind) -> None:
        if isinstance(operand, int):
            return
        root = self._find(operand)
        known = self._kind.setdefault(root, kind)
        if known != kind:
            self._kind[root] = "mixed"


def _bit_tests(code: list[ir.Instr]) -> set[Reg]:
    """Results of `x >> constant` that are read by `... & 1` only: `(lock.readers >> this_thread()) & 1`."""
    found: set[Reg] = set()
    wrong: set[Reg] = set()
    for instr in code:
        dst = ir.writes(instr)
        if isinstance(instr, ir.Binary) and instr.op == "shr" and isinstance(instr.b, int):
            (wrong if instr.dst in found else found).add(instr.dst)
        elif dst is not None:
            wrong.add(dst)
        lowest = isinstance(instr, ir.Binary) and instr.op == "and" and instr.b == 1
        wrong.update(reg for reg in ir.reads(instr) if not lowest)
    return found - wrong
