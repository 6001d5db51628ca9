"""Switch points: decide which accesses begin a step.

Outside atomic blocks every access does. Inside one only the first does; which access that is can
depend on the path, so code that both cases reach is duplicated, once for each.
"""

from __future__ import annotations

import linecache
from dataclasses import replace
from enum import Enum

from lastput.compiler import ir
from lastput.compiler.ir import Block, Flow
from lastput.lang.errors import ModelError


class Mode(Enum):
    """Where a path is with respect to atomic blocks."""

    OUTSIDE = "outside"
    FRESH = "inside, no step begun"
    OPEN = "inside, the step has begun"


def place_points(flow: Flow) -> Flow:
    """A copy of `flow` in which `Point`s stand where steps begin, and Enter/Leave are gone."""
    copies: dict[tuple[Block, Mode], Block] = {}
    work: list[tuple[Block, Mode]] = []

    def copy_of(block: Block, mode: Mode) -> Block:
        key = (block, mode)
        if key not in copies:
            copies[key] = Block(block.label if mode is Mode.OUTSIDE else f"{block.label}.{mode.name.lower()}")
            work.append(key)
        return copies[key]

    entry = copy_of(flow.entry, Mode.OUTSIDE)
    while work:
        block, mode = work.pop()
        target = copies[block, mode]
        for instr in block.code:
            mode = _step(instr, mode, target.code)
        last = target.code[-1]
        if isinstance(last, ir.Jump):
            target.code[-1] = replace(last, target=copy_of(last.target, mode))
        elif isinstance(last, ir.Branch):
            target.code[-1] = replace(last, then=copy_of(last.then, mode), other=copy_of(last.other, mode))
    return Flow(flow.name, entry)


def _step(instr: ir.Instr, mode: Mode, out: list[ir.Instr]) -> Mode:
    """Copy one instruction; the mode behind it."""
    match instr:
        case ir.Enter():
            return Mode.FRESH
        case ir.Leave():
            return Mode.OUTSIDE
        case ir.MaybePoint() if mode is Mode.OPEN:
            if instr.kind == "await":
                _refuse_await(instr)
            return mode
        case ir.MaybePoint():
            out.append(ir.Point(instr.where, instr.kind))
            return Mode.OUTSIDE if mode is Mode.OUTSIDE else Mode.OPEN
    out.append(replace(instr))
    return mode


def _refuse_await(instr: ir.MaybePoint) -> None:
    frame, column = instr.where.frame, instr.where.column
    text = linecache.getline(frame.file, frame.line).rstrip("\n")
    raise ModelError(
        "await_ comes after another access of its atomic block",
        "wait first, or split the block in two",
        frame.file,
        frame.line,
        column,
        len(text),
        text,
    )
