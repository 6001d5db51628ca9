"""Statements: the body of a model function as typed tree; the entry of the front end."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Callable
from typing import Any, NoReturn

from lastput.checks.kinds import KINDS
from lastput.compiler import tree
from lastput.compiler.calls import signature
from lastput.compiler.conditions import refuse_effects
from lastput.compiler.expressions import ARITHMETIC, ExpressionTyper
from lastput.compiler.recursion import refuse_recursion
from lastput.compiler.source import source_of, span_of
from lastput.compiler.tree import Expr, Function, NullType, Place, Stmt, ValueType
from lastput.compiler.values import article, value_type
from lastput.lang import intrinsics
from lastput.lang.options import OptionGroup
from lastput.lang.types import ArrayType, ScalarType, StructDef, TypeMistake, resolve
from lastput.lang.world import World


def type_function(function: Callable[..., Any], world: World) -> Function:
    """The typed tree of a model function under the world's configuration; ModelError if refused."""
    typed = _typed(function, world)
    is_property = any(p.function is function for p in world.properties)
    refuse_effects(typed, lambda called: _typed(called, world), is_property=is_property)
    return typed


def _typed(function: Callable[..., Any], world: World) -> Function:
    source = source_of(function)
    refuse_recursion(source)
    declared = signature(source)
    names = [a.arg for a in source.tree.args.posonlyargs + source.tree.args.args]
    params = [(name, value_type(kind)) for name, kind in zip(names, declared.params, strict=True)]
    result = None if declared.result is None else value_type(declared.result)
    typed = Function(source, params, result, [])
    StatementTyper(source, world, typed).run()
    return typed


