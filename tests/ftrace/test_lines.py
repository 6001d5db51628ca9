"""Every kind of line that `trace`, `trace_pipe` and `trace-cmd report` have, read by itself.

The lines are from recordings of arm64 kernels 6.1 and 6.12, or written after the kernel's source
(kernel/trace/trace_output.c, trace_functions.c, trace_kprobe.c, trace_syscalls.c) and trace-cmd's.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from lastput.ftrace.event import Event
from lastput.lang.errors import UsageError
from tests.ftrace.samples import COLUMNS, HEADER, of, said


def only(events: tuple[Event, ...]) -> Event:
    assert len(events) == 1
    return events[0]


def test_every_column_of_a_line(tmp_path: Path) -> None:
    line = f"{COLUMNS}free_pgd: (kvm_free_stage2_pgd+0x0/0x80) mmu=0xffff00000a27c9c8 pgt=0x0"
    recording = of(tmp_path, f"{HEADER}{line}\n")
    event = only(recording.events)
    assert event == Event(
        number=0,
        line=13,
        time=20_193_824_000,
        cpu=1,
        comm="owner",
        pid=187,
        tgid=187,
        flags="d....",
        kind="enter",
        source="kprobe",
        name="kvm_free_stage2_pgd",
        symbol="kvm_free_stage2_pgd",
        event="free_pgd",
        caller=None,
        args={"mmu": 0xFFFF00000A27C9C8, "pgt": 0},
        message="(kvm_free_stage2_pgd+0x0/0x80) mmu=0xffff00000a27c9c8 pgt=0x0",
        stack=(),
        text=line,
    )
    assert event.task == "owner-187"
    assert (recording.tracer, recording.lost, recording.truncated) == ("function", 0, 0)
    assert (recording.entries_in_buffer, recording.entries_written) == (1, 1)
    assert recording.name == "b2"


@pytest.mark.parametrize(
    ("columns", "comm", "pid", "tgid", "cpu", "flags", "time"),
    [
        ("          <idle>-0       [000] d.h1.     1.000001: ", "<idle>", 0, None, 0, "d.h1.", 1_000_001_000),
        ("           <...>-1234    (-------) [003] dNs2.   99.5000000: ", "<...>", 1234, None, 3, "dNs2.", 0),
        (
            " my name 1.2-x-77      (     70) [001] .....    20.218453: ",
            "my name 1.2-x",
            77,
            70,
            1,
            ".....",
            0,
        ),
        ("     kworker/1:2-145     (    145) [010] .N...   100.515794: ", "kworker/1:2", 145, 145, 10, "", 0),
        ("                -5       [000] .....     0.000000: ", "", 5, None, 0, ".....", 0),
        ("            bash-9999999 [127]  4000.123456: ", "bash", 9999999, None, 127, "", 4_000_123_456_000),
        ("kvmlab-185   [000]     9.382681840: ", "kvmlab", 185, None, 0, "", 9_382_681_840),
        ("     a-1 [0] b:c-2       [000] ....     0.000001: ", "a-1 [0] b:c", 2, None, 0, "....", 1000),
    ],
)
def test_columns(
    tmp_path: Path,
    columns: str,
    comm: str,
    pid: int,
    tgid: int | None,
    cpu: int,
    flags: str,
    time: int,
) -> None:
    event = only(of(tmp_path, f"{columns}mmput <-do_exit\n").events)
    assert (event.comm, event.pid, event.tgid, event.cpu) == (comm, pid, tgid, cpu)
    assert not flags or event.flags == flags
    assert not time or event.time == time


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mmput <-do_exit", {"kind": "enter", "source": "function", "name": "mmput", "caller": "do_exit"}),
        ("kvm_age_gfn <-[unknown/kretprobe'd]", {"name": "kvm_age_gfn", "caller": None, "event": ""}),
        ("mmput <-0xffff800008031234", {"name": "mmput", "caller": None}),
        ("mmput+0x4/0x40 <-do_exit+0x1a0/0xb80", {"name": "mmput", "caller": "do_exit"}),
        ("kvm_age_gfn [kvm] <-kvm_mmu_notifier_clear_flush_young [kvm]", {"name": "kvm_age_gfn"}),
        ("mmput(mm=0xffff0000032c8100) <-do_exit", {"name": "mmput", "args": {"mm": 0xFFFF0000032C8100}}),
        (
            "kvm_free_memslots.part.0 <-kvm_destroy_vm",
            {"name": "kvm_free_memslots", "symbol": "kvm_free_memslots.part.0"},
        ),
        (
            "__unmap_stage2_range.isra.0.constprop.3 <-finish_task_switch.isra.0",
            {"name": "__unmap_stage2_range", "caller": "finish_task_switch"},
        ),
        ("function:              mmput <-- do_exit", {"kind": "enter", "name": "mmput", "caller": "do_exit"}),
        ("function:                     mmput", {"kind": "enter", "name": "mmput", "caller": None}),
        ("function:              f <-- __kretprobe_trampoline", {"name": "f", "caller": None}),
        (
            "age_ret: (kvm_mmu_notifier_clear_flush_young+0x110/0x2c0 <- kvm_age_gfn) ret=1",
            {
                "kind": "return",
                "source": "kprobe",
                "name": "kvm_age_gfn",
                "event": "age_ret",
                "caller": "kvm_mmu_notifier_clear_flush_young",
                "args": {"ret": 1},
            },
        ),
        (
            "age_ret: (arch_rethook_trampoline+0x0/0x70 <- kvm_age_gfn) ret=0xfffffffffffffff2",
            {"kind": "return", "caller": None, "args": {"ret": 0xFFFFFFFFFFFFFFF2}},
        ),
        (
            "unregister_ret: (kvm_destroy_vm+0x12c/0x250 [kvm] <- mmu_notifier_unregister [kvm])",
            {"kind": "return", "name": "mmu_notifier_unregister", "caller": "kvm_destroy_vm", "args": {}},
        ),
        (
            "half: (kvm_destroy_vm+0x12c/0x250) pgt=0x10 s=-11",
            {"kind": "inside", "name": "kvm_destroy_vm", "event": "half", "args": {"pgt": 16, "s": -11}},
        ),
        (
            'open: (do_sys_openat2+0x0/0x100) path="a b=c" mode=0x1ff bad=(fault) list={0x1,0x2} y=00x',
            {"args": {"path": "a b=c", "mode": 0x1FF, "bad": "(fault)", "list": "{0x1,0x2}", "y": "00x"}},
        ),
        (
            "sys_ioctl -> 0xfffffffffffffffb",
            {"kind": "tracepoint", "name": "sys_exit_ioctl", "event": "sys_exit_ioctl", "args": {"ret": -5}},
        ),
        ("sys_ioctl -> 0x2000", {"name": "sys_exit_ioctl", "args": {"ret": 0x2000}}),
        ("sys_exit_ioctl:       0xfffffffffffffffc", {"name": "sys_exit_ioctl", "args": {"ret": -4}}),
        (
            "sys_ioctl(fd: 5, cmd: ae80, arg: 0)",
            {"kind": "tracepoint", "name": "sys_enter_ioctl", "args": {"fd": 5, "cmd": 0xAE80, "arg": 0}},
        ),
        (
            "sys_enter_ioctl:      fd: 0x00000005, cmd: 0x0000ae80, arg: 0x00000000",
            {"name": "sys_enter_ioctl", "args": {"fd": 5, "cmd": 0xAE80, "arg": 0}},
        ),
        (
            "sched_process_fork: comm=my vmm pid=384 child_comm=x=y child_pid=385",
            {
                "kind": "tracepoint",
                "source": "tracepoint",
                "name": "sched_process_fork",
                "args": {"comm": "my vmm", "pid": 384, "child_comm": "x=y", "child_pid": 385},
            },
        ),
        (
            "kvm_unmap_hva_range: mmu notifier unmap range: 0xffff8f600000 -- 0xffff8f620000",
            {
                "args": {"range": 0xFFFF8F600000, "range_end": 0xFFFF8F620000},
                "message": "mmu notifier unmap range: 0xffff8f600000 -- 0xffff8f620000",
            },
        ),
        (
            "kvm_guest_fault: ipa 0x80001000, hsr 0x93c98047, hxfar 0x80001000, pc 0x00000080000014",
            {"args": {"ipa": 0x80001000, "hsr": 0x93C98047, "hxfar": 0x80001000, "pc": 0x80000014}},
        ),
        ("kvm_access_fault: IPA: 80001000", {"args": {}, "message": "IPA: 80001000"}),
        ("kvm_userspace_exit: reason KVM_EXIT_MMIO (6)", {"args": {}, "kind": "tracepoint"}),
        (
            "tracing_mark_write: LAB: b2 owner <-exits pid=3",
            {"kind": "marker", "name": "", "message": "LAB: b2 owner <-exits pid=3", "args": {}},
        ),
        ("print:                tracing_mark_write: LAB: end", {"kind": "marker", "message": "LAB: end"}),
        ("bprint:               here we are", {"kind": "marker", "message": "here we are"}),
        ("tracing_mark_write: ", {"kind": "marker", "message": ""}),
    ],
)
def test_what_a_line_says(tmp_path: Path, text: str, expected: dict[str, Any]) -> None:
    event = only(said(tmp_path, text).events)
    assert {field: getattr(event, field) for field in expected} == expected


def test_a_stack_belongs_to_the_event_of_its_task(tmp_path: Path) -> None:
    other = COLUMNS.replace("owner-187", "other-200").replace("[001]", "[000]")
    recording = of(
        tmp_path,
        f"{COLUMNS}age: (kvm_age_gfn+0x0/0x40) start=0x1\n"
        f"{other}mmput <-do_exit\n"
        f"{COLUMNS}<stack trace>\n"
        " => kvm_age_gfn\n"
        " => kvm_mmu_notifier_clear_flush_young.part.0\n"
        " => folio_referenced_one+0x10/0x200\n"
        f"{COLUMNS}<user stack trace>\n"
        " =>  <0000ffff8f600000>\n"
        f"{other}kernel_stack:         <stack trace >\n"
        "=> mmput (ffff800008031234)\n",
    )
    age, mmput = recording.events
    assert age.stack == ("kvm_age_gfn", "kvm_mmu_notifier_clear_flush_young", "folio_referenced_one")
    assert mmput.stack == ("mmput",)


def test_a_marker_of_several_lines(tmp_path: Path) -> None:
    recording = of(tmp_path, f"{COLUMNS}tracing_mark_write: one\ntwo: (x+\n{COLUMNS}mmput <-do_exit\n")
    marker, mmput = recording.events
    assert marker.message == "one\ntwo: (x+"
    assert (mmput.name, mmput.line) == ("mmput", 3)


@pytest.mark.parametrize(
    ("text", "lost"),
    [
        ("# entries-in-buffer/entries-written: 0/32330   #P:2\n", 32330),
        ("# entries-in-buffer/entries-written: 7/7   #P:2\n", 7),
        ("CPU:1 [LOST 12 EVENTS]\n", 12),
        ("CPU:0 [LOST EVENTS]\nCPU:12 [34 EVENTS DROPPED]\n", 35),
        ("##### CPU 1 buffer started ####\n# a comment\n\ncpus=2\n", 0),
    ],
)
def test_events_that_were_lost(tmp_path: Path, text: str, lost: int) -> None:
    assert of(tmp_path, text).lost == lost


def test_events_are_in_order_of_time_and_those_of_a_cpu_in_that_of_the_file(tmp_path: Path) -> None:
    lines = [
        "a-1 [000] 1.000002: first <-x",
        "a-1 [000] 1.000002: second <-x",
        "b-2 [001] 1.000001: third <-x",
        "b-2 [001] 1.000002: fourth <-x",
    ]
    recording = of(tmp_path, "\n".join(lines) + "\n")
    assert [event.name for event in recording.events] == ["third", "first", "second", "fourth"]
    assert [event.number for event in recording.events] == [0, 1, 2, 3]
    assert [event.line for event in recording.events] == [3, 1, 2, 4]


def test_the_last_line_may_be_cut_off(tmp_path: Path) -> None:
    """A number may be cut in its middle, so what is there of that line counts for nothing."""
    whole = f"{COLUMNS}mmput <-do_exit\n"
    recording = of(tmp_path, f"{whole}{COLUMNS}age: (kvm_age_gfn+0x0/0x40) start=0x80")
    assert (len(recording.events), recording.truncated) == (1, 1)
    recording = of(tmp_path, f"{whole}           owner-1")
    assert (len(recording.events), recording.truncated) == (1, 1)


def test_lines_may_end_as_on_a_serial_line(tmp_path: Path) -> None:
    (event,) = of(tmp_path, f"{COLUMNS}mmput <-do_exit\r\n\r\n").events
    assert (event.caller, event.text[-1]) == ("do_exit", "t")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello\n", "b2.trace.txt:1: not a line of ftrace: 'hello'"),
        (f"{COLUMNS}mmput <-do_exit\n{COLUMNS}what is this\n", ":2: not a line of ftrace: "),
        (f"{COLUMNS}\n", ":1: not a line of ftrace: "),
        ("x" * 200 + "\n", f"'{'x' * 77}...'"),
        ("kvmlab-1  [000] d....   123456: mmput <-do_exit\n", "the time is not in seconds"),
        ("  kvmlab-1       0d...1   12us+: mmput <-do_exit\n", "unset options/latency-format"),
        ("a-1 [000] 2.000000: f <-x\na-1 [000] 1.000000: g <-x\n", ":2: the time goes back on CPU 0"),
        ("a-1 [000] 2.000000: age: (ffff80000805e2f4) start=0x1\n", ":1: the probe age tells an address"),
        ("", "b2.trace.txt: the file is empty"),
    ],
)
def test_what_ftrace_does_not_write_is_refused_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        of(tmp_path, text)
    assert message in str(refused.value)
    assert "\n" not in str(refused.value)
