"""Code generation: one LLVM function for each switch point of each thread.

    int64 step(const uint64 *old, uint64 *new, uint64 choice, uint64 *radix, uint8 *coverage)

runs from a switch point to the next on every path, writing the successor to `new`. It returns 0
if the step is not possible (or `choice` is none of its choices), 1 for a successor, or EVENT and a
code. `radix` is set to the number of choices met on the path.
"""

from __future__ import annotations

from dataclasses import dataclass

from llvmlite import ir as ll

from lastput.compiler import ir
from lastput.compiler.ir import Block, Operand, Point, Reg, Where
from lastput.compiler.memory_code import EVENT, I8, I64, MemoryCode, Sites, const
from lastput.compiler.packing import Field
from lastput.compiler.ranges import cell_range
from lastput.compiler.steps import FREED, LIVE, UNBORN, StateLayout, ThreadProgram
from lastput.compiler.tables import Tables
from lastput.lang.types import BoolType, IntType, ScalarType

STEP = ll.FunctionType(I64, [I64.as_pointer(), I64.as_pointer(), I64, I64.as_pointer(), I8.as_pointer()])
FUEL = 10_000
"""Loop iterations within one step before it counts as a soft lockup."""


@dataclass
class Segment:
    """What one function runs: code from `index` of `block` on, up to the next switch points."""

    name: str
    block: Block
    index: int
    program: ThreadProgram | None
    """None for a property, whose function returns its value."""
    live: frozenset[Reg]
    guarded: bool


