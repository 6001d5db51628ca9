"""What only a process of its own can show: signals, pipes, terminals, start-up."""

from __future__ import annotations

import os
import pty
import re
import resource
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from .conftest import Cli, Start

HELP_SECONDS = 0.3


def read_all(terminal: int) -> str:
    """Everything that is written to the other end of a pseudo-terminal, until it is closed."""
    chunks = []
    while True:
        try:
            chunk = os.read(terminal, 4096)
        except OSError:  # Linux: the other end is closed
            break
        if not chunk:
            break
        chunks.append(chunk)
    return b"".join(chunks).decode()


def read_until(terminal: int, words: str) -> None:
    """Read what is written to the other end of a pseudo-terminal until `words` have come, or fail."""
    seen = b""
    while words.encode() not in seen:
        assert select.select([terminal], [], [], 120)[0], seen
        seen += os.read(terminal, 4096)


def on_terminal(start: Start, *argv: str, stream: str = "stderr") -> tuple[int, str]:
    """Exit status, and what the command writes to `stream`, which is a terminal."""
    ours, theirs = pty.openpty()
    process = start(*argv, **{stream: theirs})
    os.close(theirs)
    text = read_all(ours)
    os.close(ours)
    return process.wait(60), text


def test_quiet_when_not_a_terminal(start: Start) -> None:
    process = start("check", "several.py::endless", "--max-states", "300000")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (3, "")
    assert "\r" not in out
    assert "\033" not in out


def test_progress_on_a_terminal_is_cleared(start: Start) -> None:
    status, text = on_terminal(start, "check", "several.py::endless", "--timeout", "2")
    assert status == 3
    assert "compiling endless, variant default ..." in text
    ahead = r"(frontier [\d,]+|likely of [\d.]+[kMG]? \([\d.]+[kMG]? to [\d.]+[kMG]?\))"
    assert re.search(rf"[\d,]+ states, {ahead}, [\d,]+/s, depth \d+, [\d.]+ [kMG]?B", text)
    assert text.endswith("\r\033[K")


