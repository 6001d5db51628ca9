"""What this process takes from the machine."""

from __future__ import annotations

import gc
import os
import re
import sys
from pathlib import Path


def peak_resident() -> int:
    """Largest resident size of this process so far, in bytes; 0 where nobody can tell."""
    # Not getrusage on Linux: its ru_maxrss starts at the size of the process that forked us.
    try:
        found = re.search(r"^VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(), re.M)
    except OSError:
        found = None
    if found:
        return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def usable_cores() -> int:
    """Cores that this process may run on."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def collect_seldom() -> None:
    """Have Python look for cycles of garbage less often; for processes that are lastput's alone.

    A compilation makes some hundred thousand objects that stay until it is done: to look through them
    again and again takes a fifth of its time.
    """
    gc.set_threshold(100_000, 50, 100)