class StatementTyper(ExpressionTyper):
    """Types the statements of one function, following which locals are surely assigned."""

    def run(self) -> None:
        """Fill in the function's body."""
        self.locals = dict(self.function.params)
        self.assigned = set(self.locals)
        counts = _assignments(self.source.tree)
        self.local_names = set(self.locals) | set(counts)
        params = set(self.locals)
        self.function.single = {n for n in self.local_names if counts.get(n, 0) + (n in params) == 1}
        self._for_names: list[str] = []
        self._at_breaks: list[list[set[str]]] = []
        """Of each open loop, what is assigned at its breaks."""
        body = self.source.tree.body
        self.function.body, ends = self._block(body)
        if not ends and self.function.result is not None:
            self.source.fail(
                self.source.tree.body[-1],
                f"{self.source.name} can end without returning {article(self.function.result)}",
                "return a value on every path",
            )

    def _block(self, body: list[ast.stmt]) -> tuple[list[Stmt], bool]:
        """Typed statements, and whether control never runs off their end."""
        out: list[Stmt] = []
        ends = False
        for node in body:
            if ends:
                self.source.fail(node, "this line is never reached", "remove it")
            found, ends = self._statement(node)
            out += found
        return out, ends

    def _statement(self, node: ast.stmt) -> tuple[list[Stmt], bool]:
        match node:
            case ast.Expr():
                return self._expression_statement(node)
            case ast.Assign():
                return [self._assign(node)], False
            case ast.AnnAssign():
                return [self._declare(node)], False
            case ast.AugAssign():
                return [self._update(node)], False
            case ast.If():
                return self._if(node)
            case ast.While():
                return self._while(node)
            case ast.For():
                return [self._for(node)], False
            case ast.Return():
                return [self._return(node)], True
            case ast.Assert():
                return [self._assert(node)], False
            case ast.With():
                return self._with(node)
            case ast.Pass():
                return [], False
            case ast.Break() | ast.Continue():
                return [self._loop_exit(node)], True
        self._refuse_statement(node)

    def _refuse_statement(self, node: ast.stmt) -> NoReturn:
        told = {
            ast.TryStar: ("exceptions are not in the language", "return an error code, as C does"),
            ast.Try: ("exceptions are not in the language", "return an error code, as C does"),
            ast.Raise: ("exceptions are not in the language", "use BUG_ON, assert or an error code"),
            ast.Delete: ("`del` is not in the language", "use kfree for memory"),
            ast.Global: ("`global` is not in the language", "declare a static() struct"),
            ast.Nonlocal: ("`nonlocal` is not in the language", "declare a static() struct"),
            ast.AsyncFunctionDef: ("async is not in the language", "use threads of the scenario"),
            ast.FunctionDef: ("functions inside functions are not in the language", "move it to the module"),
            ast.ClassDef: ("classes inside functions are not in the language", "move it to the module"),
            ast.Import: ("imports inside functions are not in the language", "import at the top"),
            ast.ImportFrom: ("imports inside functions are not in the language", "import at the top"),
            ast.Match: ("`match` is not in the language", "use if / elif"),
            ast.AsyncFor: ("async is not in the language", "use threads of the scenario"),
            ast.AsyncWith: ("async is not in the language", "use threads of the scenario"),
        }
        message, remedy = told.get(
            type(node), (f"{type(node).__name__} is not in the language", "see docs/reference/language.md")
        )
        self.source.fail(node, message, remedy)

    # -- assignments ---------------------------------------------------------------------------

    def _assign(self, node: ast.Assign) -> Stmt:
        if len(node.targets) != 1:
            self.source.fail(node.targets[1], "one assignment at a time", "use a line for each target")
        target = node.targets[0]
        if isinstance(target, (ast.Tuple, ast.List)):
            self.source.fail(target, "unpacking is not in the language", "use a line for each variable")
        if isinstance(target, ast.Name):
            return self._assign_local(node, target, node.value)
        # Python evaluates the value before the target: keep that order in types, too.
        want_place = self._place(target)
        value = self.converted(node.value, value_type(want_place.type), want_place.name)
        self._writable(target, want_place)
        return tree.Store(span_of(node), want_place, value)

    def _assign_local(self, node: ast.stmt, target: ast.Name, value_node: ast.expr) -> Stmt:
        name = target.id
        self._not_a_loop_variable(target)
        if name in self.locals:
            value = self.converted(value_node, self.locals[name], name)
        else:
            value = self.expression(value_node)
            if isinstance(value.type, NullType):
                self.source.fail(target, f"what does {name} point at?", f"write {name}: ptr[...] = NULL")
            self.locals[name] = value.type
        self.assigned.add(name)
        return tree.Assign(span_of(node), name, value)

    def _declare(self, node: ast.AnnAssign) -> Stmt:
        if not isinstance(node.target, ast.Name):
            remedy = "annotate fields in their struct"
            self.source.fail(node.target, "only a local variable is declared here", remedy)
        kind = self._declared_type(node)
        name = node.target.id
        if name in self.locals and self.locals[name] != kind:
            self.source.fail(node.annotation, f"{name} is {self.locals[name]} already", "use another name")
        if node.value is None:
            remedy = f"write {ast.unparse(node)} = value"
            self.source.fail(node, f"{name} is declared without a value", remedy)
        self.locals.setdefault(name, kind)
        return self._assign_local(node, node.target, node.value)

    def _declared_type(self, node: ast.AnnAssign) -> ValueType:
        try:
            kind = resolve(self.source.evaluate(node.annotation))
        except TypeMistake as error:
            message, remedy = error.about(ast.unparse(node.annotation))
            plain = "use int, bool, ptr[...] or cell[...]"
            self.source.fail(node.annotation, message, remedy if error.message else plain)
        if isinstance(kind, StructDef):
            self.source.fail(node.annotation, "structs live in memory", f"write ptr[{kind.name}]")
        if kind is None or isinstance(kind, ArrayType):
            self.source.fail(node.annotation, "not a type for a local variable", "use int, bool or ptr[...]")
        return self._plain(node, kind)

    def _plain(self, node: ast.AnnAssign, kind: ScalarType) -> ValueType:
        found = value_type(kind)
        if found == tree.INT and kind != tree.INT:
            self.source.fail(
                node.annotation, "locals are plain ints", "write int, and wrap(u8, x) where C would wrap"
            )
        return found

    def _place(self, target: ast.expr) -> Place:
        if isinstance(target, ast.Attribute) and isinstance(self.python_value(target.value), OptionGroup):
            self.source.fail(target, "this is a constant", "options are set by variants and --set")
        if not isinstance(target, (ast.Attribute, ast.Subscript)):
            self.source.fail(target, "this cannot be assigned to", "assign to a local, a field or an element")
        found = self.place(target)
        if not isinstance(found, Place):
            self.source.fail(target, "a whole struct or array cannot be assigned", "assign its fields")
        return found

    def _writable(self, node: ast.expr, place: Place) -> None:
        if place.const:
            self.source.fail(node, f"{place.name} is const", "set it in the scenario's set-up")

    def _update(self, node: ast.AugAssign) -> Stmt:
        if type(node.op) not in ARITHMETIC:
            self.no_operator(node, node.op)
        if isinstance(node.target, ast.Name):
            self._not_a_loop_variable(node.target)
            read = ast.copy_location(ast.Name(node.target.id, ast.Load()), node.target)
            left = self.expression(read)
            self._int_only(node, node.target.id, left)
            value = self.binary(node, ARITHMETIC[type(node.op)], left, self.integer(node.value))
            return tree.Assign(span_of(node), node.target.id, value)
        place = self._place(node.target)
        self._writable(node.target, place)
        if value_type(place.type) != tree.INT:
            self.source.fail(node, f"{place.name} is {place.type}, not an int", "assign a new value")
        return tree.Update(span_of(node), place, ARITHMETIC[type(node.op)], self.integer(node.value))

    def _int_only(self, node: ast.AugAssign, name: str, left: Expr) -> None:
        if left.type != tree.INT:
            self.source.fail(node, f"{name} is {left.type}, not an int", "assign a new value")

    def _not_a_loop_variable(self, target: ast.Name) -> None:
        if target.id in self._for_names:
            told = f"the loop variable {target.id} is assigned in its loop", "use another name"
            self.source.fail(target, *told)

    # -- control -------------------------------------------------------------------------------

    def _branch(self, body: list[ast.stmt], before: set[str]) -> tuple[list[Stmt], bool, set[str]]:
        self.assigned = set(before)
        out, ends = self._block(body)
        return out, ends, self.assigned

    def _if(self, node: ast.If) -> tuple[list[Stmt], bool]:
        test = self.truth(node.test)
        before = self.assigned
        then, then_ends, then_set = self._branch(node.body, before)
        other, other_ends, other_set = self._branch(node.orelse, before)
        if then_ends and other_ends:
            self.assigned = then_set | other_set
        elif then_ends or other_ends:
            self.assigned = other_set if then_ends else then_set
        else:
            self.assigned = then_set & other_set
        return [tree.If(span_of(node), test, then, other)], then_ends and other_ends

    def _while(self, node: ast.While) -> tuple[list[Stmt], bool]:
        if node.orelse:
            self.source.fail(node.orelse[0], "`else` of a loop is not in the language", "use a flag")
        test = self.truth(node.test)
        before = self.assigned
        self._at_breaks.append([])
        body, _, _ = self._branch(node.body, before)
        at_breaks = self._at_breaks.pop()
        self.assigned = before
        forever = isinstance(test, tree.Const) and test.value != 0
        if forever and at_breaks:
            # `while True` is left by a break only: what every break has seen is assigned.
            self.assigned = set.intersection(*at_breaks)
        return [tree.While(span_of(node), test, body)], forever and not at_breaks

    def _loop_exit(self, node: ast.Break | ast.Continue) -> Stmt:
        if isinstance(node, ast.Continue):
            return tree.Continue(span_of(node))
        self._at_breaks[-1].append(set(self.assigned))
        return tree.Break(span_of(node))

    def _for(self, node: ast.For) -> Stmt:
        if node.orelse:
            self.source.fail(node.orelse[0], "`else` of a loop is not in the language", "use a flag")
        if not isinstance(node.target, ast.Name):
            self.source.fail(node.target, "one loop variable is needed", "write for i in range(n)")
        name, (start, stop, step) = node.target.id, self._range(node)
        if name in self._for_names:
            self.source.fail(node.target, f"the loop variable {name} is in use", "use another name")
        if self.locals.setdefault(name, tree.INT) != tree.INT:
            self.source.fail(node.target, f"{name} is {self.locals[name]} already", "use another name")
        self._for_names.append(name)
        self._at_breaks.append([])
        body, _, _ = self._branch(node.body, (before := self.assigned) | {name})
        self._for_names.pop()
        self._at_breaks.pop()
        self.assigned = before
        return tree.For(span_of(node), name, start, stop, step, body, self._escapes(node, name))

    def _range(self, node: ast.For) -> tuple[Expr, Expr, int]:
        call = node.iter
        if not (isinstance(call, ast.Call) and self.python_value(call.func) is range):
            self.source.fail(node.iter, "a for loop runs over range(...)", "write for i in range(n)")
        given = self._plain_arguments(call)
        if not 1 <= len(given) <= 3:
            remedy = "write range(stop), range(start, stop) or range(start, stop, step)"
            self.source.fail(call, f"range takes 1 to 3 arguments, not {len(given)}", remedy)
        bounds = [self.integer(a) for a in given]
        zero: Expr = tree.Const(span_of(call), tree.INT, 0)
        if len(bounds) == 1:
            return zero, bounds[0], 1
        if len(bounds) == 2:
            return bounds[0], bounds[1], 1
        step = bounds[2]
        if not isinstance(step, tree.Const) or step.value == 0:
            self.source.fail(given[2], "the step of a range is a constant, not 0", "use a constant")
        return bounds[0], bounds[1], step.value

    def _escapes(self, node: ast.For, name: str) -> bool:
        """Whether the loop variable is mentioned outside this loop."""
        inside = {id(n) for n in ast.walk(node)}
        return any(
            isinstance(n, ast.Name) and n.id == name and id(n) not in inside
            for n in ast.walk(self.source.tree)
        )

    def _return(self, node: ast.Return) -> Stmt:
        want = self.function.result
        self.function.returns += 1
        if node.value is None:
            if want is not None:
                self.source.fail(node, f"{self.source.name} returns {article(want)}", "return a value")
            return tree.Return(span_of(node), None)
        if want is None:
            self.source.fail(
                node.value, f"{self.source.name} is declared to return nothing", "declare a result"
            )
        return tree.Return(span_of(node), self.converted(node.value, want, "the result"))

    def _assert(self, node: ast.Assert) -> Stmt:
        message = "assertion failed: " + ast.unparse(node.test)
        if node.msg is not None:
            message = self._text(node.msg)
        return tree.Fail(span_of(node), "assertion", message, self.truth(node.test), unless=True)

    def _text(self, node: ast.expr) -> str:
        if not isinstance(node, ast.Constant) or not isinstance(node.value, str):
            self.source.fail(node, "the message is a plain string", 'write "..."')
        return node.value

    def _with(self, node: ast.With) -> tuple[list[Stmt], bool]:
        self._atomic_only(node.items)
        body, ends = self._block(node.body)
        return [tree.Atomic(span_of(node), body)], ends

    def _atomic_only(self, items: list[ast.withitem]) -> None:
        remedy = "write `with atomic():`"
        call = items[0].context_expr
        if not isinstance(call, ast.Call) or self.python_value(call.func) is not intrinsics.atomic:
            self.source.fail(call, "`with` is only for atomic()", remedy)
        if call.args or call.keywords:
            count = len(call.args) + len(call.keywords)
            self.source.fail(call, f"atomic takes no arguments, not {count}", remedy)
        if len(items) != 1:
            self.source.fail(items[1].context_expr, "`with` is only for one atomic()", remedy)
        if items[0].optional_vars:
            self.source.fail(items[0].optional_vars, "atomic() has no value", remedy)

    # -- intrinsics that are statements --------------------------------------------------------

    def _expression_statement(self, node: ast.Expr) -> tuple[list[Stmt], bool]:
        value = node.value
        if isinstance(value, ast.Constant) and (isinstance(value.value, str) or value.value is ...):
            return [], False
        if not isinstance(value, ast.Call):
            self.expression(value)
            self.source.fail(node, "this line computes something and drops it", "assign it or remove it")
        target = self.python_value(value.func)
        if getattr(target, "__module__", None) == intrinsics.__name__:
            handler = getattr(self, f"_statement_{target.__name__}", None)
            if handler is not None:
                made: Stmt = handler(value)
                return [made], isinstance(made, tree.Fail) and made.test is None
        # A call of a function that returns nothing stands here only.
        made_call = self.call(value)
        if isinstance(made_call, tree.Allocate):
            name, struct = target.__name__, made_call.struct.name
            self.source.fail(node, "the new object is dropped", f"keep its address: p = {name}({struct})")
        return [tree.Evaluate(span_of(node), made_call)], False

    def _statement_atomic(self, node: ast.Call) -> NoReturn:
        remedy = "write `with atomic():` and indent what is one step"
        self.source.fail(node, "atomic() does nothing on a line of its own", remedy)

    def _statement_await_(self, node: ast.Call) -> Stmt:
        extra = [k.arg for k in node.keywords if k.arg != "holders"]
        if len(node.args) != 1 or extra:
            self.source.fail(node, "await_ takes a condition and holders=", "write await_(lambda: ...)")
        body = self._lambda(node.args[0], "await_", 0)
        for keyword in node.keywords:
            self.integer(self._lambda(keyword.value, "holders", 0))
        return tree.Await(span_of(node), self.truth(body))

    def _statement_kfree(self, node: ast.Call) -> Stmt:
        pointer, struct = self._struct_pointer(self._count(node, "kfree", 1)[0])
        return tree.Free(span_of(node), pointer, struct)

    def _statement_violation(self, node: ast.Call) -> Stmt:
        kind, message = (self._text(a) for a in self._count(node, "violation", 2))
        if kind not in KINDS:
            close = difflib.get_close_matches(kind, KINDS, n=1)
            remedy = f"did you mean {close[0]!r}?" if close else "use 'bug' or 'warning';"
            told = (
                f"{kind!r} is not a kind of violation",
                f"{remedy} docs/reference/language.md lists them all",
            )
            self.source.fail(node.args[0], *told)
        return tree.Fail(span_of(node), kind, message, None)

    def _statement_BUG_ON(self, node: ast.Call) -> Stmt:
        (test,) = self._count(node, "BUG_ON", 1)
        return tree.Fail(span_of(node), "bug", f"BUG_ON({ast.unparse(test)})", self.truth(test))


def _assignments(node: ast.FunctionDef) -> dict[str, int]:
    """How many places assign each local."""
    counts: dict[str, int] = {}
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            counts[child.id] = counts.get(child.id, 0) + 1
    return counts
