"""Running another checker: find it, build its verifier, measure one run of it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

INSTALL = "apt-get install spin rumur gcc"


@dataclass(frozen=True)
class Run:
    """One run of a process: wall and processor time in seconds, peak resident memory in bytes."""

    output: str
    wall: float
    cpu: float
    peak: int


@dataclass(frozen=True)
class Verifier:
    """A verifier that was built for one size. `build_seconds`: generating and compiling it."""

    name: str
    command: tuple[str, ...]
    directory: Path
    build_seconds: float


@dataclass(frozen=True)
class Answer:
    """What a checker says. `shortest`: steps to the violation, the breaking one included, if it knows it."""

    states: int
    transitions: int
    violated: bool
    shortest: int | None
    run: Run


def missing(*programs: str) -> list[str]:
    """Those of `programs` that are not installed."""
    return [program for program in programs if shutil.which(program) is None]


def build(*command: str, cwd: Path) -> None:
    """Run one command of a build; RuntimeError with its output if it fails."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}:\n{done.stdout}{done.stderr}")


def measured(command: tuple[str, ...], cwd: Path, environment: dict[str, str] | None = None) -> Run:
    """Run `command` to its end, whatever its exit code; both its output streams are kept."""
    with tempfile.TemporaryFile("w+") as output:
        start = time.perf_counter()
        process = subprocess.Popen(command, cwd=cwd, stdout=output, stderr=output, env=environment)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        text = output.read()
    return Run(text, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024)


def number(pattern: str, run: Run) -> int:
    """The first group of `pattern` in the output of `run`; RuntimeError if it is not there."""
    found = re.search(pattern, run.output)
    if found is None:
        raise RuntimeError(f"no {pattern!r} in:\n{run.output}")
    return int(found[1])
