"""Who is who in recorded traces, held against what the experiments are known to do.

The numbers of VMs and of the guest's faults are those of INDEX.tsv, counted by another program; the scripts
are what the source of the experiments says (`src/lastput/lab/guest/kvmlab.c`).
"""

from __future__ import annotations

import csv
from collections import Counter
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from lastput.ftrace.read import recording, sources
from lastput.lang.errors import UsageError
from lastput.validate.cast import Cast, casts
from tests.validate.changing import recorded

TRACES = Path(__file__).parents[1] / "data" / "traces"
CAPTURES = ("det-6.1-a57", "det-6.12-a57")
SLOW = ("c5", "c6", "c8-run", "m1-destroy-meets-age", "m4-fault-retry")
"""Thousands of events: only in the long run."""


@cache
def cast(capture: str, name: str) -> list[Cast]:
    for source in sources(TRACES / f"{capture}.tar.xz"):
        if source.path.endswith(f"/{name}.trace.txt"):
            return casts(recording(source))
    raise AssertionError(f"no {name} in {capture}")


def rows() -> list[tuple[str, str, int, int]]:
    """Capture, trace, VMs and faults, of the traces that have kprobes."""
    with (TRACES / "INDEX.tsv").open() as file:
        found = list(csv.DictReader(file, delimiter="\t"))
    return [(r["capture"], r["experiment"], int(r["vms"]), int(r["faults"])) for r in found if int(r["vms"])]


@pytest.mark.parametrize(("capture", "name", "vms", "faults"), rows())
def test_vms_and_faults(capture: str, name: str, vms: int, faults: int, long: bool) -> None:
    if name in SLOW and not long:
        pytest.skip("slow: runs with --long")
    made = cast(capture, name)
    assert sum(one.life.destroyed for one in made) == vms
    calls = Counter(call.name for one in made for role in one.stage.roles for call in role.calls)
    assert calls["touch"] + calls["mmio"] == faults


def script(capture: str, name: str, comm: str) -> list[tuple[str, tuple[int, ...]]]:
    """The calls of the one task of that name; touches, and what a VMM does to its vcpu, left out."""
    (one,) = cast(capture, name)
    (role,) = [role for role in one.stage.roles if role.name.startswith(f"{comm}-")]
    quiet = ("touch", "mmio", "run", "end_run", "vcpu_ioctl", "vm_ioctl", "cow", "invalidate", "munmap")
    return [(call.name, call.args) for call in role.calls if call.name not in quiet]


@pytest.mark.parametrize("capture", CAPTURES)
class TestScripts:
    def test_a_descriptor_is_sent(self, capture: str) -> None:
        """b2: the owner sends vcpu and VM and exits; the receiver closes the VM first."""
        made = [("create_vm", ()), ("set_memory", (33,)), ("create_vcpu", (0,)), ("mmap_run", (0,))]
        assert script(capture, "b2", "owner") == [*made, ("send", (1,)), ("send", (0,)), ("exit", ())]
        assert script(capture, "b2", "receiver") == [
            ("receive", (1,)),
            ("receive", (0,)),
            ("close", (0,)),
            ("close", (1,)),
            ("exit", ()),
        ]

    def test_a_message_is_dropped(self, capture: str) -> None:
        """b3: the VM's file is only in a socket's queue when its owner exits."""
        assert script(capture, "b3", "owner")[-2:] == [("send", (0,)), ("exit", ())]
        assert script(capture, "b3", "socketholder") == [("receive", (0,)), ("close", (0,)), ("exit", ())]

    def test_exec_closes_or_keeps(self, capture: str) -> None:
        """a4: the descriptors are O_CLOEXEC; a5: they are not."""
        assert script(capture, "a4", "exe")[-2:] == [("exec", (1,)), ("exit", ())]
        assert script(capture, "a5", "exe")[-2:] == [("exec", (0,)), ("exit", ())]

    def test_everything_is_closed_before(self, capture: str) -> None:
        """a2: kvm_run is unmapped, the vcpu closed, then the VM."""
        (one,) = cast(capture, "a2")
        calls = [
            (c.name, c.args) for c in one.stage.roles[0].calls if c.name in ("munmap_run", "close", "exit")
        ]
        assert calls == [("munmap_run", (0,)), ("close", (1,)), ("close", (0,)), ("exit", ())]

    def test_statistics_outlive_the_owner(self, capture: str) -> None:
        """b5: the child closes what it inherited unseen, and last the two files of statistics."""
        assert script(capture, "b5", "statsreader")[-3:] == [("close", (3,)), ("close", (2,)), ("exit", ())]

    def test_a_shared_address_space(self, capture: str) -> None:
        """b4: a clone with CLONE_VM and a descriptor table of its own is a user of the VM's memory."""
        (one,) = cast(capture, "b4")
        assert [c.args[1:] for c in one.stage.roles[0].calls if c.name == "fork"] == [(1, 0)]

    def test_a_stranger_holds_the_address_space(self, capture: str) -> None:
        """b9: a reader of smaps takes and drops mm_users, and calls nothing else."""
        for one in cast(capture, "b9"):
            (reader,) = [role for role in one.stage.roles if role.name.startswith("smapsreader-")]
            assert {call.name for call in reader.calls} <= {"mmget", "mmput", "exit"}
            assert not reader.mm


def test_a_worker_releases_files_in_several_rounds() -> None:
    """m6, with two releases of vcpus by the worker, as the function tracer would have told them."""
    whole = recorded("m6-damon-across-release", "det-6.12-a57")
    destroys = next(e for e in whole.events if e.event == "destroy_vm")
    assert destroys.comm.startswith("kworker/")
    told = replace(destroys, name="kvm_vcpu_release", event="", source="function", args={})
    twice = [replace(told, number=destroys.number + n, time=destroys.time - 9 + n) for n in range(2)]
    before, after = whole.events[: destroys.number], whole.events[destroys.number :]
    later = [replace(e, number=e.number + 2) for e in after]
    for events, rounds in ((whole.events, 1), ((*before, *twice, *later), 2)):
        (one,) = casts(replace(whole, events=events))
        (worker,) = [role for role in one.stage.roles if role.name.startswith("kworker/")]
        assert [call.name for call in worker.calls] == ["delayed_fput"] * rounds


def test_which_tasks_are_of_one_process_must_be_recorded() -> None:
    """b5 has two tasks of two processes; a1 has one."""
    for name in ("b5", "a1"):
        whole = recorded(name)
        untold = replace(whole, events=tuple(replace(e, tgid=None) for e in whole.events))
        if name == "a1":
            assert len(casts(untold)) == 1
        else:
            with pytest.raises(UsageError, match="record-tgid"):
                casts(untold)
