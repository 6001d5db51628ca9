"""A capture: the machine runs once, or until two runs agree, and leaves a folder, or nothing at all."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from lastput import __version__
from lastput.lab import archive, image, tools
from lastput.lab.errors import NoCapture, NoMachine, NoSpace
from lastput.lab.experiments import Experiment
from lastput.lab.judge import BASE64, faults
from lastput.lab.kernels import Kernel
from lastput.lab.machine import Machine, start
from lastput.lab.processes import run
from lastput.lab.room import Room
from lastput.lab.serial import Console
from lastput.lang.errors import UsageError

TRIES = 4
"""Runs at most until a capture is to be relied on."""

Say = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What is to be captured."""

    kernel: Kernel
    machine: Machine
    experiments: tuple[Experiment, ...]
    probes: tuple[str, ...] = ()
    """Kprobes besides those of guest.sh, as kprobe_events takes them."""
    timeout: float = 1800.0
    """Seconds that one run may take."""
    sure: bool = False
    """Repeat a run that was refused; a deterministic one until two agree."""


def capture(asked: Asked, to: Path, room: Room, say: Say) -> None:
    """Leave the capture in the folder `to`, which is new or empty.

    Gets and builds what is not there. LabError when there is no capture; then there is no folder, either, and
    what the machine said is in the room's failed.console.log.
    """
    require_new(to)
    with room.alone():
        tools.require(tools.QEMU, room)
        if image.package_of(asked.kernel, room) is None:
            image.get(asked.kernel, room, say)
        built = image.build(asked.kernel, room, say)
        extra = archive.archive(_orders(asked, room, say))
    room.require_space()
    with _draft(to) as draft:
        console = _run_until_sure(asked, built, extra, draft, room, say)
        _leave(asked, built, console, draft, room)


def require_new(to: Path) -> None:
    """UsageError unless a folder can be made there, or an empty one is."""
    try:
        if to.exists() and (not to.is_dir() or any(to.iterdir())):
            raise UsageError(f"--to {to}: is there already, and not empty")
        if not to.absolute().parent.is_dir():
            raise UsageError(f"--to {to}: no directory {to.absolute().parent}")
    except OSError as error:
        raise UsageError(f"--to {to}: {error.strerror}") from None


@contextlib.contextmanager
def _draft(to: Path) -> Iterator[Path]:
    """A directory beside `to` that takes its name when all went well, and is removed when not."""
    try:
        draft = Path(tempfile.mkdtemp(dir=to.absolute().parent, prefix=f".{to.name}."))
        draft.chmod(0o755)
        try:
            folder = draft / "folder"
            folder.mkdir()
            yield draft
            if to.exists():
                to.rmdir()
            os.replace(folder, to)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
    except OSError as error:
        raise NoSpace(f"{to}: {error.strerror or error}") from None


def _orders(asked: Asked, room: Room, say: Say) -> dict[str, tuple[int, bytes]]:
    orders = "".join(f"{one.order()}\n" for one in asked.experiments)
    probes = "".join(f"{probe}\n" for probe in asked.probes)
    files = {"lab/orders.sh": archive.data(orders.encode()), "lab/probes.txt": archive.data(probes.encode())}
    if any(one.dat for one in asked.experiments):
        files |= _trace_cmd(image.get_trace_cmd(room, say))
    return files


def _trace_cmd(tree: Path) -> dict[str, tuple[int, bytes]]:
    names = ("trace-cmd", "ld-linux-aarch64.so.1", "libtraceevent.so.1", "libtracefs.so.1", "libzstd.so.1",
             "libc.so.6", "libz.so.1")  # fmt: skip
    found = {name: next(path for path in tree.rglob(name) if path.is_file()) for name in names}
    return {f"lab/tc/{name}": archive.program(path.read_bytes()) for name, path in found.items()}


