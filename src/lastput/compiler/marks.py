"""The function `mark`: which conditions of progress properties a state fulfils, and who has finished.

    void mark(const uint64 *states, int64 n, uint64 *marks)

writes two words for each state: bit k of the first is the world's k-th condition of kind `progress`, bit t of
the second tells that thread t has finished. A condition that cannot be evaluated counts as false here:
`expand` reports that as a violation, and then nobody asks for progress.
"""

from __future__ import annotations

from lastput.compiler import assembly as ll
from lastput.compiler.helper_code import HelperFunctions
from lastput.compiler.memory_code import I8, I64, MemoryCode, Sites, const
from lastput.compiler.steps import StateLayout
from lastput.compiler.tables import Tables

WORDS = I64.as_pointer()


class MarkCode(MemoryCode):
    """Generates `mark`. `conditions` are the functions of the properties; the coverage that they note, in
    `places` bytes, nobody reads."""

    def __init__(
        self,
        layout: StateLayout,
        lookup: Tables,
        helpers: HelperFunctions,
        sites: Sites,
        conditions: list[ll.Function],
        places: int,
    ) -> None:
        super().__init__(layout, lookup, helpers, sites)
        self.conditions, self.places, self.module = conditions, places, helpers.module

    def generate(self) -> None:
        """Emit the function into the module."""
        self.function = ll.Function(self.module, ll.FunctionType(ll.VoidType(), [WORDS, I64, WORDS]), "mark")
        states, n, marks = self.function.args
        b = self.builder = ll.IRBuilder(self.function.append_basic_block("entry"))
        index, radix = b.alloca(I64), b.alloca(I64)
        unread = b.alloca(I8, size=const(max(1, self.places)))
        b.store(const(0), index)
        head, body, done = (self.function.append_basic_block(x) for x in ("head", "body", "done"))
        b.branch(head)
        b.position_at_end(head)
        number = b.load(index)
        b.cbranch(b.icmp_signed("<", number, n), body, done)
        b.position_at_end(body)
        self.base = b.gep(states, [b.mul(number, const(self.layout.words))], inbounds=True)
        first = b.mul(number, const(2))
        b.store(self._conditions(radix, unread), b.gep(marks, [first], inbounds=True))
        b.store(self._finished(), b.gep(marks, [b.add(first, const(1))], inbounds=True))
        b.store(b.add(number, const(1)), index)
        b.branch(head)
        b.position_at_end(done)
        b.ret_void()

    def _conditions(self, radix: ll.Value, unread: ll.Value) -> ll.Value:
        b, found = self.builder, const(0)
        for bit, function in enumerate(self.conditions):
            result = b.call(function, [self.base, self.base, const(0), radix, unread])
            found = b.or_(found, self._bit(b.icmp_unsigned("==", result, const(1)), bit))
        return found

    def _finished(self) -> ll.Value:
        b, found = self.builder, const(0)
        for program in self.layout.threads:
            at_end = b.icmp_unsigned("==", self.get(program.record.position), const(program.done))
            found = b.or_(found, self._bit(at_end, program.spec.index))
        return found

    def _bit(self, truth: ll.Value, bit: int) -> ll.Value:
        return self.builder.shl(self.builder.zext(truth, I64), const(bit))
