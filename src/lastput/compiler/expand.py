"""The driver functions around the steps: `expand` for the engine, `start` for the initial state."""

from __future__ import annotations

from dataclasses import dataclass

from lastput.compiler import assembly as ll
from lastput.compiler import ir
from lastput.compiler.codegen import MAX_CHOICES, Segment, StepCode, has_choice, segment_instructions
from lastput.compiler.helper_code import HelperFunctions
from lastput.compiler.ir import Flow
from lastput.compiler.marks import MarkCode
from lastput.compiler.memory_code import EVENT, I8, I64, MemoryCode, Sites, const
from lastput.compiler.reduce.alone import find_alone
from lastput.compiler.reduce.alone_code import KEPT, PLAIN, AloneCode
from lastput.compiler.reduce.orbits import Orbits
from lastput.compiler.reduce.symmetry import Symmetry
from lastput.compiler.steps import LIVE, StateLayout, ThreadProgram
from lastput.compiler.tables import Tables, build_tables
from lastput.lang.world import Property

STATE_EVENT = 0xFFFF
ALONE = frozenset(("por", "locks", "private", "chains"))
"""Reductions that take one thread's step alone where that is enough."""
WORDS = I64.as_pointer()


@dataclass
class Condition:
    """A property, its flow, its event code when broken, and its coverage place."""

    property: Property
    flow: Flow
    code: int
    place: int


@dataclass
class Driver:
    """Everything that goes into the module, and the limits that the engine must know."""

    layout: StateLayout
    conditions: list[Condition]
    sites: Sites
    deadlock: int
    ran: list[int]
    """Of each thread, the coverage place that tells that it took a step."""
    places: int
    """How many coverage places there are."""
    max_successors: int = 0
    max_events: int = 0
    reduce: frozenset[str] = frozenset()
    """Reductions to build in: names of `plan.REDUCTIONS`."""
    symmetry: Symmetry | None = None
    """What the reductions by symmetry found; None where none is asked for."""


def build_module(driver: Driver) -> ll.Module:
    """The LLVM module: step functions, `expand`, and `start_0`, `start_1`, ... for the threads."""
    module = ll.Module("lastput")
    lookup = build_tables(driver.layout)
    helpers = HelperFunctions(driver.layout, lookup, module)
    steps = [_thread_steps(driver, lookup, helpers, program) for program in driver.layout.threads]
    for program in driver.layout.threads:
        _start(driver, lookup, helpers, program)
    properties = [_property(driver, lookup, helpers, c, i) for i, c in enumerate(driver.conditions)]
    driver.max_events = driver.max_successors + len(driver.conditions) + 1
    driver.max_events += sum(1 for o in driver.layout.world.space.objects if o.freeable)
    expand = ExpandCode(driver, lookup, helpers, steps, properties)
    if driver.symmetry is not None and driver.symmetry.group:
        expand.orbits = Orbits(driver.symmetry, helpers, driver.layout.words)
    expand.generate()
    if driver.layout.world.goals:
        _mark(driver, lookup, helpers, properties)
    return module


def _thread_steps(
    driver: Driver, lookup: Tables, helpers: HelperFunctions, program: ThreadProgram
) -> list[tuple[ll.Function, bool]]:
    found, most = [], 1
    for position in program.positions:
        segment = Segment(
            f"step_{program.spec.index}_{position.number}",
            position.block,
            position.index + 1,
            program,
            position.live,
            guarded=position.point.kind == "await",
        )
        function = StepCode(driver.layout, lookup, helpers, driver.sites, segment).generate()
        found.append((function, has_choice(segment)))
        most = max(most, _choices(segment))
    driver.max_successors += most
    return found


def _choices(segment: Segment) -> int:
    """Upper bound of the choices of one step."""
    chooses = [i for i in segment_instructions(segment) if isinstance(i, ir.Choose)]
    if not chooses:
        return 1
    (first, *more) = chooses
    known = first.count if not more and isinstance(first.count, int) else MAX_CHOICES
    return min(known, MAX_CHOICES)


