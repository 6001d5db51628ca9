"""Function graphs: nesting, durations, options. Lines are recorded ones, or written after the kernel's
trace_functions_graph.c and trace-cmd's trace-ftrace.c."""

from __future__ import annotations

from pathlib import Path

import pytest

from lastput.ftrace.recording import Recording
from lastput.lang.errors import UsageError
from tests.ftrace.samples import GRAPH_HEADER, of

NESTED = (
    GRAPH_HEADER
    + """\
   14.078568 |   0)   kvmlab-245   |               |  task_work_run() {
   14.078571 |   0)   kvmlab-245   |               |    ____fput() {
   14.078574 |   0)   kvmlab-245   |   6.608 us    |      __fput();
   14.078584 |   0)   kvmlab-245   | + 12.848 us   |    } /* ____fput */
 ------------------------------------------
 0)   kvmlab-245   =>   kworker-99
 ------------------------------------------

   14.078586 |   0)   kworker-99   |   0.400 us    |  srcu_invoke_callbacks();
   14.078587 |   1)   kvmlab-245   | + 19.456 us   |  } /* task_work_run */
"""
)


def rows(recording: Recording) -> list[tuple[int, int, str, str]]:
    return [(event.time, event.cpu, event.task, f"{event.kind} {event.name}") for event in recording.events]


def test_calls_nest_and_end_after_their_duration(tmp_path: Path) -> None:
    recording = of(tmp_path, NESTED)
    assert recording.tracer == "function_graph"
    assert rows(recording) == [
        (14_078_568_000, 0, "kvmlab-245", "enter task_work_run"),
        (14_078_571_000, 0, "kvmlab-245", "enter ____fput"),
        (14_078_574_000, 0, "kvmlab-245", "enter __fput"),
        (14_078_580_608, 0, "kvmlab-245", "return __fput"),
        (14_078_584_000, 0, "kvmlab-245", "return ____fput"),
        (14_078_586_000, 0, "kworker-99", "enter srcu_invoke_callbacks"),
        (14_078_586_400, 0, "kworker-99", "return srcu_invoke_callbacks"),
        (14_078_587_000, 1, "kvmlab-245", "return task_work_run"),
    ]
    assert {event.source for event in recording.events} == {"graph"}
    assert {event.caller for event in recording.events} == {None}


def test_without_names_at_the_end_returns_are_those_of_the_innermost_call(tmp_path: Path) -> None:
    """Of each task, wherever it runs."""
    unnamed = NESTED.replace(" /* ____fput */", "").replace(" /* task_work_run */", "")
    assert rows(of(tmp_path, unnamed)) == rows(of(tmp_path, NESTED))


def test_without_task_column_the_switches_tell_who_runs(tmp_path: Path) -> None:
    text = """\
   1.000001 |   0)               |  f() {
   1.000002 |   1)               |  h() {
   1.000003 |   0)   1.000 us    |    g();
 ------------------------------------------
 0)   one-1   =>   two-2
 ------------------------------------------
   1.000006 |   0)               |  f() {
 ------------------------------------------
 1)   six-6   =>   one-1
 ------------------------------------------
   1.000008 |   1) + 12.000 us   |  }
 ------------------------------------------
 1)   one-1   =>   six-6
 ------------------------------------------
   1.000009 |   1) + 12.000 us   |  }
"""
    assert [(task, what) for _, _, task, what in rows(of(tmp_path, text))] == [
        ("one-1", "enter f"),
        ("six-6", "enter h"),
        ("one-1", "enter g"),
        ("one-1", "return g"),
        ("two-2", "enter f"),
        ("one-1", "return f"),
        ("six-6", "return h"),
    ]


def test_a_return_comes_before_the_next_event_of_its_cpu(tmp_path: Path) -> None:
    """Time stamps are rounded to microseconds, durations are not."""
    text = """\
   1.000010 |   0)   a-1   |   0.900 us    |  f();
   1.000010 |   0)   a-1   |               |  g() {
   1.000010 |   1)   b-2   |   0.100 us    |  h();
"""
    events = of(tmp_path, text).events
    assert [(event.kind, event.name, event.time % 1_000_000) for event in events] == [
        ("enter", "f", 10_000),
        ("return", "f", 10_000),
        ("enter", "g", 10_000),
        ("enter", "h", 10_000),
        ("return", "h", 10_100),
    ]


@pytest.mark.parametrize(
    ("columns", "comm", "pid", "flags"),
    [
        ("  1.000001 |   0)   kvmlab-245   |   6.608 us    |  ", "kvmlab", 245, ""),
        ("  1.000001 |   0)    <idle>-0    |   6.608 us    |  ", "<idle>", 0, ""),
        ("  1.000001 |   0)   a b | -7   |   6.608 us    |    ", "a b |", 7, ""),
        ("  1.000001 |   0)   kvmlab-245   |  d.h1. | $ 6608000 us  |  ", "kvmlab", 245, "d.h1."),
        ("  1.000001 |   2.000 us |   0)   kvmlab-245   |   6.608 us    |  ", "kvmlab", 245, ""),
        ("  1.000001 |   kvmlab-245   | ! 106.608 us  |  ", "kvmlab", 245, ""),
    ],
)
def test_columns(tmp_path: Path, columns: str, comm: str, pid: int, flags: str) -> None:
    entered, left = of(tmp_path, f"{columns}f();\n").events
    assert (entered.comm, entered.pid, entered.flags) == (comm, pid, flags)
    assert entered.cpu == (0 if "0)" in columns else -1)
    assert (left.kind, left.comm, left.time > entered.time) == ("return", comm, True)


