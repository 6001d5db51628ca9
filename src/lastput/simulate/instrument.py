"""A model function's source, rewritten so that the simulator sees what plain CPython hides.

The rewritten function runs in place of the original: same file, lines and columns, same names. What
changes:

* what is constant (options, enum members, module-level numbers) is written as a constant;
* sums are checked for overflow, shifts for their count, loops count their iterations;
* a value that waits on CPython's stack while a later part of its expression runs gets a name:
  `a.x + b.y` becomes `(_wait1 := a.x) + b.y`; `p.f += e` becomes `p.f = (_wait1 := p.f) + e`;
* NULL becomes a typed pointer wherever a pointer is expected, so that reading through it is an access.
"""

from __future__ import annotations

import ast
import copy
import functools
import linecache
import types
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from lastput.lang.edits import Edits, edited
from lastput.lang.errors import UsageError
from lastput.lang.types import ArrayType
from lastput.simulate.infer import Types
from lastput.simulate.memory import is_pointer
from lastput.simulate.names import Names

N = TypeVar("N", bound=ast.AST)

WAITING = "_wait"
"""Prefix of the names given to values that wait."""

CHECK, SHIFT_LEFT, SHIFT_RIGHT, CAST, LOOP, REF, REF_ITEM = HELPERS = (
    "_check", "_shl", "_shr", "_cast", "_loop", "_ref", "_ref_item",
)  # fmt: skip
"""Names that rewritten code calls; `program.py` defines them."""


def definition(function: Callable[..., Any], edits: Edits) -> ast.FunctionDef:
    """A fresh copy of the function's syntax tree, as edited; UsageError if its source cannot be found."""
    code = function.__code__
    for node in _functions("".join(linecache.getlines(code.co_filename))):
        first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
        if node.name == function.__name__ and first == code.co_firstlineno:
            return edited(edits, code.co_filename, copied(node))
    raise UsageError(f"{function.__qualname__}: no source in {code.co_filename}")


def copied(node: N) -> N:
    """A copy of a syntax tree, positions included; much faster than copy.deepcopy."""
    made = type(node)()
    for name, value in node.__dict__.items():
        if isinstance(value, ast.AST):
            value = copied(value)
        elif isinstance(value, list):
            value = [copied(item) if isinstance(item, ast.AST) else item for item in value]
        setattr(made, name, value)
    return made


@functools.cache
def _functions(source: str) -> list[ast.FunctionDef]:
    # By text: a file may be edited, and loaded again, while we run.
    return [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]


