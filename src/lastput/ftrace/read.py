"""Reading recordings: one from a file, or all from a folder or an archive."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from lastput.ftrace import dat
from lastput.ftrace.files import File, file, files
from lastput.ftrace.observable import DEFINED, observable
from lastput.ftrace.probes import definitions
from lastput.ftrace.recording import Recording
from lastput.ftrace.text import Text, parse
from lastput.lang.errors import UsageError

# A Debian package's name, the kernel's first line, uname -r in a log; the file kernel.version may also hold
# a version alone.
_RELEASE = re.compile(r"(?:linux-image-|Linux version |^|\s)(\d+\.\d+(?:\.\d+)?[-+][\w.+-]+)", re.MULTILINE)
_VERSION = re.compile(r"(?:^|\s)(\d+\.\d+(?:\.\d+)?)(?=\s|$)")

BEGINNING = 4096
"""Bytes in which a zero is looked for: no text has one."""


def read(path: str | Path) -> Recording:
    """Read one trace: text of `trace`, `trace_pipe` or `trace-cmd report`, gzip or xz of it, or trace.dat.

    Raises UsageError, in one line with file and line, for what ftrace does not write.
    """
    return recording(file(Path(path)))


def recordings(path: str | Path) -> Iterator[Recording]:
    """Read all traces in a folder or a .tar archive, by name, one at a time; a file alone is one."""
    for one in sources(path):
        yield recording(one)


def sources(path: str | Path) -> Iterator[File]:
    """The files that `recordings` reads, so that one which cannot be read need not end the others."""
    return files(Path(path))


def recording(source: File) -> Recording:
    """Read one file."""
    content = source.content()
    if not content:
        raise UsageError(f"{source.path}: the file is empty")
    if b"\0" in content[:BEGINNING] and not dat.is_dat(content):
        raise UsageError(f"{source.path}: binary, and no trace.dat")
    report = dat.report(source.path, content) if dat.is_dat(content) else None
    probes = definitions(source.beside(DEFINED) or "")
    text = parse(source.path, report.text if report else content.decode(errors="replace"), probes)
    could = observable(source, text, probes)
    return Recording(
        path=source.path,
        tracer=text.tracer,
        events=text.events,
        lost=(text.lost or (report.lost if report else 0)) + _missing(text),
        truncated=text.truncated,
        entries_in_buffer=text.entries_in_buffer,
        entries_written=text.entries_written,
        kernel=(report.kernel if report else None) or _kernel(source),
        observable=could.points,
        partial=could.partial,
        twice=could.twice,
        told_by=could.told_by,
    )


def _missing(text: Text) -> int:
    """Events that the header counts and the file, which was cut, has not. A stack trace counts as one."""
    if text.entries_in_buffer is None:
        return text.truncated
    there = len(text.events) + sum(bool(event.stack) for event in text.events)
    return max(text.entries_in_buffer - there, 0)


def _kernel(source: File) -> str | None:
    """The release of the kernel, from what lies beside the trace."""
    told = source.beside("kernel.version") or ""
    for text in (told, source.beside("console.log") or "", source.beside("dmesg.txt") or ""):
        release = _RELEASE.search(text)
        if release:
            return release[1]
    version = _VERSION.search(told)
    return version[1] if version else None
