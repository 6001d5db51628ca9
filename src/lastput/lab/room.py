"""Where the lab keeps what it downloads and builds: below lastput's cache, or where the user says."""

from __future__ import annotations

import contextlib
import fcntl
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from lastput import kept
from lastput.lab.errors import NoSpace
from lastput.lang.errors import UsageError

LEAST_FREE = 400 << 20
"""Bytes: an unpacked kernel, an image and a large capture fit into this."""


@dataclass(frozen=True)
class Room:
    """The directory, and what is where in it."""

    path: Path

    @property
    def debs(self) -> Path:
        """Packages as they were downloaded."""
        return self.path / "debs"

    @property
    def tools(self) -> Path:
        """Tools that were unpacked instead of installed."""
        return self.path / "tools"

    @property
    def program(self) -> Path:
        """The experiments, compiled."""
        return self.path / "kvmlab"

    @property
    def console(self) -> Path:
        """What the machine said in the last capture that failed."""
        return self.path / "failed.console.log"

    def kernel(self, name: str) -> Path:
        """Of one kernel: its package unpacked, its image."""
        return self.path / f"kernel-{name}"

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Keep other processes from changing this directory meanwhile. NoSpace if it cannot be written."""
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / "lock").open("w")
        except OSError as error:
            raise NoSpace(f"{self.path}: {error.strerror}; --room names another directory") from None
        with lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def require_space(self) -> None:
        """NoSpace if too little is free for a kernel and a capture."""
        there = next(p for p in (self.path, *self.path.parents) if p.exists())
        free = shutil.disk_usage(there).free
        if free < LEAST_FREE:
            raise NoSpace(f"{there}: {free >> 20} MB are free, the lab needs {LEAST_FREE >> 20}")


def room(chosen: str | None) -> Room:
    """The user's choice, or the cache. UsageError where there is no cache, either."""
    if chosen is not None:
        return Room(Path(chosen).absolute())
    cache = kept.directory()
    if cache is None:
        raise UsageError("nothing is kept (LASTPUT_CACHE=off): --room DIR says where the lab is to be")
    return Room(cache.absolute() / "lab")
