"""Files that one run keeps for the next: compiled models, results. All can be made again.

They are pickles behind a SHA-256 of themselves, in the user's own cache directory (XDG_CACHE_HOME, or
~/.cache), written atomically. LASTPUT_CACHE names another directory; LASTPUT_CACHE=off keeps nothing.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import re
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

ROOM = 1 << 30
"""Bytes that are kept; the files unused for longest go first."""

_OWN = re.compile(r"[0-9a-f]{64}\.")
"""Begins the names of all files that are kept: LASTPUT_CACHE may be a directory with others in it."""

_failed: list[str] = []

_DIGEST = hashlib.sha256().digest_size


def directory() -> Path | None:
    """Where files are kept; None when that is switched off."""
    chosen = os.environ.get("LASTPUT_CACHE")
    if chosen in ("off", "0"):
        return None
    if chosen:
        return Path(chosen)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "lastput"
    except RuntimeError:  # a user without a home
        return None


def load(path: Path | None, kind: type[T]) -> T | None:
    """What an earlier run kept there; None for nothing, for a damaged file and for another kind."""
    if path is None:
        return None
    try:
        content = path.read_bytes()
        if hashlib.sha256(content[_DIGEST:]).digest() != content[:_DIGEST]:
            return None
        made = pickle.loads(content[_DIGEST:])
        os.utime(path)
    except Exception:  # an old pickle can raise anything; making the thing anew replaces it
        return None
    return made if isinstance(made, kind) else None


def save(path: Path | None, made: object) -> None:
    """Keep `made`; does without when the directory cannot be written, and `trouble` tells."""
    if path is None:
        return
    payload = pickle.dumps(made)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, hashlib.sha256(payload).digest() + payload)
        _make_room(path.parent)
    except OSError as error:
        _failed.append(f"{path.parent} ({error.strerror or error})")


def trouble() -> str:
    """Where something could not be kept by this process, and why; empty if nothing was lost."""
    return _failed[0] if _failed else ""


def digest(files: Iterable[str]) -> str:
    """SHA-256 of files' names and contents. OSError if one cannot be read."""
    found = hashlib.sha256()
    for name in files:
        text = Path(name).read_bytes()
        found.update(f"{name} {len(text)}\n".encode() + text)
    return found.hexdigest()


def _write(path: Path, content: bytes) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with open(descriptor, "wb") as out:
            out.write(content)
        os.replace(name, path)
    except BaseException:
        os.unlink(name)
        raise


def _make_room(directory: Path) -> None:
    own = [path for path in directory.iterdir() if _OWN.match(path.name)]
    found = sorted(filter(None, map(_age_and_size, own)))
    excess = sum(size for _, size, _ in found) - ROOM
    if excess <= 0:
        return
    excess += ROOM // 2  # not at every save
    for _, size, path in found:
        if excess > 0:
            path.unlink(missing_ok=True)
            excess -= size


def _age_and_size(path: Path) -> tuple[float, int, Path] | None:
    """None if it is gone: another process that writes here renames its files when they are whole."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime, found.st_size, path
