"""LLVM code for one access to the packed state: the checks, then the bits."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from llvmlite import ir as ll

from lastput.compiler import tables
from lastput.compiler.ir import Where
from lastput.compiler.packing import Field, width_of
from lastput.compiler.ranges import cell_range
from lastput.compiler.steps import FREED, LIVE, StateLayout
from lastput.compiler.tables import Tables
from lastput.lang.layout import NULL_PAGE, Object
from lastput.lang.types import HoldersType, HolderType, ScalarType, StructDef

I64, I8 = ll.IntType(64), ll.IntType(8)
EVENT = 2
"""Low bits of a step's return value when it broke a rule; the code follows from bit 8 up."""


def const(value: int) -> ll.Constant:
    """A 64-bit constant."""
    return ll.Constant(I64, value & ((1 << 64) - 1))


@dataclass(frozen=True)
class Site:
    """What an event code means: a kind of violation, a message, and where in the source."""

    kind: str
    message: str
    where: Where | None


@dataclass
class Sites:
    """Event codes, numbered as they are met."""

    all: list[Site] = field(default_factory=list)
    _index: dict[Site, int] = field(default_factory=dict)

    def code(self, kind: str, message: str, where: Where | None) -> int:
        """Number of a site, made on first mention."""
        site = Site(kind, message, where)
        if site not in self._index:
            self._index[site] = len(self.all)
            self.all.append(site)
        return self._index[site]


