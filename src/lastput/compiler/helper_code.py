"""Accesses at addresses that are known only when running: two helper functions for each type.

    {int64 status, int64 value} load_T(const uint64 *state, int64 address)
    int64 status              store_T(uint64 *state, int64 address, int64 value)

`status` is 0, or 1 + the position in FAULTS of what is wrong.
"""

from __future__ import annotations

from lastput.compiler import assembly as ll
from lastput.compiler import tables
from lastput.compiler.ir import Where
from lastput.compiler.memory_code import FAULTS, I64, MemoryCode, Sites, const
from lastput.compiler.packing import Shape, shape
from lastput.compiler.ranges import cell_range
from lastput.compiler.steps import LIVE, StateLayout
from lastput.compiler.tables import Facts, Tables
from lastput.compiler.valuesets import type_key
from lastput.lang.layout import NULL_PAGE
from lastput.lang.types import ScalarType, View

PAIR = ll.LiteralStructType([I64, I64])
NOWHERE = Where(())


class HelperFunctions:
    """The helpers of one module, made on demand."""

    def __init__(self, layout: StateLayout, lookup: Tables, module: ll.Module) -> None:
        self.layout, self.lookup, self.module = layout, lookup, module
        self._made: dict[tuple[str, object, View], ll.Function] = {}

    def load(self, kind: ScalarType, view: View) -> ll.Function:
        """The load helper for cells of type `kind`, accessed through `view`."""
        return self._function("load", kind, view, ll.FunctionType(PAIR, [I64.as_pointer(), I64]))

    def store(self, kind: ScalarType, view: View) -> ll.Function:
        """The store helper for cells of type `kind`, accessed through `view`."""
        return self._function("store", kind, view, ll.FunctionType(I64, [I64.as_pointer(), I64, I64]))

    def _function(self, what: str, kind: ScalarType, view: View, signature: ll.FunctionType) -> ll.Function:
        key = (what, type_key(kind), view)
        if key not in self._made:
            function = ll.Function(self.module, signature, f"{what}_{len(self._made)}")
            function.linkage = "internal"
            self._made[key] = function
            code = HelperCode(self, self.lookup.of(kind, view))
            getattr(code, f"{what}_function")(function, kind)
        return self._made[key]

    def table(self, name: str, values: list[int]) -> ll.GlobalVariable:
        """A constant array of the module."""
        if name in self.module.globals:
            return self.module.globals[name]
        kind = ll.ArrayType(I64, len(values))
        table = ll.GlobalVariable(self.module, kind, name)
        table.initializer = ll.Constant(kind, [const(v) for v in values])
        table.linkage, table.global_constant = "internal", True
        return table


