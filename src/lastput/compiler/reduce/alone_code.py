"""Machine code for what `alone.py` found: whose step is enough here, and steps taken one after the other.

    int64 alone(const uint64 *state, int64 first, int64 kinds)
    int64 settle(uint64 *state, uint8 *coverage, uint64 *taken, int64 noting)
    int64 one(const uint64 *old, uint64 *new, int64 thread, uint64 choice, uint64 *radix, uint8 *coverage)

`alone` gives the first thread, from `first` on, whose step is left alone by where the others stand, or the
number of threads; `kinds` is PLAIN, KEPT or their sum. `settle` takes PLAIN steps that are alone, in
place, and tells how many; `noting` is 1 if `taken` shall get the thread of each. `one` takes one
step of one thread, as the functions of `codegen` do. The last two are there for `chains`.
"""

from __future__ import annotations

from lastput.compiler import assembly as ll
from lastput.compiler.codegen import STEP
from lastput.compiler.memory_code import I8, I64, MemoryCode, const
from lastput.compiler.reduce.alone import Alone
from lastput.compiler.steps import ThreadProgram

WORDS = I64.as_pointer()
PLAIN, KEPT = 1, 2
"""Kinds of steps that can be alone; the state before one that is KEPT is, too."""
LONGEST = 4096
"""Steps that `settle` takes at most."""


