"""What a trace calls a pointer: the object, the struct embedded in it, or a cell."""

from __future__ import annotations

from lastput.checker import build_world
from lastput.lang import Setup, ptr, scenario, struct, u8
from lastput.simulate.replay import replay


@struct
class link:
    next: ptr[link]
    prev: ptr[link]


@struct
class entry:
    key: u8
    node: link
    again: link


@struct
class head_t:
    first: ptr[link]
    last: ptr[entry]


def run(h: ptr[head_t], e: ptr[entry]) -> None:
    h.first = e.node
    h.first = e.again
    h.last = e
    e.node.next = e.again
    h.first = e.node.next
    h.last = None


@scenario()
def linked(s: Setup) -> None:
    """Pointers to all that there is."""
    s.thread("a", run, s.static(head_t), s.new(entry))


def test_a_pointer_to_an_embedded_struct_is_called_as_in_c() -> None:
    trace = replay(build_world(linked, None, {}), [(0, 0)] * 7)
    shown = [event.shown for step in trace.steps for event in step.events]
    again = "&entry.again"
    assert shown == ["&entry.node", again, "entry", again, again, again, "NULL"]