class HelperCode(MemoryCode):
    """Generates one helper."""

    def __init__(self, functions: HelperFunctions, facts: Facts) -> None:
        super().__init__(functions.layout, functions.lookup, functions, Sites())
        self.functions, self.facts = functions, facts

    def load_function(self, function: ll.Function, kind: ScalarType) -> None:
        """Emit the body of a load helper."""
        self._begin(function)
        b, facts = self.builder, self.facts
        entry, at = self._entry(function.args[1])
        self._check_initialised(at)
        form = self._shape(kind)
        bits = b.load(self.word(self._bits(entry, tables.WORD, 12)))
        value = b.and_(b.lshr(bits, self._bits(entry, tables.SHIFT, 6)), const((1 << form.width) - 1))
        value = self._unpacked(value, form.at(0, 0))
        if facts.any_fixed:
            fixed = self._read("values", self.lookup.values, at)
            changes = b.trunc(self._bits(entry, tables.CHANGES, 1), ll.IntType(1))
            value = b.select(changes, value, fixed)
        b.ret(self._pair(0, value))

    def store_function(self, function: ll.Function, kind: ScalarType) -> None:
        """Emit the body of a store helper."""
        self._begin(function)
        b, facts = self.builder, self.facts
        entry, at = self._entry(function.args[1])
        form = self._shape(kind)
        mask: ll.Value = const((1 << form.width) - 1)
        value = self.packed(function.args[2], form.at(0, 0))
        if facts.any_fixed:
            # A cell that can hold one value only has no bits, and is given that value again.
            changes = self._bits(entry, tables.CHANGES, 1)
            mask = b.mul(mask, changes)
            value = b.mul(value, changes)
        shift = self._bits(entry, tables.SHIFT, 6)
        self._put_bits(self.word(self._bits(entry, tables.WORD, 12)), shift, mask, value)
        if facts.any_init:
            # Cells without such a bit name word 0, bit 0: add nothing there.
            init = self._initialised(at)
            bit = b.shl(b.and_(init, const(1)), self._bits(init, tables.INIT_SHIFT, 6))
            place = self.word(b.lshr(init, const(tables.INIT_WORD)))
            b.store(b.or_(b.load(place), bit), place)
        b.ret(const(0))

    def _begin(self, function: ll.Function) -> None:
        self.function = function
        self.builder = ll.IRBuilder(function.append_basic_block("entry"))
        self.base = function.args[0]

    def _pair(self, status: int, value: ll.Value) -> ll.Value:
        empty = ll.Constant(PAIR, [status, 0])
        return self.builder.insert_value(empty, value, 1)

    def fail(self, condition: ll.Value, kind: str, message: str, where: Where) -> None:
        """Return the fault's number if `condition`."""
        status = FAULTS.index(kind) + 1
        with self.builder.if_then(condition, likely=False):
            pair = self.function.ftype.return_type == PAIR
            self.builder.ret(self._pair(status, const(0)) if pair else const(status))

    def _shape(self, kind: ScalarType) -> Shape:
        """Of cells that such an access may reach: that of their type."""
        return shape(cell_range(kind, self.layout.world), None)

    def _entry(self, at: ll.Value) -> tuple[ll.Value, ll.Value]:
        """Table entry of the cell at address `at`, checked; and the address."""
        b, facts = self.builder, self.facts
        self.fail(b.icmp_unsigned("<", at, const(NULL_PAGE)), "null-deref", "", NOWHERE)
        end = const(len(self.lookup.entries))
        self.fail(b.icmp_unsigned(">=", at, end), "out-of-bounds", "", NOWHERE)
        entry = self._read("entries", self.lookup.entries, at)
        number = self._bits(entry, facts.shift, facts.width)
        self.fail(b.icmp_unsigned("!=", number, const(facts.number)), "out-of-bounds", "", NOWHERE)
        if facts.any_status:
            word = b.load(self.word(self._bits(entry, tables.STATUS_WORD, 12)))
            status = b.and_(b.lshr(word, self._bits(entry, tables.STATUS_SHIFT, 6)), const(3))
            has = b.trunc(self._bits(entry, tables.HAS_STATUS, 1), ll.IntType(1))
            self.check_status(b.select(has, status, const(LIVE)), "", NOWHERE)
        return entry, at

    def _check_initialised(self, at: ll.Value) -> None:
        if not self.facts.any_init:
            return
        b, init = self.builder, self._initialised(at)
        word = b.load(self.word(b.lshr(init, const(tables.INIT_WORD))))
        bit = b.and_(b.lshr(word, self._bits(init, tables.INIT_SHIFT, 6)), const(1))
        self.fail(b.icmp_unsigned("<", bit, b.and_(init, const(1))), "uninit", "", NOWHERE)

    def _initialised(self, at: ll.Value) -> ll.Value:
        return self._read("initialised", self.lookup.initialised, at)

    def _read(self, name: str, values: list[int], at: ll.Value) -> ll.Value:
        """An entry of a constant table."""
        table = self.functions.table(name, values)
        return self.builder.load(self.builder.gep(table, [const(0), at], inbounds=True))

    def _bits(self, entry: ll.Value, shift: int, width: int) -> ll.Value:
        b = self.builder
        return b.and_(b.lshr(entry, const(shift)), const((1 << width) - 1))
