"""Memory of the search: reserved address space, and how much the machine can give."""

from __future__ import annotations

import contextlib
import mmap
import os
import re
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

HUGE = 1 << 21
"""Bytes of a huge page; touching one byte of it takes all of it."""
PAGE = mmap.PAGESIZE
_NORESERVE = getattr(mmap, "MAP_NORESERVE", 0x4000 if os.uname().sysname == "Linux" else 0)
_UNLIMITED = 1 << 62
_LINES = 128
"""Bytes that processors fetch together: two cache lines."""


def reserve(size: int, kind: type[np.unsignedinteger[Any]], huge: bool = True) -> npt.NDArray[Any]:
    """An array of zeros over `size` bytes of fresh address space; a page costs memory once touched.

    The memory goes back when the array is dropped. Raises OSError when the system refuses."""
    size = max(PAGE, -(-size // PAGE) * PAGE)
    area = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE)
    advice = getattr(mmap, "MADV_HUGEPAGE" if huge else "MADV_NOHUGEPAGE", None)
    if advice is not None:
        with contextlib.suppress(OSError):  # a kernel without transparent huge pages: slower, not wrong
            area.madvise(advice)
    return np.frombuffer(area, kind)


def zeros(n: int, kind: type[np.generic]) -> npt.NDArray[Any]:
    """An array of zeros that shares no cache line with what another thread may write."""
    bytes_ = -(-n * np.dtype(kind).itemsize // _LINES) * _LINES
    area = np.zeros(bytes_ + _LINES, np.uint8)
    first = -area.ctypes.data % _LINES
    return area[first : first + bytes_].view(kind)[:n]


def give_back(array: npt.NDArray[Any], first: int) -> None:
    """Return to the system what an array of `reserve` holds from byte `first` on; it is zeros again."""
    area = array.base.obj  # type: ignore[union-attr]
    begin = -(-first // HUGE) * HUGE
    if begin < len(area):
        area.madvise(mmap.MADV_DONTNEED, begin, len(area) - begin)


def reserve_most(size: int, least: int, kind: type[np.unsignedinteger[Any]], huge: bool) -> npt.NDArray[Any]:
    """As `reserve`, but content with less (never less than `least`) where address space is limited."""
    while True:
        try:
            return reserve(size, kind, huge)
        except (OSError, OverflowError, ValueError):
            if size <= least:
                raise
            size = max(least, size // 2)


def available(root: Path = Path("/")) -> int:
    """Bytes this process can still take without harm to the machine or its container.

    The least of MemAvailable (proc_meminfo(5)), what the memory cgroups around the process leave
    (Documentation/admin-guide/cgroup-v2.rst; and cgroup-v1/memory.rst) and RLIMIT_AS."""
    return max(0, min(_meminfo(root), _cgroups(root), _address_space(root)))


def _meminfo(root: Path) -> int:
    found = re.search(r"^MemAvailable:\s+(\d+) kB", _read(root / "proc/meminfo"), re.M)
    if found:
        return int(found[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (OSError, ValueError):
        return 1 << 30


def _cgroups(root: Path) -> int:
    room = _UNLIMITED
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            room = min(room, _up(root / "sys/fs/cgroup", path, "memory.max", "memory.current"))
        elif "memory" in controllers.split(","):
            names = "memory.limit_in_bytes", "memory.usage_in_bytes"
            room = min(room, _up(root / "sys/fs/cgroup/memory", path, *names))
    return room


def _up(mount: Path, path: str, limit: str, usage: str) -> int:
    """Least room in the cgroup `path` and all above it. Inside a container the mount may be the cgroup
    itself, so directories that do not exist are passed over."""
    room = _UNLIMITED
    folder = mount / path.lstrip("/")
    while True:
        most, used = _read(folder / limit).strip(), _read(folder / usage).strip()
        if most.isdigit() and used.isdigit():
            cache = re.search(r"^(?:total_)?inactive_file (\d+)", _read(folder / "memory.stat"), re.M)
            room = min(room, int(most) - int(used) + (int(cache[1]) if cache else 0))
        if folder == mount or mount not in folder.parents:
            return room
        folder = folder.parent


def _address_space(root: Path) -> int:
    try:
        import resource
    except ImportError:
        return _UNLIMITED
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    if soft == resource.RLIM_INFINITY:
        return _UNLIMITED
    taken = _read(root / "proc/self/statm").split()
    return soft - (int(taken[0]) * PAGE if taken else 0)


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