class Rewriter(ast.NodeTransformer):
    """Rewrites one function. `names` says what its global names mean, `types` what its locals hold."""

    def __init__(self, names: Names, types: Types) -> None:
        self.names = names
        self.types = types
        self._count = 0
        self._lambdas = 0

    # -- names and constants ----------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> ast.expr:
        return self._known(node) if isinstance(node.ctx, ast.Load) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        known = self._known(node)
        if known is not node:
            return known
        return self._generic(node)

    def _known(self, node: ast.Name | ast.Attribute, called: bool = False) -> ast.expr:
        """`node`, or what stands for it if it is a constant, a static or a model function."""
        found, value = self.names.python_value(node)
        if not found:
            return node
        if isinstance(value, (int, str)):
            plain = value if isinstance(value, (bool, str)) else int(value)
            return ast.copy_location(ast.Constant(plain), node)
        name = self.names.mention(node, value, called)
        return ast.copy_location(ast.Name(name, ast.Load()), node) if name else node

    # -- operators --------------------------------------------------------------------------------

    def visit_BinOp(self, node: ast.BinOp) -> ast.expr:
        node.left, node.right = self._waiting([node.left, node.right])
        return self._operation(node, node.left, node.op, node.right)

    def _operation(self, at: ast.AST, left: ast.expr, op: ast.operator, right: ast.expr) -> ast.expr:
        shift = {ast.LShift: SHIFT_LEFT, ast.RShift: SHIFT_RIGHT}.get(type(op))
        if shift:
            return self._helper(at, shift, left, right)
        done = ast.copy_location(ast.BinOp(left, op, right), at)
        checked = isinstance(op, (ast.Add, ast.Sub, ast.Mult, ast.FloorDiv))
        return self._helper(at, CHECK, done) if checked else done

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.expr:
        node.operand = self._visit(node.operand)
        return self._helper(node, CHECK, node) if isinstance(node.op, ast.USub) else node

    def visit_Compare(self, node: ast.Compare) -> ast.expr:
        node.left, *node.comparators = self._waiting([node.left, *node.comparators])
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.expr:
        node.values = [self._visit(value) for value in node.values]
        # The value of `and`/`or` is a truth value in the language.
        inner = ast.copy_location(ast.UnaryOp(ast.Not(), node), node)
        return ast.copy_location(ast.UnaryOp(ast.Not(), inner), node)

    def visit_IfExp(self, node: ast.IfExp) -> ast.expr:
        kind = self.types.of(node)
        node.test = self._visit(node.test)
        node.body, node.orelse = (self._cast(kind, arm) for arm in (node.body, node.orelse))
        return node

    def visit_Subscript(self, node: ast.Subscript) -> ast.expr:
        node.value, node.slice = self._waiting([node.value, node.slice])
        return node

    # -- calls ------------------------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if isinstance(node.func, ast.Name) and node.func.id == "len" and len(node.args) == 1:
            array = self.types.of(node.args[0])
            if isinstance(array, ArrayType):
                return ast.copy_location(ast.Constant(array.count), node)
        if self.names.intrinsic(node.func) == "ref" and node.args and isinstance(node.args[0], ast.Lambda):
            return self._place(node, node.args[0].body)
        keywords = [keyword.value for keyword in node.keywords]
        first = self._call_target(node.func)
        rest = self._waiting([*node.args, *keywords])
        if rest and not _trivial(first) and not all(_trivial(part) for part in rest):
            first = self._name(first)
        node.func, node.args = first, rest[: len(node.args)]
        for keyword, value in zip(node.keywords, rest[len(node.args) :], strict=True):
            keyword.value = value
        return node

    def _call_target(self, node: ast.expr) -> ast.expr:
        target = self._known(node, called=True) if isinstance(node, ast.Name) else self._visit(node)
        # A named target: CPython would compile `p.f(x)` as a method call, which looks f up elsewhere.
        return self._name(target) if isinstance(target, (ast.Attribute, ast.Subscript)) else target

    def _place(self, node: ast.Call, place: ast.expr) -> ast.expr:
        """`ref(lambda: p.field)` without the lambda, so that loads on the way to `p` are steps."""
        if isinstance(place, ast.Attribute):
            field = ast.copy_location(ast.Constant(place.attr), place)
            return self._helper(node, REF, self._visit(place.value), field)
        if isinstance(place, ast.Subscript):
            return self._helper(node, REF_ITEM, *self._waiting([place.value, place.slice]))
        raise UsageError(f"{self.names.filename}:{node.lineno}: ref needs a field: ref(lambda: p.field)")

    def visit_Lambda(self, node: ast.Lambda) -> ast.expr:
        self._lambdas += 1
        with self.names.parameters(node.args):
            node.body = self._visit(node.body)
        self._lambdas -= 1
        return node

    # -- statements -------------------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> ast.stmt:
        if isinstance(node.targets[0], ast.Name):
            node.value = self._cast(self.types.local(node.targets[0].id), node.value)
            return node
        parts = self._target_parts(node.targets[0])
        value, *rest = self._waiting([node.value, *parts])
        node.value, node.targets = value, [_retarget(node.targets[0], rest)]
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.stmt:
        if node.value is None or not isinstance(node.target, ast.Name):
            return ast.copy_location(ast.Pass(), node)
        value = self._cast(self.types.local(node.target.id), node.value)
        return ast.copy_location(ast.Assign([node.target], value), node)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.stmt:
        target = node.target
        if isinstance(target, ast.Name):
            old: ast.expr = ast.copy_location(ast.Name(target.id, ast.Load()), target)
            value = self._operation(node, old, node.op, self._visit(node.value))
            return ast.copy_location(ast.Assign([target], value), node)
        parts = [part if _trivial(part) else self._name(part) for part in self._waiting_parts(target)]
        loaded = _retarget(target, parts)
        loaded.ctx = ast.Load()  # type: ignore[attr-defined]
        value = self._operation(node, self._name(loaded), node.op, self._visit(node.value))
        again: list[ast.expr] = [
            ast.copy_location(ast.Name(part.target.id, ast.Load()), part)
            if isinstance(part, ast.NamedExpr)
            else copied(part)
            for part in parts
        ]
        return ast.copy_location(ast.Assign([_retarget(target, again)], value), node)

    def _target_parts(self, target: ast.expr) -> list[ast.expr]:
        if isinstance(target, ast.Attribute):
            return [target.value]
        if isinstance(target, ast.Subscript):
            return [target.value, target.slice]
        raise UsageError(f"{self.names.filename}:{target.lineno}: cannot assign to this")

    def _waiting_parts(self, target: ast.expr) -> list[ast.expr]:
        return self._waiting(self._target_parts(target))

    def visit_Return(self, node: ast.Return) -> ast.stmt:
        if node.value is not None:
            node.value = self._cast(self.types.result, node.value)
        return node

    def visit_While(self, node: ast.While) -> ast.stmt:
        node.test = self._visit(node.test)
        node.body = self._loop_body(node, node.body)
        return node

    def visit_For(self, node: ast.For) -> ast.stmt:
        if isinstance(node.iter, ast.Call) and not node.iter.keywords:
            args = self._waiting(node.iter.args)
            stop = 0 if len(args) == 1 else 1
            # The stop value waits for the whole loop, not only for the rest of its expression.
            if not isinstance(args[stop], (ast.Constant, ast.NamedExpr)):
                args[stop] = self._name(args[stop])
            node.iter.args = args
        node.body = self._loop_body(node, node.body)
        return node

    def _loop_body(self, node: ast.stmt, body: list[ast.stmt]) -> list[ast.stmt]:
        count = ast.copy_location(ast.Expr(self._helper(node, LOOP)), node)
        return [count, *(self.visit(statement) for statement in body)]

    def visit_With(self, node: ast.With) -> ast.stmt:
        node.body = [self.visit(statement) for statement in node.body]
        return node

    # -- plumbing ---------------------------------------------------------------------------------

    def _visit(self, node: ast.expr) -> ast.expr:
        visited: ast.expr = self.visit(node)
        return visited

    def _generic(self, node: ast.Attribute) -> ast.expr:
        node.value = self._visit(node.value)
        return node

    def _waiting(self, parts: Sequence[ast.expr]) -> list[ast.expr]:
        """`parts` rewritten; each that a later one can keep waiting is named."""
        done = [self._visit(part) for part in parts]
        for i, part in enumerate(done):
            if not _trivial(part) and not all(_trivial(later) for later in done[i + 1 :]):
                done[i] = self._name(part)
        return done

    def _name(self, node: ast.expr) -> ast.expr:
        if self._lambdas or isinstance(node, (ast.NamedExpr, ast.Lambda)):
            return node
        self._count += 1
        target = ast.copy_location(ast.Name(f"{WAITING}{self._count}", ast.Store()), node)
        return ast.copy_location(ast.NamedExpr(target, node), node)

    def _cast(self, kind: object, node: ast.expr) -> ast.expr:
        """`node` rewritten, as a value of `kind`: an untyped NULL becomes a pointer."""
        untyped = is_pointer(kind) and self.types.of(node) is None
        done = self._visit(node)
        if not untyped:
            return done
        type_name = self.names.constant(kind)
        return self._helper(node, CAST, ast.copy_location(ast.Name(type_name, ast.Load()), node), done)

    def _helper(self, at: ast.AST, name: str, *args: ast.expr) -> ast.expr:
        func = ast.Name(name, ast.Load())
        call = ast.Call(func, list(args), [])
        ast.copy_location(func, at)
        return ast.copy_location(call, at)


