"""`lastput confirm`, from the saved violation to what it says: of a capture that is there, in a fake lab."""

from __future__ import annotations

import gzip
import shutil
from pathlib import Path

import pytest

from lastput.cli import exits
from lastput.cli.main import main

from ..lab.conftest import BEGIN, END, performed, sent
from .conftest import MET, Lab
from .test_sight import moved

MARKER = "          kvmlab-150     (    150) [000] ...1.    10.000000: tracing_mark_write: LAB: end\n"
CAUGHT = MET.read_text().replace("18/18", "19/19") + MARKER


@pytest.fixture
def capture(tmp_path: Path) -> Path:
    """A folder as the lab leaves it."""
    folder = tmp_path / "capture"
    folder.mkdir()
    for file in MET.parent.iterdir():
        shutil.copy(file, folder)
    (folder / "console.log").write_text("[ 1.0] Booting\n")
    (folder / "kernel.version").write_text("6.1 linux-image-6.1.0-57-cloud-arm64 6.1.192-3\n")
    return folder


def test_a_window_is_found_in_a_capture(
    oops: Path, capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["confirm", str(oops), "--capture", str(capture)]) == exits.HOLDS
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= 80
    flat = " ".join(out.split())
    assert "hold kswapd where it enters kvm_mmu_notifier_clear_flush_young, until vmm returns from" in flat
    assert "The window is real: in 6.1.0-57-cloud-arm64, ager-161 (the model's kswapd) entered" in flat
    assert "kvm_age_gfn was called with pgt=0x0: stage 2 was gone." in flat
    assert "went on without a complaint: what variant v4.12 lacks makes the window harmless there." in flat


def test_what_is_the_same_stands_in_one_line(
    oops: Path, capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["confirm", str(oops), "--capture", str(capture)])
    rows = [line.split(" | ") for line in capsys.readouterr().out.splitlines() if " | " in line]
    beside = {left.strip(): right for left, right in rows}
    assert "free_pgd:" in beside["vmm enters kvm_free_stage2_pgd"]
    assert "free_pgd_ret:" in beside["vmm returns from kvm_free_stage2_pgd,"]
    assert "age:" in beside["kswapd enters kvm_age_gfn"]
    assert "free_pgd_ret:" not in beside["vmm enters kvm_free_stage2_pgd"]


def test_a_complaint_of_the_kernel_is_told(
    oops: Path, capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (capture / "console.log").write_text("[ 9.4] Unable to handle kernel NULL pointer dereference\n")
    assert main(["confirm", str(oops), "--capture", str(capture)]) == exits.HOLDS
    out = capsys.readouterr().out
    assert "The kernel complained: [ 9.4] Unable to handle kernel NULL pointer dereference" in out
    assert "harmless" not in out


def test_a_capture_without_it_is_not_enough(
    oops: Path, capture: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (capture / "met.trace.txt").read_text()
    (capture / "met.trace.txt").write_text(moved(text))
    assert main(["confirm", str(oops), "--capture", str(capture)]) == exits.VIOLATED
    out = "".join(capsys.readouterr().out.split())
    assert out.endswith(f"Thewindowcouldnotbereached:{capture}doesnotshowit.")


def test_one_file_is_a_capture_too(oops: Path, capture: Path, capsys: pytest.CaptureFixture[str]) -> None:
    packed = capture / "met.trace.txt.gz"
    packed.write_bytes(gzip.compress((capture / "met.trace.txt").read_bytes()))
    assert main(["confirm", str(oops), "--capture", str(packed)]) == exits.HOLDS


def confirm(lab: Lab, oops: Path, *more: str) -> int:
    return main(["confirm", str(oops), "--room", str(lab.room), *more])


def test_the_lab_forces_it(oops: Path, lab: Lab, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    kprobes = MET.with_name("kprobe_events.txt").read_text()
    lab.says(BEGIN + sent("kprobe_events.txt", kprobes) + performed("meet", trace=CAUGHT) + END)
    assert confirm(lab, oops, "--to", str(tmp_path / "kept")) == exits.HOLDS
    captured = capsys.readouterr()
    assert "in SIGKILL under reclaim" in " ".join(captured.out.split())
    assert "lab: round 1 of 3: SIGKILL under reclaim" in captured.err
    order = (tmp_path / "kept" / "round1" / "asked.json").read_text()
    assert "meet='clear_flush_young:free_pgd_ret:150' dat=0 -- c8 3 1024 1" in order


def test_every_round_has_another_seed_until_it_is_seen(
    oops: Path, lab: Lab, capsys: pytest.CaptureFixture[str]
) -> None:
    lab.says(BEGIN + performed("meet") + END)
    assert confirm(lab, oops, "--rounds", "3", "--seed", "6") == exits.VIOLATED
    shifts = [call[call.index("-icount") + 1].split(",")[0] for call in lab.calls() if "-icount" in call]
    assert shifts == ["shift=6", "shift=7", "shift=0"]
    out = " ".join(capsys.readouterr().out.split())
    assert "3 rounds of SIGKILL under reclaim gave no window (--parallel may" in out
    assert not [path for path in lab.room.iterdir() if path.name.startswith("confirm.")]


def test_a_round_that_is_refused_is_none(oops: Path, lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    lab.says(BEGIN + performed("meet", status=124) + END)
    assert confirm(lab, oops, "--rounds", "2") == exits.VIOLATED
    out = " ".join(capsys.readouterr().out.split())
    assert "meet ended with status 124" in out


def test_a_lab_that_cannot_run_says_so(oops: Path, lab: Lab, capsys: pytest.CaptureFixture[str]) -> None:
    (lab.path / "bin" / "qemu-system-aarch64").unlink()
    assert confirm(lab, oops) == exits.UNAVAILABLE
    assert "lastput: qemu-system-aarch64 is missing: apt-get install" in capsys.readouterr().err


def test_what_cannot_be_forced_says_why(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["confirm", "users/hmm", "--variant", "v5.2"]) == exits.INCOMPLETE
    out = " ".join(capsys.readouterr().out.split())
    assert out.startswith("The window could not be reached: of the functions around it")


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["nosuch.json"], "nosuch.json: No such file or directory"),
        (["kvm/nosuch"], "kvm/nosuch"),
        (["kvm/age-vs-exit", "--variant", "v9"], "has no variant v9"),
        (["kvm/age-vs-exit", "--kernel", "5.4"], "there is no kernel 5.4"),
        (["kvm/age-vs-exit", "--capture", "nowhere"], "--capture nowhere: No such file or directory"),
        (["kvm/age-vs-exit", "--rounds", "0"], "--rounds"),
        (["OOPS", "--variant", "v4.12"], "--variant and --set are for scenarios"),
        (["users/get-put", "--variant", "v7.3"], "no violation was found"),
    ],
)
def test_wrong_input_is_one_line(
    argv: list[str], words: str, oops: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["confirm", *[str(oops) if word == "OOPS" else word for word in argv]]) == exits.WRONG_INPUT
    captured = capsys.readouterr()
    assert captured.out == ""
    last = captured.err.splitlines()[-1]
    assert last.startswith("lastput: ")
    assert words in last
