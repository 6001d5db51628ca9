"""Processes of a pool end with the block, and with the process that started them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from lastput.study import costs_table
from lastput.study.pool import processes
from lastput.study.registry import SCENARIOS

FIRST = next(iter(SCENARIOS[costs_table.CORE].variants))
PROGRAM = """
import os, time
from lastput.study.pool import processes
if __name__ == "__main__":
    with processes(2) as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(60)
"""


def gone(pid: int, seconds: float = 10) -> bool:
    """Whether the process ends within that time."""
    for _ in range(int(seconds * 20)):
        try:
            if Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def test_they_end_with_the_block_even_in_the_middle_of_work() -> None:
    with processes(1) as pool:
        pid = pool.submit(os.getpid).result()
        pool.submit(time.sleep, 60)
    assert gone(pid)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks at /proc")
def test_they_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    with subprocess.Popen([sys.executable, str(program)], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.send_signal(signal.SIGKILL)
    assert gone(pid)


def counted(_scenario: str, design: str) -> list[str]:
    """Stands in for the counting of costs: the first answer comes, the others are long in coming."""
    if design != FIRST:
        time.sleep(60)
    return [design]


def test_leaving_the_costs_early_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    complaints: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", complaints.append)
    monkeypatch.setattr(costs_table, "rows", counted)
    before = set(threading.enumerate())
    rows = costs_table.table(1)
    assert str(next(rows)) == FIRST
    rows.close()  # type: ignore[attr-defined]
    for thread in set(threading.enumerate()) - before:
        thread.join(10)
    assert complaints == []