def _trivial(node: ast.expr) -> bool:
    return isinstance(node, (ast.Name, ast.Constant, ast.Lambda))


def _retarget(target: ast.expr, parts: list[ast.expr]) -> ast.expr:
    if isinstance(target, ast.Attribute):
        return ast.copy_location(ast.Attribute(parts[0], target.attr, ast.Store()), target)
    return ast.copy_location(ast.Subscript(parts[0], parts[1], ast.Store()), target)


def rewrite(names: Names, kinds: Types, how: type[Rewriter] = Rewriter) -> ast.FunctionDef:
    """The rewritten syntax tree of a function, without annotations and decorators."""
    tree = kinds.tree
    rewriter = how(names, kinds)
    body = [rewriter.visit(statement) for statement in tree.body]
    args = ast.arguments([], [ast.arg(a.arg) for a in tree.args.args], None, [], [], None, [])
    out = ast.FunctionDef(tree.name, args, body, [], None)
    if hasattr(out, "type_params"):
        out.type_params = []
    ast.copy_location(out, tree)
    return ast.fix_missing_locations(out)


def entry(names: Names, kinds: Types) -> list[ast.stmt]:
    """Statements that make typed pointers of a function's arguments, for the start of its body."""
    made: list[ast.stmt] = []
    for parameter, kind in kinds.parameters.items():
        if is_pointer(kind):
            type_name = ast.Name(names.constant(kind), ast.Load())
            typed = ast.Call(ast.Name(CAST, ast.Load()), [type_name, ast.Name(parameter, ast.Load())], [])
            made.append(ast.Assign([ast.Name(parameter, ast.Store())], typed))
            ast.increment_lineno(ast.fix_missing_locations(made[-1]), kinds.tree.lineno - 1)
    return made


def compile_function(
    tree: ast.FunctionDef, start: list[ast.stmt], filename: str, namespace: dict[str, Any]
) -> types.FunctionType:
    """The Python function that `tree` defines, with `start` before its body, in `namespace`."""
    whole = copy.copy(tree)
    whole.body = [*start, *tree.body]
    made: dict[str, Any] = {}
    module = ast.Module([whole], [])
    exec(compile(module, filename, "exec", dont_inherit=True, optimize=0), namespace, made)
    function: types.FunctionType = made[tree.name]
    return function
