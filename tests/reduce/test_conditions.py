"""Small models, each of which goes wrong if one condition of the reductions is dropped.

Every model has a rule that is broken in some interleaving only. What is found with reductions is compared
with what is found without: `docs/how-we-test.md` has what was dropped to see these tests fail.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs.agreement import loaded
from tests.programs.programs import Program
from tests.reduce import agreement

HEAD = """\
from __future__ import annotations

from typing import Annotated

from lastput.lang import (
    NULL, Setup, atomic, await_, choose, holder, holders, kfree, kmalloc, kzalloc, ptr, scenario, static,
    struct, this_thread, upto, violation,
)


@struct
class item:
    value: Annotated[int, upto(3)]
    owner: holder


@struct
class shared:
    a: Annotated[int, upto(3)]
    b: Annotated[int, upto(3)]
    flag: bool
    lock: bool
    owner: holder
    writer: holder
    readers: holders
    inside: Annotated[int, upto(4)]
    head: ptr[item]


vm = static(shared)


def take() -> None:
    with atomic():
        await_(lambda: not vm.lock)
        vm.lock = True


"""

MODELS = {
    "a step that somebody reads later is not taken alone": """
def t0() -> None:
    vm.b = 1
    vm.a = 1

def t1() -> None:
    vm.b = 2
    x = vm.a
    assert x == 1
""",
    "a free conflicts with an access that comes later": """
def t0() -> None:
    kfree(vm.head)

def t1() -> None:
    vm.a = 1
    vm.a = 2
    x = vm.head.value

def setup(s: Setup) -> None:
    vm.head = s.new(item, "it")
""",
    "an access conflicts with a free that comes later": """
def t0() -> None:
    x = vm.head.value

def t1() -> None:
    vm.a = 1
    vm.a = 2
    kfree(vm.head)

def setup(s: Setup) -> None:
    vm.head = s.new(item, "it")
""",
    "two allocations conflict: one finds the pool empty": """
def t0() -> None:
    x: ptr[item] = kzalloc(item)
    kfree(x)

def t1() -> None:
    vm.a = 1
    y: ptr[item] = kzalloc(item)
    kfree(y)
    vm.flag = True
""",
    "a loop keeps nobody waiting for ever": """
def t0() -> None:
    while vm.a == 0:
        vm.b = 1 - (vm.b & 1)

def t1() -> None:
    vm.flag = True
    assert False
""",
    "a loop that waits keeps nobody waiting for ever": """
def t0() -> None:
    while True:
        with atomic():
            await_(lambda: vm.inside == 0)
            vm.inside = 1
        with atomic():
            vm.inside -= 1

def t1() -> None:
    vm.flag = True
    assert False
""",
    "a loop around a counted loop keeps nobody waiting for ever": """
def t0() -> None:
    while True:
        for i in range(2):
            vm.a = i

def t1() -> None:
    vm.flag = True
    assert False
""",
    "what an invariant reads is seen in every order": """
def t0() -> None:
    vm.a = 1
    vm.a = 0

def t1() -> None:
    vm.b = 1
    vm.b = 0

def never_both() -> bool:
    return vm.a == 0 or vm.b == 0

def setup(s: Setup) -> None:
    s.invariant(never_both)
""",
    "what an invariant reads is seen between two steps": """
def t0() -> None:
    vm.a = 1
    vm.a = 0

def t1() -> None:
    vm.b = 1

def never() -> bool:
    return vm.a == 0

def setup(s: Setup) -> None:
    s.invariant(never)
""",
    "what is wanted is seen": """
def t0() -> None:
    vm.a = 1
    vm.a = 2
    vm.a = 0

def t1() -> None:
    vm.b = 1

def seen() -> bool:
    return vm.a == 2

def setup(s: Setup) -> None:
    s.reachable(seen)
""",
    "readers of a lock do not keep each other out": """
def t0() -> None:
    with atomic():
        await_(lambda: vm.writer == 0)
        vm.readers |= 1 << this_thread()
    vm.a = 1
    x = vm.a
    vm.readers &= ~(1 << this_thread())
    assert x == 1

def t1() -> None:
    with atomic():
        await_(lambda: vm.writer == 0)
        vm.readers |= 1 << this_thread()
    vm.a = 2
    vm.readers &= ~(1 << this_thread())
""",
    "a lock that somebody else gives back keeps nobody out": """
def t0() -> None:
    take()
    vm.a = 1
    x = vm.a
    vm.lock = False
    assert x == 1

def t1() -> None:
    take()
    vm.a = 2
    vm.lock = False

def t2() -> None:
    vm.lock = False
""",
    "a lock that one thread does not take keeps it not out": """
def t0() -> None:
    take()
    vm.a = 1
    x = vm.a
    vm.lock = False
    assert x == 1

def t1() -> None:
    vm.b = 1
    vm.a = 2
""",
    "a flag that anybody may set keeps nobody waiting": """
def t0() -> None:
    vm.a = 1
    x = vm.a
    vm.flag = True
    assert x == 1

def t1() -> None:
    await_(lambda: vm.flag)
    vm.a = 2

def t2() -> None:
    vm.b = 1
    vm.flag = True
