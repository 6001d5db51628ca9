"""LLVM code for the fields of a packed state: bits of words, and arrays of them."""

from __future__ import annotations

from dataclasses import dataclass, field

from llvmlite import ir as ll

from lastput.compiler.packing import Field
from lastput.promela.layout import Cells, Layout, Part

I1, I8, I16, I32, I64 = (ll.IntType(bits) for bits in (1, 8, 16, 32, 64))
INT_LOW, INT_HIGH = -(1 << 31), (1 << 31) - 1
FALSE, TRUE = ll.Constant(I1, 0), ll.Constant(I1, 1)


def i32(value: int) -> ll.Constant:
    """An int."""
    return ll.Constant(I32, value)


def i64(value: int) -> ll.Constant:
    """A word."""
    return ll.Constant(I64, value & ((1 << 64) - 1))


@dataclass(frozen=True)
class Site:
    """What an event means. `part` and `slot` name an assumption that does not hold."""

    kind: str
    message: str
    part: Part | None = None
    slot: tuple[int, str] | None = None


@dataclass
class Sites:
    """All sites; an event's code is the place of its site."""

    all: list[Site] = field(default_factory=list)
    known: dict[Site, int] = field(default_factory=dict)

    def code(self, site: Site) -> int:
        """The code of a site; equal sites have one code."""
        if site not in self.known:
            self.known[site] = len(self.all)
            self.all.append(site)
        return self.known[site]


@dataclass(frozen=True)
class Int:
    """An i32 with what is known of it: its least and greatest value."""

    value: ll.Value
    low: int = INT_LOW
    high: int = INT_HIGH


@dataclass
class View:
    """A state as one process sees it: packed words in memory, its slot and type."""

    words: ll.Value
    slot: int
    process: str
    timeout: ll.Value


class Fields:
    """Generates code at a builder's place that reads and writes the fields of a packed state."""

    def __init__(self, layout: Layout, sites: Sites, builder: ll.IRBuilder) -> None:
        self.layout, self.sites, self.builder = layout, sites, builder
        self.faults: list[tuple[ll.Value, int]] = []
        self._mask: ll.Value | None = None

    def word(self, words: ll.Value, number: int) -> ll.Value:
        """The address of a word."""
        return self.builder.gep(words, [i32(0), i32(number)], inbounds=True)

    def get(self, words: ll.Value, place: Field) -> ll.Value:
        """The bits of a field, as i64."""
        b = self.builder
        value = b.load(self.word(words, place.word), typ=I64)
        if place.shift:
            value = b.lshr(value, i64(place.shift))
        return value if place.shift + place.width == 64 else b.and_(value, i64(place.mask))

    def put(self, words: ll.Value, place: Field, bits: ll.Value) -> None:
        """Set a field to bits that are not wider than it."""
        b = self.builder
        if place.width == 0:
            return
        address = self.word(words, place.word)
        kept = b.and_(b.load(address, typ=I64), i64(~(place.mask << place.shift)))
        b.store(b.or_(kept, b.shl(bits, i64(place.shift)) if place.shift else bits), address)

    def element(self, words: ll.Value, cells: Cells, index: int) -> ll.Value:
        """An element at a constant index, as i32."""
        return self._plain(self.get(words, cells.at(index)), cells)

    def _plain(self, bits: ll.Value, cells: Cells) -> ll.Value:
        value = self.builder.trunc(bits, I32)
        return self.builder.add(value, i32(cells.low)) if cells.low else value

    def _bits(self, value: ll.Value, cells: Cells) -> ll.Value:
        """What the field of an element holds for a value."""
        b = self.builder
        moved = b.sub(value, i32(cells.low)) if cells.low else value
        wide = b.zext(moved, I64)
        return wide if cells.width == 32 else b.and_(wide, i64((1 << cells.width) - 1))

    def dynamic(self, words: ll.Value, cells: Cells, index: ll.Value) -> ll.Value:
        """An element at an index (i32) that is known to be inside."""
        b = self.builder
        if cells.width == 0:
            return i32(cells.low)
        chunk_number, shift = self._shift(cells, index)
        bits: ll.Value | None = None
        for number, chunk in enumerate(cells.chunks):
            word = b.load(self.word(words, chunk.word), typ=I64)
            at = b.add(shift, i64(chunk.shift)) if chunk.shift else shift
            found = b.lshr(word, at)
            bits = found if bits is None else b.select(self._is(chunk_number, number), found, bits)
        assert bits is not None
        return self._plain(b.and_(bits, i64((1 << cells.width) - 1)), cells)

    def put_dynamic(self, words: ll.Value, cells: Cells, index: ll.Value, value: ll.Value) -> None:
        """Set an element at an index that is known to be inside."""
        b = self.builder
        if cells.width == 0:
            return
        chunk_number, shift = self._shift(cells, index)
        bits = self._bits(value, cells)
        for number, chunk in enumerate(cells.chunks):
            address = self.word(words, chunk.word)
            old = b.load(address, typ=I64)
            at = b.add(shift, i64(chunk.shift)) if chunk.shift else shift
            cleared = b.and_(old, b.not_(b.shl(i64((1 << cells.width) - 1), at)))
            new = b.or_(cleared, b.shl(bits, at))
            if len(cells.chunks) > 1:
                new = b.select(self._is(chunk_number, number), new, old)
            b.store(new, address)

    def _is(self, chunk_number: ll.Value, number: int) -> ll.Value:
        return self.builder.icmp_unsigned("==", chunk_number, i32(number))

    def _shift(self, cells: Cells, index: ll.Value) -> tuple[ll.Value, ll.Value]:
        """Which chunk an element is in, and its shift from the chunk's begin, as i64."""
        b = self.builder
        if len(cells.chunks) == 1:
            return i32(0), b.mul(b.zext(index, I64), i64(cells.width))
        within = b.urem(index, i32(cells.per))
        return b.udiv(index, i32(cells.per)), b.mul(b.zext(within, I64), i64(cells.width))
