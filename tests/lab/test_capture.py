"""A capture is a folder that has everything, or an error in one line and nothing else."""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from lastput.cli import exits
from lastput.lab import judge, machine, room
from lastput.lab.experiments import EXPERIMENTS
from lastput.lab.serial import Console

from .conftest import BEGIN, END, TRACE, Lab, Run, performed, processes, sent


def capture(run: Run, lab: Lab, *more: str) -> tuple[int, str, str]:
    return run("capture", "--room", str(lab.room), "--to", "caught", *more)


def refused(run: Run, lab: Lab, *more: str) -> tuple[int, str]:
    """Exit status and the last line of a capture that fails; nothing of it is left."""
    status, out, err = capture(run, lab, *more)
    assert out == ""
    left = [path.name for path in lab.path.iterdir()]
    assert "caught" not in left
    assert not [name for name in left if name.startswith(".caught")], "a draft was left"
    return status, err.splitlines()[-1]


def test_a_capture_has_everything(run: Run, lab: Lab) -> None:
    lab.says(BEGIN + performed("a1", log="LAB: a1 rc=0\n") + performed("b2") + sent("dmesg.txt", "x\n") + END)
    status, out, _ = capture(run, lab, "--experiments", "a1,b2", "--seed", "5")
    assert (status, out) == (0, "2 traces in caught: lastput validate caught\n")
    folder = lab.path / "caught"
    assert {path.name for path in folder.iterdir()} == {
        "a1.trace.txt", "a1.log", "b2.trace.txt", "b2.log", "offsets.txt", "dmesg.txt",
        "kernel.version", "console.log", "summary.txt", "asked.json",
    }  # fmt: skip
    assert (folder / "a1.trace.txt").read_text() == TRACE
    assert (folder / "kernel.version").read_text() == "6.1 linux-image-6.1.0-57-cloud-arm64 6.1.192-3\n"
    assert (folder / "console.log").read_text().splitlines()[0] == "[    0.0] Booting Linux"
    assert "===FILE" not in (folder / "console.log").read_text()
    assert [line.split()[2] for line in (folder / "summary.txt").read_text().splitlines()] == ["a1", "b2"]
    asked = json.loads((folder / "asked.json").read_text())
    assert (asked["seed"], asked["cpu"], list(asked["experiments"])) == (5, "cortex-a57", ["a1", "b2"])


def test_carriage_returns_of_the_serial_line_are_none_of_the_files(run: Run, lab: Lab) -> None:
    lab.says((BEGIN + performed("a1") + END).replace("\n", "\r\n"))
    assert capture(run, lab)[0] == 0
    assert (lab.path / "caught" / "a1.trace.txt").read_text() == TRACE


@pytest.mark.parametrize(
    ("said", "status", "words"),
    [
        ("", exits.NO_MACHINE, "QEMU ended at once"),
        (
            "[0.1] kvm [1]: HYP mode not available\n" + BEGIN + END,
            exits.NO_MACHINE,
            "the kernel has no KVM: HYP mode not available",
        ),
        (
            BEGIN + "LAB no kvm: [1.0] kvm [1]: off\n" + END,
            exits.NO_MACHINE,
            "the kernel has no KVM: [1.0] kvm [1]: off",
        ),
        (
            BEGIN + "[5.0] Kernel panic - not syncing: Oops: Fatal exception\n",
            exits.NO_MACHINE,
            "kernel panic: Oops: Fatal exception",
        ),
        (
            BEGIN + sent("a1.trace.txt", "half\n[5.0] Kernel panic - not syncing: stuck\n", said=TRACE * 9),
            exits.NO_MACHINE,
            "kernel panic: stuck",
        ),
        (BEGIN + "LAB failed: no swap\n" + END, exits.NO_MACHINE, "could not be set up: no swap"),
        (
            BEGIN + performed("a1"),
            exits.NO_MACHINE,
            "the machine stopped before its end; the last line was: LAB exp a1",
        ),
        (BEGIN + END, exits.NO_CAPTURE, "a1 was not performed"),
        (
            BEGIN + performed("a1", status=99, log="LAB: FATAL memslot: EINVAL\n") + END,
            exits.NO_CAPTURE,
            "a1 ended with status 99: FATAL memslot: EINVAL",
        ),
        (BEGIN + performed("a1", status=124) + END, exits.NO_CAPTURE, "it took longer than 40 seconds"),
        (
            BEGIN
            + performed("a1", trace="x: signal_generate: sig=11 errno=0 code=1 comm=victim pid=3\n")
            + END,
            exits.NO_CAPTURE,
            "a1: victim died of SIGSEGV (signal_generate: sig=11)",
        ),
        (
            BEGIN + performed("a1", trace="# tracer: nop\n#\n") + END,
            exits.NO_CAPTURE,
            "the trace of a1 is empty",
        ),
        (
            BEGIN + performed("a1", trace=TRACE.replace("LAB: end", "LAB: a1")) + END,
            exits.NO_CAPTURE,
            "the trace of a1 is short",
        ),
        (BEGIN + performed("a1", lost=1234) + END, exits.NO_CAPTURE, "the trace of a1 lost 1,234 events"),
        (
            BEGIN + performed("a1", trace=TRACE.replace("2/2", "2/44")) + END,
            exits.NO_CAPTURE,
            "the trace of a1 lost 42 events",
        ),
        (
            BEGIN + sent("a1.trace.txt", TRACE, said=TRACE.replace("9.6", "9.7")) + performed("b2") + END,
            exits.NO_CAPTURE,
            "a1.trace.txt was damaged on the serial line",
        ),
        (
            BEGIN + sent("a1.trace.txt", TRACE.replace("#\n", "[9] crng init done\n"), said=TRACE) + END,
            exits.NO_CAPTURE,
            "a1.trace.txt was damaged on the serial line",
        ),
    ],
)
def test_what_is_no_capture_says_why(said: str, status: int, words: str, run: Run, lab: Lab) -> None:
    lab.says(said)
    ended, line = refused(run, lab)
    assert ended == status
    assert line.startswith("lastput: ")
    assert words in line
    if said:
        assert str(lab.room / "failed.console.log") in line


