"""Races whose depth, and whose probability under PCT, can be counted by hand."""

from __future__ import annotations

from lastput.lang import Setup, atomic, await_, choose, option, options, ptr, scenario, struct, u8


@options
class Race:
    depth: int = option(1, "ordering constraints of the bug", low=1, high=3)
    noise: int = option(0, "steps of a third thread", low=0, high=30)
    safe: bool = option(False, "nothing is asserted")


@struct
class cells:
    x: u8
    y: u8
    pad: u8


def waste(p: ptr[cells]) -> None:
    """Two steps, so that nobody sees from the steps before what comes after."""
    p.pad = 1
    p.pad = 2


def publish(p: ptr[cells]) -> None:
    """Thread A: of depth 1 a store that B should have waited for; of 2 and 3 a window that closes again."""
    p.x = 1
    if Race.depth == 3:
        seen = p.y
        p.x = 0
        p.pad = 1
        assert seen == 0 or Race.safe
    elif Race.depth == 2:
        p.x = 0


def look(p: ptr[cells]) -> None:
    """Thread B: of depth 3 it has a window of its own, into which A must look."""
    seen = p.x
    if Race.depth == 3:
        if seen:
            p.y = 1
            p.y = 0
    else:
        waste(p)
        assert seen == (Race.depth == 1) or Race.safe


def hum(p: ptr[cells]) -> None:
    for _ in range(Race.noise):
        p.pad = 0


@scenario(options=(Race,), variants={"racy": {}, "safe": {"safe": True}})
def race(s: Setup) -> None:
    """Two threads, and a bug between them of a known depth."""
    place = s.static(cells)
    s.thread("A", publish, place)
    s.thread("B", look, place)
    if Race.noise:
        s.thread("C", hum, place)


@struct
class gate:
    open: u8
    count: u8


def opener(p: ptr[gate]) -> None:
    if choose(2):
        p.count += 1
    p.open = 1
    p.count += 1


def passer(p: ptr[gate]) -> None:
    with atomic():
        await_(lambda: p.open == 1)
        p.count = 0
    p.count += 1


def gate_is_open(p: ptr[gate]) -> bool:
    return p.open == 1


@scenario()
def gated(s: Setup) -> None:
    """A thread that is blocked at first: a switch to the other one is no preemption then."""
    place = s.static(gate)
    s.thread("opener", opener, place)
    s.thread("passer", passer, place)
    s.thread("other", passer, place)
    s.reachable(gate_is_open, place)


@scenario()
def asked_for_progress(s: Setup) -> None:
    """The same, and a loop would break what is asked."""
    place = s.static(gate)
    s.thread("opener", opener, place)
    s.thread("passer", passer, place)
    s.eventually(gate_is_open, place)


def never(p: ptr[gate]) -> bool:
    return p.count == 200


@scenario()
def unreached(s: Setup) -> None:
    """Everything runs, and something that is wanted never comes."""
    place = s.static(gate)
    s.thread("opener", opener, place)
    s.reachable(never, place)


def spin(p: ptr[gate]) -> None:
    while p.open == 0:
        pass


@scenario()
def spinning(s: Setup) -> None:
    """A loop that nobody ends: walks have to."""
    place = s.static(gate)
    s.thread("spinner", spin, place)
