"""Limits, interrupt, progress, memory: a search that gives up says what it knows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lastput.engine.memory import available
from lastput.engine.search import Limits, Outcome, Progress, search

from .toys import graph, grid, plain

ENDLESS = 60_000
"""Side of a grid nobody finishes."""


def consistent(outcome: Outcome) -> None:
    assert outcome.states == sum(outcome.levels)
    assert outcome.depth == len(outcome.levels) - 1
    assert outcome.transitions >= outcome.states - 1


@pytest.mark.parametrize("batch", [1, 7, 4096])
def test_max_states_is_exact_and_ends_with_whole_levels(batch: int) -> None:
    outcome = search(grid(ENDLESS), limits=Limits(max_states=1000), batch=batch)
    assert (outcome.stop, outcome.states, outcome.levels[:4]) == ("max-states", 1000, [1, 4, 10, 20])
    consistent(outcome)
    assert outcome.transitions == 4 * sum(outcome.levels[:-1])


def test_as_many_states_as_allowed_is_complete() -> None:
    assert search(grid(3), keep_going=True, limits=Limits(max_states=256)).stop == "complete"
    assert search(grid(3), keep_going=True, limits=Limits(max_states=255)).stop == "max-states"


@pytest.mark.parametrize("batch", [1, 7, 4096])
def test_violation_in_the_level_that_hits_the_limit(batch: int) -> None:
    """It is reported, and is the one an unlimited search reports."""
    both = 0
    for seed in range(30):
        model = graph(seed, 400, step_events=2)
        expected = plain(model)
        if expected.best is None or len(expected.levels) < 3:
            continue
        most = sum(expected.levels) - 1
        outcome = search(model, limits=Limits(max_states=most), batch=batch)
        assert outcome.stop == "violation"
        assert outcome.violation is not None
        assert outcome.violation.schedule == list(expected.best[1])
        both += 1
    assert both > 5


@pytest.mark.parametrize("memory", [0, 1000, 300_000, 3_000_000, 100_000_000])
def test_max_memory(memory: int) -> None:
    outcome = search(grid(ENDLESS), limits=Limits(max_memory=memory))
    assert outcome.stop == "max-memory"
    assert outcome.states >= max(1, memory // 60 - 10_000)
    if memory >= 300_000:
        assert outcome.peak_bytes <= memory
    consistent(outcome)


RESIDENT = """
import re, sys
from tests.engine.toys import grid
from lastput.engine.search import Limits, search

def kilobytes(name):
    return int(re.search(name + r":\\s+(\\d+)", open("/proc/self/status").read())[1])

search(grid(60_000), limits=Limits(max_states=10))
open("/proc/self/clear_refs", "w").write("5")  # VmHWM, the peak, begins anew
before = kilobytes("VmRSS")
outcome = search(grid(60_000), limits=Limits(max_memory=int(sys.argv[1])))
print(outcome.stop, (kilobytes("VmHWM") - before) * 1024)
"""


@pytest.mark.parametrize("memory", [30_000_000, 250_000_000])
def test_resident_memory_stays_below_the_limit(memory: int) -> None:
    command = [sys.executable, "-c", RESIDENT, str(memory)]
    folder = Path(__file__).parents[2]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    stop, grown = run.stdout.split()
    assert stop == "max-memory"
    assert memory // 3 < int(grown) < memory + 4_000_000


def test_timeout() -> None:
    outcome = search(grid(ENDLESS), limits=Limits(timeout=0.3))
    assert outcome.stop == "timeout"
    assert 0.3 <= outcome.seconds < 2
    consistent(outcome)


def test_timeout_of_zero() -> None:
    outcome = search(grid(ENDLESS), limits=Limits(timeout=0))
    assert (outcome.stop, outcome.states, outcome.transitions) == ("timeout", 1, 0)


@pytest.mark.parametrize("after", [0.0, 0.001, 0.05, 0.3, 0.31])
def test_interrupt(after: float) -> None:
    handler = signal.getsignal(signal.SIGINT)

    def press() -> None:
        while signal.getsignal(signal.SIGINT) is handler:
            time.sleep(0.001)
        time.sleep(after)
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=press)
    thread.start()
    outcome = search(grid(ENDLESS), limits=Limits(timeout=20))
    thread.join()
    assert signal.getsignal(signal.SIGINT) is handler
    assert outcome.stop == "interrupt"
    consistent(outcome)


def test_interrupt_from_the_progress_callback() -> None:
    def press(_: Progress) -> None:
        raise KeyboardInterrupt

    outcome = search(grid(ENDLESS), progress=press, limits=Limits(timeout=20))
    assert outcome.stop == "interrupt"
    consistent(outcome)


def test_interrupt_while_the_schedule_is_rebuilt(monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("lastput.engine.trail.Trail.mark", stop)
    outcome = search(grid(3))
    assert (outcome.stop, outcome.events, outcome.violation) == ("interrupt", 1, None)


def test_no_address_space_for_the_schedule(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError("no memory")

    monkeypatch.setattr("lastput.engine.trail.reserve", refuse)
    outcome = search(grid(3))
    assert (outcome.stop, outcome.events, outcome.violation) == ("max-memory", 1, None)


def test_search_in_another_thread() -> None:
    found: list[Outcome] = []
    thread = threading.Thread(target=lambda: found.append(search(grid(3))))
    thread.start()
    thread.join()
    assert found[0].states == 256


def test_progress_is_rare_and_monotonous() -> None:
    seen: list[Progress] = []
    search(grid(ENDLESS), progress=seen.append, limits=Limits(timeout=1.1))
    assert 1 <= len(seen) <= 5
    assert [p.states for p in seen] == sorted(p.states for p in seen)
    assert all(p.frontier > 0 and p.bytes > 24 * p.states and p.seconds > 0.15 for p in seen)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


MIB = 1 << 20


def test_available_is_the_least_of_machine_and_containers(tmp_path: Path) -> None:
    assert 0 < available() < 1 << 50
    write(tmp_path / "proc/meminfo", "MemTotal: 9999 kB\nMemAvailable:    8192 kB\n")
    assert available(tmp_path) == 8 * MIB
    write(tmp_path / "proc/self/cgroup", "4:cpu,memory:/a\n0::/b/c\n")
    group = tmp_path / "sys/fs/cgroup"
    write(group / "memory/a/memory.limit_in_bytes", str(1 << 63))
    write(group / "memory/a/memory.usage_in_bytes", "100")
    write(group / "b/c/memory.max", "max")
    write(group / "b/c/memory.current", "100")
    assert available(tmp_path) == 8 * MIB
    write(group / "b/memory.max", str(6 * MIB))
    write(group / "b/memory.current", str(5 * MIB))
    assert available(tmp_path) == 1 * MIB
    write(group / "b/memory.stat", f"anon 1\ninactive_file {2 * MIB}\n")
    assert available(tmp_path) == 3 * MIB
    write(group / "memory/a/memory.limit_in_bytes", str(2 * MIB))
    assert available(tmp_path) == 2 * MIB - 100
    write(group / "memory/a/memory.usage_in_bytes", str(3 * MIB))
    assert available(tmp_path) == 0