def _start(driver: Driver, lookup: Tables, helpers: HelperFunctions, program: ThreadProgram) -> None:
    name = f"start_{program.spec.index}"
    segment = Segment(name, program.flow.entry, 0, program, frozenset(), guarded=False)
    StepCode(driver.layout, lookup, helpers, driver.sites, segment).generate().linkage = ""


def _property(
    driver: Driver, lookup: Tables, helpers: HelperFunctions, condition: Condition, number: int
) -> ll.Function:
    segment = Segment(f"property_{number}", condition.flow.entry, 0, None, frozenset(), guarded=False)
    return StepCode(driver.layout, lookup, helpers, driver.sites, segment).generate()


def _mark(driver: Driver, lookup: Tables, helpers: HelperFunctions, properties: list[ll.Function]) -> None:
    pairs = zip(driver.conditions, properties, strict=True)
    wanted = [function for condition, function in pairs if condition.property.kind == "progress"]
    MarkCode(driver.layout, lookup, helpers, driver.sites, wanted, driver.places).generate()


class ExpandCode(MemoryCode):
    """Generates `expand`: for each state its properties, then every step of every thread."""

    def __init__(
        self,
        driver: Driver,
        lookup: Tables,
        helpers: HelperFunctions,
        steps: list[list[tuple[ll.Function, bool]]],
        properties: list[ll.Function],
    ) -> None:
        super().__init__(driver.layout, lookup, helpers, driver.sites)
        self.driver, self.steps, self.properties = driver, steps, properties
        self.module = helpers.module
        self.alone = self._find_alone() if driver.reduce & ALONE else None
        self.settle = self.alone.settle() if self.alone and "chains" in driver.reduce else None
        self.orbits: Orbits | None = None

    def _find_alone(self) -> AloneCode:
        visible = [c.flow for c in self.driver.conditions if c.property.kind != "final"]
        table = find_alone(self.layout, visible, self.driver.reduce)
        functions = [[function for function, _ in steps] for steps in self.steps]
        return AloneCode(self, self.module, table, functions, self.driver.ran)

    def generate(self) -> None:
        """Emit the function into the module."""
        kind = ll.FunctionType(I64, [WORDS, I64, WORDS, WORDS, WORDS, WORDS, I8.as_pointer()])
        self.function = ll.Function(self.module, kind, "expand")
        states, n, self.successors, self.labels, self.events, event_count, self.coverage = self.function.args
        b = self.builder = ll.IRBuilder(self.function.append_basic_block("entry"))
        self.made, self.found, self.index, self.choice, self.radix, self.most = (
            b.alloca(I64, name=name) for name in ("made", "found", "index", "choice", "radix", "most")
        )
        for slot in (self.made, self.found, self.index):
            b.store(const(0), slot)
        head, body, done = (self.function.append_basic_block(x) for x in ("head", "body", "done"))
        b.branch(head)
        b.position_at_end(head)
        index = b.load(self.index)
        b.cbranch(b.icmp_signed("<", index, n), body, done)
        b.position_at_end(body)
        self.base = b.gep(states, [b.mul(index, const(self.layout.words))], inbounds=True)
        self._one_state()
        b.store(b.add(b.load(self.index), const(1)), self.index)
        b.branch(head)
        b.position_at_end(done)
        if self.orbits is not None:
            self.orbits.finish(b, self.successors, b.load(self.made))
            asked = [c.place for c in self.driver.conditions]
            self.orbits.share(b, self.coverage, self.driver.ran, asked)
        b.store(b.load(self.found), event_count)
        b.ret(b.load(self.made))

    def _one_state(self) -> None:
        b = self.builder
        for condition, function in zip(self.driver.conditions, self.properties, strict=True):
            if condition.property.kind == "invariant":
                self._evaluate(condition, function)
            if condition.property.kind in ("reachable", "asked", "progress"):
                self._look_for(condition, function)
        made, found = b.load(self.made), b.load(self.found)
        if self.alone is None:
            self._threads(None)
        else:
            self._alone_or_all(self.alone, made, found)
        same = b.and_(
            b.icmp_unsigned("==", made, b.load(self.made)), b.icmp_unsigned("==", found, b.load(self.found))
        )
        with b.if_then(same, likely=False):
            self._stuck()

    # -- steps ---------------------------------------------------------------------------------

    def _threads(self, only: ll.Value | None) -> None:
        """Steps of every thread, or of thread `only` unless that is no thread."""
        b = self.builder
        for program, steps in zip(self.layout.threads, self.steps, strict=True):
            if not steps:
                continue
            if only is None:
                self._thread(program, steps)
            else:
                me, all_of_them = const(program.spec.index), const(len(self.steps))
                wanted = b.or_(b.icmp_unsigned("==", only, me), b.icmp_unsigned("==", only, all_of_them))
                with b.if_then(wanted):
                    self._thread(program, steps)

    def _alone_or_all(self, code: AloneCode, made: ll.Value, found: ll.Value) -> None:
        """The steps of a thread that is enough here, if there is one whose steps all succeed; else of all."""
        b = self.builder
        again, retry, done = (self.function.append_basic_block(x) for x in ("alone", "retry", "expanded"))
        # With chains, a PLAIN step that could be alone has been taken before the state was kept.
        kinds = const(PLAIN + KEPT if self.settle is None else KEPT)
        start = b.call(code.alone, [self.base, const(0), kinds])
        before = b.block
        b.branch(again)
        b.position_at_end(again)
        only = b.phi(I64)
        only.add_incoming(start, before)
        self._threads(only)
        none_made = b.icmp_unsigned("==", b.load(self.made), made)
        failed = b.or_(none_made, b.icmp_unsigned("!=", b.load(self.found), found))
        partly = b.icmp_unsigned("<", only, const(len(self.steps)))
        b.cbranch(b.and_(failed, partly), retry, done)
        b.position_at_end(retry)
        b.store(made, self.made)
        b.store(found, self.found)
        other = b.call(code.alone, [self.base, b.add(only, const(1)), kinds])
        only.add_incoming(other, b.block)
        b.branch(again)
        b.position_at_end(done)

    def _thread(self, program: ThreadProgram, steps: list[tuple[ll.Function, bool]]) -> None:
        b = self.builder
        choosing = any(has for _, has in steps)
        b.store(const(0), self.choice)
        b.store(const(1), self.most)
        again, tail, after = (self.function.append_basic_block(x) for x in ("again", "tail", "after"))
        b.branch(again)
        b.position_at_end(again)
        if choosing:
            b.store(const(1), self.radix)
        target = b.gep(self.successors, [b.mul(b.load(self.made), const(self.layout.words))], inbounds=True)
        choice = b.load(self.choice) if choosing else const(0)
        result = self._step(program, steps, target, choice, tail, after)
        self._record(program.spec.index, result, target)
        if not choosing:
            b.branch(after)
        else:
            self._next_choice(again, after)
        b.position_at_end(after)

    def _step(
        self,
        program: ThreadProgram,
        steps: list[tuple[ll.Function, bool]],
        target: ll.Value,
        choice: ll.Value,
        tail: ll.Block,
        after: ll.Block,
    ) -> ll.Value:
        """What the step where the thread stands returns, in block `tail`; `after` if it is done."""
        b = self.builder
        arguments = [self.base, target, choice, self.radix, self.coverage]
        if self.alone is not None:
            b.branch(tail)
            b.position_at_end(tail)
            return b.call(self.alone.run[program.spec.index], arguments)
        switch = b.switch(self.get(program.record.position), after)
        results = []
        for number, (function, _) in enumerate(steps):
            case = self.function.append_basic_block("step")
            switch.add_case(const(number), case)
            b.position_at_end(case)
            results.append((b.call(function, arguments), case))
            b.branch(tail)
        b.position_at_end(tail)
        result = b.phi(I64)
        for value, case in results:
            result.add_incoming(value, case)
        return result

    def _next_choice(self, again: ll.Block, after: ll.Block) -> None:
        b = self.builder
        radix, most = b.load(self.radix), b.load(self.most)
        most = b.select(b.icmp_unsigned(">", radix, most), radix, most)
        b.store(most, self.most)
        choice = b.add(b.load(self.choice), const(1))
        b.store(choice, self.choice)
        b.cbranch(b.icmp_unsigned("<", choice, most), again, after)

    def _record(self, thread: int, result: ll.Value, target: ll.Value) -> None:
        b = self.builder
        with b.if_then(b.icmp_unsigned("!=", result, const(0))):
            with b.if_else(b.icmp_unsigned("==", result, const(1))) as (made, broken):
                with made:
                    count = b.load(self.made)
                    b.store(ll.Constant(I8, 1), self._mark(self.driver.ran[thread]))
                    b.store(self._label(thread), b.gep(self.labels, [count], inbounds=True))
                    if self.settle is not None:
                        b.call(self.settle, [target, self.coverage, self.labels, const(0)])
                    b.store(b.add(count, const(1)), self.made)
                with broken:
                    self._event(thread, b.lshr(result, const(8)))

    def _label(self, thread: int) -> ll.Value:
        b = self.builder
        source = b.shl(b.load(self.index), const(32))
        choice = const(0) if thread == STATE_EVENT else b.load(self.choice)
        return b.or_(b.or_(source, const(thread << 16)), choice)

    def _event(self, thread: int, code: ll.Value) -> None:
        b = self.builder
        count = b.load(self.found)
        at = b.mul(count, const(2))
        b.store(self._label(thread), b.gep(self.events, [at], inbounds=True))
        b.store(code, b.gep(self.events, [b.add(at, const(1))], inbounds=True))
        b.store(b.add(count, const(1)), self.found)

    # -- properties ----------------------------------------------------------------------------

    def _call_property(self, function: ll.Function) -> ll.Value:
        return self.builder.call(function, [self.base, self.base, const(0), self.radix, self.coverage])

    def _mark(self, place: int) -> ll.Value:
        return self.builder.gep(self.coverage, [const(place)], inbounds=True)

    def _evaluate(self, condition: Condition, function: ll.Function) -> None:
        """An event if an invariant or final condition is false, or cannot be evaluated."""
        b = self.builder
        b.store(ll.Constant(I8, 1), self._mark(condition.place))
        result = self._call_property(function)
        with b.if_then(b.icmp_unsigned("!=", result, const(1)), likely=False):
            broken = b.icmp_unsigned("==", result, const(0))
            code = b.select(broken, const(condition.code), b.lshr(result, const(8)))
            self._event(STATE_EVENT, code)

    def _look_for(self, condition: Condition, function: ll.Function) -> None:
        """Mark the coverage place of a condition that holds; an event if one of the model breaks a rule."""
        b = self.builder
        result = self._call_property(function)
        with b.if_then(b.icmp_unsigned("==", result, const(1))):
            b.store(ll.Constant(I8, 1), self._mark(condition.place))
        if condition.property.kind == "asked":
            return
        with b.if_then(b.icmp_unsigned("==", b.and_(result, const(3)), const(EVENT)), likely=False):
            self._event(STATE_EVENT, b.lshr(result, const(8)))

    def _stuck(self) -> None:
        """No step is possible: a deadlock, or the end with its conditions."""
        b = self.builder
        finished: ll.Value = ll.Constant(ll.IntType(1), 1)
        for program in self.layout.threads:
            if not program.spec.daemon:
                at_end = b.icmp_unsigned("==", self.get(program.record.position), const(program.done))
                finished = b.and_(finished, at_end)
        with b.if_else(finished) as (end, blocked):
            with end:
                for condition, function in zip(self.driver.conditions, self.properties, strict=True):
                    if condition.property.kind == "final":
                        self._evaluate(condition, function)
                self._leaks()
            with blocked:
                self._event(STATE_EVENT, const(self.driver.deadlock))

    def _leaks(self) -> None:
        b = self.builder
        for placed in self.layout.world.space.objects:
            if not placed.freeable:
                continue
            code = self.sites.code(
                "leak", f"{placed.name} (struct {placed.struct.name}) is never freed", None
            )
            status = self.layout.status.get(placed.base)
            if status is not None:
                with b.if_then(b.icmp_unsigned("==", self.get(status), const(LIVE)), likely=False):
                    self._event(STATE_EVENT, const(code))
            elif placed.live:
                self._event(STATE_EVENT, const(code))
