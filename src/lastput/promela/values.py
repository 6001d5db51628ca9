"""LLVM code for Promela's expressions, and for reading and writing the parts of a packed state.

A value is a C int (32 bits), as in Spin's verifier. An operation that C leaves undefined, an index outside
its array and a value wider than was assumed are **faults**: conditions collected beside the value, which
whoever asked for the value turns into events before it uses it.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir as ll

from lastput.promela.fields import FALSE, I32, INT_HIGH, INT_LOW, TRUE, Fields, Int, Site, View, i32, i64
from lastput.promela.layout import Cells
from lastput.promela.tree import (
    Binary,
    Conditional,
    Constant,
    Expr,
    Match,
    Named,
    Probe,
    Receivable,
    Receive,
    Reference,
    Unary,
    Variable,
)

_COMPARISONS = ("==", "!=", "<", "<=", ">", ">=")


class Values(Fields):
    """Generates code for expressions."""

    # -- faults --------------------------------------------------------------------------------------

    def fault(self, condition: ll.Value, site: Site) -> None:
        """Note a condition under which the value that is being made must not be used."""
        if self._mask is not None:
            condition = self.builder.select(self._mask, condition, FALSE)
        self.faults.append((condition, self.sites.code(site)))

    def _under(self, mask: ll.Value, make: Callable[[], ll.Value]) -> ll.Value:
        """What `make` makes; its faults count only where `mask` is true."""
        outer = self._mask
        self._mask = mask if outer is None else self.builder.select(outer, mask, FALSE)
        made = make()
        self._mask = outer
        return made

    # -- variables -----------------------------------------------------------------------------------

    def cells(self, view: View, variable: Variable) -> Cells:
        """Where a variable lies."""
        if variable.owner is None:
            return self.layout.globals[variable]
        return self.layout.slots[view.slot].variables[view.process][variable]

    def index(self, view: View, reference: Reference) -> Int:
        """The index of a reference, checked."""
        if reference.index is None:
            return Int(i32(0), 0, 0)
        found = self.integer(view, reference.index)
        variable = reference.variable
        if found.low < 0 or found.high >= variable.elements:
            outside = self.builder.icmp_unsigned(">=", found.value, i32(variable.elements))
            message = f"index of {variable.name} outside its {variable.elements} elements"
            self.fault(outside, Site("index", message))
        return Int(found.value, max(0, found.low), min(variable.elements - 1, found.high))

    def load(self, view: View, reference: Reference) -> Int:
        """The value of a variable or element."""
        index = self.index(view, reference)
        variable = reference.variable
        if variable.channel is not None:
            first = variable.channel.first
            if isinstance(index.value, ll.Constant):
                number = first + int(index.value.constant)
                return Int(i32(number), number, number)
            value = self.builder.add(index.value, i32(first))
            return Int(value, first, first + variable.elements - 1)
        if not variable.kept:
            return Int(i32(0), 0, 0)
        cells = self.cells(view, variable)
        low, high = cells.limits
        if isinstance(index.value, ll.Constant):
            return Int(self.element(view.words, cells, int(index.value.constant)), low, high)
        return Int(self.dynamic(view.words, cells, index.value), low, high)

    def store(self, view: View, reference: Reference, value: Int) -> None:
        """Assign to a variable or element; the caller settles faults before the state is used."""
        index = self.index(view, reference)
        if not reference.variable.kept:
            return
        cells = self.cells(view, reference.variable)
        self.store_element(view.words, cells, index.value, value)

    def store_element(self, words: ll.Value, cells: Cells, index: ll.Value, value: Int) -> None:
        """Assign to an element, cut to its type and checked against its assumed width."""
        cut = self.cut(value, cells)
        low, high = cells.limits
        if cells.checked and (cut.low < low or cut.high > high):
            moved = self.builder.sub(cut.value, i32(low)) if low else cut.value
            wider = self.builder.icmp_unsigned(">", moved, i32(high - low))
            self.fault(wider, Site("narrow", "a value wider than assumed", part=cells.part))
        if isinstance(index, ll.Constant):
            self.put(words, cells.at(int(index.constant)), self._bits(cut.value, cells))
        else:
            self.put_dynamic(words, cells, index, cut.value)

    def cut(self, value: Int, cells: Cells) -> Int:
        """A value as a type stores it."""
        b, kind = self.builder, cells.type
        low = -(1 << (kind.bits - 1)) if kind.signed else 0
        high = low + (1 << kind.bits) - 1
        if value.low >= low and value.high <= high:
            return value
        if kind.signed:
            return Int(b.sext(b.trunc(value.value, ll.IntType(kind.bits)), I32), low, high)
        return Int(b.and_(value.value, i32(high)), low, high)

    # -- expressions ---------------------------------------------------------------------------------

    def boolean(self, view: View, expression: Expr) -> ll.Value:
        """Whether an expression is not 0, as i1."""
        b = self.builder
        match expression:
            case Constant(value=value):
                return TRUE if value else FALSE
            case Unary(operator="!", operand=operand):
                return b.not_(self.boolean(view, operand))
            case Binary(operator="&&", left=left, right=right):
                first = self.boolean(view, left)
                return b.select(first, self._under(first, lambda: self.boolean(view, right)), FALSE)
            case Binary(operator="||", left=left, right=right):
                first = self.boolean(view, left)
                other = b.not_(first)
                return b.select(first, TRUE, self._under(other, lambda: self.boolean(view, right)))
            case Binary(operator=operator, left=left, right=right) if operator in _COMPARISONS:
                one, two = self.integer(view, left), self.integer(view, right)
                return b.icmp_signed(operator, one.value, two.value)
            case Conditional():
                condition = self.boolean(view, expression.condition)
                then = self._under(condition, lambda: self.boolean(view, expression.then))
                other = self._under(b.not_(condition), lambda: self.boolean(view, expression.otherwise))
                return b.select(condition, then, other)
            case Probe():
                return self._probe(view, expression)
            case Receivable(receive=receive):
                return self._receivable(view, receive)
            case Named(what="timeout"):
                return view.timeout
        return b.icmp_signed("!=", self.integer(view, expression).value, i32(0))

    def integer(self, view: View, expression: Expr) -> Int:
        """The value of an expression."""
        b = self.builder
        match expression:
            case Constant(value=value):
                return Int(i32(value), value, value)
            case Reference():
                return self.load(view, expression)
            case Unary(operator="-", operand=operand):
                found = self.integer(view, operand)
                return _known(b.neg(found.value), -found.high, -found.low)
            case Unary(operator="~", operand=operand):
                found = self.integer(view, operand)
                return Int(b.not_(found.value), ~found.high, ~found.low)
            case Binary(operator=operator) if operator not in (*_COMPARISONS, "&&", "||"):
                return self._arithmetic(view, expression)
            case Conditional():
                condition = self.boolean(view, expression.condition)
                then = self._int_under(condition, view, expression.then)
                other = self._int_under(b.not_(condition), view, expression.otherwise)
                value = b.select(condition, then.value, other.value)
                return Int(value, min(then.low, other.low), max(then.high, other.high))
            case Probe(what="len", channel=channel):
                return self._length(view, channel)
            case Named(what="_pid"):
                return Int(i32(view.slot), view.slot, view.slot)
            case Named(what="_nr_pr"):
                return self.processes(view.words)
        return Int(b.zext(self.boolean(view, expression), I32), 0, 1)

    def _int_under(self, mask: ll.Value, view: View, expression: Expr) -> Int:
        kept: list[Int] = []

        def make() -> ll.Value:
            kept.append(self.integer(view, expression))
            return kept[0].value

        self._under(mask, make)
        return kept[0]

    def processes(self, words: ll.Value) -> Int:
        """How many processes there are."""
        b = self.builder
        total: ll.Value = i32(0)
        for slot in self.layout.slots:
            there = b.icmp_unsigned("!=", self.get(words, slot.position), i64(0))
            total = b.add(total, b.zext(there, I32))
        return Int(total, 0, len(self.layout.slots))

    def _arithmetic(self, view: View, expression: Binary) -> Int:
        b = self.builder
        one, two = self.integer(view, expression.left), self.integer(view, expression.right)
        match expression.operator:
            case "+":
                return _known(b.add(one.value, two.value), one.low + two.low, one.high + two.high)
            case "-":
                return _known(b.sub(one.value, two.value), one.low - two.high, one.high - two.low)
            case "*":
                ends = [x * y for x in (one.low, one.high) for y in (two.low, two.high)]
                return _known(b.mul(one.value, two.value), min(ends), max(ends))
            case "/" | "%":
                return self._division(expression.operator, one, two)
            case "<<" | ">>":
                return self._shifted(expression.operator, one, two)
            case "&":
                both = b.and_(one.value, two.value)
                highs = [x.high for x in (one, two) if x.low >= 0]
                return Int(both, 0, min(highs)) if highs else Int(both)
        made = (b.or_ if expression.operator == "|" else b.xor)(one.value, two.value)
        if min(one.low, two.low) >= 0:
            return Int(made, 0, (1 << max(one.high, two.high).bit_length()) - 1)
        return Int(made)

    def _division(self, operator: str, one: Int, two: Int) -> Int:
        b = self.builder
        divisor = two.value
        if two.low <= 0 <= two.high:
            zero = b.icmp_signed("==", divisor, i32(0))
            self.fault(zero, Site("division", "division by zero"))
            divisor = b.select(zero, i32(1), divisor)
        if one.low == INT_LOW and two.low <= -1 <= two.high:
            over = b.and_(b.icmp_signed("==", one.value, i32(INT_LOW)), b.icmp_signed("==", divisor, i32(-1)))
            divisor = b.select(over, i32(1), divisor)
            made = (b.sdiv if operator == "/" else b.srem)(one.value, divisor)
            return Int(made if operator == "/" else b.select(over, i32(0), made))
        if min(one.low, two.low) >= 0:
            made = (b.udiv if operator == "/" else b.urem)(one.value, divisor)
            high = one.high if operator == "/" else min(one.high, max(two.high - 1, 0))
            return Int(made, 0, high)
        return Int((b.sdiv if operator == "/" else b.srem)(one.value, divisor))

    def _shifted(self, operator: str, one: Int, two: Int) -> Int:
        b = self.builder
        if two.low < 0 or two.high > 31:
            far = b.icmp_unsigned(">", two.value, i32(31))
            self.fault(far, Site("shift", "shift by less than 0 or more than 31"))
        made = (b.shl if operator == "<<" else b.ashr)(one.value, two.value)
        if operator == ">>" and one.low >= 0:
            return Int(made, 0, one.high)
        return Int(made)

    # -- channels ------------------------------------------------------------------------------------

    def candidates(self, view: View, reference: Reference, fields: int | None) -> tuple[ll.Value, list[int]]:
        """The number of a channel (i32), and the channels that it can be. One without them all is a fault."""
        found = self.load(view, reference)
        numbers = [
            n
            for n, channel in self.layout.channels.items()
            if found.low <= n <= found.high and (fields is None or len(channel.fields) == fields)
        ]
        if reference.variable.channel is None:
            known: ll.Value = FALSE
            for number in numbers:
                known = self.builder.or_(known, self.builder.icmp_unsigned("==", found.value, i32(number)))
            message = f"{reference.variable.name} is no channel yet, or one of other messages"
            self.fault(self.builder.not_(known), Site("channel", message))
        return found.value, numbers

    def over(
        self,
        view: View,
        reference: Reference,
        fields: int | None,
        make: Callable[[int], ll.Value],
        nothing: ll.Value,
    ) -> ll.Value:
        """What `make` makes of the channel that a reference names."""
        number, numbers = self.candidates(view, reference, fields)
        made = nothing
        for candidate in numbers:
            value = make(candidate)
            if len(numbers) == 1:
                return value
            made = self.builder.select(self.builder.icmp_unsigned("==", number, i32(candidate)), value, made)
        return made

    def length(self, words: ll.Value, number: int) -> ll.Value:
        """How many messages a channel holds, as i32."""
        queue = self.layout.queues.get(number)
        return i32(0) if queue is None else self.builder.trunc(self.get(words, queue.length), I32)

    def _length(self, view: View, reference: Reference) -> Int:
        made = self.over(view, reference, None, lambda n: self.length(view.words, n), i32(0))
        return Int(made, 0, max((c.capacity for c in self.layout.channels.values()), default=0))

    def _probe(self, view: View, probe: Probe) -> ll.Value:
        b = self.builder

        def asked(number: int) -> ll.Value:
            length = self.length(view.words, number)
            match probe.what:
                case "empty":
                    return b.icmp_unsigned("==", length, i32(0))
                case "full" | "nfull":
                    relation = "==" if probe.what == "full" else "!="
                    return b.icmp_unsigned(relation, length, i32(self.layout.channels[number].capacity))
            return b.icmp_unsigned("!=", length, i32(0))

        return self.over(view, probe.channel, None, asked, FALSE)

    def _receivable(self, view: View, receive: Receive) -> ll.Value:
        return self.over(
            view, receive.channel, len(receive.arguments), lambda n: self.receives(view, receive, n), FALSE
        )

    def receives(self, view: View, receive: Receive, number: int) -> ll.Value:
        """Whether a receive from a channel that holds messages can be executed."""
        b = self.builder
        queue = self.layout.queues.get(number)
        if queue is None:
            return FALSE
        length = self.length(view.words, number)
        able: ll.Value = FALSE
        for place in range(queue.channel.capacity if receive.anywhere else 1):
            there = b.icmp_unsigned(">", length, i32(place))
            fields = [Int(self.element(view.words, cells, place), *cells.limits) for cells in queue.fields]
            able = b.or_(able, b.select(there, self.matches(view, receive, fields), FALSE))
        return able

    def matches(self, view: View, receive: Receive, fields: list[Int]) -> ll.Value:
        """Whether a message has the constants of a receive."""
        b = self.builder
        same: ll.Value = TRUE
        for argument, found in zip(receive.arguments, fields, strict=True):
            if isinstance(argument, Match):
                wanted = self.integer(view, argument.value)
                same = b.and_(same, b.icmp_signed("==", wanted.value, found.value))
        return same


def _known(value: ll.Value, low: int, high: int) -> Int:
    """A value with its limits, or with none where it may have wrapped around."""
    return Int(value, low, high) if low >= INT_LOW and high <= INT_HIGH else Int(value)