DAT = b"\x17\x08\x44tracing6\0"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "the trace.dat of b2-dat was not made: trace-cmd failed in the machine"),
        ("not base64!\n", "the trace.dat of b2-dat is damaged"),
        (base64.encodebytes(b"something else").decode(), "the trace.dat of b2-dat is damaged"),
        (base64.encodebytes(DAT * 9).decode(), ""),
    ],
)
def test_a_damaged_dat_is_no_capture(content: str | None, words: str) -> None:
    """It came whole over the line, but is none, or not there at all."""
    said = BEGIN + performed("b2-dat") + END
    if content is not None:
        said = BEGIN + sent("b2-dat.trace.dat.base64", content) + performed("b2-dat") + END
    console = Console(lambda line: None)
    console.feed(said.encode())
    assert judge.faults(console, [EXPERIMENTS["b2-dat"]]) == [words] * bool(words)


def test_qemu_that_does_not_start_says_why(run: Run, lab: Lab) -> None:
    lab.says("", stderr="qemu-system-aarch64: unsupported machine type\n", status=1)
    assert refused(run, lab) == (
        exits.NO_MACHINE,
        "lastput: QEMU ended at once: qemu-system-aarch64: unsupported machine type; the console is in "
        f"{lab.room}/failed.console.log",
    )


def test_a_kernel_that_does_not_come_up(run: Run, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "BOOT", 0.3)
    lab.says("[    0.0] Booting Linux\n", linger=60)
    status, line = refused(run, lab)
    assert status == exits.NO_MACHINE
    assert "did not come up within 0 seconds; the last line was: [ 0.0] Booting Linux" in line
    assert not [line for line in processes() if str(lab.path) in line]


def test_a_machine_that_does_not_end(run: Run, lab: Lab) -> None:
    lab.says(BEGIN, linger=60)
    began = time.monotonic()
    status, line = refused(run, lab, "--timeout", "0.3")
    assert time.monotonic() - began < 40, "it was waited for"
    assert status == exits.NO_MACHINE
    assert "had not ended after 0 seconds" in line
    assert not [line for line in processes() if str(lab.path) in line]


def test_sure_repeats_until_two_runs_agree(run: Run, lab: Lab) -> None:
    other = performed("a1", trace=TRACE.replace("9.6", "9.5"))
    lab.says(BEGIN + other + END, BEGIN + performed("a1") + END, BEGIN + other + END)
    assert capture(run, lab, "--sure")[0] == 0
    assert "9.526446" in (lab.path / "caught" / "a1.trace.txt").read_text()
    assert sum("-serial" in call for call in lab.calls()) == 3


def test_sure_gives_up_when_no_two_agree(run: Run, lab: Lab) -> None:
    traces = [TRACE.replace("9.6", f"9.{i}") for i in range(5)]
    lab.says(*[BEGIN + performed("a1", trace=trace) + END for trace in traces])
    assert refused(run, lab, "--sure") == (
        exits.NO_CAPTURE, "lastput: no capture: of 4 runs no two agree"
    )  # fmt: skip