def _run_until_sure(
    asked: Asked, built: image.Image, extra: bytes, draft: Path, room: Room, say: Say
) -> Console:
    """Run once; or, to be sure, until two runs agree. NoCapture with the reason, NoMachine."""
    seen: set[str] = set()
    told = ""
    for i in range(TRIES if asked.sure else 1):
        if i:
            say(f"running again ({i + 1} of at most {TRIES})")
        console = _run(asked, built, extra, draft, room, say)
        wrong = faults(console, asked.experiments)
        if wrong:
            told = wrong[0] + (f" (and {len(wrong) - 1} more)" if wrong[1:] else "")
            _keep_console(console, room)
            say(told)
            continue
        digest = _digest(console)
        if not asked.sure or asked.machine.parallel or digest in seen:
            return console
        seen.add(digest)
    if not asked.sure:
        raise NoCapture(f"no capture: {told}; --sure repeats it, the console is in {room.console}")
    raise NoCapture(f"no capture: of {TRIES} runs " + (f"the last: {told}" if told else "no two agree"))


def _run(asked: Asked, built: image.Image, extra: bytes, draft: Path, room: Room, say: Say) -> Console:
    whole, log = draft / "archive.gz", draft / "serial"
    whole.write_bytes(built.archive.read_bytes() + extra)
    log.unlink(missing_ok=True)
    say(f"starting {built.package.name} on {asked.machine.cpu}")
    try:
        console = start(asked.machine, built.linux, whole, log, room, timeout=asked.timeout, tell=say)
    except NoMachine:
        with contextlib.suppress(OSError):
            shutil.copy(log, room.console)
        room.require_space()
        raise
    if console.trouble:
        _keep_console(console, room)
        room.require_space()  # a full disk ends the log, and looks like a silent machine
        raise NoMachine(f"{console.trouble}; the console is in {room.console}")
    return console


def _keep_console(console: Console, room: Room) -> None:
    with contextlib.suppress(OSError):
        room.console.write_text("\n".join(console.lines) + "\n", "utf-8")


def _digest(console: Console) -> str:
    """Of everything that the machine said: two runs with the same are the same."""
    whole = hashlib.sha256("\n".join(console.lines).encode())
    for name, content in sorted(console.files.items()):
        whole.update(name.encode() + content)
    return whole.hexdigest()


def _leave(asked: Asked, built: image.Image, console: Console, draft: Path, room: Room) -> None:
    folder = draft / "folder"
    for name, content in console.files.items():
        if name.endswith(BASE64):
            (folder / name.removesuffix(BASE64)).write_bytes(base64.b64decode(content))
            continue
        (folder / Path(name).name).write_bytes(content)
    package = built.package
    texts = {
        "kernel.version": f"{asked.kernel.version} {package.name} {package.version}\n",
        "console.log": "\n".join(console.lines) + "\n",
        "summary.txt": "\n".join(console.summary) + "\n",
        "asked.json": json.dumps(_asked(asked, built, console, room), indent=2) + "\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text, "utf-8")


def _asked(asked: Asked, built: image.Image, console: Console, room: Room) -> dict[str, object]:
    """What this folder is a capture of; with the same, the deterministic machine gives the same."""
    qemu = tools.require(tools.QEMU, room)
    version = run([str(qemu), "--version"], env=tools.environment(qemu, room)).out.partition("\n")[0]
    return {
        "schema": 1,
        "lastput": __version__,
        "kernel": asked.kernel.name,
        "package": built.package.name,
        "version": built.package.version,
        "cpu": asked.machine.cpu,
        "parallel": asked.machine.parallel,
        "protected": asked.machine.protected,
        "seed": None if asked.machine.parallel else asked.machine.seed,
        "experiments": {one.name: one.order() for one in asked.experiments},
        "probes": list(asked.probes),
        "qemu": version,
        "command": asked.machine.command("qemu-system-aarch64", "LINUX", "ARCHIVE", "LOG"),
        "archive_sha256": hashlib.sha256(built.archive.read_bytes()).hexdigest(),
        "linux_sha256": hashlib.sha256(built.linux.read_bytes()).hexdigest(),
        "console_sha256": _digest(console),
    }
