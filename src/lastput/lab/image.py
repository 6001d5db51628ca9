"""What the emulated machine starts: a kernel, and the archive that it unpacks into its first file system.

The archive has busybox, the modules, and the experiments of `guest/`, compiled. It is made again when one of
these changes, and is the same, byte for byte, wherever it is made of the same packages by the same compiler.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path

from lastput.lab import archive, tools
from lastput.lab.apt import TRACE_CMD, USERLAND, Apt, Package, unpack
from lastput.lab.errors import Damaged, NoSpace, Unavailable
from lastput.lab.kernels import Kernel
from lastput.lab.modules import modules
from lastput.lab.processes import run
from lastput.lab.room import Room

_MODULES = ("zram", "lz4")
_TRACED = ("init", "guest.sh", "functions.txt", "functions-deep.txt")

Say = Callable[[str], None]


@dataclass(frozen=True)
class Image:
    """A kernel that can be started: its package, and both files."""

    kernel: Kernel
    package: Package
    linux: Path
    archive: Path


def get(kernel: Kernel, room: Room, say: Say) -> None:
    """Download a kernel and what runs on it, verified and unpacked, in the newest versions."""
    apt = Apt(room)
    package = apt.kernel(kernel)
    userland = [apt.package(name) for name in USERLAND]
    room.require_space()
    for one in (package, *userland):
        if not (room.debs / one.filename).exists():
            say(f"getting {one.name} {one.version} ({one.size / 1e6:.1f} MB)")
    files = [apt.download(one) for one in (package, *userland)]
    place = room.kernel(kernel.name)
    if package_of(kernel, room) != package:
        shutil.rmtree(place, ignore_errors=True)
        unpack(files, place / "tree")
        (place / "package.json").write_text(json.dumps(asdict(package)) + "\n")


def get_trace_cmd(room: Room, say: Say) -> Path:
    """Where trace-cmd is unpacked; downloaded if it is not there."""
    place = room.path / "trace-cmd"
    if not (place / "complete").exists():
        say("getting trace-cmd (3 MB)")
        apt = Apt(room)
        unpack([apt.download(apt.package(name)) for name in TRACE_CMD], place)
        (place / "complete").touch()
    return place


def package_of(kernel: Kernel, room: Room) -> Package | None:
    """The package that `get` unpacked last; None if there is none."""
    try:
        return Package(**json.loads((room.kernel(kernel.name) / "package.json").read_text()))
    except (OSError, ValueError, TypeError):
        return None


def build(kernel: Kernel, room: Room, say: Say) -> Image:
    """Compile and pack what is not yet, or has changed; the image. `get` comes before."""
    package = package_of(kernel, room)
    if package is None:
        raise Unavailable(f"kernel {kernel.name} is not here: lastput lab get {kernel.name}")
    place = room.kernel(kernel.name)
    linux = next((place / "tree" / "boot").glob("vmlinuz-*"), None)
    if linux is None:
        raise Damaged(f"{package.filename} has no kernel in it")
    image = Image(kernel, package, linux, place / "archive.gz")
    source = hashlib.sha256(b"".join(_guest(name) for name in _sources())).hexdigest()
    made_of = f"{source} {package.sha256}\n"
    key = place / "archive.key"
    if not key.exists() or key.read_text() != made_of or not image.archive.exists():
        _compile(source, room, say)
        say(f"packing the image of {package.name}")
        _write(image.archive, archive.archive(_contents(place / "tree", room)))
        _write(key, made_of.encode())
    return image


def _sources() -> list[str]:
    return sorted(file.name for file in (resources.files("lastput.lab") / "guest").iterdir())


def _guest(name: str) -> bytes:
    return (resources.files("lastput.lab") / "guest" / name).read_bytes()


def _compile(source: str, room: Room, say: Say) -> None:
    key = room.path / "kvmlab.key"
    if key.exists() and key.read_text() == source and room.program.exists():
        return
    compiler = tools.require(tools.COMPILER, room)
    say("compiling the experiments")
    with resources.as_file(resources.files("lastput.lab") / "guest") as directory:
        files = [str(path) for path in sorted(directory.glob("*.c"))]
        command = [str(compiler), "-O2", "-Wall", "-static", "-s", "-o", str(room.program), *files]
        ended = run(command, env=tools.environment(compiler, room))
    if ended.status:
        raise Unavailable(f"the experiments cannot be compiled: {ended.complaint('error')}")
    _write(key, source.encode())


def _contents(tree: Path, room: Room) -> dict[str, tuple[int, bytes]]:
    version = next((tree / "lib" / "modules").iterdir())
    found = modules(version, _MODULES)
    busybox = next(path for path in (tree / "bin/busybox", tree / "usr/bin/busybox") if path.exists())
    files = {
        "bin/busybox": archive.program(busybox.read_bytes()),
        "bin/sh": archive.link("busybox"),
        "lab/kvmlab": archive.program(room.program.read_bytes()),
        "mods/order": archive.data("".join(f"{name}\n" for name in found).encode()),
    }
    files |= {f"mods/{name}.ko": archive.data(content) for name, content in found.items()}
    files |= {f"lab/{name}": archive.data(_guest(name)) for name in _TRACED if name != "init"}
    return files | {"init": archive.program(_guest("init"))}


def _write(path: Path, content: bytes) -> None:
    """Replace a file as a whole. NoSpace if it cannot be written."""
    draft = path.with_name(path.name + ".new")
    try:
        draft.write_bytes(content)
        os.replace(draft, path)
    except OSError as error:
        raise NoSpace(f"{path}: {error.strerror}") from None
