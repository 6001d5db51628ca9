"""Debian's arm64 packages, by way of the machine's apt with a state of its own: nothing here changes.

apt checks the signature of the index and a package's hash against it. What is kept is checked here once more,
against that index and against the hashes in known.sha256, of versions that were captured with before.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from lastput.lab.errors import Damaged, Unavailable
from lastput.lab.kernels import Kernel
from lastput.lab.processes import run
from lastput.lab.room import Room

FRESH = 24 * 3600.0
"""Seconds for which apt's lists are not asked for again."""

USERLAND = ("busybox-static",)
TRACE_CMD = ("trace-cmd", "libtraceevent1", "libtracefs1", "libzstd1", "libc6", "zlib1g")
"""What writes trace.dat in the machine; only for experiments that ask for it."""


@dataclass(frozen=True)
class Package:
    """A package as the signed index describes it; `size` in bytes."""

    name: str
    version: str
    sha256: str
    size: int

    @property
    def filename(self) -> str:
        """As apt calls the downloaded file."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_arm64.deb"


class Apt:
    """The machine's apt, for packages of another architecture, with lists in `room`."""

    def __init__(self, room: Room) -> None:
        self.room = room
        self.state = room.path / "apt"
        self._stamp = self.state / "updated"

    def package(self, name: str) -> Package:
        """The newest version. Unavailable if the machine's sources of packages have none."""
        self._update()
        told = run(self._command("apt-cache", "show", "--no-all-versions", name)).out
        fields = dict(re.findall(r"^(Package|Version|SHA256|Size): (\S+)$", told, re.MULTILINE))
        if len(fields) < 4:
            raise Unavailable(f"apt knows no arm64 package {name}: {_WANTED}")
        return Package(fields["Package"], fields["Version"], fields["SHA256"], int(fields["Size"]))

    def kernel(self, kernel: Kernel) -> Package:
        """The newest build of a kernel. Unavailable if there is none of this version."""
        self._update()
        for meta in kernel.metas:
            told = run(self._command("apt-cache", "depends", meta)).out
            found = re.search(rf"Depends: (linux-image-{re.escape(kernel.version)}\.\S+)", told)
            if found:
                return self.package(found[1])
        raise Unavailable(f"apt knows no arm64 kernel {kernel.version}: {_WANTED}")

    def download(self, package: Package) -> Path:
        """Its file, verified; downloaded only if it is not there. Unavailable or Damaged."""
        path = self.room.debs / package.filename
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            named = f"{package.name}={package.version}"
            ended = run(self._command("apt-get", "download", "-q", named), cwd=path.parent)
            if ended.status or not path.exists():
                self._stamp.unlink(missing_ok=True)  # the lists may be older than the archive
                raise Unavailable(f"apt cannot download {package.name}: {ended.complaint('E: ', 'Err')}")
        verify(path, package.sha256)
        return path

    def _update(self) -> None:
        if self._stamp.exists() and time.time() - self._stamp.stat().st_mtime < FRESH:
            return
        for below in ("lists/partial", "cache/archives/partial"):
            (self.state / below).mkdir(parents=True, exist_ok=True)
        (self.state / "status").touch()
        ended = run(self._command("apt-get", "update", "-q"))
        failed = re.search(r"^(E: .*|Err:.*|W: Failed .*)$", ended.out + ended.err, re.MULTILINE)
        if ended.status or (failed and not any((self.state / "lists").glob("*Packages*"))):
            raise Unavailable(f"apt cannot get its lists: {ended.complaint('E: ', 'W: Failed', 'Err:')}")
        self._stamp.touch()

    def _command(self, program: str, *arguments: str) -> list[str]:
        options = {
            "APT::Architecture": "arm64",
            "APT::Architectures": "arm64",
            "Dir::State": self.state,
            "Dir::State::lists": self.state / "lists",
            "Dir::State::status": self.state / "status",
            "Dir::Cache": self.state / "cache",
            "APT::Sandbox::User": "root",
            "APT::Get::AllowUnauthenticated": "false",
            "Acquire::Retries": "3",
        }
        return [program, *(f"-o{name}={value}" for name, value in options.items()), *arguments]


_WANTED = "the lab needs sources of Debian 12 (bookworm) with its security updates in /etc/apt"


def verify(path: Path, sha256: str) -> None:
    """Damaged unless the file's hash is the index's, and the known one where the file is known."""
    content = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            content.update(block)
    expected = {"apt's signed index": sha256, "lastput": known().get(path.name, sha256)}
    for who, wanted in expected.items():
        if content.hexdigest() != wanted:
            path.unlink()
            raise Damaged(
                f"{path.name}: its SHA-256 is {content.hexdigest()[:16]}..., {who} expects {wanted[:16]}...; "
                "it was deleted"
            )


@cache
def known() -> dict[str, str]:
    """SHA-256 of packages that captures were made with, by file name."""
    text = (resources.files("lastput.lab") / "known.sha256").read_text("utf-8")
    rows = (line.split() for line in text.splitlines() if line and not line.startswith("#"))
    return {name: sha256 for sha256, name in rows}


def unpack(files: Sequence[Path], to: Path) -> None:
    """Unpack packages into a directory. Damaged if one is no package."""
    to.mkdir(parents=True, exist_ok=True)
    for file in files:
        ended = run(["dpkg-deb", "-x", str(file), str(to)])
        if ended.status:
            raise Damaged(f"{file.name} cannot be unpacked: {ended.complaint('error')}")
