"""Lowering: from typed trees to one control-flow graph per thread, with every call inlined.

What is constant is folded on the way (options, addresses of statics, const fields behind them), so
that code which a configuration excludes never exists.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lastput.compiler import arithmetic, ir, tree
from lastput.compiler.ir import Block, Flow, Frame, Operand, Reg, Where
from lastput.compiler.places import Places
from lastput.compiler.source import Span
from lastput.compiler.tree import Function
from lastput.compiler.values import value_type
from lastput.lang.types import BoolType, FnType, view_of
from lastput.lang.world import World


@dataclass
class Context:
    """One inlined call: its variables, and where `return` goes."""

    function: Function
    env: dict[str, Operand]
    stack: tuple[Frame, ...]
    after: Block
    result: Reg | None
    atomic: bool
    """The call happened inside an atomic block."""


class Lowerer:
    """Lowers one thread, or one property with `atomic=True`."""

    def __init__(
        self,
        world: World,
        typed: Callable[[Callable[..., Any]], Function],
        places: Places,
        *,
        thread: int,
        task: int,
        atomic: bool = False,
    ) -> None:
        # `atomic`: a property, all of whose reads belong to one moment.
        self.world, self.typed, self.places = world, typed, places
        self.thread, self.task = thread, task
        self._atomic = atomic
        self._quiet = atomic
        self._regs = 0
        self._labels = 0
        self._stable: set[Reg] = set()
        self.block = Block("entry")
        self._loops: list[tuple[Block, Block, bool]] = []
        self._context: Context

    def lower(self, name: str, function: Callable[..., Any], args: tuple[int, ...]) -> Flow:
        """The flow that runs `function(*args)` and ends."""
        entry, end = self.block, self._new_block("end")
        typed = self.typed(function)
        result = None if typed.result is None else self._reg("result")
        where = Where((Frame(typed.source.name, typed.source.filename, typed.source.tree.lineno),))
        self._context = Context(typed, {}, (), end, result, self._atomic)
        self._bind(typed, list(args), where)
        if self._body(typed.body):
            self._emit(ir.Jump(where, end))
        self.block = end
        last = typed.source.tree.end_lineno or typed.source.tree.lineno
        ending = Frame(typed.source.name, typed.source.filename, last)
        self._emit(ir.End(Where((ending,)), result))
        return Flow(name, entry)

    # -- plumbing ------------------------------------------------------------------------------

    def _reg(self, name: str, stable: bool = True) -> Reg:
        self._regs += 1
        reg = Reg(name, self._regs)
        if stable:
            self._stable.add(reg)
        return reg

    def _new_block(self, label: str) -> Block:
        self._labels += 1
        return Block(f"{label}{self._labels}")

    def _emit(self, instr: ir.Instr) -> None:
        self.block.code.append(instr)

    def _where(self, at: Span) -> Where:
        context = self._context
        source = context.function.source
        return Where((Frame(source.name, source.filename, at.line), *context.stack), at.column)

    def _point(self, where: Where, kind: str) -> None:
        if not self._quiet:
            covers = self._take_covers()
            self._emit(ir.MaybePoint(where, kind))
            self.block.code += covers

    def _take_covers(self) -> list[ir.Instr]:
        """Remove the coverage marks behind the last access: what they mark has not run yet."""
        code = self.block.code
        kept: list[ir.Instr] = []
        taken: list[ir.Instr] = []
        while code and isinstance(code[-1], (ir.Cover, ir.Move, ir.Enter, ir.Element, ir.Binary)):
            (taken if isinstance(code[-1], ir.Cover) else kept).append(code.pop())
        code += reversed(kept)
        return taken[::-1]

    def _cover(self, where: Where, what: Any = "line") -> None:
        self._emit(ir.Cover(where, self.places.number(where.frame, what)))

    # -- calls ---------------------------------------------------------------------------------

    def _call(self, at: Span, function: Callable[..., Any], args: list[Operand]) -> Operand:
        """Inline a call; its result."""
        typed, where = self.typed(function), self._where(at)
        self._no_recursion(at, typed, where.stack)
        outer, loops = self._context, self._loops
        result = None if typed.result is None else self._reg(typed.source.name, stable=False)
        after = self._new_block("after")
        self._context, self._loops = Context(typed, {}, where.stack, after, result, self._atomic), []
        self._bind(typed, args, where)
        value = self._inlined_body(typed, where)
        self._context, self._loops = outer, loops
        return value

    def _bind(self, typed: Function, args: list[Operand], where: Where) -> None:
        """Parameters are names for the arguments, unless the function assigns them."""
        for (name, _), arg in zip(typed.params, args, strict=True):
            self._context.env[name] = arg
            if name not in typed.single:
                self._context.env[name] = reg = self._reg(name, stable=False)
                self._emit(ir.Move(where, reg, arg))

    def _inlined_body(self, typed: Function, where: Where) -> Operand:
        context, last = self._context, typed.body[-1] if typed.body else None
        if isinstance(last, tree.Return) and typed.returns == 1:
            # One way out, at the end: its value needs no register of its own.
            self._body(typed.body[:-1])
            self._cover(self._where(last.at))
            return 0 if last.value is None else self.value(last.value)
        if self._body(typed.body):
            if typed.returns == 0:
                return 0
            self._emit(ir.Jump(where, context.after))
        self.block = context.after
        return 0 if context.result is None else context.result

    def _no_recursion(self, at: Span, typed: Function, stack: tuple[Frame, ...]) -> None:
        name, file = typed.source.name, typed.source.filename
        for depth, frame in enumerate(stack):
            if (frame.function, frame.file) == (name, file):
                cycle = [name, *(f.function for f in reversed(stack[: depth + 1]))]
                path = " -> ".join([*cycle[1:], name])
                caller = self._context.function.source
                caller.fail(at, f"recursion: {path}", "write a loop; calls are inlined")

    def _call_pointer(self, node: tree.CallPointer) -> Operand:
        target = self.value(node.function)
        args = [self.value(a) for a in node.args]
        if isinstance(target, int):
            return self._call_constant(node, target, args)
        result = None if node.signature.result is None else self._reg("result", stable=False)
        after, where = self._new_block("called"), self._where(node.at)
        for number, function in self._candidates(node.signature):
            hit, miss = self._new_block("is"), self._new_block("not")
            same = self._reg("same")
            self._emit(ir.Binary(where, same, "eq", target, number))
            self._emit(ir.Branch(where, same, hit, miss))
            self.block = hit
            value = self._call(node.at, function, args)
            if result is not None:
                self._emit(ir.Move(where, result, value))
            self._emit(ir.Jump(where, after))
            self.block = miss
        self._emit(ir.Fail(where, "bad-call", "call through a NULL function pointer"))
        self.block = after
        return 0 if result is None else result

    def _call_constant(self, node: tree.CallPointer, target: int, args: list[Operand]) -> Operand:
        if not 1 <= target <= len(self.world.functions):
            self._emit(ir.Fail(self._where(node.at), "bad-call", "call through a NULL function pointer"))
            self.block = self._new_block("dead")
            return 0
        return self._call(node.at, self.world.functions[target - 1], args)

    def _candidates(self, signature: FnType) -> list[tuple[int, Callable[..., Any]]]:
        found = []
        for number, function in enumerate(self.world.functions, 1):
            typed = self.typed(function)
            have = [kind for _, kind in typed.params]
            want = [value_type(kind) for kind in signature.params]
            result = None if signature.result is None else value_type(signature.result)
            if have == want and typed.result == result:
                found.append((number, function))
        return found

    # -- statements ----------------------------------------------------------------------------

    def _body(self, body: list[tree.Stmt]) -> bool:
        """Lower `body`; False if control never runs off its end."""
        for statement in body:
            where = self._where(statement.at)
            if not isinstance(statement, (tree.Atomic, tree.While)):
                self._cover(where)
            if not getattr(self, f"_do_{type(statement).__name__}")(statement, where):
                return False
        return True

    def _do_Assign(self, node: tree.Assign, where: Where) -> bool:
        value = self.value(node.value)
        env = self._context.env
        fixed = isinstance(value, int) or value in self._stable
        if node.name in self._context.function.single and fixed:
            env[node.name] = value
            return True
        reg = env.get(node.name)
        if not isinstance(reg, Reg):
            env[node.name] = reg = self._reg(node.name, stable=False)
        self._emit(ir.Move(where, reg, value))
        return True

    def _do_Store(self, node: tree.Store, where: Where) -> bool:
        value = self.value(node.value)
        address = self.value(node.place.address)
        self._store(node.place, address, value, where)
        return True

    def _store(self, place: tree.Place, address: Operand, value: Operand, where: Where) -> None:
        if not place.silent:
            self._point(where, f"store {place.name}")
        view = view_of(place.owner, place.field)
        self._emit(ir.Store(where, address, value, place.type, view, place.name))

    def _do_Update(self, node: tree.Update, where: Where) -> bool:
        address = self.value(node.place.address)
        old = self._load(node.place, address, where)
        value = self._binary(where, node.op, old, self.value(node.value))
        self._store(node.place, address, value, where)
        return True

    def _do_Evaluate(self, node: tree.Evaluate, where: Where) -> bool:
        self.value(node.value)
        return True

    def _do_If(self, node: tree.If, where: Where) -> bool:
        then, other, after = (self._new_block(n) for n in ("then", "else", "endif"))
        known = self._branch(node.test, then, other, where)
        falls = False
        for block, body, wanted in ((then, node.then, True), (other, node.other, False)):
            if known is (not wanted):
                continue
            self.block = block
            if known is None:
                self._cover(where, "branch taken" if wanted else "branch not taken")
            if self._body(body):
                self._emit(ir.Jump(where, after))
                falls = True
        self.block = after
        return falls

    def _do_While(self, node: tree.While, where: Where) -> bool:
        head, body, after = (self._new_block(n) for n in ("while", "do", "done"))
        self._emit(ir.Jump(where, head))
        self.block = head
        self._cover(where)
        known = self._branch(node.test, body, after, where)
        self.block = body
        if known is None:
            self._cover(where, "branch taken")
        self._loops.append((head, after, self._atomic))
        if known is not False and self._body(node.body):
            self._emit(ir.Jump(where, head))
        self._loops.pop()
        self.block = after
        if known is None:
            self._cover(where, "branch not taken")
        return True

    def _do_For(self, node: tree.For, where: Where) -> bool:
        start, stop = self.value(node.start), self._copied(self.value(node.stop), where)
        counter = self._counter(node, start, stop, where)
        head, body, latch, after = (self._new_block(n) for n in ("for", "body", "next", "done"))
        self._emit(ir.Jump(where, head))
        self.block = head
        more = self._reg("more")
        self._emit(ir.Binary(where, more, "lt" if node.step > 0 else "gt", counter, stop))
        self._emit(ir.Branch(where, more, body, after))
        self.block = body
        if node.escapes:
            variable = self._context.env.get(node.name)
            if not isinstance(variable, Reg):
                self._context.env[node.name] = variable = self._reg(node.name, stable=False)
            self._emit(ir.Move(where, variable, counter))
        else:
            self._context.env[node.name] = counter
        self._loops.append((latch, after, self._atomic))
        if self._body(node.body):
            self._emit(ir.Jump(where, latch))
        self._loops.pop()
        self.block = latch
        self._emit(ir.Binary(where, counter, "add", counter, node.step))
        self._emit(ir.Jump(where, head))
        self.block = after
        return True

    def _copied(self, value: Operand, where: Where) -> Operand:
        """`value`, in a register of its own if it is a variable that code may assign."""
        if isinstance(value, int) or value in self._stable:
            return value
        copy = self._reg("stop")
        self._emit(ir.Move(where, copy, value))
        return copy

    def _counter(self, node: tree.For, start: Operand, stop: Operand, where: Where) -> Reg:
        counter = self._reg(node.name, stable=False)
        counter.loop = (start, stop, node.step)
        self._emit(ir.Move(where, counter, start))
        return counter

    def _do_Break(self, node: tree.Break, where: Where) -> bool:
        return self._leave_loop(self._loops[-1][1], where)

    def _do_Continue(self, node: tree.Continue, where: Where) -> bool:
        return self._leave_loop(self._loops[-1][0], where)

    def _leave_loop(self, target: Block, where: Where) -> bool:
        if self._atomic and not self._loops[-1][2]:
            self._emit(ir.Leave(where))
        self._emit(ir.Jump(where, target))
        return False

    def _do_Return(self, node: tree.Return, where: Where) -> bool:
        context = self._context
        if node.value is not None:
            value = self.value(node.value)
            assert context.result is not None
            self._emit(ir.Move(where, context.result, value))
        self._leave_call(where)
        return False

    def _leave_call(self, where: Where) -> None:
        if self._atomic and not self._context.atomic:
            self._emit(ir.Leave(where))
        self._emit(ir.Jump(where, self._context.after))

    def _do_Atomic(self, node: tree.Atomic, where: Where) -> bool:
        if self._atomic:
            return self._body(node.body)
        self._emit(ir.Enter(where))
        self._atomic = True
        falls = self._body(node.body)
        self._atomic = False
        if falls:
            self._emit(ir.Leave(where))
        return falls

    def _do_Await(self, node: tree.Await, where: Where) -> bool:
        covers = self._take_covers()
        self._point(where, "await")
        quiet, self._quiet = self._quiet, True
        condition = self._truth_value(node.condition, where)
        self._quiet = quiet
        self._emit(ir.Guard(where, condition))
        self.block.code += covers
        return True

    def _do_Free(self, node: tree.Free, where: Where) -> bool:
        address = self.value(node.pointer)
        self._point(where, f"kfree {node.struct.name}")
        self._emit(ir.Free(where, address, node.struct))
        return True

    def _do_Fail(self, node: tree.Fail, where: Where) -> bool:
        if node.test is None:
            self._emit(ir.Fail(where, node.kind, node.message))
            return False
        bad, good = self._new_block("bad"), self._new_block("good")
        then, other = (good, bad) if node.unless else (bad, good)
        self._branch(node.test, then, other, where)
        self.block = bad
        self._emit(ir.Fail(where, node.kind, node.message))
        self.block = good
        return True

    # -- conditions ----------------------------------------------------------------------------

    def _branch(self, test: tree.Expr, then: Block, other: Block, where: Where) -> bool | None:
        """Go to `then` or `other`; the value of `test` if it is known."""
        match test:
            case tree.Not():
                known = self._branch(test.operand, other, then, where)
                return None if known is None else not known
            case tree.Logic():
                return self._branch_logic(test, then, other, where)
        value = self.value(test)
        if isinstance(value, int):
            self._emit(ir.Jump(where, then if value else other))
            return value != 0
        self._emit(ir.Branch(where, value, then, other))
        return None

    def _branch_logic(self, test: tree.Logic, then: Block, other: Block, where: Where) -> bool | None:
        decides = test.op == "or"
        known: bool | None = not decides
        for i, operand in enumerate(test.operands):
            last = i == len(test.operands) - 1
            more = Block("unused") if last else self._new_block(test.op)
            yes, no = (then, other if last else more) if decides else (then if last else more, other)
            value = self._branch(operand, yes, no, where)
            if value is decides:
                return decides
            known = None if value is None else known
            self.block = more
        return known

    def _truth_value(self, node: tree.Expr, where: Where) -> Operand:
        """1 or 0."""
        if not isinstance(node, (tree.Logic, tree.Not)):
            value = self.value(node)
            if isinstance(value, int):
                return int(value != 0)
            if isinstance(node.type, BoolType):
                return value
            return self._binary(where, "ne", value, 0)
        then, other, after = (self._new_block(n) for n in ("true", "false", "value"))
        result = self._reg("truth")
        known = self._branch(node, then, other, where)
        if known is not None:
            self.block = then if known else other
            return int(known)
        for block, value in ((then, 1), (other, 0)):
            block.code += [ir.Move(where, result, value), ir.Jump(where, after)]
        self.block = after
        return result

    # -- expressions ---------------------------------------------------------------------------

    def value(self, node: tree.Expr) -> Operand:
        """Code that computes `node`; the operand that holds it."""
        where = self._where(node.at)
        match node:
            case tree.Const():
                return node.value
            case tree.Local():
                return self._context.env[node.name]
            case tree.Load():
                return self._load(node.place, self.value(node.place.address), where)
            case tree.Offset():
                return self._offset(node, where)
            case tree.Index():
                return self._index(node, where)
            case tree.Binary():
                left = self.value(node.left)
                return self._binary(where, node.op, left, self.value(node.right))
            case tree.Not() | tree.Logic():
                return self._truth_or_not(node, where)
            case tree.Choice():
                return self._choice(node, where)
            case tree.Wrap():
                return self._wrap(node, where)
            case tree.Call():
                return self._call(node.at, node.function, [self.value(a) for a in node.args])
            case tree.CallPointer():
                return self._call_pointer(node)
        return self._intrinsic(node, where)

    def _intrinsic(self, node: tree.Expr, where: Where) -> Operand:
        match node:
            case tree.ThisThread():
                return self.thread
            case tree.ThisTask():
                return self.task
            case tree.Choose():
                count, dst = self.value(node.count), self._reg("choice")
                self._point(where, "choose")
                self._emit(ir.Choose(where, dst, count))
                return dst
            case tree.Allocate():
                dst = self._reg(node.struct.name)
                self._point(where, f"allocate {node.struct.name}")
                self._emit(ir.Alloc(where, dst, node.struct, node.zero))
                return dst
            case tree.Warn():
                self._do_Fail(tree.Fail(node.at, "warning", "WARN_ON", node.test), where)
                return 0
        raise AssertionError(f"no lowering for {node}")

    def _truth_or_not(self, node: tree.Not | tree.Logic, where: Where) -> Operand:
        if isinstance(node, tree.Not) and not isinstance(node.operand, (tree.Logic, tree.Not)):
            return self._binary(where, "eq", self.value(node.operand), 0)
        return self._truth_value(node, where)

    def _load(self, place: tree.Place, address: Operand, where: Where) -> Operand:
        if not place.silent:
            self._point(where, f"load {place.name}")
        known = self._known(place, address)
        if known is not None and not self._freeable(address):
            return known
        dst = self._reg(place.field)
        view = view_of(place.owner, place.field)
        self._emit(ir.Load(where, dst, address, place.type, view, place.name))
        return dst if known is None else known

    def _known(self, place: tree.Place, address: Operand) -> int | None:
        """Value of a const field whose address is known, and is an address of that very field."""
        if not place.const or not isinstance(address, int):
            return None
        found = self.world.space.find(address)
        if found is None:
            return None
        cell = self.world.space.layout.cells(found.struct)[address - found.base]
        return self.world.memory.get(address) if cell.view == view_of(place.owner, place.field) else None

    def _freeable(self, address: Operand) -> bool:
        found = self.world.space.find(address) if isinstance(address, int) else None
        return found is None or found.freeable

    def _offset(self, node: tree.Offset, where: Where) -> Operand:
        base = self.value(node.base)
        if isinstance(base, int):
            moved = base + node.cells
            return moved if node.cells >= 0 else self._inside(moved, where)
        if node.cells == 0:
            return base
        dst = self._reg("address")
        self._emit(ir.Element(where, dst, base, node.cells, 1, None, checked=node.cells < 0))
        return dst

    def _index(self, node: tree.Index, where: Where) -> Operand:
        base, index = self.value(node.base), self.value(node.index)
        known = isinstance(index, int) and (node.count is None or 0 <= index < node.count)
        if isinstance(base, int) and isinstance(index, int) and known:
            moved = base + index * node.stride
            return moved if node.count is not None else self._inside(moved, where)
        dst = self._reg("element")
        self._emit(ir.Element(where, dst, base, index, node.stride, node.count, checked=node.count is None))
        return dst

    def _inside(self, address: int, where: Where) -> int:
        """The known result of pointer arithmetic; a violation if it leaves memory."""
        if 0 <= address <= self.world.space.end:
            return address
        self._emit(ir.Fail(where, "out-of-bounds", "pointer arithmetic leaves memory"))
        self.block = self._new_block("dead")
        return 0

    def _binary(self, where: Where, op: str, a: Operand, b: Operand) -> Operand:
        if isinstance(a, int) and isinstance(b, int):
            folded = arithmetic.fold(op, a, b)
            if folded is not None:
                return folded
        dst = self._reg(op)
        self._emit(ir.Binary(where, dst, op, a, b))
        return dst

    def _choice(self, node: tree.Choice, where: Where) -> Operand:
        then, other, after = (self._new_block(n) for n in ("then", "else", "chosen"))
        known = self._branch(node.test, then, other, where)
        if known is not None:
            self.block = then if known else other
            return self.value(node.then if known else node.other)
        result = self._reg("chosen")
        for block, branch in ((then, node.then), (other, node.other)):
            self.block = block
            self._emit(ir.Move(where, result, self.value(branch)))
            self._emit(ir.Jump(where, after))
        self.block = after
        return result

    def _wrap(self, node: tree.Wrap, where: Where) -> Operand:
        value = self.value(node.operand)
        if isinstance(value, int) and arithmetic.wrap(value, node.to) <= arithmetic.HIGH:
            return arithmetic.wrap(value, node.to)
        dst = self._reg("wrapped")
        self._emit(ir.Wrap(where, dst, value, node.to))
        return dst