class MemoryCode:
    """Emits accesses into one LLVM function. `base` points at the words of the state."""

    def __init__(self, layout: StateLayout, lookup: Tables, module: ll.Module, sites: Sites) -> None:
        self.layout, self.lookup, self.module, self.sites = layout, lookup, module, sites
        self.builder: ll.IRBuilder
        self.base: ll.Value
        self.fail: Callable[[ll.Value, str, str, Where], None]
        """fail(condition, kind, message, where): leave with an event if `condition`."""

    # -- bits ----------------------------------------------------------------------------------

    def word(self, number: int | ll.Value) -> ll.Value:
        """Address of a word of the state."""
        index = const(number) if isinstance(number, int) else number
        return self.builder.gep(self.base, [index], inbounds=True)

    def get(self, f: Field) -> ll.Value:
        """Value of a field at a known place."""
        value = self.builder.load(self.word(f.word))
        value = self.builder.and_(self.builder.lshr(value, const(f.shift)), const(f.mask))
        return self.builder.add(value, const(f.low)) if f.low else value

    def put(self, f: Field, value: ll.Value | int) -> None:
        """Set a field at a known place."""
        self._put_bits(self.word(f.word), const(f.shift), f.mask, self._packed(value, f.low))

    def _packed(self, value: ll.Value | int, low: int) -> ll.Value:
        if isinstance(value, int):
            return const(value - low)
        return self.builder.sub(value, const(low)) if low else value

    def _put_bits(self, address: ll.Value, shift: ll.Value, mask: int, value: ll.Value) -> None:
        b = self.builder
        old = b.load(address)
        kept = b.and_(old, b.not_(b.shl(const(mask), shift)))
        b.store(b.or_(kept, b.shl(value, shift)), address)

    # -- accesses ------------------------------------------------------------------------------

    def load(self, address: ll.Value | int, kind: ScalarType, name: str, where: Where) -> ll.Value:
        """Value of the cell at `address`, after every check."""
        if isinstance(address, int) and self._well_typed(address, kind):
            return self._load_known(address, name, where)
        entry, at = self._entry(address, kind, name, where)
        self._check_initialised(entry, kind, name, where)
        b, facts = self.builder, self.lookup.of(kind)
        width, low = self._shape(kind)
        bits = b.load(self.word(self._bits(entry, tables.WORD, 12)))
        value = b.and_(b.lshr(bits, self._bits(entry, tables.SHIFT, 6)), const((1 << width) - 1))
        if low:
            value = b.add(value, const(low))
        if facts.any_fixed:
            fixed = b.load(b.gep(self._table("values", self.lookup.values), [const(0), at], inbounds=True))
            changes = b.trunc(self._bits(entry, tables.CHANGES, 1), ll.IntType(1))
            value = b.select(changes, value, fixed)
        return value

    def store(
        self, address: ll.Value | int, value: ll.Value | int, kind: ScalarType, name: str, where: Where
    ) -> None:
        """Store `value`, already converted, to the cell at `address`, after every check."""
        if isinstance(address, int) and self._well_typed(address, kind):
            self._check_known(address, name, where, "write")
            self.put(self.layout.cells[address], value)
            if address in self.layout.initialised:
                self.put(self.layout.initialised[address], 1)
            return
        entry, _ = self._entry(address, kind, name, where)
        b, facts = self.builder, self.lookup.of(kind)
        if facts.any_fixed:
            fixed = b.icmp_unsigned("==", self._bits(entry, tables.CHANGES, 1), const(0))
            self.fail(fixed, "out-of-bounds", f"{name}: a stray pointer", where)
        width, low = self._shape(kind)
        cell = self.word(self._bits(entry, tables.WORD, 12))
        shift = self._bits(entry, tables.SHIFT, 6)
        self._put_bits(cell, shift, (1 << width) - 1, self._packed(value, low))
        if facts.any_init:
            # Cells without such a bit name word 0, bit 0: add nothing there.
            bit = b.shl(self._bits(entry, tables.HAS_INIT, 1), self._bits(entry, tables.INIT_SHIFT, 6))
            place = self.word(self._bits(entry, tables.INIT_WORD, 10))
            b.store(b.or_(b.load(place), bit), place)

    def _shape(self, kind: ScalarType) -> tuple[int, int]:
        limits = cell_range(kind, self.layout.world)
        width = width_of(limits)
        return width, 0 if width == 64 else limits[0]

    def _well_typed(self, address: int, kind: ScalarType) -> bool:
        return (
            self.lookup.entries[address] >> tables.TYPE & 0xFF == self.lookup.of(kind).number
            if (0 <= address < len(self.lookup.entries))
            else False
        )

    def _load_known(self, address: int, name: str, where: Where) -> ll.Value:
        self._check_known(address, name, where, "read")
        if address in self.layout.initialised:
            bit = self.get(self.layout.initialised[address])
            unset = self.builder.icmp_unsigned("==", bit, const(0))
            self.fail(unset, "uninit", f"{name} is read before it is written", where)
        place = self.layout.cells.get(address)
        return const(self.lookup.values[address]) if place is None else self.get(place)

    def _check_known(self, address: int, name: str, where: Where, what: str) -> None:
        placed = self.layout.world.space.find(address)
        assert placed is not None
        status = self.layout.status.get(placed.base)
        if status is not None:
            self._check_status(self.get(status), name, where)
        elif not placed.live:
            self.fail(ll.Constant(ll.IntType(1), 1), "out-of-bounds", f"{what} of unallocated {name}", where)

    def _check_status(self, status: ll.Value, name: str, where: Where) -> None:
        b = self.builder
        self.fail(b.icmp_unsigned("==", status, const(FREED)), "use-after-free", name, where)
        self.fail(
            b.icmp_unsigned("!=", status, const(LIVE)), "out-of-bounds", f"{name}: not allocated", where
        )

    def _entry(
        self, address: ll.Value | int, kind: ScalarType, name: str, where: Where
    ) -> tuple[ll.Value, ll.Value]:
        """Table entry of a cell whose address is found when running, checked; and the address."""
        b = self.builder
        at = const(address) if isinstance(address, int) else address
        self.fail(b.icmp_unsigned("<", at, const(NULL_PAGE)), "null-deref", name, where)
        end = const(len(self.lookup.entries))
        self.fail(b.icmp_unsigned(">=", at, end), "out-of-bounds", name, where)
        entry = b.load(b.gep(self._table("entries", self.lookup.entries), [const(0), at], inbounds=True))
        facts = self.lookup.of(kind)
        wrong = b.icmp_unsigned("!=", self._bits(entry, tables.TYPE, 8), const(facts.number))
        self.fail(wrong, "out-of-bounds", name, where)
        if facts.any_status:
            word = b.load(self.word(self._bits(entry, tables.STATUS_WORD, 12)))
            status = b.and_(b.lshr(word, self._bits(entry, tables.STATUS_SHIFT, 6)), const(3))
            has = b.trunc(self._bits(entry, tables.HAS_STATUS, 1), ll.IntType(1))
            self._check_status(b.select(has, status, const(LIVE)), name, where)
        return entry, at

    def _check_initialised(self, entry: ll.Value, kind: ScalarType, name: str, where: Where) -> None:
        if not self.lookup.of(kind).any_init:
            return
        b = self.builder
        word = b.load(self.word(self._bits(entry, tables.INIT_WORD, 10)))
        bit = b.and_(b.lshr(word, self._bits(entry, tables.INIT_SHIFT, 6)), const(1))
        has = self._bits(entry, tables.HAS_INIT, 1)
        unset = b.icmp_unsigned("<", bit, has)
        self.fail(unset, "uninit", f"{name} is read before it is written", where)

    def _bits(self, entry: ll.Value, shift: int, width: int) -> ll.Value:
        b = self.builder
        return b.and_(b.lshr(entry, const(shift)), const((1 << width) - 1))

    def _table(self, name: str, values: list[int]) -> ll.GlobalVariable:
        if name in self.module.globals:
            return self.module.globals[name]
        kind = ll.ArrayType(I64, len(values))
        table = ll.GlobalVariable(self.module, kind, name)
        table.initializer = ll.Constant(kind, [const(v) for v in values])
        table.linkage, table.global_constant = "internal", True
        return table

    # -- allocation ----------------------------------------------------------------------------

    def pool(self, struct: StructDef) -> list[Object]:
        """Slots of a struct's pool, in order of allocation."""
        slots = [o for o in self.layout.world.space.objects if o.struct is struct and o.slot >= 0]
        return sorted(slots, key=lambda o: o.slot)

    def clear(self, placed: Object) -> None:
        """Give a freed object its one canonical content."""
        for address in range(placed.base, placed.base + placed.size):
            if address in self.layout.cells:
                self.put(self.layout.cells[address], 0)
            if address in self.layout.initialised:
                self.put(self.layout.initialised[address], 0)

    def initialise(self, placed: Object) -> None:
        """Mark all of an object as stored: `kzalloc` of a struct that `kmalloc` makes elsewhere."""
        for address in range(placed.base, placed.base + placed.size):
            if address in self.layout.initialised:
                self.put(self.layout.initialised[address], 1)

    def held(self, placed: Object, thread: int | None) -> list[ll.Value]:
        """Conditions under which a lock in `placed` is held (by `thread`, or by anyone)."""
        b, found = self.builder, []
        for address, cell in self.layout.object_cells(placed):
            if not isinstance(cell.type, (HolderType, HoldersType)) or address not in self.layout.cells:
                continue
            value = self.get(self.layout.cells[address])
            if thread is None:
                found.append(b.icmp_unsigned("!=", value, const(0)))
            elif isinstance(cell.type, HolderType):
                found.append(b.icmp_unsigned("==", value, const(thread + 1)))
            else:
                found.append(b.icmp_unsigned("!=", b.and_(value, const(1 << thread)), const(0)))
        return found
