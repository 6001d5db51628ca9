"""Archives in cpio's "newc" format, as Linux unpacks them into its first root file system.

The same entries give the same bytes: no times, no owners, inodes in the order of entries. (Format:
Documentation/driver-api/early-userspace/buffer-format.rst in the kernel's tree.)
"""

from __future__ import annotations

import gzip
import stat
from collections.abc import Mapping
from pathlib import PurePosixPath


def archive(files: Mapping[str, tuple[int, bytes]]) -> bytes:
    """The files, by path, each with its mode and content (a link's is its target); directories are added."""
    entries: dict[str, tuple[int, bytes]] = {}
    for path, file in sorted(files.items()):
        for parent in reversed(PurePosixPath(path).parents[:-1]):
            entries.setdefault(str(parent), (stat.S_IFDIR | 0o755, b""))
        entries[path] = file
    packed = b"".join(_entry(i, *one) for i, one in enumerate(_flat(entries), 1))
    whole = packed + _entry(0, "TRAILER!!!", 0, b"")
    zipped = gzip.compress(whole, compresslevel=1, mtime=0)
    return zipped + bytes(-len(zipped) % 4)  # another archive may follow, from a multiple of four


def program(content: bytes) -> tuple[int, bytes]:
    """An entry that can be executed."""
    return stat.S_IFREG | 0o755, content


def data(content: bytes) -> tuple[int, bytes]:
    """An entry that is read."""
    return stat.S_IFREG | 0o644, content


def link(target: str) -> tuple[int, bytes]:
    """A symbolic link."""
    return stat.S_IFLNK | 0o777, target.encode()


def _flat(entries: Mapping[str, tuple[int, bytes]]) -> list[tuple[str, int, bytes]]:
    return [(path, mode, content) for path, (mode, content) in entries.items()]


def _entry(inode: int, path: str, mode: int, content: bytes) -> bytes:
    name = path.encode() + b"\0"
    fields = [inode, mode, 0, 0, 1, 0, len(content), 0, 0, 0, 0, len(name), 0]
    head = b"070701" + b"".join(b"%08X" % field for field in fields) + name
    return _padded(head) + _padded(content)


def _padded(part: bytes) -> bytes:
    return part + bytes(-len(part) % 4)
