"""Files of recordings: plain, compressed, in folders and in archives, and what lies beside them."""

from __future__ import annotations

import gzip
import lzma
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Protocol

from lastput.lang.errors import UsageError

_TRACE = re.compile(r"(.+?)(?:\.trace\.txt|\.trace\.dat|\.trace|\.dat)(?:\.gz|\.xz)?")
_PACKED = re.compile(r"\.tar(\.\w+)?$|\.tgz$|\.txz$")


class Folder(Protocol):
    """Where files lie side by side."""

    def read(self, name: str) -> bytes | None:
        """The content of the file of this name, None if there is none."""

    def size(self, name: str) -> int:
        """Its bytes, 0 if there is none."""


@dataclass(frozen=True)
class File:
    """One file, its content uncompressed when it is read."""

    path: str
    name: str
    folder: Folder

    def content(self) -> bytes:
        packed = self.folder.read(self.name)
        if packed is None:
            raise UsageError(f"{self.path}: no such file")
        return _uncompressed(self.path, packed)

    @property
    def size(self) -> int:
        """Bytes of the file as it is."""
        return self.folder.size(self.name)

    def beside(self, name: str) -> str | None:
        """The text of another file in the same folder."""
        found = self.folder.read(name)
        return None if found is None else found.decode(errors="replace")


def file(path: Path) -> File:
    """A file of its own."""
    if path.is_dir():
        raise UsageError(f"{path}: a folder, not a trace")
    return File(str(path), path.name, _Directory(path.parent))


def files(path: Path) -> Iterator[File]:
    """The traces in a folder or an archive, at any depth, by name; or the file itself.

    ARCHIVE:NAME is one of an archive's, by its file's name without endings or by its path in there. A `.dat`
    is left out where the text of the same recording lies beside it. Archives in a folder count.
    """
    if path.is_dir():
        names = sorted(str(found.relative_to(path)) for found in path.rglob("*") if found.is_file())
        for name in _traces(str(path), names):
            whole = path / name
            if _PACKED.search(name):
                yield from _members(whole)
            else:
                yield File(str(whole), whole.name, _Directory(whole.parent))
    elif _PACKED.search(path.name):
        yield from _members(path)
    elif ":" in str(path) and not path.exists():
        yield from _member(path)
    else:
        yield file(path)


def _member(path: Path) -> Iterator[File]:
    archive, _, name = str(path).rpartition(":")
    if not _PACKED.search(archive):
        raise UsageError(f"{path}: no such file")
    found = [
        one
        for one in _members(Path(archive))
        if one.path == str(path) or ((match := _TRACE.fullmatch(one.name)) and match[1] == name)
    ]
    if not found:
        raise UsageError(f"{path}: no trace of this name in the archive")
    yield from found


def _members(path: Path) -> Iterator[File]:
    try:
        with tarfile.open(path) as archive:
            content = {}
            for member in archive:
                part = archive.extractfile(member) if member.isfile() else None
                if part is not None:
                    content[member.name] = part.read()
    except (OSError, EOFError, tarfile.TarError, lzma.LZMAError, zlib.error) as error:
        why = getattr(error, "strerror", None) or error
        raise UsageError(f"{path}: cannot be read as an archive: {why}") from None
    others = {name: found for name, found in content.items() if not _TRACE.fullmatch(name)}
    for name in _traces(str(path), sorted(content)):
        inside = PurePosixPath(name)
        folder = _Archived({**others, name: content[name]}, str(inside.parent))
        yield File(f"{path}:{name}", inside.name, folder)


def _traces(path: str, names: list[str]) -> list[str]:
    """Those of `names` that are traces, or archives."""
    matches = [match for name in names if (match := _TRACE.fullmatch(name))]
    texts = {match[1] for match in matches if ".dat" not in match[0][len(match[1]) :]}
    twice = {match[0] for match in matches if ".dat" in match[0][len(match[1]) :] and match[1] in texts}
    kept = [name for name in names if (_TRACE.fullmatch(name) or _PACKED.search(name)) and name not in twice]
    if not kept:
        raise UsageError(f"{path}: no trace in it (*.trace.txt, *.trace, *.dat)")
    return kept


def _uncompressed(path: str, content: bytes) -> bytes:
    """The content of a gzip or xz file, told by how it begins; else as it is."""
    try:
        if content.startswith(b"\x1f\x8b"):
            return gzip.decompress(content)
        if content.startswith(b"\xfd7zXZ\0"):
            return lzma.decompress(content)
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        raise UsageError(f"{path}: cannot be uncompressed: {error}") from None
    return content


@dataclass(frozen=True)
class _Directory:
    path: Path

    def read(self, name: str) -> bytes | None:
        found = self.path / name
        try:
            return found.read_bytes() if found.is_file() else None
        except OSError as error:
            raise UsageError(f"{found}: {error.strerror}") from None

    def size(self, name: str) -> int:
        try:
            return (self.path / name).stat().st_size
        except OSError:
            return 0


@dataclass(frozen=True)
class _Archived:
    """A trace of an archive, and what is beside it that is none."""

    content: dict[str, bytes]
    path: str

    def read(self, name: str) -> bytes | None:
        return self.content.get(str(PurePosixPath(self.path) / name))

    def size(self, name: str) -> int:
        return len(self.read(name) or b"")
