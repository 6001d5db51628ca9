"""When two moments of a run are the same state.

A state is the cells and the life of all objects, and for each thread where it stands, the operation
it is about to do with its operands, and the values that it still needs. The content of a freed
object, dead locals and how the state was reached do not count.
"""

from __future__ import annotations

import functools
import types
from typing import Any

from lastput.simulate.liveness import Liveness, Place, Position
from lastput.simulate.pointer import number
from lastput.simulate.program import Program
from lastput.simulate.scheduler import Scheduler, Thread


class StateReader:
    """Gives every moment of a program's runs a key; equal keys are equal states."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.cells = sorted(program.memory.cells)
        self._live = [Liveness(program, spec).places for spec in program.world.threads]
        self._names: dict[tuple[int, Place], list[list[str]]] = {}

    def key(self, run: Scheduler) -> tuple[Any, ...]:
        """The state that `run` is in."""
        cells = tuple(map(run.memory.values.get, self.cells))
        return (cells, tuple(run.memory.states), *map(self._thread, run.threads_run))

    def _thread(self, thread: Thread) -> tuple[Any, ...]:
        if thread.operation is None:
            return ("done",)
        frames = thread.frames[::-1]
        place = (tuple(map(self._position, frames)), thread.operation.kind)
        values = tuple(
            tuple(self._number(frame.f_locals.get(name)) for name in names)
            for frame, names in zip(frames, self._needed(thread.spec.index, place), strict=True)
            if names
        )
        return (place, thread.operation.operands, values)

    def _needed(self, thread: int, place: Place) -> list[list[str]]:
        """Names of the live variables, frame by frame."""
        if (thread, place) not in self._names:
            live = sorted(self._live[thread][place])
            self._names[thread, place] = [
                [name for depth, name in live if depth == frame] for frame in range(len(place[0]))
            ]
        return self._names[thread, place]

    def _number(self, value: Any) -> int | None:
        if isinstance(value, types.FunctionType):
            return self.program.world.function_id(value)
        return None if value is None else number(value)

    def _position(self, frame: types.FrameType) -> Position:
        line, column = _ends(frame.f_code)[frame.f_lasti // 2]
        return (self.program.by_code[frame.f_code].original, line or 0, column or 0)


@functools.cache
def _ends(code: types.CodeType) -> list[tuple[int | None, int | None]]:
    """Where the expression of each instruction ends.

    Not the instruction itself: CPython compiles the test of a `while` twice. Not where it begins:
    CPython moves that for chains of attributes that span lines.
    """
    return [(end_line, end_column) for _, end_line, _, end_column in code.co_positions()]
