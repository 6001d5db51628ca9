"""LLVM code for one access to the packed state: the checks, then the bits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from lastput.compiler import assembly as ll
from lastput.compiler.ir import Load, Store, Where
from lastput.compiler.packing import Field
from lastput.compiler.steps import FREED, LIVE, StateLayout
from lastput.compiler.tables import Tables
from lastput.lang.layout import Object
from lastput.lang.types import HoldersType, HolderType, ScalarType, StructDef, View

I64, I8 = ll.IntType(64), ll.IntType(8)
EVENT = 2
"""Low bits of a step's return value when it broke a rule; the code follows from bit 8 up."""


FAULTS = ("null-deref", "out-of-bounds", "use-after-free", "uninit")
"""What an access through a pointer can be, in the order of the helpers' results."""


def const(value: int) -> ll.Value:
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
    _blocks: dict[tuple[tuple[str, ...], str, Where], int] = field(default_factory=dict)

    def code(self, kind: str, message: str, where: Where | None) -> int:
        """Number of a site, made on first mention."""
        site = Site(kind, message, where)
        if site not in self._index:
            self._index[site] = len(self.all)
            self.all.append(site)
        return self._index[site]

    def block(self, kinds: tuple[str, ...], message: str, where: Where) -> int:
        """First of consecutive codes, one for each of `kinds`."""
        key = (kinds, message, where)
        if key not in self._blocks:
            self._blocks[key] = len(self.all)
            self.all += [Site(kind, message, where) for kind in kinds]
        return self._blocks[key]


class Helpers(Protocol):
    """Functions for accesses at addresses known only when running; see `helper_code`."""

    @property
    def module(self) -> ll.Module: ...
    def load(self, kind: ScalarType, view: View) -> ll.Function: ...
    def store(self, kind: ScalarType, view: View) -> ll.Function: ...


def _value(operand: ll.Value | int) -> ll.Value:
    return const(operand) if isinstance(operand, int) else operand


