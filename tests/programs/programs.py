"""Random model files over the whole language, small enough to explore by brute force.

`programs()` draws structure (structs, functions, threads, set-up) and writes it down as text, so that
shrinking removes statements and threads, and what is left is a file that a person can read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from itertools import product

from hypothesis import strategies as st

from tests.programs.expressions import Effects, Expressions, Helper, Mood
from tests.programs.schema import OPERATION, Dice, Draw, Schema, Thing, draw_schema, initial
from tests.programs.statements import Statements

HEADER = """\
from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Annotated

from lastput.lang import (
    BUG_ON, NULL, WARN_ON, Setup, array, at, atomic, await_, cell, choose, const, container_of, ghost,
    holder, holders, kfree, kmalloc, kzalloc, length, nr_threads, option, options, overlay, ptr, ref,
    reinterpret, s8, s16, s32, s64, scenario, static, struct, this_task, this_thread, u8, u16, u32, u64, upto,
    violation, wrap,
)

LIMIT = 2


class Level(IntEnum):
    LOW = 0
    HIGH = 1


@options
class Opt:
    guard: bool = option(True, "a switch")
    bound: int = option(1, "a number", low=0, high=3)
    mode: str = option("fast", "a word", values=("fast", "slow"))


"""


SIZES = {1: {1: 1, 6: 3, 8: 3, 10: 2}, 2: {1: 1, 4: 3, 5: 3, 7: 2}, 3: {1: 1, 2: 3, 3: 4, 4: 1}}
"""How many statements a thread has, and how often, by the number of threads."""


@dataclass(frozen=True)
class Program:
    """A model file with the scenario `model`, and the options to run it with."""

    text: str
    settings: tuple[tuple[str, str | int | bool], ...]

    def __repr__(self) -> str:
        return f"Program with {dict(self.settings)}:\n{self.text}"


@st.composite
def programs(draw: Draw, twins: bool = False) -> Program:
    """Strategy for programs; with `twins`, a function runs in several threads, perhaps on objects alike."""
    return _Writer(Dice(draw), twins).program()


@dataclass
class _Writer:
    dice: Dice
    twins: bool = False
    twin: dict[str, str] = field(default_factory=dict)
    """Names of objects of the set-up that have a twin, with the twin's."""
    lines: list[str] = field(default_factory=list)
    helpers: list[Helper] = field(default_factory=list)
    things: list[Thing] = field(default_factory=list)
    operations: list[str] = field(default_factory=list)
    pools: list[str] = field(default_factory=list)
    risk: int = 0
    schema: Schema = field(init=False)

    def program(self) -> Program:
        dice = self.dice
        self.risk = dice.weighted({1: 5, 0: 4, 4: 1})
        self.schema = draw_schema(dice)
        self.lines += self.schema.text()
        structs = [s.name for s in self.schema.structs.values() if not s.over]
        self._statics(structs)
        for struct in self.schema.structs:
            self._null(struct)
        self.pools = [struct for struct in structs if dice.chance(2)]
        threads = 1 + dice.weighted({0: 2, 1: 5, 2: 3})
        if OPERATION in self.schema.values:
            for i in range(1 + dice.below(2)):
                self._function(f"op{i}", ("ptr[s0]", "int"), "int", pure=False)
                self.operations.append(f"op{i}")
        for i in range(dice.below(4)):
            self._helper(f"f{i}")
        self._objects(structs)
        calls = self._twin_threads() if self.twins else []
        calls = calls or [self._thread(f"t{i}", threads) for i in range(threads)]
        self._scenario(calls)
        settings: dict[str, str | int | bool] = {}
        if dice.chance(3):
            settings = {"guard": False, "bound": dice.below(4), "mode": dice.pick(["fast", "slow"])}
        return Program(HEADER + "\n".join(self.lines) + "\n", tuple(settings.items()))

    # -- declarations --------------------------------------------------------------------------

    def _statics(self, structs: list[str]) -> None:
        for i in range(self.dice.below(3)):
            struct = self.dice.pick(structs)
            self.things.append(Thing(f"g{i}", struct, ""))
            self.lines += [f"g{i} = static({struct})"]
        self.lines += ["", ""]

    def _null(self, struct: str) -> None:
        self.lines += [f"def null_{struct}() -> ptr[{struct}]:", "    return NULL", "", ""]

    # -- functions -----------------------------------------------------------------------------

    def _expressions(self, params: list[tuple[str, str]], mood: Mood, quiet: bool = False) -> Expressions:
        return Expressions(
            self.dice,
            self.schema,
            self.things,
            self.helpers,
            mood,
            dict(params),
            Effects(),
            [] if mood.pure or quiet else self.operations,
            pools=self.pools,
            risk=self.risk,
        )

    def _helper(self, name: str) -> None:
        kinds = ["int", "ptr[s0]", "int", "bool", *(v for v in self.schema.values if v.startswith("cell"))]
        params = tuple(self.dice.pick(kinds) for _ in range(self.dice.below(3)))
        result = self.dice.pick(
            [None, "int", "int", "bool", f"ptr[{self.dice.pick(list(self.schema.structs))}]"]
        )
        pure = result is not None and self.dice.chance(2)
        self._function(name, params, result, pure)

    def _function(self, name: str, kinds: tuple[str, ...], result: str | None, pure: bool) -> None:
        params = [(f"p{i}", kind) for i, kind in enumerate(kinds)]
        mood = Mood(pure=pure, property=pure)
        # An operation may be called inside atomic blocks, so it neither waits nor chooses.
        quiet = name.startswith("op")
        body = Statements(self._expressions(params, mood, quiet), result, quiet=quiet)
        lines = body.function(1 + self.dice.below(3))
        head = ", ".join(f"{p}: {kind}" for p, kind in params)
        self.lines += [f"def {name}({head}) -> {result}:", *lines, "", ""]
        effects = body.to.effects
        self.helpers.append(Helper(name, kinds, result, pure, effects.waits, effects.chooses))

    def _objects(self, structs: list[str]) -> None:
        """Objects of the set-up; at least one of some struct."""
        for _ in range(1 + self.dice.below(3)):
            struct = self.dice.pick(structs)
            how = "new" if self.dice.chance(4) else "static"
            count = sum(t.struct == struct for t in self.things)
            self.things.append(Thing(f"{struct}_{count}", struct, f"s.{how}({struct})"))
            if self.twins and self.dice.chance(2):
                self.twin[f"{struct}_{count}"] = f"{struct}_{count}b"

    def _twin_threads(self) -> list[str]:
        """One or two functions, two or three threads in all; the first function runs more than once."""
        single, copies = self.dice.pick([(0, 2), (0, 3), (1, 2)])
        first = self._thread("t0", single + copies)
        name, rest = 't0", t0, ', first.split('t0", t0, ')[1]
        own = re.sub(r"\bs\d+_\d+\b", lambda m: self.twin.get(m[0], m[0]), rest)
        calls = [first, *(f's.thread("t0_{i}{name[2:]}{own}' for i in range(1, copies))]
        return [*calls, *(self._thread(f"t{i}", single + copies) for i in range(1, 1 + single))]

    def _thread(self, name: str, threads: int) -> str:
        """Write a thread's function; the line of the set-up that starts it."""
        objects = [t for t in self.things if t.made]
        args = [self.dice.pick(objects) for _ in range(1 + self.dice.below(2))]
        params = [(f"p{i}", f"ptr[{thing.struct}]") for i, thing in enumerate(args)]
        given = ["NULL" if self.risk and self.dice.chance(16) else thing.name for thing in args]
        if self.dice.chance(3):
            params.append((f"p{len(params)}", "int"))
            given.append(str(self.dice.below(3)))
        to = self._expressions(params, Mood())
        body = Statements(to, None)
        # An object of `new` is freed by somebody, as a rule: else every program leaks.
        owned = [p for (p, _), t in zip(params, args, strict=False) if ".new" in t.made]
        freed = [f"    kfree({p})" for p in owned if self.dice.chance(2)]
        body.fixed.update(owned)
        lines = body.function(self.dice.weighted(SIZES[threads]))
        head = ", ".join(f"{p}: {kind}" for p, kind in params)
        self.lines += [f"def {name}({head}) -> None:", *lines, *(freed if not body.ended else []), "", ""]
        task = [t.name for t in objects if t.struct == "s0"]
        extra = f", task={self.dice.pick(task)}" if task and not (self.risk and self.dice.chance(8)) else ""
        extra += ", daemon=True" if self.dice.chance(8) else ""
        return f's.thread("{name}", {name}, {", ".join(given)}{extra})'

    # -- the scenario --------------------------------------------------------------------------

    def _scenario(self, threads: list[str]) -> None:
        setup = [f"s.pool({struct}, {self.dice.weighted({1: 3, 2: 2, 0: 1})})" for struct in self.pools]
        setup += [f"{t.name} = {t.made}" for t in self.things if t.made]
        made = {t.name: t.made for t in self.things}
        setup += [f"{twin} = {made[name]}" for name, twin in self.twin.items()]
        setup += [*self._with_twins(self._fill()), *threads, *self._properties()]
        self.lines += [
            "@scenario(options=(Opt,))",
            "def model(s: Setup) -> None:",
            *(f"    {x}" for x in setup),
        ]

    def _with_twins(self, filled: list[str]) -> list[str]:
        """A twin is filled as its other is, with pointers to itself for pointers to that."""
        more = []
        for line in filled:
            place, value = line.split(" = ")
            name = place.split(".")[0]
            if name in self.twin:
                pattern = rf"\b{name}\b"
                twin = self.twin[name]
                more.append(f"{re.sub(pattern, twin, place)} = {re.sub(pattern, twin, value)}")
        return [*filled, *more]

    def _fill(self) -> list[str]:
        """Initial values: of pointers almost all."""
        found = []
        for thing in self.things:
            for leaf in self.schema.leaves[thing.struct]:
                plain = leaf.field.value in ("int", "bool")
                for index in product(*(range(n) for n in leaf.counts)):
                    if self.dice.chance(3) if plain else not (self.risk and self.dice.chance(8)):
                        value = initial(self.dice, leaf, self.things, self.operations, self.schema)
                        place = f"{thing.name}{leaf.path.format(*index)}"
                        found += [] if value is None else [f"{place} = {value}"]
        return found

    def _properties(self) -> list[str]:
        found = []
        for kind in ("invariant", "final", "reachable"):
            if self.dice.chance(3):
                name = f"{kind}_holds"
                made = [t for t in self.things if t.made]
                thing = self.dice.pick(made)
                params = [("p0", f"ptr[{thing.struct}]")]
                to = self._expressions(params, Mood(pure=True, property=True))
                if kind == "reachable":
                    # A fault in one is counted only until it has held once: keep it free of faults.
                    lines = [f"    return {self._simple(thing)}"]
                else:
                    lines = Statements(to, "bool").function(1)
                self.lines += [f"def {name}(p0: ptr[{thing.struct}]) -> bool:", *lines, "", ""]
                found.append(f"s.{kind}({name}, {thing.name})")
                if thing.name in self.twin and not self.dice.chance(4):
                    found.append(f"s.{kind}({name}, {self.twin[thing.name]})")
        return found

    def _simple(self, thing: Thing) -> str:
        if ".new" in thing.made:
            return "True"
        return f"p0.x {self.dice.pick(['==', '!=', '>'])} {self.dice.below(3)}"