@pytest.mark.parametrize(
    ("call", "at_entry", "at_return"),
    [
        ("f(); /* = 0xfffffffffffffff5 */", {}, {"ret": 0xFFFFFFFFFFFFFFF5}),
        ("f(); /* ret=-22 */", {}, {"ret": -22}),
        ("f(); /* <-g+0x10/0x20 ret=0x1 */", {}, {"ret": 1}),
        ("f(mm=0x10, n=3); (ret=0x0)", {"mm": 16, "n": 3}, {"ret": 0}),
        ("f [kvm](); (2) (ret=1)", {}, None),
        ("f.part.0 [kvm]();", {}, {}),
    ],
)
def test_arguments_and_results(
    tmp_path: Path, call: str, at_entry: dict[str, int], at_return: dict[str, int] | None
) -> None:
    line = f"  1.000001 |   0)   a-1   |   0.900 us    |  {call}\n"
    if at_return is None:
        with pytest.raises(UsageError, match="not a line of ftrace"):
            of(tmp_path, line)
        return
    entered, left = of(tmp_path, line).events
    assert (entered.name, dict(entered.args), dict(left.args)) == ("f", at_entry, at_return)
    assert entered.caller == ("g" if "<-g" in call else None)


@pytest.mark.parametrize("end", ["} /* f = -11 */", "} /* f ret=-11 */", "} /* ret=-11 */", "} (ret=-11)"])
def test_results_at_the_end_of_a_nested_call(tmp_path: Path, end: str) -> None:
    start = "  1.000001 |   0)   a-1   |               |  "
    _, left = of(tmp_path, f"{start}f() {{ /* <-g */\n{start}{end}\n").events
    assert (left.kind, left.name, dict(left.args)) == ("return", "f", {"ret": -11})


def test_what_happens_inside_of_calls(tmp_path: Path) -> None:
    start = "  1.000001 |   0)   a-1   |               |  "
    recording = of(
        tmp_path,
        f"{start}f() {{\n"
        f"{start}  /* sys_ioctl -> 0xfffffffffffffffb */\n"
        f"{start}  /* LAB: a1 run: 3 passes */\n"
        f"{start}  /* free_pgd: (kvm_free_stage2_pgd+0x0/0x80) pgt=0x0 */\n"
        f"{start}  /* <stack trace>\n => kvm_free_stage2_pgd\n => exit_mmap */\n"
        f"  1.000001 |   0)   a-1   |   ==========> |\n"
        f"{start}  /* one\n\ntwo */\n"
        f"  1.000001 |   0)   a-1   |   <========== |\n"
        f"{start}}}\n",
    )
    assert [(event.kind, event.name) for event in recording.events] == [
        ("enter", "f"),
        ("tracepoint", "sys_exit_ioctl"),
        ("marker", ""),
        ("enter", "kvm_free_stage2_pgd"),
        ("marker", ""),
        ("return", "f"),
    ]
    assert recording.events[1].args == {"ret": -5}
    assert recording.events[2].message == "LAB: a1 run: 3 passes"
    assert recording.events[3].stack == ("kvm_free_stage2_pgd", "exit_mmap")
    assert recording.events[4].message == "one\ntwo"


def test_a_graph_as_trace_cmd_reports_it(tmp_path: Path) -> None:
    recording = of(
        tmp_path,
        """\
cpus=2
     a-1     [000]   1.000001: funcgraph_entry:                   |  f() {
     a-1     [000]   1.000002: funcgraph_entry:        0.500 us   |    g();
     b-2     [001]   1.000003: mm: (mmput+0x0/0x30) mm_users=1
     a-1     [000]   1.000004: funcgraph_entry:                   |    h() /* <-f */ { (1)
     a-1     [000]   1.000005: funcgraph_exit:         3.000 us   |    }
     a-1     [000]   1.000006: funcgraph_exit:       + 12.000 us  |  } /* f */
""",
    )
    assert recording.tracer == "function_graph"
    assert [(event.kind, event.name, event.time % 1_000_000) for event in recording.events] == [
        ("enter", "f", 1000),
        ("enter", "g", 2000),
        ("return", "g", 2500),
        ("enter", "mmput", 3000),
        ("enter", "h", 4000),
        ("return", "h", 5000),
        ("return", "f", 6000),
    ]


@pytest.mark.parametrize(
    ("line", "option"),
    [
        (" 0)   a-1   |   0.900 us    |  f();", "funcgraph-abstime"),
        (" 0)   0.900 us    |  f();", "funcgraph-abstime"),
        ("  1.000001 |   0)   0.900 us    |  f();", "funcgraph-proc"),
        ("  1.000001 |   0)   a-1   |               |  f();", "funcgraph-duration"),
        ("  1.000001 |   0)   a-1   |   0.900 us    |  }", "funcgraph-tail"),
    ],
)
def test_what_a_graph_does_not_tell_names_the_option_that_does(
    tmp_path: Path, line: str, option: str
) -> None:
    with pytest.raises(UsageError) as refused:
        of(tmp_path, f"{GRAPH_HEADER}{line}\n")
    assert f"set options/{option}" in str(refused.value)
    assert "b2.trace.txt:5: " in str(refused.value)