class StepCode(MemoryCode):
    """Generates the function of one segment."""

    def __init__(
        self, layout: StateLayout, lookup: Tables, module: ll.Module, sites: Sites, segment: Segment
    ) -> None:
        super().__init__(layout, lookup, module, sites)
        self.segment = segment
        self.function = ll.Function(module, STEP, segment.name)
        self.function.linkage = "internal"
        self.old, self.new, self.choice, self.radix, self.coverage = self.function.args
        self.new.add_attribute("noalias")
        self._slots: dict[Reg, ll.Value] = {}
        self._made: dict[Block, ll.Block] = {}
        self._work: list[tuple[Block, ll.Value]] = []
        self.fail = self._fail

    def generate(self) -> ll.Function:
        """The function, complete."""
        entry = self.function.append_basic_block("entry")
        self.builder = ll.IRBuilder(entry)
        self._entry_block = entry
        self._left = self.builder.alloca(I64, name="left")
        self.builder.store(self.choice, self._left)
        self._fuel = self.builder.alloca(I64, name="fuel")
        self.builder.store(const(FUEL), self._fuel)
        self.base = self.old
        if not self.segment.guarded and self.segment.program is not None:
            self._copy()
        if self.segment.program is not None:
            for reg in self.segment.live:
                self._write(reg, self.get(self.segment.program.record.registers[reg]))
        self._loops = _loop_edges(self.segment)
        self._run(self.segment.block, self.segment.index)
        while self._work:
            block, base = self._work.pop()
            self.builder, self.base = ll.IRBuilder(self._made[block]), base
            self._run(block, 0)
        return self.function

    # -- plumbing ------------------------------------------------------------------------------

    def _copy(self) -> None:
        """From here on the successor is built in `new`."""
        for number in range(self.layout.words):
            self.base = self.old
            value = self.builder.load(self.word(number))
            self.base = self.new
            self.builder.store(value, self.word(number))
        self.base = self.new

    def _slot(self, reg: Reg) -> ll.Value:
        if reg not in self._slots:
            with self.builder.goto_entry_block():
                self._slots[reg] = self.builder.alloca(I64, name=f"r{reg.index}")
        return self._slots[reg]

    def _write(self, reg: Reg, value: ll.Value) -> None:
        self.builder.store(value, self._slot(reg))

    def _value(self, operand: Operand) -> ll.Value:
        return const(operand) if isinstance(operand, int) else self.builder.load(self._slot(operand))

    def _address(self, operand: Operand) -> ll.Value | int:
        return operand if isinstance(operand, int) else self._value(operand)

    def _fail(self, condition: ll.Value, kind: str, message: str, where: Where) -> None:
        bad, good = (self.function.append_basic_block(n) for n in ("bad", "good"))
        branch = self.builder.cbranch(condition, bad, good)
        branch.set_weights([1, 1000])
        self.builder.position_at_end(bad)
        self._return_event(kind, message, where)
        self.builder.position_at_end(good)

    def _return_event(self, kind: str, message: str, where: Where) -> None:
        self._finish(self.sites.code(kind, message, where) << 8 | EVENT)

    def _finish(self, result: int) -> None:
        """Return `result`, unless `choice` was too large for the choices of this path."""
        b = self.builder
        if not self._chooses:
            b.ret(const(result))
            return
        spent = b.icmp_unsigned("==", b.load(self._left), const(0))
        b.ret(b.select(spent, const(result), const(0)))

    @property
    def _chooses(self) -> bool:
        return self.segment.program is not None and has_choice(self.segment)

    # -- control -------------------------------------------------------------------------------

    def _run(self, block: Block, index: int) -> None:
        for position in range(index, len(block.code)):
            instr = block.code[position]
            if isinstance(instr, Point):
                self._stop_at(instr)
                return
            getattr(self, f"_do_{type(instr).__name__}")(instr)

    def _target(self, block: Block, source: ir.Instr) -> ll.Block:
        if block not in self._made:
            self._made[block] = self.function.append_basic_block(block.label)
            self._work.append((block, self.base))
        if (id(source), block) not in self._loops:
            return self._made[block]
        through = self.function.append_basic_block("again")
        here = self.builder
        self.builder = b = ll.IRBuilder(through)
        left = b.sub(b.load(self._fuel), const(1))
        b.store(left, self._fuel)
        self._fail(
            b.icmp_signed("<=", left, const(0)), "soft-lockup", "a step that does not end", source.where
        )
        self.builder.branch(self._made[block])
        self.builder = here
        return through

    def _stop_at(self, point: Point) -> None:
        program = self.segment.program
        assert program is not None
        position = program.at(point)
        values = {reg: self._value(reg) for reg in sorted(position.live, key=lambda r: r.index)}
        self._leave(program, position.number, values)

    def _leave(self, program: ThreadProgram, number: int, values: dict[Reg, ll.Value]) -> None:
        """Write the thread's record and return a successor."""
        b, record = self.builder, program.record
        fields: list[tuple[Field, ll.Value]] = [(record.position, const(number))]
        for reg, value in values.items():
            f = record.registers[reg]
            fields.append((f, self._packed(value, f.low)))
        for word, mask in record.words.items():
            kept = b.and_(b.load(self.word(word)), const(~mask))
            for f, value in fields:
                if f.word == word:
                    kept = b.or_(kept, b.shl(value, const(f.shift)))
            b.store(kept, self.word(word))
        self._finish(1)

    def _do_Jump(self, instr: ir.Jump) -> None:
        self.builder.branch(self._target(instr.target, instr))

    def _do_Branch(self, instr: ir.Branch) -> None:
        test = self.builder.icmp_unsigned("!=", self._value(instr.condition), const(0))
        then, other = self._target(instr.then, instr), self._target(instr.other, instr)
        self.builder.cbranch(test, then, other)

    def _do_Fail(self, instr: ir.Fail) -> None:
        self._return_event(instr.kind, instr.message, instr.where)

    def _do_End(self, instr: ir.End) -> None:
        program = self.segment.program
        if program is None:
            value = const(1) if instr.result is None else self._value(instr.result)
            self.builder.ret(self.builder.zext(self.builder.icmp_unsigned("!=", value, const(0)), I64))
            return
        for placed in self.layout.world.space.objects:
            for held in self.held(placed, program.spec.index):
                self._fail(held, "lock-held-at-exit", f"a lock in {placed.name} is still held", instr.where)
        self._leave(program, program.done, {})

    def _do_Guard(self, instr: ir.Guard) -> None:
        b = self.builder
        go, stay = (self.function.append_basic_block(n) for n in ("go", "blocked"))
        b.cbranch(b.icmp_unsigned("!=", self._value(instr.condition), const(0)), go, stay)
        ll.IRBuilder(stay).ret(const(0))
        b.position_at_end(go)
        self._copy()

    def _do_Cover(self, instr: ir.Cover) -> None:
        place = self.builder.gep(self.coverage, [const(instr.place)], inbounds=True)
        self.builder.store(ll.Constant(I8, 1), place)

    # -- values --------------------------------------------------------------------------------

    def _do_Move(self, instr: ir.Move) -> None:
        self._write(instr.dst, self._value(instr.src))

    def _do_Binary(self, instr: ir.Binary) -> None:
        a, b = self._value(instr.a), self._value(instr.b)
        self._write(instr.dst, getattr(self, f"_op_{instr.op}", self._plain)(instr, a, b))

    def _plain(self, instr: ir.Binary, a: ll.Value, b: ll.Value) -> ll.Value:
        build = self.builder
        if instr.op in ("and", "or", "xor"):
            return getattr(build, instr.op if instr.op == "xor" else f"{instr.op}_")(a, b)
        signs = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
        if instr.op in signs:
            return build.zext(build.icmp_signed(signs[instr.op], a, b), I64)
        pick = build.icmp_signed("<" if instr.op == "min" else ">", a, b)
        return build.select(pick, a, b)

    def _checked(self, instr: ir.Binary, a: ll.Value, b: ll.Value) -> ll.Value:
        pair = getattr(self.builder, f"s{instr.op}_with_overflow")(a, b)
        overflow = self.builder.extract_value(pair, 1)
        self._fail(overflow, "overflow", f"{instr.op} leaves 64 bits", instr.where)
        return self.builder.extract_value(pair, 0)

    _op_add = _op_sub = _op_mul = _checked

    def _op_div(self, instr: ir.Binary, a: ll.Value, b: ll.Value) -> ll.Value:
        """Python's floor division."""
        build = self.builder
        quotient, remainder = self._divide(instr, a, b)
        different = build.icmp_signed("<", build.xor(a, b), const(0))
        inexact = build.icmp_signed("!=", remainder, const(0))
        return build.sub(quotient, build.zext(build.and_(different, inexact), I64))

    def _op_mod(self, instr: ir.Binary, a: ll.Value, b: ll.Value) -> ll.Value:
        """Python's modulo: the sign of the divisor."""
        build = self.builder
        _, remainder = self._divide(instr, a, b)
        different = build.icmp_signed("<", build.xor(remainder, b), const(0))
        inexact = build.icmp_signed("!=", remainder, const(0))
        return build.select(build.and_(different, inexact), build.add(remainder, b), remainder)

    def _divide(self, instr: ir.Binary, a: ll.Value, b: ll.Value) -> tuple[ll.Value, ll.Value]:
        build = self.builder
        self._fail(build.icmp_signed("==", b, const(0)), "division", "division by zero", instr.where)
        low = build.icmp_signed("==", a, const(-(1 << 63)))
        extreme = build.and_(low, build.icmp_signed("==", b, const(-1)))
        self._fail(extreme, "overflow", "division leaves 64 bits", instr.where)
        return build.sdiv(a, b), build.srem(a, b)

    def _shift_count(self, instr: ir.Binary, b: ll.Value) -> None:
        wrong = self.builder.icmp_unsigned(">", b, const(63))
        self._fail(wrong, "overflow", "shift by less than 0 or more than 63", instr.where)

    def _op_shl(self, instr: ir.Binary, a: ll.Value, b: ll.Value) -> ll.Value:
        build = self.builder
        self._shift_count(instr, b)
        result = build.shl(a, b)
        lost = build.icmp_signed("!=", build.ashr(result, b), a)
        self._fail(lost, "overflow", "shift leaves 64 bits", instr.where)
        return result

    def _op_shr(self, instr: ir.Binary, a: ll.Value, b: ll.Value) -> ll.Value:
        self._shift_count(instr, b)
        return self.builder.ashr(a, b)

    def _do_Wrap(self, instr: ir.Wrap) -> None:
        self._write(instr.dst, self._wrapped(self._value(instr.a), instr.type))

    def _wrapped(self, value: ll.Value, kind: IntType) -> ll.Value:
        b = self.builder
        if kind.bits == 64:
            return value
        if not kind.signed:
            return b.and_(value, const((1 << kind.bits) - 1))
        up = const(64 - kind.bits)
        return b.ashr(b.shl(value, up), up)

    def _do_Element(self, instr: ir.Element) -> None:
        b = self.builder
        index = self._value(instr.index)
        if instr.count is not None:
            outside = b.icmp_unsigned(">=", index, const(instr.count))
            self._fail(outside, "out-of-bounds", f"index outside 0..{instr.count - 1}", instr.where)
        address = b.add(self._value(instr.base), b.mul(index, const(instr.stride)))
        if instr.checked:
            wild = b.icmp_unsigned(">", address, const(self.layout.world.space.end))
            self._fail(wild, "out-of-bounds", "pointer arithmetic leaves memory", instr.where)
        self._write(instr.dst, address)

    # -- memory --------------------------------------------------------------------------------

    def _do_Load(self, instr: ir.Load) -> None:
        self._write(instr.dst, self.load(self._address(instr.address), instr.type, instr.name, instr.where))

    def _do_Store(self, instr: ir.Store) -> None:
        address = self._address(instr.address)
        value = self._converted(self._value(instr.value), instr.type, instr)
        self.store(address, value, instr.type, instr.name, instr.where)

    def _converted(self, value: ll.Value, kind: ScalarType, instr: ir.Store) -> ll.Value:
        b = self.builder
        if isinstance(kind, IntType) and kind.limit is None:
            return self._wrapped(value, kind)
        if isinstance(kind, BoolType):
            return b.zext(b.icmp_unsigned("!=", value, const(0)), I64)
        low, high = cell_range(kind, self.layout.world)
        outside = b.icmp_unsigned(">", value, const(high))
        self._fail(outside, "range", f"{instr.name} leaves {low}..{high}", instr.where)
        return value

    def _do_Choose(self, instr: ir.Choose) -> None:
        b = self.builder
        count = self._value(instr.count)
        self._fail(b.icmp_signed("<", count, const(1)), "range", "choose() of nothing", instr.where)
        left = b.load(self._left)
        self._write(instr.dst, b.urem(left, count))
        b.store(b.udiv(left, count), self._left)
        b.store(b.mul(b.load(self.radix), count), self.radix)

    def _do_Alloc(self, instr: ir.Alloc) -> None:
        b, done = self.builder, self.function.append_basic_block("allocated")
        for placed in self.pool(instr.struct):
            free, next_slot = (self.function.append_basic_block(n) for n in ("free", "next"))
            status = self.layout.status[placed.base]
            b.cbranch(b.icmp_unsigned("==", self.get(status), const(UNBORN)), free, next_slot)
            b.position_at_end(free)
            self.put(status, LIVE)
            if instr.zero:
                self.initialise(placed)
            self._write(instr.dst, const(placed.base))
            b.branch(done)
            b.position_at_end(next_slot)
        self._return_event("pool", f"no room for another {instr.struct.name}: enlarge its pool", instr.where)
        b.position_at_end(done)

    def _do_Free(self, instr: ir.Free) -> None:
        b, done = self.builder, self.function.append_basic_block("freed")
        address, name = self._value(instr.address), instr.struct.name
        targets = [o for o in self.layout.world.space.objects if o.base in self.layout.status]
        wrong = self.function.append_basic_block("wrong")
        switch = b.switch(address, wrong)
        switch.add_case(const(0), done)
        for placed in targets:
            case = self.function.append_basic_block("object")
            switch.add_case(const(placed.base), case)
            b.position_at_end(case)
            status = self.layout.status[placed.base]
            value = self.get(status)
            self._fail(b.icmp_unsigned("==", value, const(FREED)), "double-free", name, instr.where)
            self._fail(b.icmp_unsigned("!=", value, const(LIVE)), "invalid-free", name, instr.where)
            for held in self.held(placed, None):
                self._fail(held, "lock-freed", f"{name} is freed with a lock held", instr.where)
            self.put(status, FREED)
            self.clear(placed)
            b.branch(done)
        b.position_at_end(wrong)
        self._return_event("invalid-free", name, instr.where)
        b.position_at_end(done)


