"""Drawn expressions: type-correct by construction, from what a point of a function can name."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.programs.schema import OPERATION, Dice, Leaf, Schema, Thing

COMPARISONS = ["==", "!=", "<", "<=", ">", ">="]
OPERATORS = {"+": 5, "-": 3, "*": 1, "&": 2, "|": 2, "^": 1, "//": 1, "%": 1, "<<": 1, ">>": 1}
WRAPS = ["u8", "s8", "u16", "s16", "u32", "s32", "u64", "s64"]


@dataclass(frozen=True)
class Helper:
    """A function that others may call."""

    name: str
    params: tuple[str, ...]
    result: str | None
    pure: bool
    """It only reads: properties and conditions may call it."""
    waits: bool = False
    chooses: bool = False


@dataclass
class Effects:
    """What a function's body turned out to do."""

    waits: bool = False
    chooses: bool = False


@dataclass(frozen=True)
class Mood:
    """What may be written here."""

    pure: bool = False
    """Only reads: a property, a condition of await_, or a function for them."""
    property: bool = False
    """In a property, no thread runs."""
    atomic: bool = False
    rounds: int = 1
    """How often a loop around may run this, since the atomic block began."""


@dataclass
class Expressions:
    """Draws expressions for one function. `locals` maps names in scope to their value types."""

    dice: Dice
    schema: Schema
    things: list[Thing]
    helpers: list[Helper]
    mood: Mood = field(default_factory=Mood)
    locals: dict[str, str] = field(default_factory=dict)
    effects: Effects = field(default_factory=Effects)
    operations: list[str] = field(default_factory=list)
    """Functions that a function pointer may point at; empty where none may be called."""
    budget: int = 64
    """How many combinations the choices of one atomic block may still have."""
    pools: list[str] = field(default_factory=list)
    risk: int = 1
    """How much of what can break a rule: NULL, wild pointers, indices and values out of range."""

    @contextmanager
    def in_mood(self, **changes: object) -> Iterator[None]:
        """Inside, expressions are drawn for another place."""
        old = self.mood
        self.mood = replace(old, **changes)  # type: ignore[arg-type]
        yield
        self.mood = old

    def names(self, kind: str) -> list[str]:
        """Locals of a value type."""
        return [name for name, value in self.locals.items() if value == kind]

    def struct(self) -> str:
        """A struct of which there is an object at hand, as a rule."""
        near = [s for s in self.schema.structs if self.names(f"ptr[{s}]") or self._statics(s)]
        return self.dice.pick(near if near and not self._risky() else list(self.schema.structs))

    def _risky(self) -> bool:
        return self.risk > 0 and self.dice.chance(32 // self.risk)

    def of(self, kind: str, depth: int) -> str:
        """An expression of value type `kind`."""
        if kind == "int":
            return self.integer(depth)
        if kind == "bool":
            return self.boolean(depth)
        if kind == OPERATION:
            return self.function(depth)
        return (
            self.pointer(kind[4:-1], depth, bare=True) if kind.startswith("ptr") else self.cell(kind, depth)
        )

    # -- integers ------------------------------------------------------------------------------

    def integer(self, depth: int) -> str:
        """An int; bools are ints."""
        kinds = {"load": 6, "constant": 3, "local": 4 if self._numbers() else 0, "known": 1}
        if depth > 0:
            kinds |= {"operator": 4, "other": 2, "call": 2, "conditional": 1}
            kinds |= {"choose": 0 if self.mood.pure else 1}
        kind = self.dice.weighted(kinds)
        return str(getattr(self, f"_int_{kind}")(depth))

    def _numbers(self) -> list[str]:
        return self.names("int") + self.names("bool")

    def _int_constant(self, _: int) -> str:
        return self.dice.pick(["0", "1", "2", "3", "-1", "7", "-5", "255"])

    def _int_local(self, _: int) -> str:
        return self.dice.pick(self._numbers())

    def _int_known(self, _: int) -> str:
        arrays = [
            f"len({pointer}.{f.name})"
            for pointer, kind in self.locals.items()
            if kind.startswith("ptr")
            for f in self.schema.structs[kind[4:-1]].fields
            if f.count
        ]
        known = ["LIMIT", *arrays, "Opt.bound", "Level.HIGH", "nr_threads()", "Opt.guard", "True"]
        return self.dice.pick(known if self.mood.pure else [*known, "this_thread()"])

    def _int_load(self, depth: int) -> str:
        return self.load("int", depth) or self._int_constant(depth)

    def _int_operator(self, depth: int) -> str:
        op = self.dice.weighted(OPERATORS)
        left = self.integer(depth - 1)
        if op in ("<<", ">>", "//", "%") and not self._risky():
            return f"({left} {op} {self.dice.pick(['1', '2', '3'])})"
        return f"({left} {op} {self.integer(depth - 1)})"

    def _int_other(self, depth: int) -> str:
        inner = self.integer(depth - 1)
        match self.dice.below(5):
            case 0:
                return f"wrap({self.dice.pick(WRAPS)}, {inner})"
            case 1:
                return f"min({inner}, {self.integer(depth - 1)})"
            case 2:
                return f"max({inner}, {self.integer(depth - 1)})"
            case 3:
                return f"(-({inner}))"
        return f"(~({inner} + 0))"  # `~True` alone is deprecated in Python

    def _int_conditional(self, depth: int) -> str:
        then, test = self.integer(depth - 1), self.condition(depth - 1)
        return f"({then} if {test} else {self.integer(depth - 1)})"

    def _int_call(self, depth: int) -> str:
        return self.call("int", depth) or self._int_load(depth)

    def _int_choose(self, depth: int) -> str:
        n = 2 + self.dice.below(2)
        if self.mood.atomic:
            if n**self.mood.rounds > self.budget:
                return self._int_constant(depth)
            self.budget //= n**self.mood.rounds
        self.effects.chooses = True
        return f"choose({n})"

    # -- truth ---------------------------------------------------------------------------------

    def boolean(self, depth: int) -> str:
        """A bool."""
        kinds = {"compare": 12, "constant": 1, "local": 4 if self.names("bool") else 0}
        if depth > 0:
            kinds |= {"load": 6, "pointers": 6, "logic": 6, "bits": 2, "call": 2}
            kinds |= {"warn": 0 if self.mood.pure else self.risk}
        return str(getattr(self, f"_bool_{self.dice.weighted(kinds)}")(depth))

    def _bool_compare(self, depth: int) -> str:
        op = self.dice.pick(COMPARISONS)
        left = self.load("int", depth - 1) if self.dice.chance(2) else None
        return f"({left or self.integer(depth - 1)} {op} {self.integer(depth - 1)})"

    def _bool_constant(self, _: int) -> str:
        return self.dice.pick(["True", "False", "Opt.guard", "(Opt.mode == 'slow')"])

    def _bool_local(self, _: int) -> str:
        return self.dice.pick(self.names("bool"))

    def _bool_load(self, depth: int) -> str:
        return self.load("bool", depth) or self._bool_compare(depth)

    def _bool_pointers(self, depth: int) -> str:
        kind = self.dice.pick([v for v in self.schema.values if v not in ("int", "bool")] or ["ptr[s0]"])
        left = self.of(kind, depth - 1)
        right = self.of(kind, depth - 1) if self.dice.chance(2) else "NULL"
        return f"({left} {self.dice.pick(['==', '!='])} {right})"

    def _bool_logic(self, depth: int) -> str:
        if self.dice.chance(3):
            return f"(not {self.condition(depth - 1)})"
        op = self.dice.pick([" and ", " or "])
        return f"({op.join(self.boolean(depth - 1) for _ in range(2 + self.dice.below(2)))})"

    def _bool_bits(self, depth: int) -> str:
        return f"({self.boolean(depth - 1)} {self.dice.pick(['&', '|', '^'])} {self.boolean(depth - 1)})"

    def _bool_call(self, depth: int) -> str:
        return self.call("bool", depth) or self._bool_compare(depth)

    def _bool_warn(self, depth: int) -> str:
        return f"WARN_ON({self.condition(depth - 1)})"

    def condition(self, depth: int) -> str:
        """A truth value: also ints and pointers, alone or joined."""
        match self.dice.weighted({"bool": 6, "int": 2, "ptr": 2, "logic": 1 if depth > 0 else 0}):
            case "bool":
                return self.boolean(depth)
            case "int":
                return self.integer(depth)
            case "ptr":
                return self.pointer(self.struct(), depth)
        op = self.dice.pick([" and ", " or "])
        return f"({self.condition(depth - 1)}{op}{self.condition(depth - 1)})"

    def fitting(self, type: str, depth: int) -> str:
        """A value for a cell of type `type`: within its range, as a rule."""
        value = self.integer(depth)
        if ("upto" not in type and not type.startswith("holder")) or self._risky():
            return value
        limit = int(type.partition("upto(")[2].partition(")")[0] or 0)
        return f"({value} % {limit + 1})" if limit else "0"

    # -- places --------------------------------------------------------------------------------

    def load(self, kind: str, depth: int) -> str | None:
        """A load of a field of value type `kind`; None if no struct has one."""
        place = self.place(kind, depth)
        return None if place is None else place[0]

    def place(
        self, kind: str, depth: int, store: bool = False, address: bool = False
    ) -> tuple[str, str] | None:
        """Text of a cell, and the annotation of its type. For a `store` not const; for an `address`
        neither const nor ghost."""
        cells = [name for name, value in self.locals.items() if value.startswith("cell")]
        if kind == "int" and cells and not address and self.dice.chance(3):
            cell = self.dice.pick(cells)
            return f"{cell}.value", self.locals[cell][5:-1]
        forbidden = ("const", "ghost") if address else ("const",) if store else ()
        found = [
            (name, leaf)
            for name, leaves in self.schema.leaves.items()
            for leaf in leaves
            if leaf.field.value == kind and leaf.field.mark not in forbidden
        ]
        near = [(s, leaf) for s, leaf in found if self.names(f"ptr[{s}]") or self._statics(s)]
        if not found:
            return None
        name, leaf = self.dice.pick(near if near and not self._risky() else found)
        return self.pointer(name, max(0, min(depth, 1))) + self._path(leaf, depth), leaf.field.type

    def _path(self, leaf: Leaf, depth: int) -> str:
        return leaf.path.format(*(self._index(count, depth) for count in leaf.counts))

    def _index(self, count: int, depth: int) -> str:
        match self.dice.weighted(
            {"constant": 10, "reduced": 6 if depth > 0 else 0, "any": self.risk if depth > 0 else 0}
        ):
            case "constant":
                return str(self.dice.below(count))
            case "reduced":
                return f"({self.integer(depth - 1)} % {count})"
        return self.integer(depth - 1)

    # -- pointers ------------------------------------------------------------------------------

    def pointer(self, struct: str, depth: int, bare: bool = False) -> str:
        """An address of a struct. NULL has no fields: only where `bare` it may be written so."""
        kinds = {
            "local": 24 if self.names(f"ptr[{struct}]") else 0,
            "static": 12 if self._statics(struct) else 0,
            "null": self.risk,
        }
        if depth > 0:
            kinds |= {"load": 8, "part": 9, "outer": 6, "conditional": 4, "call": 3}
            kinds |= {"at": 2 * self.risk, "cast": 20 if self.schema.structs[struct].over else self.risk}
            kinds |= {"allocate": 0 if self.mood.pure or struct not in self.pools else 4}
            kinds |= {"task": 0 if self.mood.pure or struct != "s0" else 3}
        kinds = kinds if any(kinds.values()) else {"null": 1}
        found = str(getattr(self, f"_ptr_{self.dice.weighted(kinds)}")(struct, depth))
        return f"null_{struct}()" if found == "NULL" and not bare else found

    def _statics(self, struct: str) -> list[str]:
        return [t.name for t in self.things if t.struct == struct and not t.made]

    def _ptr_local(self, struct: str, _: int) -> str:
        return self.dice.pick(self.names(f"ptr[{struct}]"))

    def _ptr_static(self, struct: str, _: int) -> str:
        return self.dice.pick(self._statics(struct))

    def _ptr_null(self, struct: str, _: int) -> str:
        return "NULL"

    def _ptr_load(self, struct: str, depth: int) -> str:
        return self.load(f"ptr[{struct}]", depth - 1) or self.pointer(struct, 0)

    def _ptr_part(self, struct: str, depth: int) -> str:
        found = [
            (outer, part)
            for outer, parts in self.schema.parts.items()
            for part in parts
            if part.field.type == struct
        ]
        if not found:
            return self.pointer(struct, 0)
        near = [(s, part) for s, part in found if self.names(f"ptr[{s}]") or self._statics(s)]
        outer, part = self.dice.pick(near or found)
        return self.pointer(outer, depth - 1) + self._path(part, depth - 1)

    def _ptr_outer(self, struct: str, depth: int) -> str:
        inside = [part for part in self.schema.parts[struct] if not part.counts]
        if not inside:
            return self.pointer(struct, 0)
        part = self.dice.pick(inside)
        base = self.pointer(struct, 0) + part.path
        if self._risky():
            base = self.pointer(part.field.type, depth - 1)
        return f"container_of({base}, {struct}, lambda t: t{part.path})"

    def _ptr_at(self, struct: str, depth: int) -> str:
        steps = self.dice.pick(["0", "1", "-1"]) if self.dice.chance(2) else self.integer(depth - 1)
        return f"at({self.pointer(struct, depth - 1)}, {steps})"

    def _ptr_conditional(self, struct: str, depth: int) -> str:
        then, test = self.pointer(struct, depth - 1), self.condition(depth - 1)
        return f"({then} if {test} else {self.pointer(struct, depth - 1, bare=True)})"

    def _ptr_call(self, struct: str, depth: int) -> str:
        return self.call(f"ptr[{struct}]", depth) or self.pointer(struct, 0)

    def _ptr_cast(self, struct: str, depth: int) -> str:
        base = self.schema.structs[struct].over
        if base and not self._risky():
            return f"reinterpret({struct}, {self.pointer(base, depth - 1)})"
        return f"reinterpret({struct}, {self.pointer(self.struct(), depth - 1)})"

    def _ptr_allocate(self, struct: str, _: int) -> str:
        return f"{self.dice.pick(['kzalloc', 'kmalloc'])}({struct})"

    def _ptr_task(self, struct: str, _: int) -> str:
        return f"this_task({struct})"

    def cell(self, kind: str, depth: int) -> str:
        """An address of a cell."""
        wanted = kind[5:-1]
        found = [
            (name, leaf)
            for name, leaves in self.schema.leaves.items()
            for leaf in leaves
            if leaf.field.type == wanted and not leaf.silent
        ]
        near = [(s, leaf) for s, leaf in found if self.names(f"ptr[{s}]") or self._statics(s)]
        kinds = {"local": 12 if self.names(kind) else 0, "ref": 12 if near else 0, "null": max(1, self.risk)}
        kinds |= {"load": 6 if depth > 0 else 0}
        match self.dice.weighted(kinds):
            case "local":
                return self.dice.pick(self.names(kind))
            case "ref":
                name, leaf = self.dice.pick(near)
                return f"ref(lambda: {self.pointer(name, min(depth, 1))}{self._path(leaf, depth)})"
            case "load":
                return self.load(kind, depth - 1) or "NULL"
        return "NULL"

    def function(self, depth: int) -> str:
        """A function pointer."""
        if self.operations and not self._risky():
            return self.dice.pick(self.operations)
        return (self.load(OPERATION, depth - 1) if depth > 0 else None) or "NULL"

    # -- calls ---------------------------------------------------------------------------------

    def callable(self, result: str | None) -> list[Helper]:
        """Functions with this result that may be called here."""
        pure, atomic = self.mood.pure, self.mood.atomic
        return [
            h
            for h in self.helpers
            if h.result == result and (h.pure or not pure) and not (atomic and (h.waits or h.chooses))
        ]

    def call(self, result: str | None, depth: int) -> str | None:
        """A call of a function with this result; None if there is none."""
        if result == "int" and self.operations and not self.mood.pure and self.dice.chance(3):
            target = self.load(OPERATION, depth - 1)
            if target is not None:
                return f"{target}({self.pointer('s0', depth - 1)}, {self.integer(depth - 1)})"
        found = self.callable(result)
        if not found:
            return None
        helper = self.dice.pick(found)
        self.effects.waits |= helper.waits
        self.effects.chooses |= helper.chooses
        return f"{helper.name}({', '.join(self.of(p, depth - 1) for p in helper.params)})"
