"""What every generated function has: a place for code, scratch memory, the context of the call."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llvmlite import ir as ll

from lastput.promela.fields import I64, i32, i64
from lastput.promela.statements import Statements

if TYPE_CHECKING:
    from lastput.promela.code import Module


WORD = I64.as_pointer()
MADE, FOUND, LABEL, CHOICE, LIMIT, EVENTS, DEPTH, TIMEOUT = range(8)
"""What the words of a context hold: successors and events so far, the label without its choice, the choice,
the most successors and events there may be, statements executed in this step, whether `timeout` holds."""
CONTEXT = 8


class Function(Statements):
    """One function of the module, its context and its scratch memory."""

    context: ll.Value
    successors: ll.Value
    labels: ll.Value
    events: ll.Value

    def __init__(self, module: Module, function: ll.Function) -> None:
        entry = function.append_basic_block("entry")
        body = function.append_basic_block("body")
        super().__init__(module.layout, module.sites, ll.IRBuilder(entry))
        self.builder.branch(body)
        self.builder.position_at_end(body)
        self.module, self.function, self.entry = module, function, entry
        self.pools: dict[int, ll.Value] = {}

    def local(self, kind: ll.Type) -> ll.Value:
        """Fresh memory of this call."""
        with self.builder.goto_block(self.entry):
            return self.builder.alloca(kind)

    def _copy(self, depth: int, words: ll.Value) -> ll.Value:
        """A copy of a state, in memory that other steps of the same depth use, too."""
        if depth not in self.pools:
            self.pools[depth] = self.local(self.module.state)
        target = self.pools[depth]
        for number in range(self.layout.words):
            self.builder.store(
                self.builder.load(self.word(words, number), typ=I64), self.word(target, number)
            )
        return target

    def _cell(self, number: int) -> ll.Value:
        return self.builder.gep(self.context, [i32(number)], inbounds=True)

    def _context(self, number: int) -> ll.Value:
        return self.builder.load(self._cell(number), typ=I64)

    def _add(self, number: int, amount: int = 1) -> None:
        self.builder.store(self.builder.add(self._context(number), i64(amount)), self._cell(number))

    def event(self, code: ll.Value, label: ll.Value | None = None) -> None:
        """Report a step that broke a rule, or a state; `label` is that of a state."""
        told = label if label is not None else self.builder.or_(self._context(LABEL), self._context(CHOICE))
        self.builder.call(self.module.reporter(), [self.context, self.events, told, code])
