"""Expressions: from Python's syntax tree to the typed tree."""

from __future__ import annotations

import ast
import enum
import types
from typing import Any, NoReturn

from lastput.compiler import tree
from lastput.compiler.calls import CallTyper
from lastput.compiler.source import Span, span_of
from lastput.compiler.tree import BOOL, INT, Expr, NullType, Place, ValueType
from lastput.compiler.values import ArrayPlace, fits, value_type
from lastput.lang import intrinsics
from lastput.lang.intrinsics import Static
from lastput.lang.options import OptionGroup, declared_options
from lastput.lang.types import (
    ArrayType,
    BoolType,
    CellType,
    IntType,
    PtrType,
    StructDef,
    struct_of,
)

ARITHMETIC = {
    ast.Add: "add", ast.Sub: "sub", ast.Mult: "mul", ast.FloorDiv: "div", ast.Mod: "mod",
    ast.BitAnd: "and", ast.BitOr: "or", ast.BitXor: "xor", ast.LShift: "shl", ast.RShift: "shr",
}  # fmt: skip
COMPARISONS = {
    ast.Eq: "eq", ast.NotEq: "ne", ast.Lt: "lt", ast.LtE: "le", ast.Gt: "gt", ast.GtE: "ge",
}  # fmt: skip


class ExpressionTyper(CallTyper):
    """Types expressions of one function. `locals` maps the names assigned so far to their types."""

    def expression(self, node: ast.expr) -> Expr:
        """`node` as a value; ModelError for anything outside the language, and for what has no value."""
        found = self._expression(node)
        if self.returns_nothing(found):
            self.source.fail(
                node, "this call returns nothing", "call it on a line of its own, or give it a result"
            )
        if isinstance(found, tree.Logic):
            self._refuse_operand_as_value(node, found)
        return found

    def _expression(self, node: ast.expr) -> Expr:
        match node:
            case ast.Constant():
                return self._constant(node)
            case ast.Name():
                return self._name(node)
            case ast.Attribute() | ast.Subscript():
                return self._load(node)
            case ast.BinOp():
                return self._arithmetic(node, node.op, node.left, node.right)
            case ast.UnaryOp():
                return self._unary(node)
            case ast.Compare():
                return self._compare(node)
            case ast.BoolOp():
                return self.logic(node)
            case ast.IfExp():
                return self._conditional(node)
            case ast.Call():
                return self.call(node)
        self._refuse(node)

    def _refuse(self, node: ast.expr) -> NoReturn:
        told = {
            ast.Lambda: ("a lambda stands only inside await_, ref and container_of", "name a model function"),
            ast.NamedExpr: ("`:=` is not in the language", "assign on a line of its own"),
            ast.JoinedStr: ("f-strings are not in the language", "name things by numbers"),
            ast.List: ("lists are not in the language", "declare an `array` field in a struct"),
            ast.Tuple: ("tuples are not in the language", "use one variable for each value"),
            ast.Dict: ("dicts are not in the language", "declare a struct"),
            ast.Set: ("sets are not in the language", "use a bit mask"),
            ast.ListComp: ("comprehensions are not in the language", "write a for loop"),
            ast.SetComp: ("comprehensions are not in the language", "write a for loop"),
            ast.DictComp: ("comprehensions are not in the language", "write a for loop"),
            ast.GeneratorExp: ("comprehensions are not in the language", "write a for loop"),
            ast.Yield: ("model functions do not yield", "use `await_` to wait"),
            ast.YieldFrom: ("model functions do not yield", "use `await_` to wait"),
            ast.Await: ("async is not in the language", "use `await_` to wait"),
            ast.Starred: ("`*` is not in the language", "pass the arguments one by one"),
        }
        message, remedy = told.get(
            type(node), (f"{type(node).__name__} is not in the language", "use simpler expressions")
        )
        self.source.fail(node, message, remedy)

    # -- leaves --------------------------------------------------------------------------------

    def _constant(self, node: ast.Constant) -> Expr:
        if isinstance(node.value, bool):
            return tree.Const(span_of(node), BOOL, int(node.value))
        if isinstance(node.value, int):
            if not -(1 << 63) <= node.value < 1 << 63:
                self.source.fail(node, "this number does not fit 64 bits", "use a smaller one")
            return tree.Const(span_of(node), INT, node.value)
        if node.value is None:
            self.source.fail(node, "None is not a value of the language", "use NULL for a pointer")
        what = type(node.value).__name__
        self.source.fail(node, f"a {what} is not a value of the language", "use ints, bools and pointers")

    def _name(self, node: ast.Name) -> Expr:
        if node.id in self.local_names:
            if node.id not in self.locals:
                self.source.fail(node, f"{node.id} is read before it is assigned", f"assign {node.id} first")
            if node.id not in self.assigned:
                self.source.fail(
                    node,
                    f"{node.id} may be read before it is assigned",
                    f"assign {node.id} on every path that leads here",
                )
            return tree.Local(span_of(node), self.locals[node.id], node.id)
        return self._global(node, node.id, *self.source.lookup(node.id))

    def _global(self, node: ast.expr, name: str, found: bool, value: Any) -> Expr:
        at = span_of(node)
        if not found:
            self.source.fail(node, f"{name} is not defined", "define or import it")
        if name == "NULL" and value == 0 and not isinstance(value, bool):
            return tree.Const(at, NullType(), 0)
        if isinstance(value, (bool, enum.IntEnum, int)):
            return tree.Const(at, BOOL if isinstance(value, bool) else INT, int(value))
        if isinstance(value, Static):
            placed = self.world.static_object(value, name)
            return tree.Const(at, PtrType(placed.struct), placed.base)
        if getattr(value, "__module__", None) == intrinsics.__name__ and callable(value):
            remedy = "call it, or write a model function that does"
            self.source.fail(node, f"{name} is an intrinsic, not a function with an address", remedy)
        if isinstance(value, types.FunctionType):
            return self._function_value(node, value)
        if struct_of(value) is not None:
            self.source.fail(node, f"struct {name} is a type, not a value", "use an object of it")
        if isinstance(value, OptionGroup):
            self.source.fail(node, f"{name} is a group of options", f"name one: {name}.something")
        if isinstance(value, str):
            self.source.fail(
                node, "a string is not a value of the language", "compare with `==` to an option"
            )
        if hasattr(value, "_address"):  # what s.new() gave, seen from a function inside the scenario's
            remedy = f"make it a parameter, and pass it: s.thread(name, f, {name})"
            self.source.fail(node, f"{name} is an object of the set-up, not of the model", remedy)
        self.source.fail(
            node,
            f"{name} is a Python {type(value).__name__}, which the language has no use for",
            "use ints, bools, options, statics, structs and functions",
        )

    def _function_value(self, node: ast.expr, value: types.FunctionType) -> Expr:
        signature = self.signatures(node, value)
        self.function.calls.append(value)
        return tree.Const(span_of(node), signature, self.world.function_id(value))

    # -- places --------------------------------------------------------------------------------

    def _load(self, node: ast.Attribute | ast.Subscript) -> Expr:
        folded = self._module_attribute(node)
        if folded is not None:
            return folded
        found = self.place(node)
        if isinstance(found, Place):
            return tree.Load(span_of(node), value_type(found.type), found)
        if isinstance(found, Expr):
            return found
        self.source.fail(node, "an array is not a value", "index it: array[i]")

    def _module_attribute(self, node: ast.Attribute | ast.Subscript) -> Expr | None:
        """`Options.name`, `Enum.NAME` and `module.name`, which are known when compiling."""
        if not isinstance(node, ast.Attribute):
            return None
        owner = self.python_value(node.value)
        if isinstance(owner, OptionGroup):
            value = self._attribute_of(node, owner)
            if isinstance(value, str):
                self.source.fail(node, "this option is a word", "compare it: `group.option == 'word'`")
            return tree.Const(span_of(node), BOOL if isinstance(value, bool) else INT, int(value))
        if isinstance(owner, (types.ModuleType, enum.EnumMeta)):
            return self._global(node, node.attr, True, self._attribute_of(node, owner))
        return None

    def _attribute_of(self, node: ast.Attribute, owner: Any) -> Any:
        try:
            return getattr(owner, node.attr)
        except AttributeError:
            self.source.fail(node, f"{ast.unparse(node.value)} has no {node.attr}", _alternatives(owner))

    def python_value(self, node: ast.expr) -> Any:
        """The Python object that a chain of global names means, or None."""
        if isinstance(node, ast.Name) and node.id not in self.local_names:
            return self.source.lookup(node.id)[1]
        if isinstance(node, ast.Attribute):
            owner = self.python_value(node.value)
            if isinstance(owner, (types.ModuleType, OptionGroup)):
                return getattr(owner, node.attr, None)
        return None

    def place(self, node: ast.expr) -> Place | Expr | ArrayPlace:
        """What `node` designates: a scalar cell, the address of an embedded struct, or an array."""
        if isinstance(node, ast.Attribute):
            return self._field(node)
        if isinstance(node, ast.Subscript):
            return self._element(node)
        return self.expression(node)

    def _field(self, node: ast.Attribute) -> Place | Expr | ArrayPlace:
        base = self.pointer(node.value)
        if isinstance(base.type, CellType):
            if node.attr != "value":
                self.source.fail(node, f"a cell has no field {node.attr}", "read or write its `.value`")
            return Place(
                span_of(node),
                base,
                base.type.target,
                False,
                False,
                f"*{ast.unparse(node.value)}",
                None,
                "value",
            )
        if not isinstance(base.type, PtrType):
            self.source.fail(node.value, f"this is {base.type}, not a pointer", "only structs have fields")
        struct = base.type.target
        return self._member(node, base, struct, node.attr)

    def _member(
        self, node: ast.Attribute, base: Expr, struct: StructDef, name: str
    ) -> Place | Expr | ArrayPlace:
        declared = self.fields(node, struct)
        if name not in declared:
            self.source.fail(
                node, f"struct {struct.name} has no field {name}", f"use one of {', '.join(declared)}"
            )
        f, at = declared[name], span_of(node)
        offset = self.layout.offset(struct, name)
        if isinstance(f.type, StructDef):
            return offset_by(at, base, offset, PtrType(f.type))
        if isinstance(f.type, ArrayType):
            element = f.type.element
            kind = PtrType(element) if isinstance(element, StructDef) else CellType(element)
            return ArrayPlace(offset_by(at, base, offset, kind), f.type, f, struct)
        moved = offset_by(at, base, offset, CellType(f.type))
        return Place(at, moved, f.type, f.silent, f.const, f"{struct.name}.{name}", struct, name)

    def _element(self, node: ast.Subscript) -> Place | Expr:
        if isinstance(node.slice, (ast.Slice, ast.Tuple)):
            self.source.fail(node, "slices are not in the language", "index one element")
        found = self.place(node.value)
        if not isinstance(found, ArrayPlace):
            self.source.fail(
                node, "only array fields can be indexed", "use at(pointer, i) for pointer arithmetic"
            )
        kind, f, at = found.type, found.field, span_of(node)
        index, stride = self.integer(node.slice), self.layout.stride(kind.element)
        address = tree.Index(at, found.base.type, found.base, index, stride, kind.count)
        if isinstance(kind.element, StructDef):
            return address
        name = f"{found.owner.name}.{f.name}"
        return Place(at, address, kind.element, f.silent, f.const, name, found.owner, f.name)

    def pointer(self, node: ast.expr) -> Expr:
        """`node` as something that has fields: a pointer, or an embedded struct's address."""
        if isinstance(node, (ast.Attribute, ast.Subscript)):
            folded = self._module_attribute(node)
            if folded is not None:
                return folded
            found = self.place(node)
            if isinstance(found, ArrayPlace):
                self.source.fail(node, "an array has no fields", "index it first: array[i].field")
            if isinstance(found, Place):
                return tree.Load(span_of(node), value_type(found.type), found)
            return found
        return self.expression(node)

    # -- operators -----------------------------------------------------------------------------

    def integer(self, node: ast.expr, remedy: str = "use an integer expression") -> Expr:
        """`node` as an int."""
        found = self.expression(node)
        if not isinstance(found.type, (IntType, BoolType)):
            self.source.fail(node, f"an int is needed here, this is {found.type}", remedy)
        return found

    def truth(self, node: ast.expr) -> Expr:
        """`node` as a condition: an int, a bool or a pointer."""
        return self.logic(node) if isinstance(node, ast.BoolOp) else self.expression(node)

    def _arithmetic(self, node: ast.expr, op: ast.operator, left: ast.expr, right: ast.expr) -> Expr:
        if type(op) not in ARITHMETIC:
            self.no_operator(node, op)
        remedy = "use at(pointer, i) for pointer arithmetic"
        return self.binary(
            node, ARITHMETIC[type(op)], self.integer(left, remedy), self.integer(right, remedy)
        )

    def no_operator(self, node: ast.AST, op: ast.operator) -> NoReturn:
        """Refuse an operator that is not ARITHMETIC."""
        name, remedy = {
            ast.Div: ("/", "use // for the quotient without its fraction"),
            ast.Pow: ("**", "use 1 << n for a power of two"),
        }.get(type(op), ("@", "use + - * // % & | ^ << >>"))
        self.source.fail(node, f"`{name}` is not in the language", remedy)

    def binary(self, node: ast.AST, op: str, left: Expr, right: Expr) -> Expr:
        """An integer operation; on two bools & | ^ give a bool."""
        both = isinstance(left.type, BoolType) and isinstance(right.type, BoolType)
        kind: ValueType = BOOL if both and op in ("and", "or", "xor") else INT
        return tree.Binary(span_of(node), kind, op, left, right)

    def _unary(self, node: ast.UnaryOp) -> Expr:
        at = span_of(node)
        if isinstance(node.op, ast.Not):
            return tree.Not(at, BOOL, self.truth(node.operand))
        operand = self.integer(node.operand)
        if isinstance(node.op, ast.USub):
            if isinstance(operand, tree.Const):
                return tree.Const(at, INT, -operand.value)
            return tree.Binary(at, INT, "sub", tree.Const(at, INT, 0), operand)
        if isinstance(node.op, ast.Invert):
            return tree.Binary(at, INT, "xor", operand, tree.Const(at, INT, -1))
        return operand

    def _compare(self, node: ast.Compare) -> Expr:
        if len(node.ops) > 1:
            self.source.fail(node, "chained comparisons are not in the language", "join two with `and`")
        op, right_node = node.ops[0], node.comparators[0]
        folded = self._word_comparison(node, op, node.left, right_node)
        if folded is not None:
            return folded
        if type(op) not in COMPARISONS:
            remedy = {ast.Is: "use ==", ast.IsNot: "use !="}.get(type(op), "write a loop over an array")
            self.source.fail(node, f"`{_operator(op)}` is not in the language", remedy)
        left, right = self.expression(node.left), self.expression(right_node)
        self._comparable(node, COMPARISONS[type(op)], left, right)
        return tree.Binary(span_of(node), BOOL, COMPARISONS[type(op)], left, right)

    def _word_comparison(
        self, node: ast.Compare, op: ast.cmpop, left: ast.expr, right: ast.expr
    ) -> Expr | None:
        """`Options.way == "exit"`, known when compiling."""
        if not (isinstance(right, ast.Constant) and isinstance(right.value, str)):
            return None
        word = self.python_value(left)
        if not isinstance(word, str) or not isinstance(op, (ast.Eq, ast.NotEq)):
            self.source.fail(node, "only an option can be compared with a word", "use an int or an option")
        words = self._words(left)
        if words and right.value not in words:
            remedy = f"use one of {', '.join(words)}"
            self.source.fail(right, f"{ast.unparse(left)} is never {right.value!r}", remedy)
        return tree.Const(span_of(node), BOOL, int((word == right.value) == isinstance(op, ast.Eq)))

    def _words(self, node: ast.expr) -> tuple[str, ...]:
        """The values that the option named by `node` can have; empty for what is no option."""
        group = self.python_value(node.value) if isinstance(node, ast.Attribute) else None
        if not isinstance(group, OptionGroup) or not isinstance(node, ast.Attribute):
            return ()
        return declared_options(group)[node.attr].values

    def _comparable(self, node: ast.Compare, op: str, left: Expr, right: Expr) -> None:
        numbers = (IntType, BoolType)
        if isinstance(left.type, numbers) and isinstance(right.type, numbers):
            return
        same = fits(left.type, right.type) or fits(right.type, left.type)
        if not same or isinstance(left.type, numbers) or isinstance(right.type, numbers):
            zero = any(isinstance(side, tree.Const) and side.value == 0 for side in (left, right))
            remedy = "compare with NULL" if zero else "compare values of one type"
            self.source.fail(node, f"{left.type} and {right.type} cannot be compared", remedy)
        if op not in ("eq", "ne"):
            self.source.fail(node, "pointers have no order", "compare pointers with == or !=")

    def logic(self, node: ast.BoolOp) -> Expr:
        """`and` / `or` as a condition."""
        operands = [self.truth(value) for value in node.values]
        op = "and" if isinstance(node.op, ast.And) else "or"
        return tree.Logic(span_of(node), BOOL, op, operands)

    def _refuse_operand_as_value(self, node: ast.expr, found: tree.Logic) -> None:
        """Refuse `x = p and q` on non-bools: Python gives an operand, C gives 0 or 1."""
        for operand in found.operands:
            if not isinstance(operand.type, BoolType):
                remedy = "compare: `x != 0`" if isinstance(operand.type, IntType) else "compare: `p != NULL`"
                self.source.fail(
                    node, "the value of `and`/`or` of non-bools differs between Python and C", remedy
                )

    def _conditional(self, node: ast.IfExp) -> Expr:
        test, then, other = self.truth(node.test), self.expression(node.body), self.expression(node.orelse)
        if fits(then.type, other.type):
            kind = other.type
        elif fits(other.type, then.type):
            kind = then.type
        else:
            self.source.fail(node, f"the branches are {then.type} and {other.type}", "give both one type")
        return tree.Choice(span_of(node), kind, test, then, other)


def offset_by(at: Span, base: Expr, cells: int, kind: ValueType) -> Expr:
    """`base` moved by a constant; an offset of nothing is only a change of type."""
    return tree.Offset(at, kind, base, cells)


def _operator(op: ast.cmpop) -> str:
    return {ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in"}.get(type(op), "?")


def _alternatives(owner: Any) -> str:
    names = declared_options(owner) if isinstance(owner, OptionGroup) else getattr(owner, "__members__", None)
    return f"use one of {', '.join(names)}" if names else "mend the name"
