"""What the drawn programs are about: structs, their fields, and the objects of the scenario.

A value type is written as the annotation of a local: "int", "bool", "ptr[s0]", "cell[u8]" or the text
of a function pointer's type. Every integer cell holds a value of type "int".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")

OPERATION = "Callable[[ptr[s0], int], int]"
"""Type of every function pointer."""

INTEGERS = {
    "Annotated[int, upto(2)]": 5, "Annotated[int, upto(1)]": 2, "Annotated[int, upto(5)]": 2, "u8": 2,
    "s8": 2, "int": 1, "u16": 1, "s16": 1, "u32": 1, "s32": 1, "u64": 1, "s64": 1,
}  # fmt: skip
"""Annotations of integer fields, and how often each is drawn."""


class Draw(Protocol):
    """Hypothesis's `draw`."""

    def __call__(self, strategy: st.SearchStrategy[T], /) -> T: ...


class Dice:
    """Choices that shrink towards the first alternative."""

    def __init__(self, draw: Draw) -> None:
        self.draw = draw

    def below(self, n: int) -> int:
        """0..n-1."""
        return self.draw(st.integers(0, n - 1)) if n > 1 else 0

    def pick(self, items: list[T]) -> T:
        """One of `items`."""
        return items[self.below(len(items))]

    def chance(self, one_in: int) -> bool:
        """True once in a while; False when shrunk."""
        return self.below(one_in) == one_in - 1

    def weighted(self, items: dict[T, int]) -> T:
        """A key of `items`, as often as its value says."""
        return self.pick([key for key, weight in items.items() for _ in range(weight)])


@dataclass(frozen=True)
class Field:
    """A field: `type` is the annotation of its elements, `value` their value type ("" for structs)."""

    name: str
    type: str
    value: str
    count: int = 0
    """Elements of an array; 0 for a field that is none."""
    mark: str = ""

    def __str__(self) -> str:
        inner = f"array[{self.type}]" if self.count else self.type
        marked = f"{self.mark}[{inner}]" if self.mark else inner
        return f"{self.name}: {marked}" + (f" = length({self.count})" if self.count else "")


@dataclass(frozen=True)
class Leaf:
    """A way from a struct to one of its cells, or to a struct embedded in it.

    `path` has a `{}` for each index; `counts` are the lengths of the arrays.
    """

    path: str
    counts: tuple[int, ...]
    field: Field

    @property
    def silent(self) -> bool:
        return bool(self.field.mark)


@dataclass
class Struct:
    """A struct; `over` names the struct whose memory it shows under other names."""

    name: str
    fields: list[Field] = field(default_factory=list)
    over: str = ""


@dataclass
class Schema:
    """All structs. Functions about places are answered from `leaves` and `parts`."""

    structs: dict[str, Struct]

    @cached_property
    def leaves(self) -> dict[str, list[Leaf]]:
        """Cells of each struct."""
        return {name: [x for x in self._reach(name) if x.field.value] for name in self.structs}

    @cached_property
    def parts(self) -> dict[str, list[Leaf]]:
        """Structs embedded in each struct."""
        return {name: [x for x in self._reach(name) if not x.field.value] for name in self.structs}

    def _reach(self, name: str) -> list[Leaf]:
        found = []
        for f in self.structs[name].fields:
            here = f".{f.name}[{{}}]" if f.count else f".{f.name}"
            counts = (f.count,) if f.count else ()
            found.append(Leaf(here, counts, f))
            if not f.value:
                found += [Leaf(here + x.path, counts + x.counts, x.field) for x in self._reach(f.type)]
        return found

    @cached_property
    def values(self) -> list[str]:
        """Every value type that some cell has."""
        return sorted({x.field.value for leaves in self.leaves.values() for x in leaves})

    def text(self) -> list[str]:
        """The declarations."""
        lines = []
        for struct in self.structs.values():
            how = f"@overlay({struct.over})" if struct.over else "@struct"
            lines += [how, f"class {struct.name}:", *(f"    {f}" for f in struct.fields), "", ""]
        return lines


def draw_schema(dice: Dice) -> Schema:
    """One to three structs; later ones may embed earlier ones."""
    names = [f"s{i}" for i in range(1 + dice.below(3))]
    structs = {name: Struct(name) for name in names}
    for i, name in enumerate(names):
        structs[name].fields.append(Field("x", dice.weighted(INTEGERS), "int"))
        for k in range(dice.below(4)):
            structs[name].fields.append(_field(dice, f"{'abcd'[k]}{i}", names, i))
    if dice.chance(4):
        base = dice.pick(names)
        renamed = [Field(f"{f.name}_too", f.type, f.value, f.count, f.mark) for f in structs[base].fields]
        structs["view"] = Struct("view", renamed, base)
    return Schema(structs)


def _field(dice: Dice, name: str, names: list[str], number: int) -> Field:
    kinds = {"scalar": 10, "array": 3} | ({"struct": 4, "structs": 2} if number else {})
    match dice.weighted(kinds):
        case "struct":
            return Field(name, names[dice.below(number)], "")
        case "structs":
            return Field(name, names[dice.below(number)], "", 1 + dice.below(2))
        case "array":
            type, value = _scalar(dice, names)
            return Field(name, type, value, 1 + dice.below(3), _mark(dice))
    type, value = _scalar(dice, names)
    return Field(name, type, value, 0, _mark(dice))


def _mark(dice: Dice) -> str:
    return dice.weighted({"": 8, "ghost": 1, "const": 1})


def _scalar(dice: Dice, names: list[str]) -> tuple[str, str]:
    """Annotation and value type of a scalar field."""
    match dice.weighted({"int": 6, "bool": 3, "ptr": 5, "cell": 1, "fn": 1, "holder": 1, "holders": 1}):
        case "bool":
            return "bool", "bool"
        case "ptr":
            text = f"ptr[{dice.pick(names)}]"
            return text, text
        case "cell":
            text = f"cell[{dice.weighted(INTEGERS)}]"
            return text, text
        case "fn":
            return OPERATION, OPERATION
        case "int":
            return dice.weighted(INTEGERS), "int"
        case lock:
            return lock, "int"


@dataclass(frozen=True)
class Thing:
    """An object of the set-up, or a module-level static (`made` is then empty)."""

    name: str
    struct: str
    made: str


def initial(dice: Dice, leaf: Leaf, things: list[Thing], operations: list[str], schema: Schema) -> Any:
    """Text of an initial value for a cell, or None to leave it zero."""
    value = leaf.field.value
    if leaf.field.type in ("holder", "holders"):
        return None
    if value == "int":
        return str(1 + dice.below(2)) if "upto(1)" not in leaf.field.type else "1"
    if value == "bool":
        return "True"
    if value == OPERATION:
        return dice.pick(operations) if operations else None
    if value.startswith("ptr"):
        fitting = [t.name for t in things if f"ptr[{t.struct}]" == value]
        return dice.pick(fitting) if fitting else None
    fitting = [
        f"ref(lambda: {t.name}{x.path.format(*(0 for _ in x.counts))})"
        for t in things
        for x in schema.leaves[t.struct]
        if f"cell[{x.field.type}]" == value and not x.silent
    ]
    return dice.pick(fitting) if fitting else None
