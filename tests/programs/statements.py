"""Drawn statements: bodies of functions and threads, and of the blocks inside them."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.programs.expressions import OPERATORS, Expressions
from tests.programs.schema import OPERATION

Lines = list[str]
DEPTH = 2
"""How deep the expressions of a statement nest."""


@dataclass
class Statements:
    """Draws the body of one function; `to` draws its expressions, and knows what is in scope."""

    to: Expressions
    result: str | None
    quiet: bool = False
    """The function neither waits nor chooses."""
    loops: int = 0
    """How many loops are open in the function."""
    fixed: set[str] = field(default_factory=set)
    """Loop variables, which nothing may assign."""
    fresh: int = 0
    ended: bool = False
    """Control never runs off the end of the function."""

    def function(self, size: int) -> Lines:
        """The whole body, with a result on every path."""
        if self.quiet:
            self.to.budget = 0
        with self.to.in_mood(rounds=99 if self.quiet else 1, atomic=self.quiet):
            lines, ends = self.block(size, 2)
            self.ended = ends
            if not ends and self.result is not None:
                lines.append(f"return {self.to.of(self.result, DEPTH)}")
        return [f"    {line}" for line in lines or ["pass"]]

    def block(self, size: int, depth: int) -> tuple[Lines, bool]:
        """Up to `size` statements, and whether control never runs off their end."""
        outside, lines, ends = dict(self.to.locals), [], False
        for _ in range(size):
            more, ends = self.statement(depth)
            lines += more
            if ends:
                break
        self.to.locals = outside
        return lines or ["pass"], ends

    def _inner(self, depth: int, head: Lines | None = None) -> tuple[Lines, bool]:
        lines, ends = self.block(1 + self.to.dice.below(3), depth - 1)
        return [f"    {line}" for line in [*(head or []), *lines]], ends

    def statement(self, depth: int) -> tuple[Lines, bool]:
        """One statement; its lines, and whether control never goes on behind it."""
        mood = self.to.mood
        kinds = {"local": 4, "assign": 4}
        if not mood.pure:
            kinds = {"store": 20, **kinds}
            kinds |= {"update": 12, "free": self.to.risk, "call": 6, "check": self.to.risk}
            kinds |= {"lock": 8, "object": 4 if self.to.pools and depth else 0}
            kinds |= {"wait": 0 if mood.atomic else 3, "fail": 1 if depth < 2 and self.to.risk else 0}
        if depth:
            kinds |= {"if": 10, "for": 4, "while": 4}
            kinds |= {"atomic": 0 if mood.pure else 8}
        kinds |= {"leave": 3 if depth < 2 else 0}
        return getattr(self, f"_do_{self.to.dice.weighted(kinds)}")(depth)  # type: ignore[no-any-return]

    # -- assignments ---------------------------------------------------------------------------

    def _do_assign(self, depth: int) -> tuple[Lines, bool]:
        """To a local that is there; `+=` now and then."""
        names = [n for n in self.to.locals if n not in self.fixed]
        if not names:
            return self._do_local(depth)
        name = self.to.dice.pick(names)
        kind = self.to.locals[name]
        if kind == "int" and self.to.dice.chance(2):
            operator = self._operator()
            simple = operator in ("<<", ">>", "//", "%") and not self.to.dice.chance(8)
            return [f"{name} {operator}= {3 if simple else self.to.integer(DEPTH)}"], False
        return [f"{name} = {self.to.of(kind, DEPTH)}"], False

    def _operator(self) -> str:
        return self.to.dice.weighted(OPERATORS)

    def _do_local(self, _: int) -> tuple[Lines, bool]:
        kinds = ["int", "bool", f"ptr[{self.to.struct()}]", "int"]
        kinds += [v for v in self.to.schema.values if v.startswith(("ptr", "cell")) or v == OPERATION]
        kind = self.to.dice.pick(kinds)
        value = self.to.of(kind, DEPTH)
        name = self._fresh()
        self.to.locals[name] = kind
        plain = kind in ("int", "bool") or kind == OPERATION
        annotated = (not plain) or self.to.dice.chance(3) or (kind == "int")
        return [f"{name}: {kind} = {value}" if annotated or kind == OPERATION else f"{name} = {value}"], False

    def _fresh(self) -> str:
        self.fresh += 1
        return f"v{self.fresh}"

    def _do_store(self, depth: int) -> tuple[Lines, bool]:
        kind = self.to.dice.pick(["int", *self.to.schema.values])
        place = self.to.place(kind, 1, store=True)
        if place is None:
            return self._do_local(depth)
        value = self.to.fitting(place[1], DEPTH) if kind == "int" else self.to.of(kind, DEPTH)
        return [f"{place[0]} = {value}"], False

    def _do_update(self, depth: int) -> tuple[Lines, bool]:
        place = self.to.place("int", 1, store=True)
        if place is None:
            return self._do_local(depth)
        if "upto" in place[1] or place[1].startswith("holder"):
            limit = int(place[1].partition("upto(")[2].partition(")")[0] or 1)
            form = self.to.dice.pick([f"&= {self.to.integer(1)}", f"%= {limit}", f"//= {limit}"])
            return [f"{place[0]} {form if not self.to.dice.chance(6) else '+= 1'}"], False
        operator = self._operator()
        simple = operator in ("<<", ">>", "//", "%") and not self.to.dice.chance(8)
        return [f"{place[0]} {operator}= {2 if simple else self.to.integer(1)}"], False

    # -- control -------------------------------------------------------------------------------

    def _do_if(self, depth: int) -> tuple[Lines, bool]:
        lines, ends = [f"if {self.to.condition(DEPTH)}:"], True
        arms = 1 + self.to.dice.below(2)
        for i in range(arms):
            if i:
                lines.append(f"elif {self.to.condition(1)}:")
            inner, leaves = self._inner(depth)
            lines, ends = lines + inner, ends and leaves
        if self.to.dice.chance(2):
            inner, leaves = self._inner(depth)
            return [*lines, "else:", *inner], ends and leaves
        return lines, False

    def _do_for(self, depth: int) -> tuple[Lines, bool]:
        dice, rounds = self.to.dice, 1 + self.to.dice.below(3)
        limit = dice.weighted({str(rounds): 4, f"({self.to.integer(1)} & 3)": 2, "Opt.bound": 1, "local": 2})
        first = []
        if limit == "local":
            # A variable that the body may assign: the range keeps its first value.
            value, limit = self.to.integer(1), self._fresh()
            self.to.locals[limit] = "int"
            first = [f"{limit}: int = ({value} & 3)"]
        span = dice.weighted({limit: 5, f"1, {limit}": 1, f"{limit}, 0, -1": 1, f"0, {limit}, 2": 1})
        name = self._fresh()
        before = dict(self.to.locals)
        self.to.locals[name] = "int"
        self.fixed.add(name)
        inner = self._loop(depth, [], 3)
        self.to.locals = before
        return [*first, f"for {name} in range({span}):", *inner], False

    def _loop(self, depth: int, head: Lines, rounds: int) -> Lines:
        self.loops += 1
        with self.to.in_mood(rounds=self.to.mood.rounds * rounds):
            inner, _ = self._inner(depth, head)
        self.loops -= 1
        return inner

    def _do_while(self, depth: int) -> tuple[Lines, bool]:
        """Counted; or, rarely, until memory says so, or for ever but for a break."""
        if self.to.mood.pure or not self.to.dice.chance(3):
            name = self._fresh()
            self.to.locals[name] = "int"
            self.fixed.add(name)
            more = f" and {self.to.condition(1)}" if self.to.dice.chance(3) else ""
            inner = self._loop(depth, [f"{name} += 1"], 3)
            return [f"{name} = 0", f"while {name} < {1 + self.to.dice.below(3)}{more}:", *inner], False
        test = self.to.load("int", 0) or self.to.load("bool", 0) or "False"
        if self.to.dice.chance(2):
            return ["while True:", f"    if {test}:", "        break", *self._loop(depth, [], 99)], False
        return [f"while {test}:", *self._loop(depth, [], 99)], False

    def _do_leave(self, _: int) -> tuple[Lines, bool]:
        kinds = {"return": 2, "break": 2 if self.loops else 0, "continue": 2 if self.loops else 0}
        word = self.to.dice.weighted(kinds)
        if word == "return" and self.result is not None:
            return [f"return {self.to.of(self.result, DEPTH)}"], True
        return [word], True

    def _do_atomic(self, depth: int) -> tuple[Lines, bool]:
        mood = self.to.mood
        if mood.atomic:
            inner, ends = self._inner(depth)
            return ["with atomic():", *inner], ends
        head = [self._await()] if self.to.dice.chance(3) else []
        self.to.budget, old = (0 if self.quiet else 64), self.to.budget
        with self.to.in_mood(atomic=True, rounds=1):
            inner, ends = self._inner(depth, head)
        self.to.budget = old
        return ["with atomic():", *inner], ends

    # -- waiting, locks and memory -------------------------------------------------------------

    def _await(self) -> str:
        self.to.effects.waits = True
        with self.to.in_mood(pure=True):
            condition = self.to.condition(DEPTH)
            holders = f", holders=lambda: {self.to.integer(1)}" if self.to.dice.chance(5) else ""
        return f"await_(lambda: {condition}{holders})"

    def _do_wait(self, _: int) -> tuple[Lines, bool]:
        return [self._await()], False

    def _do_lock(self, depth: int) -> tuple[Lines, bool]:
        """Take a lock, do something, release it; or only half of it."""
        found = [
            (name, leaf)
            for name, leaves in self.to.schema.leaves.items()
            for leaf in leaves
            if leaf.field.type in ("holder", "holders") and leaf.field.mark != "const"
            if self.to.names(f"ptr[{name}]") and not leaf.counts
        ]
        if not found:
            return self._do_store(depth)
        name, leaf = self.to.dice.pick(found)
        lock = self.to.dice.pick(self.to.names(f"ptr[{name}]")) + leaf.path
        if leaf.field.type == "holders":
            enter, leave = f"{lock} |= 1 << this_thread()", f"{lock} &= ~(1 << this_thread())"
        else:
            enter, leave = f"{lock} = this_thread() + 1", f"{lock} = 0"
        lines = ["with atomic():", f"    await_(lambda: {lock} == 0)", f"    {enter}"]
        if self.to.mood.atomic:
            lines = [enter]
        else:
            self.to.effects.waits = True
        inner, ends = self.block(1, 0)
        released = [] if ends or self.to.dice.chance(4) else [leave]
        return [*lines, *inner, *released], ends

    def _do_free(self, _: int) -> tuple[Lines, bool]:
        return [f"kfree({self.to.pointer(self.to.struct(), 1)})"], False

    def _do_object(self, depth: int) -> tuple[Lines, bool]:
        """Allocate an object, use it, free it as a rule."""
        struct, dice = self.to.dice.pick(self.to.pools), self.to.dice
        name = self._fresh()
        how = "kmalloc" if dice.chance(3) else "kzalloc"
        lines = [f"{name}: ptr[{struct}] = {how}({struct})"]
        self.to.locals[name] = f"ptr[{struct}]"
        if how == "kmalloc" and not dice.chance(4):
            lines.append(f"{name}.x = {dice.below(2)}")
        self.fixed.add(name)
        inner, ends = self.block(1 + dice.below(2), depth - 1)
        self.fixed.discard(name)
        freed = [] if ends or dice.chance(5) else [f"kfree({name})"]
        return [*lines, *inner, *freed], ends

    def _do_call(self, depth: int) -> tuple[Lines, bool]:
        found = self.to.call(self.to.dice.pick([None, "int", "bool"]), DEPTH)
        return self._do_store(depth) if found is None else ([found], False)

    def _do_check(self, _: int) -> tuple[Lines, bool]:
        condition = self.to.condition(DEPTH)
        forms = [f"assert {condition}", f'assert {condition}, "told"', f"BUG_ON({condition})"]
        return [self.to.dice.pick([*forms, f"WARN_ON({condition})"])], False

    def _do_fail(self, _: int) -> tuple[Lines, bool]:
        return [f'violation("{self.to.dice.pick(["rcu-misuse", "lock-owner"])}", "told")'], True