def test_sure_repeats_what_was_refused(run: Run, lab: Lab) -> None:
    killed = performed("a1", trace=TRACE + "x: signal_generate: sig=11 errno=0 code=1 comm=vm pid=3\n")
    lab.says(BEGIN + killed + END, BEGIN + performed("a1") + END)
    status, _, err = capture(run, lab, "--sure", "--parallel")
    assert status == 0
    assert "running again (2 of at most 4)" in err


def test_the_seed_is_the_shift_of_the_instruction_counter(run: Run, lab: Lab) -> None:
    assert capture(run, lab, "--seed", "7", "--cpu", "max", "--protected")[0] == 0
    call = next(call for call in lab.calls() if "-serial" in call)
    assert call[call.index("-icount") + 1] == "shift=7,align=off,sleep=off"
    assert call[call.index("-cpu") + 1].startswith("max,")
    assert call[-1].endswith("kvm-arm.mode=protected")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--experiments a1,z9", "there is no experiment z9"),
        ("--experiments c6", "c6 needs kernel 6.12"),
        ("--kernel 5.10", "there is no kernel 5.10: "),
        ("--cpu cortex-a77", "did you mean cortex-a76?"),
        ("--seed 8", "--seed 8: use a number from 0 to 7"),
        ("--seed 1 --parallel", "--parallel has none"),
        ("--timeout soon", "--timeout"),
    ],
)
def test_wrong_input_is_one_line(words: str, said: str, run: Run, lab: Lab) -> None:
    status, line = refused(run, lab, *words.split())
    assert status == exits.WRONG_INPUT
    assert said in line
    assert not lab.calls()


def test_nothing_is_overwritten(run: Run, lab: Lab) -> None:
    (lab.path / "caught").mkdir()
    (lab.path / "caught" / "mine").touch()
    status, _, err = capture(run, lab)
    assert status == exits.WRONG_INPUT
    assert err == "lastput: --to caught: is there already, and not empty\n"
    status, _, err = run("capture", "--room", str(lab.room), "--to", "no/where")
    assert (status, err) == (exits.WRONG_INPUT, "lastput: --to no/where: no directory " + f"{lab.path}/no\n")


def test_a_full_disk_is_said(run: Run, lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "LEAST_FREE", 1 << 60)
    status, line = refused(run, lab)
    assert status == exits.NOT_WRITTEN
    assert "MB are free, the lab needs" in line


def test_a_folder_that_may_not_be_written_is_said(
    run: Run, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    monkeypatch.setattr("lastput.lab.image._write", lambda path, content: path.write_bytes(content))
    assert refused(run, lab) == (exits.NOT_WRITTEN, "lastput: caught: No space left on device")


def test_a_tool_that_is_missing_is_named(run: Run, lab: Lab) -> None:
    (lab.path / "bin" / "qemu-system-aarch64").unlink()
    assert refused(run, lab) == (
        exits.UNAVAILABLE,
        "lastput: qemu-system-aarch64 is missing: apt-get install --no-install-recommends qemu-system-arm; "
        "without root: lastput lab get tools",
    )


def start(lab: Lab) -> subprocess.Popen[str]:
    """The command in a process of its own, its machine running."""
    command = [sys.executable, "-m", "lastput", "lab", "capture", "--room", str(lab.room), "--to", "caught"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    for line in process.stderr:
        if "the machine is up" in line:
            return process
    raise AssertionError(process.wait())


def gone(lab: Lab) -> bool:
    """Whether no process of the lab is left, in a while."""
    for _ in range(50):
        if not [line for line in processes() if "qemu-system-aarch64" in line and str(lab.path) in line]:
            return True
        time.sleep(0.1)
    return False


def test_ctrl_c_leaves_nothing_behind(lab: Lab) -> None:
    lab.says(BEGIN + performed("a1"), linger=60)
    process = start(lab)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == exits.INTERRUPTED
    assert err.endswith("lastput: interrupted\n")
    assert gone(lab)
    assert not [path.name for path in lab.path.iterdir() if "caught" in path.name]


def test_qemu_ends_with_a_command_that_is_killed(lab: Lab) -> None:
    lab.says(BEGIN, linger=60)
    process = start(lab)
    process.kill()
    process.communicate(timeout=60)
    assert gone(lab)


def test_every_fault_of_an_experiment_is_told(lab: Lab, run: Run) -> None:
    lab.says(BEGIN + performed("a1", status=1) + performed("a2", status=1) + END)
    _, line = refused(run, lab, "--experiments", "a1,a2,a3")
    assert "a1 ended with status 1: see its log (and 2 more)" in line
    assert judge._MEANING[98] == "the hold could not be attached"