class AloneCode(MemoryCode):
    """Generates the functions into a module. `steps` are the step functions, by thread and position."""

    def __init__(
        self,
        code: MemoryCode,
        module: ll.Module,
        alone: Alone,
        steps: list[list[ll.Function]],
        ran: list[int],
    ) -> None:
        super().__init__(code.layout, code.lookup, code.helpers, code.sites)
        self.module, self.table, self.steps, self.ran = module, alone, steps, ran
        self.threads = len(steps)
        self.run = [self._run(program) for program in self.layout.threads]
        """Of each thread, the function that runs the step where it stands."""
        self.alone = self._alone()

    # -- steps ---------------------------------------------------------------------------------

    def _run(self, program: ThreadProgram) -> ll.Function:
        """A function like those of `codegen`, for all positions of a thread."""
        function = ll.Function(self.module, STEP, f"run_{program.spec.index}")
        function.linkage = "internal"
        b = self.builder = ll.IRBuilder(function.append_basic_block("entry"))
        self.base = function.args[0]
        stay = function.append_basic_block("done")
        ll.IRBuilder(stay).ret(const(0))
        switch = b.switch(self.get(program.record.position), stay)
        for number, step in enumerate(self.steps[program.spec.index]):
            case = function.append_basic_block("step")
            switch.add_case(const(number), case)
            here = ll.IRBuilder(case)
            here.ret(here.call(step, function.args))
        return function

    # -- the test ------------------------------------------------------------------------------

    def _alone(self) -> ll.Function:
        function = ll.Function(self.module, ll.FunctionType(I64, [WORDS, I64, I64]), "alone")
        function.linkage = "internal"
        state, first, kinds = function.args
        self.base, self.function = state, function
        self.builder = ll.IRBuilder(function.append_basic_block("entry"))
        for thread, others in enumerate(self.table.others):
            if not any(leaves is not None for leaves in others):
                continue
            after = function.append_basic_block("next")
            self._unless(self.builder.icmp_signed("<=", first, const(thread)), after)
            position = self.get(self.layout.threads[thread].record.position)
            kind = self._entry(f"kinds_{thread}", self._kinds(thread), position)
            self._unless(self.builder.icmp_unsigned("!=", self.builder.and_(kind, kinds), const(0)), after)
            for other in range(self.threads):
                if other != thread and self.steps[other]:
                    self._unless(self._left(thread, other, position), after)
            self.builder.ret(const(thread))
            self.builder.position_at_end(after)
        self.builder.ret(const(self.threads))
        return function

    def _unless(self, condition: ll.Value, elsewhere: ll.Block) -> None:
        """Go `elsewhere` unless `condition`."""
        on = self.function.append_basic_block("on")
        self.builder.cbranch(condition, on, elsewhere)
        self.builder.position_at_end(on)

    def _kinds(self, thread: int) -> list[int]:
        pairs = zip(self.table.others[thread], self.table.plain[thread], strict=True)
        return [*(0 if leaves is None else PLAIN if plain else KEPT for leaves, plain in pairs), 0]

    def _left(self, thread: int, other: int, position: ll.Value) -> ll.Value:
        """Whether `other` stands where it leaves the step of `thread` at `position` alone."""
        b = self.builder
        words = len(self.steps[other]) // 64 + 1
        masks = [0 if leaves is None else leaves[other] for leaves in self.table.others[thread]]
        table = [mask >> 64 * w & (1 << 64) - 1 for mask in masks for w in range(words)]
        stands = self.get(self.layout.threads[other].record.position)
        row = b.add(b.mul(position, const(words)), b.lshr(stands, const(6)))
        word = self._entry(f"leaves_{thread}_{other}", table, row)
        return b.trunc(b.lshr(word, b.and_(stands, const(63))), ll.IntType(1))

    def _entry(self, name: str, values: list[int], index: ll.Value) -> ll.Value:
        """An entry of a constant table."""
        # The assembly of an array needs two elements or more.
        padded = [*values, 0]
        kind = ll.ArrayType(I64, len(padded))
        table = ll.GlobalVariable(self.module, kind, name)
        table.initializer = ll.Constant(kind, [const(v) for v in padded])
        table.linkage, table.global_constant = "internal", True
        return self.builder.load(self.builder.gep(table, [const(0), index], inbounds=True))

    # -- several steps at once -----------------------------------------------------------------

    def settle(self) -> ll.Function:
        """Emit `settle` and `one`; the former."""
        one = self._one()
        kind = ll.FunctionType(I64, [WORDS, I8.as_pointer(), WORDS, I64])
        function = self.function = ll.Function(self.module, kind, "settle")
        state, coverage, taken, noting = function.args
        b = self.builder = ll.IRBuilder(function.append_basic_block("entry"))
        count, thread, radix = (b.alloca(I64, name=n) for n in ("count", "thread", "radix"))
        after = b.alloca(I64, const(self.layout.words), name="after")
        b.store(const(0), count)
        b.store(const(0), thread)
        head, test, body, done = (function.append_basic_block(n) for n in ("head", "test", "body", "done"))
        b.branch(head)
        b.position_at_end(head)
        b.store(b.call(self.alone, [state, b.load(thread), const(PLAIN)]), thread)
        b.cbranch(b.icmp_unsigned("<", b.load(thread), const(self.threads)), test, done)
        b.position_at_end(test)
        room = b.icmp_unsigned("<", b.load(count), const(LONGEST))
        b.cbranch(room, body, done)
        b.position_at_end(body)
        result = b.call(one, [state, after, b.load(thread), const(0), radix, coverage])
        with b.if_else(b.icmp_unsigned("==", result, const(1))) as (well, not_so):
            with well:
                for i in range(self.layout.words):
                    at = const(i)
                    b.store(b.load(b.gep(after, [at])), b.gep(state, [at], inbounds=True))
                self._note(coverage, b.load(thread))
                with b.if_then(b.icmp_unsigned("!=", noting, const(0)), likely=False):
                    b.store(b.load(thread), b.gep(taken, [b.load(count)], inbounds=True))
                b.store(b.add(b.load(count), const(1)), count)
                b.store(const(0), thread)
            with not_so:
                b.store(b.add(b.load(thread), const(1)), thread)
        b.branch(head)
        b.position_at_end(done)
        b.ret(b.load(count))
        return function

    def _note(self, coverage: ll.Value, thread: ll.Value) -> None:
        """Mark that the thread ran."""
        place = self._entry("ran", self.ran, thread)
        self.builder.store(ll.Constant(I8, 1), self.builder.gep(coverage, [place], inbounds=True))

    def _one(self) -> ll.Function:
        kind = ll.FunctionType(I64, [WORDS, WORDS, I64, I64, WORDS, I8.as_pointer()])
        function = ll.Function(self.module, kind, "one")
        old, new, thread, choice, radix, coverage = function.args
        b = ll.IRBuilder(function.append_basic_block("entry"))
        b.store(const(1), radix)
        nobody = function.append_basic_block("nobody")
        ll.IRBuilder(nobody).ret(const(0))
        switch = b.switch(thread, nobody)
        for number, run in enumerate(self.run):
            case = function.append_basic_block("thread")
            switch.add_case(const(number), case)
            here = ll.IRBuilder(case)
            here.ret(here.call(run, [old, new, choice, radix, coverage]))
        return function
