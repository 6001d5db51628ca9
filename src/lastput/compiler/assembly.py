"""LLVM assembly, written as text while it is made.

Names and arguments are those of `llvmlite.ir`, of which this has what code generation uses. There an
instruction is an object that is printed later; here it is a line. A large model has a hundred thousand of
them, and their objects took half the time of a compilation.

LLVM checks the text when it reads it: what is wrong with a type or a name is found there.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence

from lastput.compiler.assembly_types import (
    Aggregate,
    ArrayType,
    FunctionType,
    IntType,
    LiteralStructType,
    Pointer,
    Type,
    VoidType,
)

__all__ = ["ArrayType", "FunctionType", "IntType", "LiteralStructType", "Type", "VoidType"]


class Value:
    """What an instruction takes: its type, and what assembly calls it."""

    __slots__ = ("ref", "type")

    def __init__(self, kind: Type, ref: str) -> None:
        self.type, self.ref = kind, ref


def Constant(kind: Type, value: int | Sequence[int | Value]) -> Value:
    """A number, or an aggregate of numbers."""
    if isinstance(value, int):
        return Value(kind, str(value))
    assert isinstance(kind, Aggregate)
    shown = [
        f"{kind.part(i).text} {part if isinstance(part, int) else part.ref}" for i, part in enumerate(value)
    ]
    brackets = "[]" if len(kind.parts) < len(value) else "{}"
    return Value(kind, f"{brackets[0]}{', '.join(shown)}{brackets[1]}")


class Module:
    """Functions, constant tables, and the functions of LLVM that are called."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.functions: list[Function] = []
        self.globals: dict[str, GlobalVariable] = {}
        self._declared: dict[str, Function] = {}

    def declare_intrinsic(self, name: str, types: Sequence[Type], kind: FunctionType) -> Function:
        """LLVM's own function `name` of type `kind`; `types` are those that its name ends with."""
        full = ".".join([name, *("p0" if isinstance(t, Pointer) else t.text for t in types)])
        if full not in self._declared:
            self._declared[full] = Function(self, kind, full, declared=True)
        return self._declared[full]

    def __str__(self) -> str:
        parts = [f"; {self.name}\n"]
        for found in self._declared.values():
            listed = ", ".join(kind.text for kind in found.ftype.args)
            parts.append(f"declare {found.ftype.return_type.text} {found.ref}({listed})\n")
        parts += [str(table) for table in self.globals.values()]
        parts += [str(function) for function in self.functions]
        return "".join([*parts, "\n", *_WEIGHTS])


class GlobalVariable(Value):
    """A table of the module, with its `initializer`."""

    __slots__ = ("global_constant", "initializer", "linkage")

    def __init__(self, module: Module, kind: Type, name: str) -> None:
        super().__init__(kind.as_pointer(), f"@{name}")
        self.initializer: Value | None = None
        self.linkage, self.global_constant = "", False
        module.globals[name] = self

    def __str__(self) -> str:
        assert self.initializer is not None
        what = "constant" if self.global_constant else "global"
        content = f"{self.initializer.type.text} {self.initializer.ref}"
        return f"{self.ref} = {self.linkage} {what} {content}\n"


class Argument(Value):
    """An argument of a function, and what is promised of it."""

    __slots__ = ("attributes",)

    def __init__(self, kind: Type, ref: str) -> None:
        super().__init__(kind, ref)
        self.attributes = ""

    def add_attribute(self, name: str) -> None:
        """Promise something, such as `noalias`."""
        self.attributes += f" {name}"


class Function(Value):
    """A function of `module`; `linkage` is `internal` or empty, `declared` one that LLVM has."""

    __slots__ = ("args", "blocks", "count", "ftype", "linkage", "module", "slots")

    def __init__(self, module: Module, kind: FunctionType, name: str, *, declared: bool = False) -> None:
        super().__init__(kind.as_pointer(), f"@{name}")
        self.module, self.ftype = module, kind
        self.args = [Argument(t, f"%a{i}") for i, t in enumerate(kind.args)]
        self.blocks: list[Block] = []
        self.linkage = ""
        self.count = 0
        """Of values and blocks so far: their names."""
        self.slots: list[str] = []
        """Lines that give variables room, before all others."""
        if not declared:
            module.functions.append(self)

    def append_basic_block(self, name: str = "") -> Block:
        """A new block, after all others."""
        self.count += 1
        block = Block(self, f"{name}.{self.count}")
        self.blocks.append(block)
        return block

    def __str__(self) -> str:
        listed = ", ".join(f"{a.type.text}{a.attributes} {a.ref}" for a in self.args)
        first, *others = self.blocks
        linkage = f"{self.linkage} " if self.linkage else ""
        lines = [f"\ndefine {linkage}{self.ftype.return_type.text} {self.ref}({listed}) {{\n"]
        lines += [f"{first.name}:\n", *self.slots, *map(str, first.lines)]
        for block in others:
            lines.append(f"{block.name}:\n")
            lines += map(str, block.lines)
        return "".join([*lines, "}\n"])


