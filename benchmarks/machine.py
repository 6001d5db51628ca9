"""What a measurement depends on: processor, memory, versions."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path


def describe() -> list[str]:
    """One line each: processor, memory, system, load, versions."""
    load = os.getloadavg()[0]
    disturbed = "  (others are at work: the figures are disturbed)" if load > 1.5 else ""
    memory = "; ".join(f"{_field('/proc/meminfo', name)} {name}" for name in ("MemTotal", "MemAvailable"))
    return [
        f"processor  {_field('/proc/cpuinfo', 'model name')}, {os.cpu_count()} threads",
        f"memory     {memory}",
        f"system     {platform.system()} {platform.release()}, Python {platform.python_version()}",
        f"load       {load:.2f}{disturbed}",
        f"versions   {_first('spin', '-V')}; {_first('rumur', '--version')}; {_first('gcc', '--version')}",
    ]


def _field(path: str, name: str) -> str:
    try:
        lines = Path(path).read_text().splitlines()
    except OSError:
        return "unknown"
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(name)), "unknown")


def _first(*command: str) -> str:
    """First line that a command prints."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return f"no {command[0]}"
    return (done.stdout + done.stderr).strip().splitlines()[0]
