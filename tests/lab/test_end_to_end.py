"""The lab itself: a kernel boots, an owner of a VM exits, and the trace has it.

Needs QEMU, a cross compiler, and kernel 6.1 in the lab's own place (`lastput lab get 6.1`). Where those are
not there this is skipped; with LASTPUT_LAB=required (as in CI, where they can be had) that is a failure.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lastput.cli.main import main
from lastput.lab import image, tools
from lastput.lab.kernels import KERNELS
from lastput.lab.room import Room, room
from lastput.lang.errors import LastputError


def _place() -> Room | None:
    try:
        place = room(None)
        ready = not tools.missing(place) and image.package_of(KERNELS["6.1"], place)
    except LastputError:
        return None
    return place if ready else None


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A capture of a plain exit and of descriptors that outlive their owner, twice the same."""
    place = _place()
    if place is None:
        text = "the capture lab is not ready: see `lastput lab status`, then `lastput lab get 6.1`"
        if os.environ.get("LASTPUT_LAB") == "required":
            pytest.fail(text)
        pytest.skip(text)
    folder = tmp_path_factory.mktemp("lab") / "captured"
    command = ["lab", "capture", "--room", str(place.path), "--to", str(folder), "--experiments", "a1,b2"]
    assert main([*command, "--sure"]) == 0
    return folder


def lines(folder: Path, name: str) -> list[str]:
    return (folder / f"{name}.trace.txt").read_text().splitlines()


def first(text: str, among: list[str]) -> int:
    return next(i for i, line in enumerate(among) if text in line)


def test_a_plain_exit_is_traced(captured: Path) -> None:
    trace = lines(captured, "a1")
    passed = ["kvm_vcpu_ioctl", "do_exit", "exit_mmap", "kvm_mn_release:", "pgt_destroy:", "destroy_vm:"]
    assert sorted(passed, key=lambda text: first(text, trace)) == passed
    assert "pgt=0x0" in trace[first("destroy_vm:", trace)]
    assert "LAB: end" in "\n".join(trace)


def test_descriptors_outlive_their_owner(captured: Path) -> None:
    trace = lines(captured, "b2")
    released, destroyed = trace[first("kvm_mn_release:", trace)], trace[first("destroy_vm:", trace)]
    assert released.split("-")[0].strip() == "owner"
    assert destroyed.split("-")[0].strip() == "receiver"
    assert "errno=5 (EIO)" in (captured / "b2.log").read_text()


def test_it_is_a_behaviour_of_the_model(captured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("a1", "b2"):
        status = main(["validate", str(captured / f"{name}.trace.txt")])
        out = capsys.readouterr().out
        assert (status, "accepted:" in out) == (0, True), out


def test_a_capture_says_what_it_is_of(captured: Path) -> None:
    version, package, _ = (captured / "kernel.version").read_text().split()
    assert version == "6.1"
    asked = json.loads((captured / "asked.json").read_text())
    assert asked["package"] == package
    functions = (captured / "functions-traced.txt").read_text().split()
    assert {"kvm_age_gfn", "exit_mmap", "kvm_mmu_notifier_release"} <= set(functions)
    assert "p:lab/age kvm_age_gfn" in (captured / "kprobe_events.txt").read_text()
    assert (captured / "kprobes-failed.txt").read_text() == ""