""",
    "an address that was stored is private no more": """
def t0() -> None:
    x: ptr[item] = kzalloc(item)
    vm.head = x
    x.value = 1
    y = x.value
    assert y == 1

def t1() -> None:
    vm.b = 1
    x = vm.head
    if x:
        x.value = 2
""",
    "an address that was stored through a copy is private no more": """
def t0() -> None:
    x: ptr[item] = kzalloc(item)
    y: ptr[item] = NULL
    if vm.b == 0:
        y = x
    if y:
        vm.head = y
    x.value = 1
    z = x.value
    assert z == 1

def t1() -> None:
    x = vm.head
    if x:
        x.value = 2
""",
    "a condition is read when it is waited for": """
def t0() -> None:
    await_(lambda: vm.a == 0)
    vm.b = 1

def t1() -> None:
    vm.flag = True
    vm.a = 1
""",
    "a count that somebody waits for does not commute with waiting": """
def t0() -> None:
    with atomic():
        vm.inside += 1
    x = vm.a
    y = vm.a
    with atomic():
        vm.inside -= 1
    assert x == y

def t1() -> None:
    vm.b = 1
    await_(lambda: vm.inside == 0)
    vm.a = 1

def t2() -> None:
    with atomic():
        vm.inside += 1
    with atomic():
        vm.inside -= 1
""",
    "a count whose value is looked at does not commute": """
def t0() -> None:
    with atomic():
        vm.inside += 1
        first = vm.inside == 1
    vm.a = 1
    assert first

def t1() -> None:
    vm.b = 1
    with atomic():
        vm.inside += 1
""",
    "a count that can leave its limits does not commute": """
def t0() -> None:
    with atomic():
        vm.inside += 3

def t1() -> None:
    with atomic():
        vm.inside += 3
    vm.b = 1
    with atomic():
        vm.inside -= 3
    assert vm.b == 0

def t2() -> None:
    with atomic():
        await_(lambda: vm.inside >= 3)
        vm.inside -= 3
""",
    "a step that breaks a rule hides no other": """
def t0() -> None:
    assert vm.a == 1

def t1() -> None:
    vm.b = 1
    assert vm.b == 2
""",
    "a bound that is met hides no violation": """
def t0() -> None:
    vm.a = choose(5)

def t1() -> None:
    vm.b = 1
    assert vm.b == 2
""",
    "a lock in freed memory lets nobody wait": """
def t0() -> None:
    x = vm.head
    with atomic():
        await_(lambda: x.owner == 0)
        x.owner = this_thread() + 1
    vm.a = 1
    vm.b = 1
    x.owner = 0

def t1() -> None:
    x = vm.head
    with atomic():
        await_(lambda: x.owner == 0)
        x.owner = this_thread() + 1
    vm.a = 2
    x.owner = 0

def t2() -> None:
    kfree(vm.head)

def setup(s: Setup) -> None:
    vm.head = s.new(item, "it")
""",
    "a condition that breaks a rule waits for nobody": """
def t0() -> None:
    x = vm.head
    with atomic():
        await_(lambda: vm.owner == 0)
        vm.owner = this_thread() + 1
    vm.head = NULL
    vm.head = x
    vm.owner = 0

def t1() -> None:
    await_(lambda: vm.head.value == 0 and vm.owner == 0)

def setup(s: Setup) -> None:
    vm.head = s.static(item, "it")
""",
    "a lock that is held at the end is seen": """
def t0() -> None:
    vm.a = 1
    x = vm.a

def t1() -> None:
    vm.b = 1
    with atomic():
        vm.owner = 1
""",
    "deadlocks stay": """
def t0() -> None:
    take()
    with atomic():
        await_(lambda: vm.owner == 0)
        vm.owner = this_thread() + 1
    vm.owner = 0
    vm.lock = False

def t1() -> None:
    with atomic():
        await_(lambda: vm.owner == 0)
        vm.owner = this_thread() + 1
    take()
    vm.lock = False
    vm.owner = 0
""",
    "final conditions see all ends": """
def t0() -> None:
    x = vm.a
    vm.a = x + 1

def t1() -> None:
    x = vm.a
    vm.a = x + 1

def two() -> bool:
    return vm.a == 2

def setup(s: Setup) -> None:
    s.final(two)
""",
}  # fmt: skip


def model(body: str) -> str:
    """The file of a model."""
    threads = [line[4 : line.index("(")] for line in body.splitlines() if line.startswith("def t")]
    threads = [name for name in threads if name[1:].isdigit()]
    lines = [HEAD + body, "", "@scenario()", "def model(s: Setup) -> None:", "    s.pool(item, 1)"]
    lines += ["    setup(s)"] if "def setup" in body else []
    return "\n".join([*lines, *(f'    s.thread("{name}", {name})' for name in threads), ""])


@pytest.mark.parametrize("names", [agreement.REDUCED[1], agreement.REDUCED[-1]])
@pytest.mark.parametrize("what", MODELS)
def test_nothing_is_lost(what: str, names: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LASTPUT_CACHE", "off")
    with loaded(Program(model(MODELS[what]), ()), tmp_path) as world:
        assert agreement.agree(world, names) is not None