class MemoryCode:
    """Emits accesses into one LLVM function. `base` points at the words of the state."""

    def __init__(self, layout: StateLayout, lookup: Tables, helpers: Helpers, sites: Sites) -> None:
        self.layout, self.lookup, self.helpers, self.sites = layout, lookup, helpers, sites
        self.builder: ll.IRBuilder
        self.base: ll.Value

    def fail(self, condition: ll.Value, kind: str, message: str, where: Where) -> None:
        """Leave with an event if `condition`."""
        raise NotImplementedError

    def fail_with(self, condition: ll.Value, code: ll.Value) -> None:
        """Leave with the event of number `code` if `condition`."""
        raise NotImplementedError

    # -- bits ----------------------------------------------------------------------------------

    def word(self, number: int | ll.Value) -> ll.Value:
        """Address of a word of the state."""
        index = const(number) if isinstance(number, int) else number
        return self.builder.gep(self.base, [index], inbounds=True)

    def get(self, f: Field) -> ll.Value:
        """Value of a field at a known place."""
        if f.width == 0:
            return const(f.values[0] if f.values else f.low)
        value = self.builder.load(self.word(f.word))
        value = self.builder.and_(self.builder.lshr(value, const(f.shift)), const(f.mask))
        return self._unpacked(value, f)

    def put(self, f: Field, value: ll.Value | int) -> None:
        """Set a field at a known place."""
        if f.width:
            self._put_bits(self.word(f.word), const(f.shift), const(f.mask), self.packed(value, f))

    def _unpacked(self, value: ll.Value, f: Field) -> ll.Value:
        b = self.builder
        if f.values is None:
            return b.add(value, const(f.low)) if f.low else value
        found: ll.Value = const(f.values[0])
        for position, known in enumerate(f.values[1:], 1):
            found = b.select(b.icmp_unsigned("==", value, const(position)), const(known), found)
        return found

    def packed(self, value: ll.Value | int, f: Field) -> ll.Value:
        """The bits that stand for `value` in field `f`."""
        b = self.builder
        if isinstance(value, int):
            return const(value - f.low if f.values is None else f.values.index(value))
        if f.values is None:
            return b.sub(value, const(f.low)) if f.low else value
        found: ll.Value = const(0)
        for position, known in enumerate(f.values[1:], 1):
            found = b.select(b.icmp_unsigned("==", value, const(known)), const(position), found)
        return found

    def _put_bits(self, address: ll.Value, shift: ll.Value, mask: ll.Value, value: ll.Value) -> None:
        b = self.builder
        kept = b.and_(b.load(address), b.not_(b.shl(mask, shift)))
        b.store(b.or_(kept, b.shl(value, shift)), address)

    # -- accesses ------------------------------------------------------------------------------

    def load(self, address: ll.Value | int, instr: Load) -> ll.Value:
        """Value of the cell at `address`, after every check."""
        name, where = instr.name, instr.where
        if isinstance(address, int) and self._well_typed(address, instr):
            return self._load_known(address, name, where)
        b = self.builder
        pair = b.call(self.helpers.load(instr.type, instr.view), [self.base, _value(address)])
        self._fail_class(b.extract_value(pair, 0), name, where)
        return b.extract_value(pair, 1)

    def store(self, address: ll.Value | int, value: ll.Value | int, instr: Store) -> None:
        """Store `value`, already converted, to the cell at `address`, after every check."""
        name, where = instr.name, instr.where
        if isinstance(address, int) and self._well_typed(address, instr):
            self._check_known(address, name, where)
            if address in self.layout.cells:
                self.put(self.layout.cells[address], value)
            if address in self.layout.initialised:
                self.put(self.layout.initialised[address], 1)
            return
        arguments = [self.base, _value(address), _value(value)]
        helper = self.helpers.store(instr.type, instr.view)
        self._fail_class(self.builder.call(helper, arguments), name, where)

    def _fail_class(self, status: ll.Value, name: str, where: Where) -> None:
        """Leave if a helper found something wrong: `status` is 1 + the position in FAULTS."""
        first = self.sites.block(FAULTS, name, where)
        code = self.builder.add(status, const(first - 1))
        self.fail_with(self.builder.icmp_unsigned("!=", status, const(0)), code)

    def _well_typed(self, address: int, instr: Load | Store) -> bool:
        inside = 0 <= address < len(self.lookup.entries)
        return inside and self.lookup.of(instr.type, instr.view).matches(self.lookup.entries[address])

    def _load_known(self, address: int, name: str, where: Where) -> ll.Value:
        self._check_known(address, name, where)
        if address in self.layout.initialised:
            bit = self.get(self.layout.initialised[address])
            unset = self.builder.icmp_unsigned("==", bit, const(0))
            self.fail(unset, "uninit", f"{name} is read before it is written", where)
        return self._content(address)

    def _content(self, address: int) -> ll.Value:
        """What the cell at `address` holds, unchecked."""
        place = self.layout.cells.get(address)
        return const(self.layout.fixed[address]) if place is None else self.get(place)

    def _check_known(self, address: int, name: str, where: Where) -> None:
        placed = self.layout.world.space.find(address)
        assert placed is not None
        status = self.layout.status.get(placed.base)
        if status is not None:
            self.check_status(self.get(status), name, where)

    def check_status(self, status: ll.Value, name: str, where: Where) -> None:
        """Leave if an object of this status may not be accessed."""
        b = self.builder
        self.fail(b.icmp_unsigned("==", status, const(FREED)), "use-after-free", name, where)
        self.fail(
            b.icmp_unsigned("!=", status, const(LIVE)), "out-of-bounds", f"{name}: not allocated", where
        )

    # -- allocation ----------------------------------------------------------------------------

    def pool(self, struct: StructDef) -> list[Object]:
        """Slots of a struct's pool, in order of allocation."""
        slots = [o for o in self.layout.world.space.objects if o.struct is struct and o.slot >= 0]
        return sorted(slots, key=lambda o: o.slot)

    def clear(self, placed: Object) -> None:
        """Give a freed object its one canonical content."""
        for address in range(placed.base, placed.base + placed.size):
            for places in (self.layout.cells, self.layout.initialised):
                f = places.get(address)
                if f is not None and f.width:
                    self._put_bits(self.word(f.word), const(f.shift), const(f.mask), const(0))

    def initialise(self, placed: Object) -> None:
        """Mark all of an object as stored: `kzalloc` of a struct that `kmalloc` makes elsewhere."""
        for address in range(placed.base, placed.base + placed.size):
            if address in self.layout.initialised:
                self.put(self.layout.initialised[address], 1)

    def held(self, placed: Object, thread: int | None) -> list[ll.Value]:
        """Conditions under which a lock in `placed` is held (by `thread`, or by anyone)."""
        b, found = self.builder, []
        for address, cell in self.layout.object_cells(placed):
            if not isinstance(cell.type, (HolderType, HoldersType)):
                continue
            if self.layout.fixed.get(address) == 0:
                continue
            value = self._content(address)
            if thread is None:
                found.append(b.icmp_unsigned("!=", value, const(0)))
            elif isinstance(cell.type, HolderType):
                found.append(b.icmp_unsigned("==", value, const(thread + 1)))
            else:
                found.append(b.icmp_unsigned("!=", b.and_(value, const(1 << thread)), const(0)))
        return found