class Block:
    """A basic block, which ends in a jump or a return."""

    __slots__ = ("function", "is_terminated", "lines", "name")

    def __init__(self, function: Function, name: str) -> None:
        self.function, self.name = function, name
        self.lines: list[object] = []
        self.is_terminated = False


class Phi(Value):
    """The value that belongs to the block from which one came."""

    __slots__ = ("_incoming",)

    def __init__(self, kind: Type, ref: str) -> None:
        super().__init__(kind, ref)
        self._incoming: list[str] = []

    def add_incoming(self, value: Value, block: Block) -> None:
        """Have `value` for who comes from `block`."""
        self._incoming.append(f"[{value.ref}, %{block.name}]")

    def __str__(self) -> str:
        return f"  {self.ref} = phi {self.type.text} {', '.join(self._incoming)}\n"


class Switch:
    """A jump by the value of a number."""

    def __init__(self, value: Value, default: Block) -> None:
        self._value, self._default = value, default
        self._cases: list[str] = []

    def add_case(self, value: Value, block: Block) -> None:
        """Jump to `block` when the number is `value`."""
        self._cases.append(f"{value.type.text} {value.ref}, label %{block.name}")

    def __str__(self) -> str:
        of = f"{self._value.type.text} {self._value.ref}, label %{self._default.name}"
        return f"  switch {of} [{' '.join(self._cases)}]\n"


_WEIGHTS = (
    '!0 = !{!"branch_weights", i32 1, i32 99}\n',
    '!1 = !{!"branch_weights", i32 99, i32 1}\n',
)
"""How often a jump goes one way, where somebody has said that it is likely, or not."""

_BOOL = IntType(1)
_SIGNED = {"<": "slt", "<=": "sle", ">": "sgt", ">=": "sge", "==": "eq", "!=": "ne"}
_UNSIGNED = {"<": "ult", "<=": "ule", ">": "ugt", ">=": "uge", "==": "eq", "!=": "ne"}


def _binary(name: str) -> Callable[[IRBuilder, Value, Value], Value]:
    def emit(self: IRBuilder, a: Value, b: Value) -> Value:
        return self._result(a.type, f"{name} {a.type.text} {a.ref}, {b.ref}")

    return emit


def _conversion(name: str) -> Callable[[IRBuilder, Value, Type], Value]:
    def emit(self: IRBuilder, a: Value, kind: Type) -> Value:
        return self._result(kind, f"{name} {a.type.text} {a.ref} to {kind.text}")

    return emit


def _checked(name: str) -> Callable[[IRBuilder, Value, Value], Value]:
    def emit(self: IRBuilder, a: Value, b: Value) -> Value:
        result = LiteralStructType([a.type, _BOOL])
        kind = FunctionType(result, [a.type, b.type])
        module = self.block.function.module
        return self.call(module.declare_intrinsic(f"llvm.{name}.with.overflow", [a.type], kind), [a, b])

    return emit