def segment_code(segment: Segment) -> list[tuple[Block, int, int]]:
    """(block, first, last) stretches of code that a segment can run."""
    found, seen = [], set()
    work = [(segment.block, segment.index)]
    while work:
        block, first = work.pop()
        last = next((i for i in range(first, len(block.code)) if isinstance(block.code[i], Point)), None)
        found.append((block, first, len(block.code) if last is None else last))
        if last is None:
            for after in block.successors():
                if after not in seen:
                    seen.add(after)
                    work.append((after, 0))
    return found


def has_choice(segment: Segment) -> bool:
    """Whether a `choose` can run in this segment."""
    return any(
        isinstance(block.code[i], ir.Choose)
        for block, first, last in segment_code(segment)
        for i in range(first, last)
    )


def _loop_edges(segment: Segment) -> set[tuple[int, Block]]:
    """Jumps back within the segment: (id of the terminator, target)."""
    edges: set[tuple[int, Block]] = set()
    state: dict[Block, int] = {}

    def visit(block: Block, first: int) -> None:
        # Iterative depth-first search; 1 = on the path, 2 = finished.
        stack = [(block, iter(_exits(block, first)))]
        while stack:
            here, exits = stack[-1]
            after = next(exits, None)
            if after is None:
                state[here] = 2
                stack.pop()
            elif state.get(after, 0) == 1:
                edges.add((id(here.code[-1]), after))
            elif after not in state:
                state[after] = 1
                stack.append((after, iter(_exits(after, 0))))

    visit(segment.block, segment.index)
    return edges


def _exits(block: Block, first: int) -> list[Block]:
    stopped = any(isinstance(i, Point) for i in block.code[first:])
    return [] if stopped else block.successors()
