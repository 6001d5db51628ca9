"""Tools without root: the packages that the user would install, unpacked into the lab's room instead."""

from __future__ import annotations

import shutil

from lastput.lab.apt import unpack
from lastput.lab.errors import Unavailable
from lastput.lab.processes import run
from lastput.lab.room import Room
from lastput.lab.tools import APT, COMPILER, DPKG, QEMU, find, missing, remedy


def get_tools(room: Room) -> list[str]:
    """Download and unpack what this machine lacks; the packages' file names. Unavailable if apt cannot.

    apt works out what is needed besides, by what is installed, with lists and an archive of our own: it
    downloads only, so that it needs no right to write anywhere else.
    """
    lacking = missing(room)
    if any(tool in lacking for tool in (APT, DPKG)):
        raise Unavailable(remedy(lacking))
    if not any(tool in lacking for tool in (QEMU, COMPILER)):
        return []
    state = room.path / "apt-tools"
    archives = state / "archives"
    for directory in (state / "lists" / "partial", archives / "partial"):
        directory.mkdir(parents=True, exist_ok=True)
    options = [
        f"-oDir::State::lists={state / 'lists'}",
        f"-oDir::Cache::archives={archives}",
        f"-oDir::Cache::pkgcache={state / 'pkgcache.bin'}",
        f"-oDir::Cache::srcpkgcache={state / 'srcpkgcache.bin'}",
        "-oDebug::NoLocking=1",
        "-oAPT::Get::AllowUnauthenticated=false",
        "-oAcquire::Retries=3",
    ]
    packages = [package for tool in lacking for package in tool.packages]
    wanted = ["install", "-qy", "--no-install-recommends", "--download-only", *packages]
    for arguments in (["update", "-q"], wanted):
        ended = run(["apt-get", *options, *arguments])
        if ended.status:
            raise Unavailable(f"apt cannot get the tools: {ended.complaint('E: ', 'Err:')}")
    files = sorted(archives.glob("*.deb"))
    unpack(files, room.tools)
    shutil.rmtree(state)
    return [file.name for file in files] if find(QEMU, room) else []
