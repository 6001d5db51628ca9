"""All model code of a world, rewritten and ready to run."""

from __future__ import annotations

import ast
import types
from collections.abc import Callable
from typing import Any, Protocol, cast

from lastput.lang import intrinsics
from lastput.lang.errors import UsageError
from lastput.lang.options import configuration
from lastput.lang.types import ScalarType
from lastput.lang.world import World
from lastput.simulate import instrument
from lastput.simulate.fault import Fault, Frame
from lastput.simulate.infer import Types
from lastput.simulate.memory import Memory, is_pointer
from lastput.simulate.names import Names, is_model_function
from lastput.simulate.pointer import Array, CellPointer, Pointer, lift, number

Function = Callable[..., Any]

MAX = (1 << 63) - 1


class Rewritten:
    """One model function: the original, its rewritten tree, and the function made of that."""

    def __init__(self, original: Function, program: Program) -> None:
        world = program.world
        self.original = original
        self.names = Names(original, world, program.helpers())
        tree = instrument.definition(original, world.edits)
        self.kinds = Types(original, tree, self.names, world.space.layout)
        self.tree = program.finished(self.names, instrument.rewrite(self.names, self.kinds, program.rewriter))
        start = instrument.entry(self.names, self.kinds)
        self.function = instrument.compile_function(
            self.tree, start, self.names.filename, self.names.namespace
        )
        self.function.__lastput_original__ = original  # type: ignore[attr-defined]


class Program:
    """The rewritten functions that a world's threads and properties reach, and its initial memory."""

    rewriter: type[instrument.Rewriter] = instrument.Rewriter

    def __init__(self, world: World) -> None:
        self.world = world
        self.by_original: dict[Function, Rewritten] = {}
        self.by_code: dict[types.CodeType, Rewritten] = {}
        self._under_way: list[Function] = []
        with configuration(world.configuration):
            for thread in world.threads:
                self.rewritten(thread.function)
            for condition in world.properties:
                self.rewritten(condition.function)
            for function in world.functions:
                self.rewritten(function)
            self.memory = Memory(world.space, world.memory, len(world.threads))

    def rewritten(self, function: Function) -> Rewritten:
        """The rewritten form of a model function, and of all that it mentions."""
        function = original(function)
        if function not in self.by_original:
            if function in self._under_way:
                raise UsageError(f"{function.__name__} calls itself: recursion is not in the language")
            self._under_way.append(function)
            self.by_original[function] = self._rewrite(function)
            self._under_way.pop()
        return self.by_original[function]

    def _rewrite(self, function: Function) -> Rewritten:
        found = Rewritten(function, self)
        for name, wanted in found.names.wanted.items():
            found.names.namespace[name] = self.rewritten(wanted).function
        self.by_code[found.function.__code__] = found
        return found

    def helpers(self) -> dict[str, Any]:
        """What rewritten code calls."""
        return HELPERS

    def finished(self, names: Names, tree: ast.FunctionDef) -> ast.FunctionDef:
        """The rewritten tree of a function, as it is to be compiled."""
        return tree

    def frames(self, frame: types.FrameType | None) -> list[types.FrameType]:
        """The frames of model functions from `frame` outwards, innermost first."""
        found = []
        while frame is not None:
            if frame.f_code in self.by_code:
                found.append(frame)
            frame = frame.f_back
        return found

    def stack_of(self, error: BaseException) -> tuple[Frame, ...]:
        """Where `error` was raised: the model functions in its traceback, outermost first."""
        trace, found = error.__traceback__, []
        while trace is not None:
            if trace.tb_frame.f_code in self.by_code:
                found.append(self.describe(trace.tb_frame, trace.tb_lineno))
            trace = trace.tb_next
        return tuple(found)

    def describe(self, frame: types.FrameType, line: int | None = None) -> Frame:
        """A frame of a model function as a Frame."""
        code = frame.f_code
        return Frame(code.co_name, code.co_filename, line or frame.f_lineno or code.co_firstlineno)


def original(function: Function) -> Function:
    """The function as the model's author wrote it."""
    found: Function = getattr(function, "__lastput_original__", function)
    return found


# -- what rewritten code calls -------------------------------------------------------------------


def _check(value: Any) -> Any:
    if isinstance(value, int) and not -MAX - 1 <= value <= MAX:
        raise Fault("overflow", f"{value} does not fit 64 bits")
    return value


def _count(count: int) -> int:
    if not 0 <= count <= 63:
        raise Fault("overflow", f"shift by {count}")
    return count


def _shift_left(value: int, count: int) -> Any:
    return _check(value << _count(count))


def _shift_right(value: int, count: int) -> int:
    return value >> _count(count)


def typed_value(kind: ScalarType, value: Any) -> Any:
    """`value` as a pointer of type `kind`; a model function stays what it is."""
    if is_pointer(kind) and not is_model_function(value):
        return value if type(value) in (Pointer, CellPointer) else lift(kind, number(value))
    return value


def _ref(base: Any, name: str) -> Any:
    return intrinsics.machine().ref(lambda: getattr(base, name))


def _ref_item(array: Array, index: int) -> Any:
    return intrinsics.machine().ref(lambda: array[index])


class _Looping(Protocol):
    def loop(self) -> None: ...


def _loop() -> None:
    cast(_Looping, intrinsics.machine()).loop()


HELPERS: dict[str, Any] = dict(
    zip(
        instrument.HELPERS,
        (_check, _shift_left, _shift_right, typed_value, _loop, _ref, _ref_item),
        strict=True,
    )
)
