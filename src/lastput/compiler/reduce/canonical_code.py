"""LLVM code that replaces states by the least of their orbits.

    void canonicalise(uint64 *rows, int64 n)

Least is meant word by word, as unsigned numbers. Every permutation of the group is applied to the state;
there are few enough (`symmetry.MOST`), and most of each is masks and shifts of whole groups of bits.
"""

from __future__ import annotations

from lastput.compiler import assembly as ll
from lastput.compiler.helper_code import HelperFunctions
from lastput.compiler.memory_code import I64, const
from lastput.compiler.packing import WORD, Field
from lastput.compiler.reduce.moves import Moves, Translation

_FULL = (1 << WORD) - 1


class CanonicalCode:
    """Generates `canonicalise` for states of `words` words and a group of permutations."""

    def __init__(self, helpers: HelperFunctions, words: int, group: list[Moves]) -> None:
        self.helpers, self.words, self.group = helpers, words, group
        self._tables: dict[tuple[int, ...], ll.GlobalVariable] = {}

    def generate(self) -> ll.Function:
        """The function, complete."""
        kind = ll.FunctionType(ll.VoidType(), [I64.as_pointer(), I64])
        function = ll.Function(self.helpers.module, kind, "canonicalise")
        rows, n = function.args
        entry, head, body, done = (function.append_basic_block(x) for x in ("entry", "head", "body", "done"))
        self.builder = b = ll.IRBuilder(entry)
        b.branch(head)
        b.position_at_end(head)
        index = b.phi(I64)
        index.add_incoming(const(0), entry)
        b.cbranch(b.icmp_signed("<", index, n), body, done)
        b.position_at_end(body)
        self._row(b.gep(rows, [b.mul(index, const(self.words))], inbounds=True))
        index.add_incoming(b.add(index, const(1)), b.block)
        b.branch(head)
        ll.IRBuilder(done).ret_void()
        return function

    def _row(self, row: ll.Value) -> None:
        b = self.builder
        places = [b.gep(row, [const(k)], inbounds=True) for k in range(self.words)]
        state = [b.load(place) for place in places]
        best = list(state)
        for element in self.group:
            other = self._moved(state, element)
            less: ll.Value = ll.Constant(ll.IntType(1), 0)
            for mine, known in zip(reversed(other), reversed(best), strict=True):
                equal = b.icmp_unsigned("==", mine, known)
                less = b.or_(b.icmp_unsigned("<", mine, known), b.and_(equal, less))
            best = [b.select(less, mine, known) for mine, known in zip(other, best, strict=True)]
        for place, word in zip(places, best, strict=True):
            b.store(word, place)

    def _moved(self, state: list[ll.Value], moves: Moves) -> list[ll.Value]:
        """The words of the state that one permutation makes of `state`."""
        b = self.builder
        words: list[ll.Value] = [const(0)] * self.words
        touched: set[int] = set()
        for (word, after, left), mask in moves.shifts().items():
            bits = b.and_(state[word], const(mask))
            if left:
                bits = b.shl(bits, const(left)) if left > 0 else b.lshr(bits, const(-left))
            words[after] = b.or_(words[after], bits) if after in touched else bits
            touched.add(after)
        for translation in moves.translations:
            self._translate(state, words, translation)
        return words

    def _translate(self, state: list[ll.Value], words: list[ll.Value], translation: Translation) -> None:
        b, target = self.builder, translation.target
        code = self._read(translation.table, self._code(state, translation.source))
        kept = b.and_(words[target.word], const(_FULL & ~(target.mask << target.shift)))
        word = b.or_(kept, b.shl(code, const(target.shift)))
        if translation.selector is not None:
            selector = self._code(state, translation.selector)
            table = tuple(int(code in translation.when) for code in range(1 << translation.selector.width))
            chosen = b.icmp_unsigned("!=", self._read(table, selector), const(0))
            word = b.select(chosen, word, words[target.word])
        words[target.word] = word

    def _code(self, state: list[ll.Value], f: Field) -> ll.Value:
        b = self.builder
        return b.and_(b.lshr(state[f.word], const(f.shift)), const(f.mask))

    def _read(self, table: tuple[int, ...], code: ll.Value) -> ll.Value:
        if table not in self._tables:
            self._tables[table] = self.helpers.table(f"translate_{len(self._tables)}", list(table))
        return self.builder.load(self.builder.gep(self._tables[table], [const(0), code], inbounds=True))
