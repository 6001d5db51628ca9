"""Code generation: one LLVM function for each switch point of each thread.

    int64 step(const uint64 *old, uint64 *new, uint64 choice, uint64 *radix, uint8 *coverage)

runs from a switch point to the next on every path, writing the successor to `new`. It returns 0
if the step is not possible (or `choice` is none of its choices), 1 for a successor, or EVENT and a
code. `radix` is set to the number of choices met on the path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lastput.compiler import arithmetic, ir
from lastput.compiler import assembly as ll
from lastput.compiler.helper_code import HelperFunctions
from lastput.compiler.ir import Block, Operand, Point, Reg, Where
from lastput.compiler.memory_code import EVENT, I8, I64, MemoryCode, Sites, const
from lastput.compiler.packing import Field
from lastput.compiler.ranges import cell_range
from lastput.compiler.steps import FREED, LIVE, UNBORN, StateLayout, ThreadProgram
from lastput.compiler.tables import Tables
from lastput.lang.types import BoolType, CellType, IntType, PtrType

STEP = ll.FunctionType(I64, [I64.as_pointer(), I64.as_pointer(), I64, I64.as_pointer(), I8.as_pointer()])
COPY = ll.FunctionType(ll.VoidType(), [I64.as_pointer(), I64.as_pointer(), I64, ll.IntType(1)])
"""Of LLVM's `memcpy`: to, from, bytes, and whether it is volatile."""
FUEL = 10_000
"""Loop iterations within one step before it counts as a soft lockup."""
MAX_CHOICES = 256
"""Combinations of choices within one step before it counts as a bound of the model."""


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
        self, layout: StateLayout, lookup: Tables, helpers: HelperFunctions, sites: Sites, segment: Segment
    ) -> None:
        super().__init__(layout, lookup, helpers, sites)
        self.segment = segment
        self.function = ll.Function(helpers.module, STEP, segment.name)
        self.function.linkage = "internal"
        self.old, self.new, self.choice, self.radix, self.coverage = self.function.args
        self.new.add_attribute("noalias")
        code = list(segment_instructions(segment))
        self._changed = {dst for dst in map(ir.writes, code) if dst is not None}
        self._used = self._changed.union(*(set(ir.reads(i)) for i in code))
        self._chooses = segment.program is not None and any(isinstance(i, ir.Choose) for i in code)
        self._event: ll.Phi | None = None
        """The number of the event that happened, where events leave."""
        self._slots: dict[Reg, ll.Value] = {}
        self._made: dict[Block, ll.Block] = {}
        self._work: list[tuple[Block, ll.Value]] = []

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
            for reg in sorted(self.segment.live & self._used, key=lambda r: r.index):
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
        size = const(8 * self.layout.words)
        copy = self.helpers.module.declare_intrinsic("llvm.memcpy", COPY.args[:3], COPY)
        self.builder.call(copy, [self.new, self.old, size, ll.Constant(ll.IntType(1), 0)])
        self.base = self.new

    def _slot(self, reg: Reg) -> ll.Value:
        if reg not in self._slots:
            self._slots[reg] = self.builder.alloca(I64, name=f"r{reg.index}")
        return self._slots[reg]

    def _write(self, reg: Reg, value: ll.Value) -> None:
        self.builder.store(value, self._slot(reg))

    def _value(self, operand: Operand) -> ll.Value:
        known = self._known(operand)
        return self.builder.load(self._slot(known)) if isinstance(known, Reg) else const(known)

    def _known(self, operand: Operand) -> Operand:
        """The operand, or the only value that it can have."""
        found = self.layout.sets.constant(operand)
        return operand if found is None else found

    def _address(self, operand: Operand) -> ll.Value | int:
        known = self._known(operand)
        return self._value(known) if isinstance(known, Reg) else known

    def fail(self, condition: ll.Value, kind: str, message: str, where: Where) -> None:
        """Leave with an event if `condition`."""
        self.fail_with(condition, const(self.sites.code(kind, message, where)))

    def fail_with(self, condition: ll.Value, code: ll.Value) -> None:
        """Leave with the event of number `code` if `condition`."""
        here = self.builder
        went_well = self.function.append_basic_block("ok")
        here.cbranch(condition, self._event_exit(code), went_well, likely=False)
        here.position_at_end(went_well)

    def _event_exit(self, code: ll.Value) -> ll.Block:
        """Where event `code` leaves from here: one block for all, of which there are thousands."""
        if self._event is None:
            self._event_block = self.function.append_basic_block("event")
            b = ll.IRBuilder(self._event_block)
            self._event = b.phi(I64)
            self._finish(b, b.or_(b.shl(self._event, const(8)), const(EVENT)))
        self._event.add_incoming(code, self.builder.block)
        return self._event_block

    def _stop(self, kind: str, message: str, where: Where) -> None:
        """Leave with an event."""
        self.builder.branch(self._event_exit(const(self.sites.code(kind, message, where))))

    def _finish(self, b: ll.IRBuilder, result: ll.Value) -> None:
        """Return `result`, unless `choice` was too large for the choices of this path."""
        if self._chooses:
            spent = b.icmp_unsigned("==", b.load(self._left), const(0))
            result = b.select(spent, result, const(0))
        b.ret(result)

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
        self.fail(
            b.icmp_signed("<=", left, const(0)), "soft-lockup", "a step that does not end", source.where
        )
        self.builder.branch(self._made[block])
        self.builder = here
        return through

    def _stop_at(self, point: Point) -> None:
        program = self.segment.program
        assert program is not None
        position = program.at(point)
        self._leave(program, position.number, position.live)

    def _leave(self, program: ThreadProgram, number: int, live: frozenset[Reg]) -> None:
        """Write the thread's record and return a successor."""
        b, record = self.builder, program.record
        same = live & self.segment.live - self._changed
        fields: list[tuple[Field, ll.Value]] = [(record.position, const(number))]
        for reg in sorted(live - same, key=lambda r: r.index):
            f = record.registers[reg]
            if f.width:
                fields.append((f, self.packed(self._value(reg), f)))
        for word, mask in record.words.items():
            for f in (record.registers[reg] for reg in same):
                if f.word == word:
                    mask &= ~(f.mask << f.shift)
            new = [b.shl(value, const(f.shift)) for f, value in fields if f.word == word]
            if mask:
                kept = b.and_(b.load(self.word(word)), const(~mask))
                for bits in new:
                    kept = b.or_(kept, bits)
                b.store(kept, self.word(word))
        self._finish(self.builder, const(1))

    def _do_Jump(self, instr: ir.Jump) -> None:
        self.builder.branch(self._target(instr.target, instr))

    def _do_Branch(self, instr: ir.Branch) -> None:
        known = self._known(instr.condition)
        if isinstance(known, int):
            self.builder.branch(self._target(instr.then if known else instr.other, instr))
            return
        test = self.builder.icmp_unsigned("!=", self._value(instr.condition), const(0))
        then, other = self._target(instr.then, instr), self._target(instr.other, instr)
        self.builder.cbranch(test, then, other)

    def _do_Fail(self, instr: ir.Fail) -> None:
        self._stop(instr.kind, instr.message, instr.where)

    def _do_End(self, instr: ir.End) -> None:
        program = self.segment.program
        if program is None:
            value = const(1) if instr.result is None else self._value(instr.result)
            self.builder.ret(self.builder.zext(self.builder.icmp_unsigned("!=", value, const(0)), I64))
            return
        for placed in self.layout.world.space.objects:
            for held in self.held(placed, program.spec.index):
                self.fail(held, "lock-held-at-exit", f"a lock in {placed.name} is still held", instr.where)
        self._leave(program, program.done, frozenset())

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

    def _write_result(self, dst: Reg, value: ll.Value) -> None:
        if self.layout.sets.constant(dst) is None:
            self._write(dst, value)

    def _do_Move(self, instr: ir.Move) -> None:
        self._write_result(instr.dst, self._value(instr.src))

    def _do_Binary(self, instr: ir.Binary) -> None:
        a, b = self._value(instr.a), self._value(instr.b)
        self._write_result(instr.dst, getattr(self, f"_op_{instr.op}", self._plain)(instr, a, b))

    def _plain(self, instr: ir.Binary, a: ll.Value, b: ll.Value) -> ll.Value:
        build = self.builder
        if instr.op in ("and", "or", "xor"):
            return {"and": build.and_, "or": build.or_, "xor": build.xor}[instr.op](a, b)
        signs = {"eq": "==", "ne": "!=", "lt": "<", "le": "<=", "gt": ">", "ge": ">="}
        if instr.op in signs:
            return build.zext(build.icmp_signed(signs[instr.op], a, b), I64)
        pick = build.icmp_signed("<" if instr.op == "min" else ">", a, b)
        return build.select(pick, a, b)

    def _checked(self, instr: ir.Binary, a: ll.Value, b: ll.Value) -> ll.Value:
        pair = getattr(self.builder, f"s{instr.op}_with_overflow")(a, b)
        overflow = self.builder.extract_value(pair, 1)
        self.fail(overflow, "overflow", f"{instr.op} leaves 64 bits", instr.where)
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
        self.fail(build.icmp_signed("==", b, const(0)), "division", "division by zero", instr.where)
        low = build.icmp_signed("==", a, const(-(1 << 63)))
        extreme = build.and_(low, build.icmp_signed("==", b, const(-1)))
        self.fail(extreme, "overflow", "division leaves 64 bits", instr.where)
        return build.sdiv(a, b), build.srem(a, b)

    def _shift_count(self, instr: ir.Binary, b: ll.Value) -> None:
        wrong = self.builder.icmp_unsigned(">", b, const(63))
        self.fail(wrong, "overflow", "shift by less than 0 or more than 63", instr.where)

    def _op_shl(self, instr: ir.Binary, a: ll.Value, b: ll.Value) -> ll.Value:
        build = self.builder
        self._shift_count(instr, b)
        result = build.shl(a, b)
        lost = build.icmp_signed("!=", build.ashr(result, b), a)
        self.fail(lost, "overflow", "shift leaves 64 bits", instr.where)
        return result

    def _op_shr(self, instr: ir.Binary, a: ll.Value, b: ll.Value) -> ll.Value:
        self._shift_count(instr, b)
        return self.builder.ashr(a, b)

    def _do_Wrap(self, instr: ir.Wrap) -> None:
        value = self._value(instr.a)
        if _is_u64(instr.type):
            negative = self.builder.icmp_signed("<", value, const(0))
            self.fail(negative, "range", "wrap() would exceed 2**63 - 1", instr.where)
        self._write_result(instr.dst, self._wrapped(value, instr.type))

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
            self.fail(outside, "out-of-bounds", f"index outside 0..{instr.count - 1}", instr.where)
        address = b.add(self._value(instr.base), b.mul(index, const(instr.stride)))
        if instr.checked:
            wild = b.icmp_unsigned(">", address, const(self.layout.world.space.end))
            self.fail(wild, "out-of-bounds", "pointer arithmetic leaves memory", instr.where)
        self._write_result(instr.dst, address)

    # -- memory --------------------------------------------------------------------------------

    def _do_Load(self, instr: ir.Load) -> None:
        self._write_result(instr.dst, self.load(self._address(instr.address), instr))

    def _do_Store(self, instr: ir.Store) -> None:
        value, kind = self._value(instr.value), instr.type
        if isinstance(kind, BoolType):
            value = self.builder.zext(self.builder.icmp_unsigned("!=", value, const(0)), I64)
        elif isinstance(kind, IntType) and kind.limit is None and not _is_u64(kind):
            value = self._wrapped(value, kind)
        else:
            self._refuse_outside(value, instr)
        self.store(self._address(instr.address), value, instr)

    def _refuse_outside(self, value: ll.Value, instr: ir.Store) -> None:
        """Leave if a cell of this type cannot hold `value`, unless the address is wrong already."""
        _, high = cell_range(instr.type, self.layout.world)
        high = min(high, arithmetic.HIGH)
        pointer = isinstance(instr.type, (PtrType, CellType))
        with self.builder.if_then(self.builder.icmp_unsigned(">", value, const(high)), likely=False):
            # What is wrong with the address comes first; the state that this makes is given up.
            self.store(self._address(instr.address), const(0), instr)
            self._stop("out-of-bounds" if pointer else "range", f"{instr.name} leaves 0..{high}", instr.where)

    def _do_Choose(self, instr: ir.Choose) -> None:
        b = self.builder
        count = self._value(instr.count)
        self.fail(b.icmp_signed("<", count, const(1)), "range", "choose() of nothing", instr.where)
        left, radix = b.load(self._left), b.load(self.radix)
        many = b.icmp_unsigned(">", count, b.udiv(const(MAX_CHOICES), radix))
        self.fail(many, "range", f"more than {MAX_CHOICES} choices in one step", instr.where)
        self._write_result(instr.dst, b.urem(left, count))
        b.store(b.udiv(left, count), self._left)
        b.store(b.mul(radix, count), self.radix)

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
            self._write_result(instr.dst, const(placed.base))
            b.branch(done)
            b.position_at_end(next_slot)
        self._stop("pool", f"no room for another {instr.struct.name}: enlarge its pool", instr.where)
        b.position_at_end(done)

    def _do_Free(self, instr: ir.Free) -> None:
        b, done = self.builder, self.function.append_basic_block("freed")
        address, name = self._value(instr.address), instr.struct.name
        possible = self.layout.sets.of(instr.address)
        targets = [
            o
            for o in self.layout.world.space.objects
            if o.base in self.layout.status and (possible is None or o.base in possible)
        ]
        wrong = self.function.append_basic_block("wrong")
        switch = b.switch(address, wrong)
        switch.add_case(const(0), done)
        for placed in targets:
            case = self.function.append_basic_block("object")
            switch.add_case(const(placed.base), case)
            b.position_at_end(case)
            status = self.layout.status[placed.base]
            value = self.get(status)
            self.fail(b.icmp_unsigned("==", value, const(FREED)), "double-free", name, instr.where)
            self.fail(b.icmp_unsigned("!=", value, const(LIVE)), "invalid-free", name, instr.where)
            for held in self.held(placed, None):
                self.fail(held, "lock-freed", f"{name} is freed with a lock held", instr.where)
            self.put(status, FREED)
            self.clear(placed)
            b.branch(done)
        b.position_at_end(wrong)
        self._stop("invalid-free", name, instr.where)
        b.position_at_end(done)


def _is_u64(kind: IntType) -> bool:
    """Its values from 2**63 up have no place in the language's 64 signed bits."""
    return kind.bits == 64 and not kind.signed


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


def segment_instructions(segment: Segment) -> Iterator[ir.Instr]:
    """Every instruction that a segment can run."""
    return (i for block, first, last in segment_code(segment) for i in block.code[first:last])


def has_choice(segment: Segment) -> bool:
    """Whether a `choose` can run in this segment."""
    return any(isinstance(instr, ir.Choose) for instr in segment_instructions(segment))


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
