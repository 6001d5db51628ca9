"""What random events are written as is read back as these events."""

from __future__ import annotations

from typing import Literal, cast

from hypothesis import given, settings
from hypothesis import strategies as st

from lastput.ftrace.probes import definitions
from lastput.ftrace.text import parse
from tests.ftrace.rendering import Happened, Step, graph, line

NAMES = st.text(st.sampled_from("akvz_09"), max_size=12).map(lambda rest: f"f{rest}")
SUFFIXES = st.sampled_from(["", ".part.0", ".isra.0", ".constprop.12", ".cold", ".isra.0.cold.1"])
# Task names: whatever prctl takes, but for what ends a line and for spaces that alignment hides.
COMMS = st.text(
    st.characters(exclude_categories=("Cs", "Cc", "Zl", "Zp")) | st.sampled_from("-[]:.() 01"), max_size=15
).map(str.strip)
LATENCY = (".dDB", ".Nnp", ".HhsZ", ".19", ".1")
NUMBERS = st.integers(-(2**63), 2**64 - 1)
WORDS = st.text(st.sampled_from("aZ_09<>./|:-(é"), max_size=11).map(lambda rest: f"<{rest}")


@st.composite
def arguments(draw: st.DrawFn) -> tuple[str, dict[str, int | str]]:
    """A probe's arguments as text, and as they are to be read."""
    values: dict[str, int | str] = {}
    pieces = []
    for key in draw(st.lists(NAMES, max_size=4, unique=True)):
        value = draw(NUMBERS | WORDS)
        values[key] = value
        in_hexadecimal = isinstance(value, int) and value >= 0 and draw(st.booleans())
        pieces.append(f"{key}={value:#x}" if in_hexadecimal else f"{key}={value}")
    return " ".join(pieces), values


@st.composite
def saying(draw: st.DrawFn) -> tuple[str, tuple[object, ...]]:
    """What a line says, and how it is to be read: kind, name, symbol, event, caller, arguments."""
    function, caller, event = draw(NAMES), draw(NAMES), draw(NAMES.filter(lambda name: name != "function"))
    symbol = function + draw(SUFFIXES)
    text, args = draw(arguments())
    size = f"/{draw(st.integers(1, 4096)):#x}"
    kind = draw(st.sampled_from(["function", "entry", "return", "inside", "tracepoint", "exit", "marker"]))
    match kind:
        case "function":
            return f"{symbol} <-{caller}.isra.0", ("enter", function, symbol, "", caller, {})
        case "entry":
            says = f"{event}: ({symbol}+0x0{size}) {text}"
            return says, ("enter", function, symbol, event, None, args)
        case "return":
            says = f"{event}: ({caller}+0x68{size} <- {symbol}) {text}"
            return says, ("return", function, symbol, event, caller, args)
        case "inside":
            says = f"{event}: ({symbol}+0x1c{size}) {text}"
            return says, ("inside", function, symbol, event, None, args)
        case "tracepoint":
            return f"{event}: {text}", ("tracepoint", event, "", event, None, args)
        case "exit":
            value = draw(st.integers(-4095, 2**62))
            name = f"sys_exit_{function}"
            says = f"sys_{function} -> {value % 2**64:#x}"
            return says, ("tracepoint", name, "", name, None, {"ret": value})
        case _:
            return f"tracing_mark_write: {text} <-{caller}", ("marker", "", "", "", None, {})


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_lines(data: st.DataObject) -> None:
    shape = cast(Literal["trace", "report"], data.draw(st.sampled_from(["trace", "report"])))
    has_tgid, has_flags = data.draw(st.booleans()), data.draw(st.booleans())
    tasks = data.draw(st.lists(st.tuples(COMMS, st.integers(0, 4194304)), min_size=1, max_size=4))
    time, text, expected = data.draw(st.integers(0, 10**13)), "", []
    for _ in range(data.draw(st.integers(0, 8))):
        time += data.draw(st.sampled_from([0, 1000, 10**9]))
        cpu, (comm, pid) = data.draw(st.integers(0, 200)), data.draw(st.sampled_from(tasks))
        tgid = data.draw(st.sampled_from([0, pid])) if has_tgid else None
        flags = "".join(data.draw(st.tuples(*map(st.sampled_from, LATENCY)))) if has_flags else None
        says, meaning = data.draw(saying())
        text += line(Happened(time, cpu, comm, pid, says), tgid=tgid, flags=flags, shape=shape)
        exact = time if shape == "report" else time // 1000 * 1000
        expected.append((exact, cpu, comm, pid, tgid or None, flags or "", *meaning))
    read = [
        (
            e.time,
            e.cpu,
            e.comm,
            e.pid,
            e.tgid,
            e.flags,
            e.kind,
            e.name,
            e.symbol,
            e.event,
            e.caller,
            dict(e.args),
        )
        for e in parse("x", text, {}).events
    ]
    assert read == expected


@st.composite
def graphs(draw: st.DrawFn) -> list[Step]:
    """Calls of a few tasks that migrate between CPUs, and return in order."""
    steps: list[Step] = []
    calls: dict[int, list[str]] = {1: [], 2: [], 3: []}
    time = draw(st.integers(0, 10**12))
    for _ in range(draw(st.integers(1, 25))):
        time += draw(st.integers(1, 3000))
        pid, cpu = draw(st.integers(1, 3)), draw(st.integers(0, 1))
        kind = draw(st.sampled_from(["enter", "return", "tracepoint"]))
        if kind == "return" and calls[pid]:
            steps.append(Step(time, cpu, f"task{pid}", pid, "return", calls[pid].pop()))
        elif kind == "tracepoint":
            steps.append(Step(time, cpu, f"task{pid}", pid, "tracepoint", f"event_{draw(NAMES)}: a=1"))
        else:
            calls[pid].append(draw(NAMES))
            steps.append(Step(time, cpu, f"task{pid}", pid, "enter", calls[pid][-1]))
    return steps


@settings(max_examples=100, deadline=None)
@given(graphs(), st.booleans(), st.booleans())
def test_graphs(steps: list[Step], proc: bool, tail: bool) -> None:
    """Per CPU the same events in the same order; times differ by what rounding to microseconds takes."""
    switched = {cpu for cpu in (0, 1) if len({step.pid for step in steps if step.cpu == cpu}) > 1}
    proc = proc or switched != {step.cpu for step in steps}
    events = parse("x", graph(steps, proc=proc, tail=tail), {}).events
    assert len(events) == len(steps)
    for cpu in (0, 1):
        read = [event for event in events if event.cpu == cpu]
        written = [step for step in steps if step.cpu == cpu]
        assert [(event.kind, event.pid, event.comm) for event in read] == [
            (step.kind, step.pid, step.comm) for step in written
        ]
        for event, step in zip(read, written, strict=True):
            assert event.name == step.function.partition(":")[0]
            assert abs(event.time - step.time) <= 1000


@given(NAMES, NAMES, SUFFIXES, st.sampled_from(["", "r", "r10", "%return", "+0x10"]))
def test_definitions(event: str, function: str, suffix: str, how: str) -> None:
    what, where = (how, "") if how[:1] == "r" else ("p", how)
    text = f"{what}:lab/{event} {function}{suffix}{where} a=%x0\n"
    (probe,) = definitions(f"p:uprobe/x /bin/sh:0x10\n{text}p:a/b 0xffff800008031234\n").values()
    at = "inside" if how[:1] == "+" else "return" if how else "enter"
    assert (probe.group, probe.event, probe.function, probe.at) == ("lab", event, function, at)
