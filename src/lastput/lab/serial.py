"""What the machine says on its serial line: messages of the kernel and guest.sh, files with checksums."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass, field

_HEAD = re.compile(rb"===FILE (\S+) (\d+) ([0-9a-f]{64})\n")
_TAIL = b"===END\n"
_RESULT = re.compile(r"LAB exp (\S+) mode=(\S+) rc=(-?\d+) .*lines=(\d+) overrun=(\d*)")

_TROUBLE = (
    (re.compile(r"HYP mode not available"), "the kernel has no KVM: HYP mode not available"),
    (re.compile(r"LAB no kvm: *(.*)"), "the kernel has no KVM: "),
    (re.compile(r"LAB failed: (.*)"), "the machine could not be set up: "),
    (re.compile(r"Kernel panic - not syncing: (.*)"), "kernel panic: "),
)


@dataclass(frozen=True)
class Performed:
    """The machine's line about one experiment."""

    name: str
    status: int
    lines: int
    lost: int
    """Events that found no room in the buffer, or pushed others out."""


@dataclass
class Console:
    """Reads the line as it comes; `tell` gets what is worth telling meanwhile."""

    tell: Callable[[str], None]
    lines: list[str] = field(default_factory=list)
    """All that is no file."""
    files: dict[str, bytes] = field(default_factory=dict)
    damaged: list[str] = field(default_factory=list)
    """Names of files that are not what their checksum says."""
    performed: dict[str, Performed] = field(default_factory=dict)
    summary: list[str] = field(default_factory=list)
    began: bool = False
    ended: bool = False
    trouble: str = ""
    """What the machine says went wrong with it; nothing comes after it."""
    _rest: bytes = b""

    def feed(self, new: bytes) -> None:
        """Take what has come since."""
        self._rest += new.replace(b"\r", b"")
        while not self.trouble and self._file_or_line():
            pass

    def end(self) -> None:
        """No more comes: the rest is a line. What is missing is trouble."""
        unfinished = _HEAD.match(self._rest)
        if unfinished:
            self.damaged.append(unfinished[1].decode("ascii", "replace"))
        for line in self._rest.decode("utf-8", "replace").splitlines()[1 if unfinished else 0 :]:
            self._trouble(line)
        self._rest = b""
        if not self.ended and not self.trouble and self.began:
            self.trouble = f"the machine stopped before its end; {self.last()}"

    def last(self) -> str:
        """The last line, for who has to find out why it is the last."""
        lines = [line for line in self.lines if line.strip()]
        return f"the last line was: {lines[-1].strip()}" if lines else "it said nothing"

    def _file_or_line(self) -> bool:
        head = _HEAD.match(self._rest)
        if head:
            return self._file(head)
        if self._rest.startswith(b"===FILE ") and b"\n" not in self._rest:
            return False
        line, newline, rest = self._rest.partition(b"\n")
        if not newline:
            return False
        self._rest = rest
        self._line(line.decode("utf-8", "replace"))
        return True

    def _file(self, head: re.Match[bytes]) -> bool:
        size = int(head[2])
        if len(self._rest) < head.end() + size + len(_TAIL):
            return False
        content = self._rest[head.end() : head.end() + size]
        after = self._rest[head.end() + size :]
        name = head[1].decode("ascii", "replace")
        whole = hashlib.sha256(content).hexdigest().encode() == head[3]
        if not whole:
            self.damaged.append(name)
            self._rest = self._rest[head.end() :].partition(_TAIL)[2]
            return True
        self.files[name] = content
        self._rest = after.partition(_TAIL)[2]
        return True

    def _line(self, line: str) -> None:
        self.lines.append(line)
        self._trouble(line)
        if "LAB begin " in line:
            self.began = True
            self.tell(f"the machine is up: Linux {line.partition('LAB begin ')[2].split()[0]}")
        if "LAB done " in line:
            self.ended = True
        found = _RESULT.search(line)
        if found:
            self.summary.append(found[0])
            lost = int(found[5] or 0)
            self.performed[found[1]] = Performed(found[1], int(found[3]), int(found[4]), lost)
            self.tell(f"{found[1]}: {int(found[4]):,} lines")

    def _trouble(self, line: str) -> None:
        for sign, words in _TROUBLE:
            found = sign.search(line)
            if found and not self.trouble:
                self.trouble = words + (found[1] if found.groups() else "")
