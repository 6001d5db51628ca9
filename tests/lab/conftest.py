"""A lab in which all programs are fakes, scripts that do what a test says: every way to fail can be met."""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from lastput.cli.main import main

TRACE = """\
# tracer: function
#
# entries-in-buffer/entries-written: 2/2   #P:2
#
          kvmlab-152     (    152) [000] .....     9.626446: mmput <-do_exit
          kvmlab-151     (    151) [000] ...1.     9.706446: tracing_mark_write: LAB: end
"""

FAKE = """\
#!{python}
import json, os, pathlib, sys, time
told = json.loads(pathlib.Path({script!r}).read_text())
with open({calls!r}, "a") as calls:
    calls.write(json.dumps(sys.argv) + "\\n")
{body}
"""

QEMU = """
if sys.argv[1:] == ["--version"]:
    print("QEMU emulator version 9"); sys.exit()
log = sys.argv[sys.argv.index("-serial") + 1].removeprefix("file:")
runs = told["runs"]
count = pathlib.Path({script!r} + ".count")
number = int(count.read_text()) if count.exists() else 0
count.write_text(str(number + 1))
with open(log, "ab") as out:
    out.write(runs[min(number, len(runs) - 1)].encode())
sys.stderr.write(told.get("stderr", ""))
sys.stderr.flush()
time.sleep(told.get("linger", 0))
sys.exit(told.get("status", 0))
"""

APT = """
actions = ("show", "depends", "update", "download", "install")
action = next(word for word in sys.argv if word in actions)
answer = told.get("apt", {}).get(sys.argv[-1] if action in ("show", "depends") else action, {})
for name, text in answer.get("files", {}).items():
    pathlib.Path(name).write_text(text)
sys.stdout.write(answer.get("out", ""))
sys.stderr.write(answer.get("err", ""))
sys.exit(answer.get("status", 0))
"""

COMPILER = """
if "-print-file-name=libc.a" in sys.argv:
    print("/lib/libc.a"); sys.exit()
pathlib.Path(sys.argv[sys.argv.index("-o") + 1]).write_text("ELF")
"""


def sent(name: str, content: str, *, said: str | None = None) -> str:
    """A file as guest.sh sends it: what its head says is of `said`, if that is given."""
    whole = (content if said is None else said).encode()
    return f"===FILE {name} {len(whole)} {hashlib.sha256(whole).hexdigest()}\n{content}===END\n"


def performed(name: str, *, status: int = 0, lost: int = 0, trace: str = TRACE, log: str = "") -> str:
    """What the machine sends of an experiment."""
    line = f"LAB exp {name} mode=args rc={status} start=1 end=2 saved=3 lines=6 overrun={lost}\n"
    return sent(f"{name}.trace.txt", trace) + sent(f"{name}.log", log) + line


BEGIN = "[    0.0] Booting Linux\nLAB begin 6.1.0-57-cloud-arm64 uptime=3.5\n" + sent(
    "offsets.txt", "pgt=2520\n"
)
END = "LAB done uptime=9.4\n[    9.5] reboot: Power down\n"


@dataclass
class Lab:
    """The fakes, and how to run the command with them."""

    path: Path
    told: dict[str, object] = field(default_factory=dict)

    @property
    def room(self) -> Path:
        return self.path / "room"

    def says(self, *runs: str, **more: object) -> None:
        """What the machine says, run by run; the last one again and again."""
        self.told |= {"runs": list(runs), **more}
        self._script.write_text(json.dumps(self.told))

    def apt(self, **answers: object) -> None:
        """What apt answers, by action or by package."""
        self.told["apt"] = answers
        self._script.write_text(json.dumps(self.told))

    def calls(self) -> list[list[str]]:
        """The command lines of the fakes, in order."""
        path = self.path / "calls"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def _script(self) -> Path:
        return self.path / "script.json"

    def install(self, name: str, body: str) -> None:
        """Put a fake where programs are found."""
        program = self.path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        filled = body.replace("{script!r}", repr(str(self._script)))
        words = {"python": sys.executable, "script": str(self._script), "calls": str(self.path / "calls")}
        program.write_text(FAKE.format(body=filled, **words))
        program.chmod(program.stat().st_mode | stat.S_IEXEC)

    def furnish(self) -> None:
        """Put a kernel into the room, as `get` leaves it."""
        place = self.room / "kernel-6.1"
        modules = place / "tree" / "lib" / "modules" / "6.1.0-57-cloud-arm64"
        (place / "tree" / "boot").mkdir(parents=True)
        (place / "tree" / "bin").mkdir()
        modules.mkdir(parents=True)
        (place / "tree" / "boot" / "vmlinuz-6.1.0-57-cloud-arm64").write_text("Linux")
        (place / "tree" / "bin" / "busybox").write_text("busybox")
        (modules / "modules.builtin").write_text("kernel/lib/lz4/lz4.ko\n")
        (modules / "zram.ko").write_bytes(b"\0license=GPL\0depends=zsmalloc\0")
        (modules / "zsmalloc.ko").write_bytes(b"\0depends=\0")
        package = {
            "name": "linux-image-6.1.0-57-cloud-arm64",
            "version": "6.1.192-3",
            "sha256": "0",
            "size": 1,
        }
        (place / "package.json").write_text(json.dumps(package))


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lab:
    """A lab with a kernel and fake tools; nothing else is on the search path."""
    made = Lab(tmp_path)
    for name, body in {
        "qemu-system-aarch64": QEMU,
        "aarch64-linux-gnu-gcc": COMPILER,
        "gcc": COMPILER,
        "apt-get": APT,
        "apt-cache": APT,
        "dpkg-deb": "",
    }.items():
        made.install(name, body)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("LASTPUT_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    made.furnish()
    made.says(BEGIN + performed("a1") + END)
    return made


Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(lab: Lab, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `lastput lab ...`: its exit status and what it wrote."""

    def call(*argv: str) -> tuple[int, str, str]:
        status = main(["lab", *argv])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


def processes() -> list[str]:
    """Command lines of all processes that run."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                found.append(Path(entry.path, "cmdline").read_text("utf-8", "replace"))
            except OSError:
                continue
    return found