class IRBuilder:
    """Writes instructions at the end of `block`."""

    def __init__(self, block: Block) -> None:
        self.block = block

    def _line(self, text: str) -> None:
        self.block.lines.append(f"  {text}\n")

    def _result(self, kind: Type, text: str) -> Value:
        function = self.block.function
        function.count += 1
        ref = f"%v{function.count}"
        self.block.lines.append(f"  {ref} = {text}\n")
        return Value(kind, ref)

    def position_at_end(self, block: Block) -> None:
        """Go on in `block`."""
        self.block = block

    # -- values --------------------------------------------------------------------------------

    add, sub, mul = _binary("add"), _binary("sub"), _binary("mul")
    sdiv, srem, udiv, urem = _binary("sdiv"), _binary("srem"), _binary("udiv"), _binary("urem")
    and_, or_, xor = _binary("and"), _binary("or"), _binary("xor")
    shl, lshr, ashr = _binary("shl"), _binary("lshr"), _binary("ashr")
    zext, trunc = _conversion("zext"), _conversion("trunc")
    ptrtoint = _conversion("ptrtoint")
    sadd_with_overflow, ssub_with_overflow = _checked("sadd"), _checked("ssub")
    smul_with_overflow = _checked("smul")

    def not_(self, a: Value) -> Value:
        """Every bit the other way."""
        return self.xor(a, Value(a.type, "-1"))

    def icmp_signed(self, how: str, a: Value, b: Value) -> Value:
        """Compare as signed numbers; `how` is as in C."""
        return self._result(_BOOL, f"icmp {_SIGNED[how]} {a.type.text} {a.ref}, {b.ref}")

    def icmp_unsigned(self, how: str, a: Value, b: Value) -> Value:
        """Compare as unsigned numbers."""
        return self._result(_BOOL, f"icmp {_UNSIGNED[how]} {a.type.text} {a.ref}, {b.ref}")

    def select(self, condition: Value, yes: Value, no: Value) -> Value:
        """One of two values."""
        kind = yes.type.text
        return self._result(yes.type, f"select i1 {condition.ref}, {kind} {yes.ref}, {kind} {no.ref}")

    def phi(self, kind: Type) -> Phi:
        """A value that depends on where one came from: at the beginning of a block."""
        function = self.block.function
        function.count += 1
        found = Phi(kind, f"%v{function.count}")
        self.block.lines.append(found)
        return found

    def extract_value(self, whole: Value, index: int) -> Value:
        """An element of an aggregate."""
        kind = whole.type
        assert isinstance(kind, Aggregate)
        return self._result(kind.part(index), f"extractvalue {kind.text} {whole.ref}, {index}")

    def insert_value(self, whole: Value, part: Value, index: int) -> Value:
        """An aggregate with an element changed."""
        kind = whole.type
        return self._result(
            kind, f"insertvalue {kind.text} {whole.ref}, {part.type.text} {part.ref}, {index}"
        )

    def call(self, function: Function, arguments: Sequence[Value]) -> Value:
        """The result of a call; of no use if there is none."""
        listed = ", ".join([f"{a.type.text} {a.ref}" for a in arguments])
        kind = function.ftype.return_type
        text = f"call {kind.text} {function.ref}({listed})"
        if kind.text != "void":
            return self._result(kind, text)
        self._line(text)
        return Value(kind, "")

    # -- memory --------------------------------------------------------------------------------

    def alloca(self, kind: Type, size: Value | None = None, name: str = "") -> Value:
        """Room for a variable, or for a constant number of them, for as long as the function runs."""
        function = self.block.function
        function.count += 1
        ref = f"%{name}.{function.count}"
        many = f", {size.type.text} {size.ref}" if size else ""
        function.slots.append(f"  {ref} = alloca {kind.text}{many}\n")
        return Value(kind.as_pointer(), ref)

    def load(self, place: Value) -> Value:
        """What is at `place`."""
        assert isinstance(place.type, Pointer)
        kind = place.type.target
        return self._result(kind, f"load {kind.text}, ptr {place.ref}")

    def store(self, value: Value, place: Value) -> None:
        """Put `value` at `place`."""
        self._line(f"store {value.type.text} {value.ref}, ptr {place.ref}")

    def gep(self, base: Value, indexes: Sequence[Value], inbounds: bool = False) -> Value:
        """Address of an element."""
        assert isinstance(base.type, Pointer)
        found = target = base.type.target
        for _ in indexes[1:]:
            assert isinstance(found, Aggregate)
            found = found.part(0)
        how = "getelementptr inbounds" if inbounds else "getelementptr"
        listed = ", ".join([f"{i.type.text} {i.ref}" for i in indexes])
        return self._result(found.as_pointer(), f"{how} {target.text}, ptr {base.ref}, {listed}")

    # -- jumps ---------------------------------------------------------------------------------

    def _end(self, line: object) -> None:
        self.block.lines.append(line)
        self.block.is_terminated = True

    def branch(self, block: Block) -> None:
        """Jump."""
        self._end(f"  br label %{block.name}\n")

    def cbranch(self, condition: Value, yes: Block, no: Block, *, likely: bool | None = None) -> None:
        """Jump to one of two blocks; `likely` tells whether to the first, where that is known."""
        weights = "" if likely is None else f", !prof !{int(likely)}"
        self._end(f"  br i1 {condition.ref}, label %{yes.name}, label %{no.name}{weights}\n")

    def switch(self, value: Value, default: Block) -> Switch:
        """Jump by the value of a number."""
        found = Switch(value, default)
        self._end(found)
        return found

    def ret(self, value: Value) -> None:
        """Return a value."""
        self._end(f"  ret {value.type.text} {value.ref}\n")

    def ret_void(self) -> None:
        """Return."""
        self._end("  ret void\n")

    @contextlib.contextmanager
    def if_then(self, condition: Value, likely: bool | None = None) -> Iterator[None]:
        """What is written inside runs only if `condition`."""
        function = self.block.function
        inside, after = function.append_basic_block("if"), function.append_basic_block("endif")
        self.cbranch(condition, inside, after, likely=likely)
        self.position_at_end(inside)
        yield
        self._join(after)
        self.position_at_end(after)

    @contextlib.contextmanager
    def if_else(
        self, condition: Value
    ) -> Iterator[tuple[contextlib.AbstractContextManager[None], contextlib.AbstractContextManager[None]]]:
        """Two blocks, of which the first runs if `condition`, the second if not."""
        append = self.block.function.append_basic_block
        yes, no, after = append("then"), append("else"), append("endif")
        self.cbranch(condition, yes, no)
        yield self._inside(yes, after), self._inside(no, after)
        self.position_at_end(after)

    @contextlib.contextmanager
    def _inside(self, block: Block, after: Block) -> Iterator[None]:
        self.position_at_end(block)
        yield
        self._join(after)

    def _join(self, after: Block) -> None:
        if not self.block.is_terminated:
            self.branch(after)
