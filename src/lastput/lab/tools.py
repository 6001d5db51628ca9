"""Programs that the lab needs: where they are on this machine, and how to get those that are not.

Nothing is installed. With root, the user installs packages; without, `lastput lab get tools` unpacks the same
packages into the lab's room, where they find their libraries by LD_LIBRARY_PATH.
"""

from __future__ import annotations

import os
import platform
import shutil
from dataclasses import dataclass
from pathlib import Path

from lastput.lab.errors import Unavailable
from lastput.lab.processes import run
from lastput.lab.room import Room


@dataclass(frozen=True)
class Tool:
    """A program, the packages that bring it, and what it is for."""

    program: str
    packages: tuple[str, ...]
    purpose: str


QEMU = Tool("qemu-system-aarch64", ("qemu-system-arm",), "the machine")
COMPILER = (
    Tool("gcc", ("gcc", "libc6-dev"), "compiles the experiments")
    if platform.machine() == "aarch64"
    else Tool(
        "aarch64-linux-gnu-gcc",
        ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"),
        "compiles the experiments",
    )
)
APT = Tool("apt-get", ("apt",), "gets Debian's packages")
DPKG = Tool("dpkg-deb", ("dpkg",), "unpacks them")

TOOLS = (APT, DPKG, QEMU, COMPILER)

_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib/aarch64-linux-gnu")


def find(tool: Tool, room: Room) -> Path | None:
    """Where the program is: on the search path, or unpacked in the room."""
    there = shutil.which(tool.program)
    if there is not None:
        return Path(there)
    own = room.tools / "usr" / "bin" / tool.program
    return own if own.exists() else None


def require(tool: Tool, room: Room) -> Path:
    """Where the program is. Unavailable, with the command that brings it."""
    there = find(tool, room)
    if there is None:
        raise Unavailable(f"{tool.program} is missing: {remedy([tool])}")
    return there


def environment(program: Path, room: Room) -> dict[str, str] | None:
    """For a program unpacked in the room, where its libraries are; None for one of the machine's own."""
    if room.tools not in program.parents:
        return None
    libraries = [str(room.tools / place) for place in _LIBRARIES]
    return {**os.environ, "LD_LIBRARY_PATH": ":".join(libraries)}


def missing(room: Room) -> list[Tool]:
    """The tools that this machine lacks; the compiler also if it has no C library to link."""
    lacking = [tool for tool in TOOLS if find(tool, room) is None]
    if COMPILER not in lacking and not _has_library(room):
        lacking.append(COMPILER)
    return lacking


def _has_library(room: Room) -> bool:
    compiler = require(COMPILER, room)
    told = run([str(compiler), "-print-file-name=libc.a"], env=environment(compiler, room))
    return Path(told.out.strip()).is_absolute()


def remedy(lacking: list[Tool]) -> str:
    """What to type to have them, with root and without."""
    names = " ".join(dict.fromkeys(package for tool in lacking for package in tool.packages))
    if APT in lacking or DPKG in lacking:
        return "the lab works where there is apt, on Debian and its kin"
    return f"apt-get install --no-install-recommends {names}; without root: lastput lab get tools"
