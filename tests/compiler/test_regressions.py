"""What random programs found: each model once made the compiler and brute force disagree, or stop.

The comparison is that of `tests/programs`: counts, kinds, levels, and the replay of the schedule.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.programs.programs import HEADER, Program
from tests.programs.test_random import agrees

MODELS = {
    "stop value of a range grows after the range was looked at": """
@struct
class box:
    x: u8

def run(b: ptr[box]) -> None:
    n: int = 0
    while n < 3:
        for i in range(n):
            b.x = i
            b.x += i
        n += 1

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    b = s.static(box)
    s.thread("a", run, b)
    s.thread("b", run, b)
""",
    "value that only the head of a loop reads": """
@struct
class box:
    x: u8
    y: u8

def run(b: ptr[box]) -> None:
    most: int = b.y
    n: int = 0
    while n < most:
        b.x = n
        n += 1

def other(b: ptr[box]) -> None:
    b.y = 2
    b.y = 3

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    b = s.static(box)
    s.thread("a", run, b)
    s.thread("b", other, b)
""",
    "stop value of a range is assigned in the loop": """
@struct
class box:
    x: u8

def count(b: ptr[box]) -> None:
    n: int = 2
    for i in range(n):
        n = b.x + i
        b.x = n & 3

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    b = s.static(box)
    s.thread("a", count, b)
    s.thread("b", count, b)
""",
    "condition that is known, of a call with effects": """
@struct
class box:
    x: u8

def effects(b: ptr[box], sure: bool) -> bool:
    b.x += 1
    return b.x > 9 and LIMIT < 0

def run(b: ptr[box]) -> None:
    kept: int = b.x
    b.x = (b.x if effects(b, True) else 1) + kept

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    b = s.static(box)
    s.thread("a", run, b)
    s.thread("b", run, b)
""",
    "address that is not used, in a loop": """
@struct
class part:
    x: u8

@struct
class whole:
    head: part
    parts: array[part] = length(2)

def run(w: ptr[whole], v: ptr[whole]) -> None:
    w = v
    n = 0
    while n < 3:
        n += 1
        unused: cell[u8] = ref(lambda: w.parts[1].x)
        w.head.x = n

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    s.thread("a", run, s.static(whole), s.static(whole))
""",
    "pointer arithmetic that leaves memory, not used": """
@struct
class box:
    x: Annotated[int, upto(2)]

g = static(box)

def run(b: ptr[box], n: int) -> None:
    b.x = 1
    if n == 0:
        far: ptr[box] = at(g, 99)
    elif n == 1:
        far = at(b, b.x - 9)
        far = g
    else:
        b.x = at(b, 20 * b.x).x
    b.x = 2

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    b = s.static(box)
    s.thread("a", run, b, 0)
    s.thread("b", run, b, 1)
    s.thread("c", run, b, 2)
""",
    "container_of NULL": """
@struct
class part:
    x: u8

@struct
class whole:
    x: u8
    inner: part

def nothing() -> ptr[part]:
    return NULL

def run(w: ptr[whole]) -> None:
    w.x = 1
    outer: ptr[whole] = container_of(nothing(), whole, lambda t: t.inner)
    w.x = 2

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    s.thread("a", run, s.static(whole))
""",
    "lock held at exit, and the line of it": """
@struct
class lock_t:
    owner: holder
    readers: holders

def run(lock: ptr[lock_t], n: int) -> None:
    if n:
        lock.owner = this_thread() + 1
        return
    lock.readers |= 1 << this_thread()

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    lock = s.static(lock_t)
    s.thread("a", run, lock, 1)
    s.thread("b", run, lock, 0)
""",
    "function stored by the set-up, by code, and compared": """
@struct
class ops_t:
    call: Callable[[int], int]
    x: u8

def same(n: int) -> int:
    return n

def other(n: int) -> int:
    return n + 1

def run(o: ptr[ops_t]) -> None:
    o.x = o.call(1)
    assert o.call == same
    o.call = same
    o.x = o.call(3)

def swap(o: ptr[ops_t]) -> None:
    o.call = other
    o.call = same

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    o = s.static(ops_t, call=same)
    s.thread("a", run, o)
    s.thread("b", swap, o)
""",
    "property that reads through a pointer, of cells with few values": """
@struct
class node:
    x: u8
    next: ptr[node]
    y: Annotated[int, upto(5)]

g = static(node)

def cut(n: ptr[node]) -> None:
    g.next.next = NULL

def clear(n: ptr[node]) -> None:
    g.x = n.y

def holds(n: ptr[node]) -> bool:
    return g.next.x > (g.x | g.y)

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    n = s.static(node)
    g.x = 1
    g.next = g
    s.thread("a", cut, n)
    s.thread("b", clear, n)
    s.invariant(holds, n)
""",
    "value out of range, to be stored through NULL": """
@struct
class box:
    x: Annotated[int, upto(2)]

def run(b: ptr[box], c: ptr[box]) -> None:
    b.x = 1
    c.x = b.x + 5

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    s.thread("a", run, s.static(box), NULL)
""",
    "soft lockup in a loop that does nothing": """
@struct
class box:
    x: u8

def run(b: ptr[box]) -> None:
    b.x = 1
    n = 0
    while n < 3:
        m = n

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    s.thread("a", run, s.static(box))
""",
    "store of -1 to a u64": """
@struct
class box:
    x: u64

def run(b: ptr[box]) -> None:
    b.x -= 1
    assert b.x > 0

@scenario(options=(Opt,))
def model(s: Setup) -> None:
    b = s.static(box)
    b.x = 1
    s.thread("a", run, b)
    s.thread("b", run, b)
""",
}


@pytest.mark.parametrize("name", MODELS)
def test_native_search_and_brute_force_agree(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LASTPUT_CACHE", "off")
    assert agrees(Program(HEADER + MODELS[name], ()), tmp_path)
