"""A window is seen in a recording if it is there, and not if anything of it is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lastput.confirm.sight import Sighting, sightings
from lastput.ftrace.read import read
from lastput.validate.seen import At

from .conftest import MET

HOLD: tuple[str, At] = ("kvm_mmu_notifier_clear_flush_young", "enter")
UNTIL: tuple[str, At] = ("kvm_free_stage2_pgd", "return")


def seen(path: Path, text: str, hold: tuple[str, At] = HOLD, until: tuple[str, At] = UNTIL) -> list[Sighting]:
    file = path / "met.trace.txt"
    file.write_text(text)
    (path / "kprobe_events.txt").write_text(MET.with_name("kprobe_events.txt").read_text())
    return list(sightings(read(file), hold, until))


def test_the_window_is_seen(tmp_path: Path) -> None:
    (one,) = seen(tmp_path, MET.read_text())
    assert (one.held.task, one.met.task) == ("ager-161", "vcpu0-163")
    assert (one.met.time - one.held.time) // 1000 == 97065
    names = [event.event for event in one.events]
    assert names[0] == "clear_flush_young"
    assert names.index("free_pgd_ret") < names.index("age") < names.index("age_ret")


def moved(text: str) -> str:
    """The holder goes on before the other has come."""
    return text.replace(" 9.35205", " 9.35005").replace(" 9.35206", " 9.35006")


def same_task(text: str) -> str:
    return text.replace("vcpu0-163", " ager-161").replace("(    162) [000]", "(    161) [001]")


def other_vm(text: str) -> str:
    return text.replace(
        "clear_flush_young+0x0/0x2a0) mn=0xffff000002e40c00",
        "clear_flush_young+0x0/0x2a0) mn=0xffff000002f40c00",
    )


def never(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if "free_pgd_ret" not in line) + "\n"


def gone(text: str) -> str:
    """The holder is not seen again: nothing tells that it was still there."""
    lines = text.splitlines(keepends=True)
    met = next(i for i, line in enumerate(lines) if "free_pgd_ret" in line)
    return "".join(line for i, line in enumerate(lines) if i < met or " ager-161 " not in line)


@pytest.mark.parametrize("changed", [moved, same_task, other_vm, never, gone])
def test_what_is_no_window_is_not_seen(changed: Callable[[str], str], tmp_path: Path) -> None:
    text = changed(MET.read_text())
    assert text != MET.read_text()
    assert seen(tmp_path, text) == []


def test_an_arrival_that_tracer_and_probe_tell_is_one(tmp_path: Path) -> None:
    traced = (
        "            ager-161     (    161) [001] d....     9.254117: kvm_mmu_notifier_clear_flush_young "
        "<-__mmu_notifier_clear_flush_young\n"
    )
    lines = MET.read_text().splitlines(keepends=True)
    at = next(i for i, line in enumerate(lines) if " clear_flush_young:" in line)
    (one,) = seen(tmp_path, "".join([*lines[:at], traced, *lines[at:]]))
    assert one.events[0].event == "clear_flush_young", "the one with arguments"
    assert len([event for event in one.events if event.name == HOLD[0]]) == 1


def test_a_task_that_left_long_ago_is_not_held(tmp_path: Path) -> None:
    late = MET.read_text().replace("     9.25", "     8.25")
    assert seen(tmp_path, late) == []
