"""Where a thread stands, as a small number: equal numbers behave alike in equal memories.

A number stands for a call stack: the functions, where each of them is, and its locals. The rewritten code
keeps nothing else (`simulate/instrument.py` names every value that waits). Locals that nobody will read
again count too, so two numbers may be the same state; one number is never two.
"""

from __future__ import annotations

import dis
import types
from types import CodeType, FrameType
from typing import Any, NamedTuple

from lastput.simulate.fault import Frame
from lastput.simulate.pointer import Pointer, number
from lastput.simulate.program import Program
from lastput.validate.emit import RETURN_CODE

OUTSIDE = 0
"""The stack without a frame."""


class Level(NamedTuple):
    """One frame of a stack."""

    outer: int
    """The stack that it was called from."""
    code: CodeType
    at: int
    """Offset of the instruction that it has come to."""
    locals: dict[str, Any]
    """As numbers."""


class Held:
    """The suspended frames of a thread, outermost first, each with the number of the stack it ends."""

    def __init__(self) -> None:
        self.frames: list[FrameType] = []
        self.stacks: list[int] = []
        self.places: dict[int, int] = {}
        """Position of each frame, by its identity."""

    @property
    def stack(self) -> int:
        """The whole stack."""
        return self.stacks[-1] if self.stacks else OUTSIDE


class Stacks:
    """Numbers for the stacks of a program's threads, given out as they are met."""

    def __init__(self, program: Program) -> None:
        self._program = program
        self._counting = {id(code) for code in (*program.by_code, RETURN_CODE)}
        """The codes whose frames count."""
        self._starts: dict[int, list[int]] = {}
        """Of those that were met."""
        self._numbers: dict[tuple[Any, ...], int] = {}
        self.levels: list[Level] = [Level(OUTSIDE, RETURN_CODE, 0, {})]
        """By number."""

    def follow(self, held: Held, frame: FrameType | None) -> None:
        """Bring `held` up to date: the thread stands in `frame` now.

        Frames whose callee is still there have not run since, and need not be looked at.
        """
        frames, stacks, places = held.frames, held.stacks, held.places
        inner: list[FrameType] = []
        kept = 0
        while frame is not None:
            if id(frame.f_code) in self._counting:
                inner.append(frame)
                place = places.get(id(frame))
                if place is not None:
                    # This frame has run since, those that it was called from have not.
                    kept = place
                    break
            frame = frame.f_back
        for gone in frames[kept:]:
            del places[id(gone)]
        del frames[kept:], stacks[kept:]
        outer = stacks[-1] if stacks else OUTSIDE
        for found in reversed(inner):
            outer = self._number(outer, found)
            places[id(found)] = len(frames)
            frames.append(found)
            stacks.append(outer)

    def _number(self, outer: int, frame: FrameType) -> int:
        code, values = frame.f_code, frame.f_locals
        starts = self._starts.get(id(code))
        if starts is None:
            starts = self._starts[id(code)] = _starts(code)
        at = starts[frame.f_lasti // 2]
        if code is RETURN_CODE:
            # Which function it waits for, the frame inside of it says.
            values = {str(i): v for i, v in enumerate(values["args"])}
        plain = [
            v if (kind := type(v)) is int else v._address if kind is Pointer else self._plain(v)
            for v in values.values()
        ]
        key = (outer, id(code), at, *values, *plain)
        found = self._numbers.get(key)
        if found is None:
            found = self._numbers[key] = len(self.levels)
            self.levels.append(Level(outer, code, at, dict(zip(values, plain, strict=True))))
        return found

    def _plain(self, value: Any) -> Any:
        if value is None or type(value) is bool:
            return value
        if isinstance(value, types.FunctionType):
            return -self._program.world.function_id(getattr(value, "__lastput_original__", value))
        return number(value)

    def alike(self, stack: int, other: int) -> bool:
        """Whether two stacks differ at most in what the outermost function left in locals that one lacks.

        A function that begins in the middle of its work lacks what earlier iterations left.
        """
        while stack != other:
            one, two = self.levels[stack], self.levels[other]
            if one.code is not two.code or one.at != two.at:
                return False
            both = one.locals.keys() & two.locals.keys()
            inside = one.outer != OUTSIDE or two.outer != OUTSIDE
            if inside and one.locals.keys() != two.locals.keys():
                return False
            if any(one.locals[name] != two.locals[name] for name in both):
                return False
            stack, other = one.outer, two.outer
        return True

    def frames(self, stack: int) -> tuple[Frame, ...]:
        """The model functions of a stack, outermost first."""
        found: list[Frame] = []
        while stack != OUTSIDE:
            level = self.levels[stack]
            if level.code is not RETURN_CODE:
                found.append(Frame(level.code.co_name, level.code.co_filename, _line(level.code, level.at)))
            stack = level.outer
        return tuple(reversed(found))


def _starts(code: CodeType) -> list[int]:
    """For each code unit the offset of its instruction.

    A frame that has called something points at the instruction or behind it, into what CPython caches
    there: that depends on how often the instruction ran.
    """
    starts = [0] * (len(code.co_code) // 2)
    offsets = [found.offset // 2 for found in dis.get_instructions(code)]
    for offset, end in zip(offsets, [*offsets[1:], len(starts)], strict=True):
        starts[offset:end] = [2 * offset] * (end - offset)
    return starts


def _line(code: CodeType, at: int) -> int:
    for first, end, line in code.co_lines():
        if first <= at < end and line is not None:
            return line
    return code.co_firstlineno