def test_color_on_a_terminal_only(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    argv = ("check", "book.py", "--variant", "broken")
    assert "\033[1;31mBUG: KASAN" in on_terminal(start, *argv, stream="stdout")[1]
    assert "\033" not in start(*argv).communicate(timeout=60)[0]
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\033" not in on_terminal(start, *argv, stream="stdout")[1]
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert "\033" not in on_terminal(start, *argv, stream="stdout")[1]


def test_ctrl_c_in_the_search(start: Start) -> None:
    ours, theirs = pty.openpty()
    process = start("check", "several.py::endless", "--max-memory", "4G", stderr=theirs)
    os.close(theirs)
    read_until(ours, " states, ")
    process.send_signal(signal.SIGINT)
    assert process.stdout is not None
    out = process.stdout.read()
    assert "Traceback" not in read_all(ours)
    os.close(ours)
    assert process.wait(60) == 3
    assert "INCOMPLETE: it was interrupted. This is no verdict." in out
    assert re.search(r"[\d,]+ states, [\d,]+ transitions, depth \d+", out)


def test_ctrl_c_after_the_verdict_leaves_the_status(start: Start) -> None:
    process = start("check", "book.py", "--variant", "broken")
    assert process.stdout is not None
    assert process.stderr is not None
    assert any("lastput replay" in line for line in process.stdout)
    process.send_signal(signal.SIGINT)
    assert process.stderr.read() == ""
    assert process.wait(60) == 1


def test_ctrl_c_in_the_debugger_gives_a_line_up(start: Start) -> None:
    start("check", "book.py", "--variant", "broken", "--save", "oops.json").communicate(timeout=60)
    ours, theirs = pty.openpty()
    process = start("replay", "oops.json", "--pdb", stdin=theirs, stdout=theirs)
    os.close(theirs)
    read_until(ours, "(Pdb) ")
    time.sleep(0.5)  # CPython waits for keys a little after it prints the prompt, and not for signals before
    process.send_signal(signal.SIGINT)
    read_until(ours, "--KeyboardInterrupt--")
    os.write(ours, b"c\n")
    read_until(ours, "ends: use-after-free")
    assert process.communicate(timeout=60)[1] == ""
    os.close(ours)
    assert process.returncode == 1


def test_an_interrupt_that_was_lost_is_raised_later() -> None:
    code = """
import signal
from lastput.cli import interrupt

class Destroyed:
    def __del__(self): raise KeyboardInterrupt

interrupt.die()
Destroyed()
try: interrupt.raising()
except KeyboardInterrupt: print("raised")
interrupt.raising()
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("raised\n", "")


@pytest.mark.parametrize("delay", [0.15, 0.3, 0.5, 0.8, 1.2])
def test_ctrl_c_at_any_time(start: Start, delay: float) -> None:
    process = start("check", "several.py::endless", "--timeout", "5")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    if "<frozen" in err or "lastput/__main__" in err:
        pytest.skip("so early that Python itself was still starting")
    assert "Traceback" not in err
    assert process.returncode in (3, 130, -signal.SIGINT)


def test_ctrl_c_keeps_the_variants_that_are_done(start: Start) -> None:
    process = start("check", "book.py", "--set", "spins=200", "--json")
    time.sleep(4)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert "Traceback" not in err
    assert process.returncode in (0, 1, 3, 130)


def test_reader_that_goes_away(start: Start) -> None:
    process = start("check", "book.py", "--variant", "broken")
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(60) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_full_disk(start: Start) -> None:
    with Path("/dev/full").open("w") as full:
        process = start("check", "book.py", "--variant", "fixed", stdout=full)
        _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == "lastput: cannot write the report: No space left on device\n"


def test_closed_streams(cache: Path, cli: Cli) -> None:
    for closed in (">&-", "2>&-", ">&- 2>&-"):
        command = f"exec {sys.executable} -m lastput check book.py --variant fixed {closed}"
        environment = {**os.environ, "LASTPUT_CACHE": str(cache)}
        assert subprocess.run(["sh", "-c", command], env=environment, timeout=60).returncode == 0


def test_ascii_terminal(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tmp_path / "book.py"
    model.write_text(model.read_text("utf-8").replace("A reader meets", "A r\u00e9ader meets"), "utf-8")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    process = start("check", "book.py", "--variant", "fixed")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert "A r\\xe9ader meets" in out


def _seconds_of_children() -> float:
    """What they took of the processor, so that other work on the machine does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_help_is_quick_and_names_the_exit_statuses(start: Start) -> None:
    times = []
    for _ in range(5):
        began = _seconds_of_children()
        out, err = start("--help").communicate(timeout=60)
        times.append(_seconds_of_children() - began)
        assert err == ""
    assert "exit status: 0 holds, 1 violated, 2 the input is wrong, 3 incomplete" in out
    assert min(times) < HELP_SECONDS


def test_import_is_cheap() -> None:
    code = "import sys, lastput; print({'numpy', 'numba', 'llvmlite', 'greenlet'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "set()\n"


def test_list_and_compile(cli: Cli) -> None:
    listed = cli("list")
    assert listed.status == 0
    assert "\nkvm/age-vs-exit  " in listed.out
    assert max(map(len, listed.out.splitlines())) <= 80
    assert "lastput claims      and designs, hazards, costs and pairs\n" in listed.out
    one = cli("list", "book.py")
    assert "spins=0 (0 to 200)" in one.out
    assert "fixed: locked=1" in one.out
    assert cli("compile", "book.py").status == 0
    for stage in ("tree", "ir", "steps", "llvm"):
        emitted = cli("compile", "book.py", "--variant", "fixed", "--emit", stage)
        assert (emitted.status, emitted.err) == (0, "")
        assert emitted.out.strip()
