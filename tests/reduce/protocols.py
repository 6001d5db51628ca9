"""Random models that behave: threads with locks, counts, flags, loops and objects, most of them used well.

The programs of `tests/programs` reach every corner of the language, and most break a rule after a few steps.
These keep their locks' rules as a rule, so that searches go deep and there is much to reduce; now and then
one forgets a lock, gives back another's, or leaves a check out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

HEADER = """\
from __future__ import annotations

from typing import Annotated

from lastput.lang import (
    NULL, Setup, array, atomic, await_, choose, holder, holders, kfree, kmalloc, kzalloc, length, ptr,
    scenario, static, struct, this_thread, upto,
)


@struct
class item:
    value: int
    next: ptr[item]
    owner: holder


@struct
class shared:
    flag: bool
    lock: bool
    other: bool
    owner: holder
    writer: holder
    readers: holders
    inside: Annotated[int, upto(LIMIT)]
    count: Annotated[int, upto(3)]
    x: Annotated[int, upto(2)]
    y: Annotated[int, upto(2)]
    z: Annotated[int, upto(2)]
    row: array[Annotated[int, upto(2)]] = length(2)
    head: ptr[item]


vm = static(shared)
"""

LOCKS = {
    "bool": (
        ["with atomic():", "    await_(lambda: not vm.lock)", "    vm.lock = True"],
        ["vm.lock = False"],
    ),
    "other": (
        ["with atomic():", "    await_(lambda: not vm.other)", "    vm.other = True"],
        ["vm.other = False"],
    ),
    "owner": (
        ["with atomic():", "    await_(lambda: vm.owner == 0)", "    vm.owner = this_thread() + 1"],
        ["with atomic():", "    assert vm.owner == this_thread() + 1", "    vm.owner = 0"],
    ),
    "read": (
        ["with atomic():", "    await_(lambda: vm.writer == 0)", "    vm.readers |= 1 << this_thread()"],
        ["vm.readers &= ~(1 << this_thread())"],
    ),
    "write": (
        [
            "with atomic():",
            "    await_(lambda: vm.writer == 0 and vm.readers == 0)",
            "    vm.writer = this_thread() + 1",
        ],
        ["vm.writer = 0"],
    ),
    "section": (["with atomic():", "    vm.inside += 1"], ["with atomic():", "    vm.inside -= 1"]),
}  # fmt: skip
"""How each is taken and given back. A thread in a "section" holds up who waits for `inside` to be 0."""


@dataclass
class Writer:
    """Writes one model."""

    dice: Random
    sloppy: float
    """How often a rule of a lock is broken."""
    held: list[str] = field(default_factory=list)
    depth: int = 0
    names: int = 0

    def model(self) -> str:
        """The text of a model file with the scenario `model`."""
        threads = self.dice.choice((2, 2, 3, 3))
        lines = [HEADER.replace("LIMIT", str(threads * 2))]
        for i in range(threads):
            self.held = []
            lines += [
                "",
                "",
                f"def t{i}() -> None:",
                *self._indent(self.block(self.dice.randint(2, 7 - threads))),
            ]
        lines += self._properties()
        lines += ["", "", "@scenario()", "def model(s: Setup) -> None:"]
        lines += [f"    s.pool(item, {self.dice.randint(1, 2)})"]
        lines += [
            f'    s.thread("t{i}", t{i}{self.dice.choice(("", "", "", ", daemon=True"))})'
            for i in range(threads)
        ]
        lines += self.asked
        return "\n".join(lines) + "\n"

    def _properties(self) -> list[str]:
        self.asked: list[str] = []
        lines: list[str] = []
        for kind in ("invariant", "final", "reachable"):
            if self.dice.random() < 0.3:
                what = f"vm.{self.cell()} != 2 or vm.{self.cell()} == {self.dice.randint(0, 2)}"
                lines += ["", "", f"def {kind}_holds() -> bool:", f"    return {what}"]
                self.asked.append(f"    s.{kind}({kind}_holds)")
        return lines

    def cell(self) -> str:
        """A plain cell, of the kind that locks are for."""
        return self.dice.choice(("x", "y", "z", "row[0]", "row[1]"))

    def fresh(self) -> str:
        """A name for a local."""
        self.names += 1
        return f"v{self.names}"

    @staticmethod
    def _indent(lines: list[str]) -> list[str]:
        return [f"    {line}" for line in lines or ["pass"]]

    def block(self, size: int) -> list[str]:
        """`size` statements."""
        self.depth += 1
        lines = [line for _ in range(size) for line in self.statement()]
        self.depth -= 1
        return lines

    def statement(self) -> list[str]:
        """One statement."""
        kinds = ["access"] * 5 + ["add", "flag", "check", "trylock", "object", "walk"]
        if self.depth < 3:
            kinds += ["locked"] * 5 + ["branch", "branch", "loop", "spin", "wait", "choice"]
        return getattr(self, f"_{self.dice.choice(kinds)}")()

    def _locked(self) -> list[str]:
        kind = self.dice.choice(list(LOCKS))
        take, give = LOCKS[kind]
        free = kind not in self.held
        self.held.append(kind)
        inner = self.block(self.dice.randint(1, 2))
        self.held.pop()
        if not free or self.dice.random() < self.sloppy:
            take = []
        if self.dice.random() < self.sloppy:
            give = []
        return [*take, *inner, *(give if free or self.dice.random() < self.sloppy else [])]

    def _access(self) -> list[str]:
        name, cell = self.fresh(), self.cell()
        return self.dice.choice((
            [f"vm.{cell} = {self.dice.randint(0, 2)}"],
            [f"{name} = vm.{cell}", f"vm.{self.cell()} = {name}"],
            ["with atomic():", f"    if vm.{cell} < 2:", f"        vm.{cell} += 1"],
            ["with atomic():", f"    vm.{cell} = 1 - (vm.{cell} & 1)"],
        ))  # fmt: skip

    def _add(self) -> list[str]:
        up = ["with atomic():", "    vm.count += 1"]
        down = ["with atomic():", "    vm.count -= 1"]
        last = ["with atomic():", "    vm.count -= 1", "    last = vm.count == 0", "if last:", "    vm.z = 1"]
        return [*up, *self.block(1), *self.dice.choice((down, last, []))] if self.depth < 3 else up

    def _flag(self) -> list[str]:
        return [f"vm.flag = {self.dice.choice(('True', 'True', 'False'))}"]

    def _check(self) -> list[str]:
        cell = self.cell()
        tests = (f"vm.{cell} != 2", f"vm.{cell} < 2 or vm.{self.cell()} < 2", "not vm.flag or vm.count < 3")
        return ["with atomic():", f"    assert {self.dice.choice(tests)}"]

    def _trylock(self) -> list[str]:
        name = self.fresh()
        inner = self.block(1) if self.depth < 3 else ["pass"]
        took = [
            "    if vm.lock:",
            f"        {name} = False",
            "    else:",
            "        vm.lock = True",
            f"        {name} = True",
        ]
        return ["with atomic():", *took, f"if {name}:", *self._indent(inner), "    vm.lock = False"]

    def _object(self) -> list[str]:
        name = self.fresh()
        how = self.dice.choice(("kmalloc", "kzalloc"))
        lines = [f"{name}: ptr[item] = {how}(item)", f"{name}.value = 1", f"{name}.next = NULL"]
        if self.dice.random() < 0.5:
            lines += [f"{name}.next = {name}", f"{name}.value = {name}.value + 1"]
        ends = ([f"kfree({name})"], [f"vm.head = {name}"], [f"vm.head = {name}", f"{name}.value = 2"])
        return [*lines, *self.dice.choice(ends)]

    def _walk(self) -> list[str]:
        name = self.fresh()
        uses = ([f"vm.x = {name}.value & 1"], [f"{name}.value = 0"], ["vm.head = NULL", f"kfree({name})"])
        return [f"{name} = vm.head", f"if {name}:", *self._indent(self.dice.choice(uses))]

    def _branch(self) -> list[str]:
        test = self.dice.choice((f"vm.{self.cell()} == 1", "vm.flag", "vm.count > 0", "vm.writer == 0"))
        lines = [f"if {test}:", *self._indent(self.block(1))]
        return [*lines, "else:", *self._indent(self.block(1))] if self.dice.random() < 0.5 else lines

    def _loop(self) -> list[str]:
        name = self.fresh()
        body = [*self.block(1), self.dice.choice((f"vm.row[{name}] = {name}", "pass"))]
        return [f"for {name} in range({self.dice.randint(1, 2)}):", *self._indent(body)]

    def _spin(self) -> list[str]:
        """A loop that may go round for ever."""
        test = self.dice.choice((f"vm.{self.cell()} == 2", "not vm.flag", "vm.inside > 0"))
        return [f"while {test}:", *self._indent(self.block(1))]

    def _wait(self) -> list[str]:
        tests = ("vm.flag", "vm.inside == 0", "vm.count == 0", "vm.readers == 0", f"vm.{self.cell()} == 1")
        return [f"await_(lambda: {self.dice.choice(tests)})"]

    def _choice(self) -> list[str]:
        return ["if choose(2) == 1:", *self._indent(self.block(1))]


def model(seed: int) -> str:
    """The model of a seed."""
    dice = Random(seed)
    return Writer(dice, dice.choice((0.0, 0.0, 0.1, 0.3))).model()
